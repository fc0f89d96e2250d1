/* A whole life of a client, from open to close, with each allocation refused in its turn: alone,
 * several in a row, all for a while, and all from then on. Nothing leaks, every accepted request
 * completes once, and as soon as there is memory again everything works again. */
#include <limits.h>

#include "hub_fixture.h"

enum {
  COMMANDS = 4,
  SUBS = 5,
  MANY = 100,
  HANGING = 3 /* the command whose reply comes too late */
};

typedef struct flavour {
  int is_tcp;
  int is_rich; /* many names in many commands, a full queue, a canary, a drain that leaves events */
} flavour;

static const flavour plain = {0, 0}, tcp = {1, 0}, rich = {0, 1};

typedef struct life {
  fixture f;
  const flavour *flavour;
  peer_link *owes;   /* a late reply */
  int is_taking_all; /* the drain */
  call ready, commands[COMMANDS];
  sub subs[SUBS];
  int is_accepted[COMMANDS], is_subscribed[SUBS];
  int batches_accepted, batches_ended;
  int subscriber; /* the peer's link that heard a SUBSCRIBE last */
} life;

static int is_verb(const moonpool_reply *command, const char *verb) {
  const moonpool_reply *first = command->u.list.first;
  return first->u.string.len == strlen(verb) && !memcmp(first->u.string.data, verb, strlen(verb));
}

/* The canary: the only one that publishes here. */
static void hear_publish(life *l, peer_link *link, const moonpool_reply *command) {
  char channel[60], payload[30];
  const moonpool_reply *word = command->u.list.first->next;
  snprintf(channel, sizeof channel, "%.*s", TEXT(word->u.string));
  snprintf(payload, sizeof payload, "%.*s", TEXT(word->next->u.string));
  peer_say(link, ":1\r\n");
  if (l->subscriber) peer_publish(&l->f.links[l->subscriber], channel, payload);
}

static void hear(peer_link *link, const moonpool_reply *command) {
  life *l = (life *)link->f;
  if (l->owes == link) peer_say(link, "+LATE\r\n");
  if (l->owes == link) l->owes = NULL;
  if (is_verb(command, "HANG")) {
    l->owes = link;
    return;
  }
  if (is_verb(command, "PUBLISH")) {
    hear_publish(l, link, command);
    return;
  }
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

static void listen_on_tcp(fixture *f) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  f->listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(f->listener, (struct sockaddr *)&address, size)) abort();
  if (listen(f->listener, LINKS)) abort();
  if (getsockname(f->listener, (struct sockaddr *)&address, &size)) abort();
  snprintf(f->url, sizeof f->url, "redis://127.0.0.1:%d", ntohs(address.sin_port));
  uv_poll_init(&f->loop, &f->accepting, f->listener);
  f->accepting.data = f;
  uv_poll_start(&f->accepting, UV_READABLE, on_connection);
}

static int is_settled(life *l) {
  return stats_of(&l->f).confirmed == stats_of(&l->f).wanted && state_of(&l->f) == MOONPOOL_READY;
}

/* Leaves something every other time, where the canary sees to it that there is a next time. */
static void on_drain(moonpool *client, void *ctx) {
  life *l = ctx;
  const moonpool_event *event;
  int got, most = l->is_taking_all || !is_settled(l) ? INT_MAX : 1;
  l->is_taking_all = !l->is_taking_all;
  while (most-- > 0 && (got = moonpool_next(client, &event)) != 0)
    if (got == 1) on_event(event);
}

static void enrich(life *l) {
  l->f.options.canary = 3;
  l->f.options.subscribe_batch = 7;
  l->f.options.subscribe_window = 2;
  l->f.options.max_queue = COMMANDS;
}

static int begin(life *l, const flavour *kind, long from, long until) {
  memset(l, 0, sizeof *l);
  if (kind->is_tcp) {
    setup_alone(&l->f);
    listen_on_tcp(&l->f);
  } else {
    setup(&l->f);
  }
  l->flavour = kind;
  if (kind->is_rich) enrich(l);
  test_heap_fail(&l->f.heap, from, until);
  l->f.options.command_timeout = 1000;
  l->f.options.name = "me";
  l->f.hear = hear;
  int status = open_client(&l->f);
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
  if (status != MOONPOOL_OK) return 0;
  if (kind->is_rich) moonpool_set_drain(l->f.client, on_drain, l);
  l->ready.f = &l->f;
  moonpool_ready(l->f.client, on_ready, &l->ready);
  RUN_UNTIL(&l->f, l->ready.count);
  return 1;
}

static void on_batch(size_t index, const moonpool_reply *reply, const moonpool_error *error,
                     void *ctx) {
  (void)reply, (void)error;
  if (index == 2) ((life *)ctx)->batches_ended++;
}

static void give_batch(life *l, moonpool_batch_kind kind) {
  static const moonpool_bytes argv[] = {{"INCR", 4}, {"n", 1}};
  moonpool_batch *batch = moonpool_batch_new(l->f.client);
  if (!batch) return;
  int status = moonpool_batch_add(batch, 2, argv);
  if (status == MOONPOOL_OK) status = moonpool_batch_add(batch, 2, argv);
  if (status == MOONPOOL_OK) status = moonpool_batch_send(batch, kind, NULL, 0, on_batch, l);
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
  if (status == MOONPOOL_OK)
    l->batches_accepted++;
  else
    moonpool_batch_free(batch);
}

