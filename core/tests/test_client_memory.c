/* A whole life of a client, from open to close, with each allocation refused in its turn: alone,
 * several in a row, and all from then on. Nothing leaks, every accepted request completes once, and
 * as soon as there is memory again everything works again. */
#include <limits.h>

#include "hub_fixture.h"

enum { COMMANDS = 4, SUBS = 4 };

typedef struct life {
  fixture f;
  moonpool_allocator scarce;
  long from, until; /* requests for memory that are refused */
  call ready, commands[COMMANDS];
  sub subs[SUBS];
  int is_accepted[COMMANDS], is_subscribed[SUBS];
  int subscriber; /* the peer's link that heard a SUBSCRIBE last */
} life;

static void *scarce_realloc(void *ctx, void *block, size_t size) {
  life *l = ctx;
  if (size == 0) return l->f.heap.allocator.realloc(&l->f.heap, block, size);
  long number = l->f.heap.requests + 1;
  if (number >= l->from && number < l->until) {
    l->f.heap.requests++;
    return NULL;
  }
  return l->f.heap.allocator.realloc(&l->f.heap, block, size);
}

static int is_refusing(const life *l) {
  return l->f.heap.requests + 1 >= l->from && l->f.heap.requests + 1 < l->until;
}

static void hear(peer_link *link, const moonpool_reply *command) {
  life *l = (life *)link->f;
  hear_as_redis(link, command);
  if (strstr(heard(&l->f, (int)(link - l->f.links)), "SUBSCRIBE"))
    l->subscriber = (int)(link - l->f.links);
}

static moonpool_stats stats_of(fixture *f) {
  moonpool_stats stats;
  moonpool_get_stats(f->client, &stats);
  return stats;
}

/* ---- the life -------------------------------------------------------------------------------- */

static int begin(life *l, long from, long until) {
  memset(l, 0, sizeof *l);
  setup(&l->f);
  l->from = from;
  l->until = until;
  l->scarce = (moonpool_allocator){scarce_realloc, l};
  l->f.options.allocator = &l->scarce;
  l->f.options.command_timeout = 1000;
  l->f.options.name = "me";
  l->f.hear = hear;
  int status = open_client(&l->f);
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
  if (status != MOONPOOL_OK) return 0;
  l->ready.f = &l->f;
  moonpool_ready(l->f.client, on_ready, &l->ready);
  RUN_UNTIL(&l->f, l->ready.count);
  return 1;
}

static void give_commands(life *l) {
  for (int i = 0; i < COMMANDS; i++) {
    char line[300];
    snprintf(line, sizeof line, "SET %d %0250d", i, i);
    int status = command(&l->f, line, &l->commands[i]);
    CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
    l->is_accepted[i] = status == MOONPOOL_OK;
  }
}

static void subscribe_all(life *l) {
  static const char *const lines[SUBS] = {"a b c", "b d", "p*", "a"};
  for (int i = 0; i < SUBS; i++) {
    moonpool_kind kind = i == 2 ? MOONPOOL_PATTERN : MOONPOOL_CHANNEL;
    int status = subscribe(&l->f, &l->subs[i], kind, lines[i]);
    CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
    CHECK_INT(l->subs[i].handle != NULL, status == MOONPOOL_OK);
    l->is_subscribed[i] = status == MOONPOOL_OK;
    if (l->is_subscribed[i]) ask_all_events(&l->subs[i]);
  }
}

static int is_all_answered(const life *l) {
  for (int i = 0; i < COMMANDS; i++)
    if (l->commands[i].count != l->is_accepted[i]) return 0;
  return 1;
}

static int is_all_confirmed(const life *l) {
  for (int i = 0; i < SUBS; i++)
    if (l->subs[i].confirmed.count != l->is_subscribed[i]) return 0;
  return 1;
}

/* Is the subscription one of those that the client still has? */
static int is_alive(const life *l, int i) {
  return l->is_subscribed[i] && l->subs[i].confirmed.status == MOONPOOL_OK &&
         !l->subs[i].left.count;
}

