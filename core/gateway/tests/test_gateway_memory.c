/* Sessions and rooms without memory: whichever request fails, whoever is served after it finds
 * everything in order, and nothing is left. */
#include "rooms_fixture.h"

static guest ann;

/* Whatever comes of it: an answer, an error, or the socket's end. */
static void try_asking(guest *g, const char *json) {
  guest_ask(g, json);
  while (!guest_has(g, "\"ref\":7") && !g->p->is_over && !g->f->is_late) {
    turn(g->f);
    unsigned opcode = 0;
    const char *data;
    size_t len;
    if (first_frame(g->p, &opcode, &data, &len) && opcode == 8) return; /* it is being closed */
  }
}

static void try_all(fixture *f) {
  static const char *const asks[] = {
      "{\"op\":\"hello\",\"user\":\"ann\",\"ref\":7}",
      "{\"op\":\"join\",\"room\":\"r\",\"ref\":7}",
      "{\"op\":\"say\",\"room\":\"r\",\"text\":\"0\",\"ref\":7}",
      "{\"op\":\"history\",\"room\":\"r\",\"ref\":7}",
      "{\"op\":\"who\",\"room\":\"r\",\"ref\":7}",
      "{\"op\":\"rooms\",\"ref\":7}",
      "{\"op\":\"join\",\"room\":\"r2\",\"last\":3,\"ref\":7}",
      "{\"op\":\"leave\",\"room\":\"r\",\"ref\":7}",
  };
  peer *p = peer_connect(f);
  guest_init(&ann, f);
  ann.p = p;
  peer_say(p, UPGRADE "\r\n");
  while (!peer_has(p, "\r\n\r\n") && !p->is_over && !f->is_late) turn(f);
  char *end = strstr(p->heard, "\r\n\r\n");
  if (!strncmp(p->heard, "HTTP/1.1 101 ", 13) && end) {
    p->len -= (size_t)(end + 4 - p->heard);
    memmove(p->heard, end + 4, p->len + 1);
    for (size_t i = 0; i < sizeof asks / sizeof *asks && !p->is_over; i++) {
      unsigned opcode = 0;
      const char *data;
      size_t len;
      if (first_frame(p, &opcode, &data, &len) && opcode == 8) break;
      try_asking(&ann, asks[i]);
    }
  }
  guest_close(&ann);
}

/* One run, in which the nth request of those after the beginning fails: 0 when there is none. */
static int run_with_failure(long n) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  redis_do(&f, "FLUSHALL");
  long from = f.heap.requests + n;
  test_heap_fail(&f.heap, from, from + 1);
  try_all(&f);
  int has_failed = f.heap.requests >= from;
  test_heap_fail(&f.heap, 0, 0);
  guest_open(&ann, &f, "bob");
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"r\",\"ref\":1}", 1, "\"op\":\"ok\"");
  ANSWERS(&ann, "{\"op\":\"say\",\"room\":\"r\",\"text\":\"5\",\"ref\":2}", 2, "\"op\":\"ok\"");
  while (ann.numbers == 0 && !f.is_late)
    if (!guest_take(&ann)) turn(&f);
  CHECK_INT(ann.last, 5);
  guest_close(&ann);
  tear_down(&f);
  return has_failed;
}

TEST(each_failure_is_survived) {
  long n = 1;
  while (!test_failures && run_with_failure(n)) n++;
  CHECK(n > 100);
  if (test_failures) printf("  at request %ld\n", n);
}

static const test_case tests[] = {TEST_CASE(each_failure_is_survived)};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
