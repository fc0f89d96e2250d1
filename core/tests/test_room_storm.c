/* Presence in a storm: users come and go by many handles of several clients while links are killed
 * and scripts are forgotten. In the end Redis knows exactly who is here, and of each user's coming
 * and going every other signal was a join. */
#include "fuzz.h"
#include "presence_fixture.h"

enum { CLIENTS = 3, HANDLES = 2, USERS = 6, STEPS = 500 };

typedef struct storm {
  fixture clients[CLIENTS], eye; /* `eye` looks on, and disturbs */
  moonpool_room *rooms[CLIENTS][HANDLES];
  int places[CLIENTS][HANDLES][USERS]; /* as they should be */
  fuzz random;
  outcome told;
  int asked, is_confirmed, is_here[USERS]; /* by the signals */
} storm;

static const char *const users[USERS] = {"ann", "bob", "eve", "dan", "fay", "gus"};

static moonpool_room *open_handle(fixture *f) {
  return open_leased(f, 20000);
}

/* {"type":"join","user":"ann"} */
static void on_signal(const moonpool_event *event) {
  storm *s = event->ctx;
  char text[100];
  if (event->type != MOONPOOL_MESSAGE) return;
  snprintf(text, sizeof text, "%.*s", (int)event->payload.len, event->payload.data);
  int is_join = strstr(text, "\"join\"") != NULL;
  for (int user = 0; user < USERS; user++) {
    if (!strstr(text, users[user])) continue;
    CHECK_INT(s->is_here[user], !is_join);
    s->is_here[user] = is_join;
  }
}

static void on_subscribed(moonpool_subscription *subscription, long long count,
                          const moonpool_error *error, void *ctx) {
  (void)subscription, (void)count;
  CHECK(!error);
  ((storm *)ctx)->is_confirmed = 1;
}

static void begin_storm(storm *s) {
  moonpool_subscription *subscription;
  moonpool_bytes channel = BYTES("room:x");
  setup_redis(&s->eye);
  ask(&s->eye, "FLUSHALL");
  CHECK_INT(moonpool_subscribe(s->eye.client, MOONPOOL_CHANNEL, &channel, 1, on_signal,
                               on_subscribed, s, &subscription),
            MOONPOOL_OK);
  RUN_UNTIL(&s->eye, s->is_confirmed);
  for (int c = 0; c < CLIENTS; c++) {
    setup_another(&s->clients[c]);
    for (int h = 0; h < HANDLES; h++) s->rooms[c][h] = open_handle(&s->clients[c]);
  }
}

static void run_all(storm *s) {
  for (int c = 0; c < CLIENTS; c++) uv_run(&s->clients[c].loop, UV_RUN_NOWAIT);
  uv_run(&s->eye.loop, UV_RUN_NOWAIT);
}

static void join_or_part(storm *s, int c, int h) {
  int user = (int)fuzz_below(&s->random, USERS), *places = &s->places[c][h][user];
  moonpool_room *room = s->rooms[c][h];
  moonpool_bytes name = BYTES(users[user]);
  if (fuzz_below(&s->random, 2)) {
    CHECK_INT(moonpool_room_join(room, name, UINT64_MAX, on_done, &s->told), MOONPOOL_OK);
    ++*places;
  } else if (*places == 0) {
    CHECK_INT(moonpool_room_part(room, name, UINT64_MAX, on_done, &s->told), MOONPOOL_EARG);
    return;
  } else {
    CHECK_INT(moonpool_room_part(room, name, UINT64_MAX, on_done, &s->told), MOONPOOL_OK);
    --*places;
  }
  s->asked++;
}

static void step(storm *s) {
  int c = (int)fuzz_below(&s->random, CLIENTS), h = (int)fuzz_below(&s->random, HANDLES);
  for (size_t n = fuzz_below(&s->random, 4); n > 0; n--) join_or_part(s, c, h);
  if (fuzz_below(&s->random, 25) == 0) {
    moonpool_room_close(s->rooms[c][h]);
    memset(s->places[c][h], 0, sizeof s->places[c][h]);
    s->rooms[c][h] = open_handle(&s->clients[c]);
  }
  if (fuzz_below(&s->random, 30) == 0) command(&s->eye, "SCRIPT FLUSH", NULL);
  if (fuzz_below(&s->random, 60) == 0) command(&s->eye, "CLIENT KILL TYPE normal SKIPME yes", NULL);
  for (size_t n = fuzz_below(&s->random, 3); n > 0; n--) run_all(s);
}

/* "ann:2 bob:1 " in the order of `users`, as it should be. */
static const char *expected(const storm *s) {
  static char text[300];
  size_t len = 0;
  text[0] = '\0';
  for (int user = 0; user < USERS; user++) {
    int places = 0;
    for (int i = 0; i < CLIENTS * HANDLES; i++) places += s->places[i / HANDLES][i % HANDLES][user];
    if (places)
      len += (size_t)snprintf(text + len, sizeof text - len, "%s:%d ", users[user], places);
  }
  return text;
}

/* The same as Redis has it. */
static const char *found(storm *s, moonpool_room *room) {
  static char text[300];
  size_t len = 0;
  const char *all = who(&s->eye, room);
  text[0] = '\0';
  for (int user = 0; user < USERS; user++) {
    const char *at = strstr(all, users[user]);
    if (at)
      len += (size_t)snprintf(text + len, sizeof text - len, "%.*s", (int)strcspn(at, " ") + 1, at);
  }
  return text;
}

static void check_end(storm *s) {
  moonpool_room *room = open_handle(&s->eye);
  while (s->told.count < s->asked && !s->eye.is_late) run_all(s);
  CHECK_INT(s->told.count, s->asked);
  while (strcmp(found(s, room), expected(s)) && !s->eye.is_late) run_all(s);
  CHECK_STR(found(s, room), expected(s));
  for (int c = 0; c < CLIENTS; c++)
    for (int h = 0; h < HANDLES; h++) moonpool_room_close(s->rooms[c][h]);
  while (count_of(&s->eye, room) > 0 && !s->eye.is_late) run_all(s);
  for (int user = 0; user < USERS; user++) RUN_UNTIL(&s->eye, !s->is_here[user]);
  while (strcmp(ask(&s->eye, "DBSIZE"), ":0") && !s->eye.is_late) run_all(s);
  moonpool_room_close(room);
}

TEST(in_any_storm_redis_knows_who_is_here) {
  fuzz random = fuzz_new("storms");
  for (int round = 0; round < 8 && !test_failures; round++) {
    static storm s;
    memset(&s, 0, sizeof s);
    s.random.state = fuzz_next(&random);
    begin_storm(&s);
    for (int i = 0; i < STEPS && !s.eye.is_late; i++) step(&s);
    check_end(&s);
    for (int c = 0; c < CLIENTS; c++) teardown(&s.clients[c]);
    teardown(&s.eye);
  }
}

static const test_case tests[] = {
    TEST_CASE(in_any_storm_redis_knows_who_is_here),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
