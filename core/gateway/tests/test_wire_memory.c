/* Every request for memory fails once: the gateway goes on without what it could not have, and
 * leaves nothing behind. */
#include "wire_fixture.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n"

/* A client's visit: whatever comes back, or nothing. */
static void visit(fixture *f, const char *text, size_t len) {
  peer *p = peer_connect(f);
  peer_say_bytes(p, text, len);
  for (int i = 0; i < 12; i++) turn(f), peer_listen(p);
  peer_close(p);
}

static size_t make_visit(char *text) {
  size_t len = (size_t)sprintf(text, "%s", GET("/healthz") "\r\n" UPGRADE "\r\n");
  len += make_frame(text + len, 0x01, "abc", 3);
  len += make_frame(text + len, 0x89, "ping", 4);
  len += make_frame(text + len, 0x80, "def", 3);
  return len + make_frame(text + len, 0x88, "\x03\xe8", 2);
}

static void on_log(const char *level, const char *event, const char *fields, void *ctx) {
  (void)level, (void)event, (void)fields, (void)ctx;
}

static void do_all(fixture *f) {
  static const char post[] =
      "POST /rooms/a/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\na";
  static const char stream[] = GET("/rooms/a/events") "\r\n";
  static const char metrics[] = GET("/metrics") "\r\n" GET("/nothing") "\r\n";
  char text[1000];
  visit(f, text, make_visit(text));
  visit(f, post, sizeof post - 1);
  visit(f, stream, sizeof stream - 1);
  visit(f, metrics, sizeof metrics - 1);
  moonpool_gateway_listen(f->gateway, "127.0.0.1:0", -1, f->message, sizeof f->message);
}

static void change_options(fixture *f) {
  static const char *const list[] = {"https://example.org", "*"}, *const proxies[] = {"10.0.0.0/8"};
  static const moonpool_overflow_rule rules[] = {{"a*", MOONPOOL_OVERFLOW_CONFLATE}};
  static moonpool_room_options room;
  moonpool_room_options_init(&room);
  f->options.room = &room;
  f->options.log = on_log;
  f->options.origins = list;
  f->options.origin_count = 2;
  f->options.proxies = proxies;
  f->options.proxy_count = 1;
  f->options.overflow = rules;
  f->options.overflow_count = 1;
  f->options.max_connections_per_address = 10;
  f->options.secret = (moonpool_bytes){"0123456789abcdef0123456789abcdef", 32};
}

/* One run, in which the nth request of those after the client's fails: 0 when there is none. */
static int run_with_failure(long n) {
  fixture f;
  set_up(&f);
  change_options(&f);
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  long from = f.heap.requests + n;
  test_heap_fail(&f.heap, from, from + 1);
  int status = try_open(&f);
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
  if (!status) do_all(&f);
  int has_failed = f.heap.requests >= from;
  test_heap_fail(&f.heap, 0, 0);
  if (f.gateway && !status) { /* it still works */
    peer *p = peer_upgrade(&f);
    peer_text(p, "alive");
    EXPECT(p, "alive");
    peer_close(p);
  }
  tear_down_wire(&f);
  return has_failed;
}

TEST(each_failure_is_survived) {
  long n = 1;
  while (!test_failures && run_with_failure(n)) n++;
  CHECK(n > 50);
  if (test_failures) printf("  at request %ld\n", n);
}

static const test_case tests[] = {TEST_CASE(each_failure_is_survived)};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