static int is_settled(life *l) {
  return stats_of(&l->f).confirmed == stats_of(&l->f).wanted && state_of(&l->f) == MOONPOOL_READY;
}

/* A message comes to whoever is there for it, if not on this link then on the next. */
static void hear_message(life *l) {
  static const char *const channels[SUBS] = {"c", "d", NULL, "a"};
  for (int i = 0; i < SUBS; i++) {
    int before = l->subs[i].messages, link = -1;
    if (!channels[i] || !is_alive(l, i)) continue;
    while (l->subs[i].messages == before && !l->f.is_late) {
      if (link != l->subscriber && is_settled(l)) {
        link = l->subscriber;
        peer_publish(&l->f.links[link], channels[i], "hi");
      }
      uv_run(&l->f.loop, UV_RUN_NOWAIT);
    }
  }
}

static void lose_links(life *l) {
  int links = l->f.link_count;
  for (int i = 0; i < links; i++) peer_drop(&l->f.links[i]);
  RUN_UNTIL(&l->f, state_of(&l->f) == MOONPOOL_READY && l->f.link_count > links);
  RUN_UNTIL(&l->f, is_settled(l));
}

static void leave_all(life *l) {
  int leavers = 0, left = 0;
  for (int i = 0; i < SUBS; i++) {
    if (!is_alive(l, i)) continue;
    leave(&l->subs[i]);
    leavers++;
  }
  while (left < leavers && !l->f.is_late) {
    uv_run(&l->f.loop, UV_RUN_ONCE);
    left = 0;
    for (int i = 0; i < SUBS; i++) left += l->subs[i].left.count;
  }
  CHECK_INT(left, leavers);
}

static void end(life *l) {
  teardown(&l->f);
  CHECK(l->ready.count <= 1);
  CHECK(is_all_answered(l));
  CHECK(is_all_confirmed(l));
  for (int i = 0; i < SUBS; i++) CHECK(l->subs[i].left.count + l->subs[i].ends <= 1);
}

/* How many requests for memory it took. */
static long live(long from, long until) {
  static life l;
  if (begin(&l, from, until)) {
    give_commands(&l);
    RUN_UNTIL(&l.f, is_all_answered(&l));
    subscribe_all(&l);
    RUN_UNTIL(&l.f, is_all_confirmed(&l));
    RUN_UNTIL(&l.f, is_settled(&l));
    hear_message(&l);
    lose_links(&l);
    hear_message(&l);
    leave_all(&l);
  }
  end(&l);
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
  for (long n = 1; n <= requests && !test_failures; n += 2) live(n, n + 7);
}

/* ---- no memory any more ---------------------------------------------------------------------- */

/* With each number of allocations granted, and none after them: all that was accepted completes at
 * the latest when the client is closed, which takes no memory. */
static int live_on_little(long granted) {
  static life l;
  if (begin(&l, granted + 1, LONG_MAX)) {
    give_commands(&l);
    subscribe_all(&l);
    for (int i = 0; i < 30; i++) uv_run(&l.f.loop, UV_RUN_NOWAIT);
    for (int i = 0; i < l.f.link_count; i++) peer_drop(&l.f.links[i]);
    for (int i = 0; i < 10; i++) uv_run(&l.f.loop, UV_RUN_NOWAIT);
    for (int i = 0; i < SUBS; i += 2)
      if (is_alive(&l, i) && l.subs[i].confirmed.count) leave(&l.subs[i]);
    for (int i = 0; i < 10; i++) uv_run(&l.f.loop, UV_RUN_NOWAIT);
  }
  int was_refused = is_refusing(&l) && l.f.heap.requests > granted;
  end(&l);
  if (test_failures) printf("  granted: %ld\n", granted);
  return was_refused;
}

TEST(without_memory_it_still_ends) {
  for (long granted = 0; live_on_little(granted) && !test_failures; granted++) continue;
}

static const test_case tests[] = {
    TEST_CASE(each_failed_allocation_is_survived),
    TEST_CASE(several_failed_allocations_are_survived),
    TEST_CASE(without_memory_it_still_ends),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
