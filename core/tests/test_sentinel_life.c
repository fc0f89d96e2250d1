/* A whole life of a client of a service that sentinels watch, with a switch in it: with each
 * allocation refused in its turn, and closed at each of its moments. Nothing leaks, and what was
 * accepted completes once. */
#include <limits.h>

#include "sentinel_fixture.h"

typedef struct life {
  world w; /* the first */
  moonpool_allocator scarce;
  long from, until; /* requests for memory that are refused */
  call ready, got;
  sub s;
  int is_given, is_subscribed, has_switched;
} life;

static void *scarce_realloc(void *ctx, void *block, size_t size) {
  life *l = ctx;
  test_heap *heap = &l->w.f.heap;
  long number = heap->requests + 1;
  if (size == 0 || number < l->from || number >= l->until)
    return heap->allocator.realloc(heap, block, size);
  heap->requests++;
  return NULL;
}

static int begin(life *l, long from, long until) {
  memset(l, 0, sizeof *l);
  setup_world(&l->w);
  l->from = from;
  l->until = until;
  l->scarce = (moonpool_allocator){scarce_realloc, l};
  l->w.f.options.allocator = &l->scarce;
  l->w.f.options.sentinel_password = "pw";
  l->w.f.options.heartbeat = 20;
  int status = open_client(&l->w.f);
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
  if (status != MOONPOOL_OK) return 0;
  l->ready.f = &l->w.f;
  moonpool_ready(l->w.f.client, on_ready, &l->ready);
  return 1;
}

static void use(life *l) {
  int status = command(&l->w.f, "INCR a", &l->got);
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
  l->is_given = status == MOONPOOL_OK;
  status = subscribe(&l->w.f, &l->s, MOONPOOL_CHANNEL, "room");
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
  l->is_subscribed = status == MOONPOOL_OK;
}

static void move(life *l) {
  for (int i = 0; i < SENTINELS; i++) name_server(&l->w, i, 1, 2);
  if (watch_of(&l->w)) announce(&l->w, "m", 0, 1);
  l->has_switched = 1;
}

static int is_served(const life *l) {
  return l->got.count == l->is_given && l->s.confirmed.count == l->is_subscribed;
}

static int is_subscribed_at(life *l, int server) {
  if (!l->is_subscribed || l->s.confirmed.status != MOONPOOL_OK) return 1;
  return link_that_heard(&l->w.servers[server], "SUBSCRIBE room") != NULL;
}

static void end(life *l) {
  teardown_world(&l->w);
  CHECK_INT(l->got.count, l->is_given);
  CHECK_INT(l->s.confirmed.count, l->is_subscribed);
  CHECK(l->ready.count <= 1);
}

/* How many requests for memory it took. */
static long live(long from, long until) {
  static life l;
  if (begin(&l, from, until)) {
    RUN_UNTIL(&l.w.f, l.ready.count);
    use(&l);
    RUN_UNTIL(&l.w.f, is_served(&l) && watch_of(&l.w));
    move(&l);
    RUN_UNTIL(&l.w.f, is_on(&l.w, 1) && is_subscribed_at(&l, 1));
  }
  end(&l);
  if (test_failures) printf("  refused: %ld to %ld\n", from, until - 1);
  return l.w.f.heap.requests;
}

TEST(each_failed_allocation_is_survived) {
  long requests = live(0, 0);
  CHECK(requests > 50);
  for (long n = 1; n <= requests && !test_failures; n++) live(n, n + 1);
}

TEST(several_failed_allocations_are_survived) {
  long requests = live(0, 0);
  for (long n = 1; n <= requests && !test_failures; n += 9) live(n, n + 17);
}

/* Closed after so many turns of the loop; false when it was through before. */
static int live_for(int turns) {
  static life l;
  int is_through = 0;
  begin(&l, 0, 0);
  use(&l);
  for (int i = 0; i < turns && !is_through; i++) {
    uv_run(&l.w.f.loop, UV_RUN_ONCE);
    if (!l.has_switched && is_served(&l) && watch_of(&l.w)) move(&l);
    is_through = l.has_switched && is_on(&l.w, 1) && is_subscribed_at(&l, 1);
  }
  end(&l);
  if (test_failures) printf("  closed after %d turns\n", turns);
  return !is_through;
}

TEST(it_may_be_closed_at_every_moment) {
  for (int turns = 0; live_for(turns) && !test_failures; turns++) continue;
}

/* Closed by the callback of what the switch has lost. */
TEST(it_may_be_closed_while_it_moves) {
  static life l;
  begin(&l, 0, 0);
  RUN_UNTIL(&l.w.f, is_on(&l.w, 0) && watch_of(&l.w));
  l.w.servers[0].is_mute = 1;
  l.got.then = then_close;
  use(&l);
  RUN_UNTIL(&l.w.f, link_that_heard(&l.w.servers[0], "INCR a"));
  move(&l);
  RUN_UNTIL(&l.w.f, l.w.f.gone);
  end(&l);
}

static const test_case tests[] = {
    TEST_CASE(each_failed_allocation_is_survived),
    TEST_CASE(several_failed_allocations_are_survived),
    TEST_CASE(it_may_be_closed_at_every_moment),
    TEST_CASE(it_may_be_closed_while_it_moves),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