static void give_commands(life *l) {
  for (int i = 0; i < COMMANDS; i++) {
    char line[300];
    snprintf(line, sizeof line, i == HANGING ? "HANG" : "SET %d %0250d", i, i);
    int status = command_for(&l->f, line, i == HANGING ? 2 : 0, &l->commands[i]);
    CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM || status == MOONPOOL_EQUEUE);
    l->is_accepted[i] = status == MOONPOOL_OK;
  }
  if (!l->flavour->is_rich) {
    give_batch(l, MOONPOOL_PIPELINE);
    give_batch(l, MOONPOOL_TRANSACTION);
    return;
  }
  int status = command(&l->f, "SET one more", NULL);
  CHECK(status == MOONPOOL_EQUEUE || !l->is_accepted[0] || !l->is_accepted[1] ||
        !l->is_accepted[2] || !l->is_accepted[HANGING]);
}

static void subscribe_all(life *l) {
  static char many[500]; /* "1 2 … 100" */
  const char *const lines[SUBS] = {"a b c", "b d", "p*", "a", many};
  for (int i = 1, len = 0; i <= MANY; i++)
    len += snprintf(many + len, sizeof many - (size_t)len, "%s%d", len ? " " : "", i);
  for (int i = 0; i < SUBS - !l->flavour->is_rich; i++) {
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
  return l->batches_ended == l->batches_accepted;
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

/* A message comes to whoever is there for it, if not on this link then on the next. */
static void hear_message(life *l) {
  static const char *const channels[SUBS] = {"c", "d", NULL, "a", "100"};
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
static long live(const flavour *kind, long from, long until) {
  static life l;
  if (begin(&l, kind, from, until)) {
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

static void fail_each(const flavour *kind, long step, long times) {
  long requests = live(kind, 0, 0);
  CHECK(requests > 20);
  for (long n = 1; n <= requests && !test_failures; n += step) live(kind, n, n + times);
}

TEST(each_failed_allocation_is_survived) {
  fail_each(&plain, 1, 1);
}

TEST(several_failed_allocations_are_survived) {
  fail_each(&plain, 2, 7);
}

TEST(each_failed_allocation_is_survived_over_tcp) {
  fail_each(&tcp, 1, 1);
}

TEST(each_failed_allocation_is_survived_with_everything) {
  fail_each(&rich, 1, 1);
}

TEST(several_failed_allocations_are_survived_with_everything) {
  fail_each(&rich, 3, 20);
}

/* ---- no memory any more ---------------------------------------------------------------------- */

/* With each number of allocations granted, and none after them: all that was accepted completes at
 * the latest when the client is closed, which takes no memory. */
static int live_on_little(const flavour *kind, long granted) {
  static life l;
  if (begin(&l, kind, granted + 1, LONG_MAX)) {
    give_commands(&l);
    subscribe_all(&l);
    for (int i = 0; i < 30; i++) uv_run(&l.f.loop, UV_RUN_NOWAIT);
    for (int i = 0; i < l.f.link_count; i++) peer_drop(&l.f.links[i]);
    for (int i = 0; i < 10; i++) uv_run(&l.f.loop, UV_RUN_NOWAIT);
    for (int i = 0; i < SUBS; i += 2)
      if (is_alive(&l, i) && l.subs[i].confirmed.count) leave(&l.subs[i]);
    for (int i = 0; i < 10; i++) uv_run(&l.f.loop, UV_RUN_NOWAIT);
  }
  int was_refused = test_heap_is_failing(&l.f.heap) && l.f.heap.requests > granted;
  end(&l);
  if (test_failures) printf("  granted: %ld\n", granted);
  return was_refused;
}

TEST(without_memory_it_still_ends) {
  const flavour *const kinds[] = {&plain, &tcp, &rich};
  for (int i = 0; i < 3; i++)
    for (long granted = 0; live_on_little(kinds[i], granted) && !test_failures; granted++) continue;
}

/* ---- no memory for a while ------------------------------------------------------------------- */

/* From some allocation on there is none, while commands and subscriptions are given, messages come
 * and the links are lost; then there is again. What was accepted is served. */
static int live_through(const flavour *kind, long granted) {
  static life l;
  if (begin(&l, kind, granted + 1, LONG_MAX)) {
    give_commands(&l);
    subscribe_all(&l);
    for (int i = 0; i < 20; i++) uv_run(&l.f.loop, UV_RUN_NOWAIT);
    if (l.subscriber) peer_publish(&l.f.links[l.subscriber], "a", "lost or not");
    for (int i = 0; i < l.f.link_count; i++) peer_drop(&l.f.links[i]);
    for (int i = 0; i < 20; i++) uv_run(&l.f.loop, UV_RUN_NOWAIT);
  }
  int was_refused = test_heap_is_failing(&l.f.heap) && l.f.heap.requests > granted;
  test_heap_fail(&l.f.heap, 0, 0);
  if (l.f.client) {
    RUN_UNTIL(&l.f, is_all_answered(&l));
    RUN_UNTIL(&l.f, is_all_confirmed(&l));
    RUN_UNTIL(&l.f, is_settled(&l));
    hear_message(&l);
    lose_links(&l);
    hear_message(&l);
    leave_all(&l);
  }
  end(&l);
  if (test_failures) printf("  granted: %ld\n", granted);
  return was_refused;
}

TEST(when_there_is_memory_again_all_is_well) {
  const flavour *const kinds[] = {&plain, &tcp, &rich};
  for (int i = 0; i < 3; i++)
    for (long granted = 0; live_through(kinds[i], granted) && !test_failures; granted++) continue;
}

static const test_case tests[] = {
    TEST_CASE(each_failed_allocation_is_survived),
    TEST_CASE(several_failed_allocations_are_survived),
    TEST_CASE(each_failed_allocation_is_survived_over_tcp),
    TEST_CASE(each_failed_allocation_is_survived_with_everything),
    TEST_CASE(several_failed_allocations_are_survived_with_everything),
    TEST_CASE(without_memory_it_still_ends),
    TEST_CASE(when_there_is_memory_again_all_is_well),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
