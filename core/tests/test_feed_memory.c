/* A life of feeds with each allocation refused in its turn: what was opened is told everything,
 * once and in order, as soon as there is memory again; nothing leaks. */
#include <limits.h>

#include "feed_forge.h"

enum { ENDLESS = 1000000 };

static fixture by; /* with memory */

typedef struct life {
  fixture f;
  moonpool_room *room;
  listener first, last, all;
  int is_refused;
} life;

static int open_feed(life *l, listener *to, const moonpool_start *start) {
  to->f = &l->f;
  int status = moonpool_feed_open(&to->feed, l->room, start, on_feed_event, to);
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
  CHECK_INT(to->feed != NULL, status == MOONPOOL_OK);
  return status == MOONPOOL_OK;
}

static int begin_life(life *l, long from, long until) {
  memset(l, 0, sizeof *l);
  ask(&by, "FLUSHALL");
  forge_many(&by, "xh", 5000, A_TAG, 1, 3);
  setup_alone(&l->f);
  l->f.fds = -1;
  l->f.options.url = redis.url;
  test_heap_fail(&l->f.heap, from, until);
  int status = open_client(&l->f);
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
  if (status != MOONPOOL_OK) return 0;
  if (until - from < ENDLESS) RUN_UNTIL(&l->f, state_of(&l->f) == MOONPOOL_READY);
  moonpool_room_options options;
  moonpool_room_options_init(&options);
  options.resync_pause = 1;
  options.check = 50;
  options.check_grace = 5;
  options.page = 3;
  status = moonpool_room_open(&l->room, l->f.client, BYTES("r"), &options, NULL, 0);
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
  return status == MOONPOOL_OK;
}

static void run_until_seq(life *l, listener *to, uint64_t seq) {
  if (to->feed) RUN_UNTIL(&l->f, to->count && to->ids[to->count - 1].seq == seq);
}

static void run_until_all(life *l, uint64_t seq) {
  run_until_seq(l, &l->first, seq);
  run_until_seq(l, &l->last, seq);
  run_until_seq(l, &l->all, seq);
}

/* In order, without repeats; and from `first` on, without holes but those of the one gap. */
static void check(const listener *l, uint64_t first, uint64_t from, uint64_t to) {
  if (!l->feed) return;
  CHECK_INT(l->gaps, 1);
  CHECK_INT((long long)l->gap.from.seq, (long long)from);
  CHECK_INT((long long)l->gap.to.seq, (long long)to);
  uint64_t next = first;
  for (size_t i = 0; i < l->count; i++) {
    CHECK_INT((long long)l->ids[i].seq, (long long)next);
    next = l->ids[i].seq == from ? to : l->ids[i].seq + 1;
  }
}

/* Messages 13 to 18, of which only the last is kept, in one step: the feeds look at the head. */
static void trim_unseen(void) {
  static const char script[] =
      "for i = 13, 18 do redis.call('XADD', KEYS[1], '5000-' .. i, 't', ARGV[1], 'm', '{}') end "
      "redis.call('XTRIM', KEYS[1], 'MAXLEN', 1) "
      "redis.call('SET', KEYS[2], '5000-18-' .. ARGV[1])";
  moonpool_bytes argv[] = {BYTES("EVAL"),         BYTES(script),          BYTES("2"),
                           BYTES("{room:r}:log"), BYTES("{room:r}:head"), BYTES(&A_TAG[1])};
  call done = {.f = &by};
  CHECK_INT(moonpool_command(by.client, 6, argv, 0, on_reply, &done), MOONPOOL_OK);
  RUN_UNTIL(&by, done.count);
  CHECK_STR(done.text, "nil");
}

static void live_on(life *l) {
  moonpool_start last = start_last(2), all = {.kind = MOONPOOL_START_AFTER};
  open_feed(l, &l->first, NULL);
  if (l->first.feed) RUN_UNTIL(&l->f, l->first.lives);
  open_feed(l, &l->last, &last);
  open_feed(l, &l->all, &all);
  if (l->last.feed) RUN_UNTIL(&l->f, l->last.lives);
  if (l->all.feed) RUN_UNTIL(&l->f, l->all.lives);
  forge_many(&by, "xhp", 5000, A_TAG, 4, 6);
  run_until_all(l, 6);
  forge_many(&by, "xh", 5000, A_TAG, 7, 9);
  forge_many(&by, "xhp", 5000, A_TAG, 10, 10);
  run_until_all(l, 10);
  if (l->last.feed) moonpool_feed_pause(l->last.feed);
  ask(&by, "CLIENT KILL TYPE pubsub");
  forge_many(&by, "xhp", 5000, A_TAG, 11, 12);
  run_until_seq(l, &l->first, 12);
  if (l->last.feed) moonpool_feed_resume(l->last.feed);
  run_until_all(l, 12);
  trim_unseen();
  forge_many(&by, "xhp", 5000, A_TAG, 19, 20);
  run_until_all(l, 20);
  check(&l->first, 4, 12, 18);
  check(&l->last, 2, 12, 18);
  check(&l->all, 1, 12, 18);
}

static long live(long from, long until) {
  static life l;
  if (begin_life(&l, from, until)) live_on(&l);
  moonpool_room_close(l.room);
  teardown(&l.f);
  forget(&l.first), forget(&l.last), forget(&l.all);
  if (test_failures) printf("  refused: %ld to %ld\n", from, until - 1);
  return l.f.heap.requests;
}

TEST(each_failed_allocation_is_survived) {
  setup_another(&by);
  long requests = live(0, 0);
  CHECK(requests > 20);
  for (long n = 1; n <= requests && !test_failures; n++) live(n, n + 1);
  teardown(&by);
}

TEST(several_failed_allocations_are_survived) {
  setup_another(&by);
  long requests = live(0, 0);
  for (long n = 1; n <= requests && !test_failures; n += 3) live(n, n + 8);
  teardown(&by);
}

/* No memory any more: it ends all the same. */
TEST(without_memory_it_still_ends) {
  setup_another(&by);
  for (long granted = 0, is_refused = 1; is_refused && !test_failures; granted += 2) {
    static life l;
    if (begin_life(&l, granted + 1, granted + 1 + ENDLESS)) {
      moonpool_start all = {.kind = MOONPOOL_START_AFTER};
      open_feed(&l, &l.first, NULL);
      open_feed(&l, &l.all, &all);
      for (int i = 0; i < 20; i++) uv_run(&l.f.loop, UV_RUN_NOWAIT);
      forge_many(&by, "xhp", 5000, A_TAG, 4, 6);
      for (int i = 0; i < 20; i++) uv_run(&l.f.loop, UV_RUN_NOWAIT);
    }
    is_refused = test_heap_is_failing(&l.f.heap) && l.f.heap.requests > granted;
    moonpool_room_close(l.room);
    teardown(&l.f);
    forget(&l.first), forget(&l.last), forget(&l.all);
    if (test_failures) printf("  granted: %ld\n", granted);
  }
  teardown(&by);
}

static const test_case tests[] = {
    TEST_CASE(each_failed_allocation_is_survived),
    TEST_CASE(several_failed_allocations_are_survived),
    TEST_CASE(without_memory_it_still_ends),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
