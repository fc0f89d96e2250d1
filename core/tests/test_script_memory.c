/* A client that prepares and calls scripts at a peer that forgets them, with each allocation
 * refused in its turn: nothing leaks, what was accepted completes once, and what is executed keeps
 * its order. */
#include <limits.h>

#include "script_fixture.h"

enum { CALLS = 24, SCRIPTS = 2 };

typedef struct life {
  fixture f;
  preparation scripts[SCRIPTS];
  call calls[CALLS];
  int is_accepted[CALLS], given;
  int is_cached, last; /* by the peer: the script, and the number executed last */
} life;

static int is_word(const moonpool_reply *word, const char *text) {
  return word->u.string.len == strlen(text) && !memcmp(word->u.string.data, text, strlen(text));
}

static void execute(life *l, peer_link *link, const moonpool_reply *command) {
  const moonpool_reply *last = command->u.list.last;
  int number = atoi(last->u.string.data);
  char reply[40];
  CHECK(number > l->last);
  l->last = number;
  snprintf(reply, sizeof reply, "+%d\r\n", number);
  peer_say(link, reply);
}

/* A Redis with a cache of one script. */
static void hear(peer_link *link, const moonpool_reply *command) {
  life *l = (life *)link->f;
  const moonpool_reply *verb = command->u.list.first;
  if (is_word(verb, "SCRIPT")) {
    l->is_cached = 1;
    peer_say(link, SHA_REPLY);
  } else if (is_word(verb, "EVALSHA") && !l->is_cached) {
    peer_say(link, NOSCRIPT);
  } else {
    l->is_cached = 1;
    execute(l, link, command);
  }
}

static int is_all_answered(const life *l) {
  for (int i = 0; i < l->given; i++)
    if (l->calls[i].count != l->is_accepted[i]) return 0;
  return 1;
}

static void give_calls(life *l, int count) {
  for (; count > 0; count--, l->given++) {
    char number[20];
    snprintf(number, sizeof number, "%d", l->given + 1);
    int status = MOONPOOL_ENOMEM;
    if (l->scripts[0].script)
      status = run_for(&l->f, l->scripts[0].script, number, 0, &l->calls[l->given]);
    CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
    l->is_accepted[l->given] = status == MOONPOOL_OK;
  }
}

static int prepare_all(life *l) {
  int accepted = 0, told = 0;
  for (int i = 0; i < SCRIPTS; i++)
    accepted += prepare_for(&l->f, &l->scripts[i], "return 1", 0) == MOONPOOL_OK;
  while (told < accepted && !l->f.is_late) {
    uv_run(&l->f.loop, UV_RUN_ONCE);
    told = l->scripts[0].told.count + l->scripts[1].told.count;
  }
  return told == accepted;
}

static void live_with_scripts(life *l) {
  CHECK(prepare_all(l));
  give_calls(l, 4);
  RUN_UNTIL(&l->f, is_all_answered(l));
  for (int round = 0; round < 3; round++) {
    l->is_cached = 0;
    give_calls(l, 4);
    for (int i = 0; i < 3; i++) uv_run(&l->f.loop, UV_RUN_NOWAIT);
    give_calls(l, 2); /* some are held */
    if (round == 1)
      for (int i = 0; i < l->f.link_count; i++) peer_drop(&l->f.links[i]);
    RUN_UNTIL(&l->f, is_all_answered(l));
  }
  RUN_UNTIL(&l->f, state_of(&l->f) == MOONPOOL_READY);
}

static int begin(life *l, long from, long until) {
  memset(l, 0, sizeof *l);
  setup(&l->f);
  test_heap_fail(&l->f.heap, from, until);
  l->f.hear = hear;
  return open_client(&l->f) == MOONPOOL_OK;
}

static void end(life *l) {
  give_calls(l, 2); /* these are completed by the close */
  for (int i = 0; i < SCRIPTS; i++) moonpool_script_free(l->scripts[i].script);
  teardown(&l->f);
  CHECK(is_all_answered(l));
  for (int i = 0; i < l->given; i++) {
    int status = l->calls[i].status;
    CHECK(!status || status == MOONPOOL_ENOMEM || status == MOONPOOL_ECONN ||
          status == MOONPOOL_ECLOSED);
  }
}

/* How many requests for memory it took. */
static long live(long from, long until) {
  static life l;
  if (begin(&l, from, until)) {
    live_with_scripts(&l);
    end(&l);
  } else {
    teardown(&l.f);
  }
  if (test_failures) printf("  refused: %ld to %ld\n", from, until - 1);
  return l.f.heap.requests;
}

TEST(each_failed_allocation_is_survived) {
  long requests = live(0, 0);
  CHECK(requests > 20);
  for (long n = 1; n <= requests && !test_failures; n++) live(n, n + 1);
}

TEST(several_failed_allocations_are_survived) {
  long requests = live(0, 0);
  for (long n = 1; n <= requests && !test_failures; n++) live(n, n + 5);
}

static const test_case tests[] = {
    TEST_CASE(each_failed_allocation_is_survived),
    TEST_CASE(several_failed_allocations_are_survived),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
