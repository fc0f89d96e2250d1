/* Saying, at a real Redis: what is stored and announced, keys, limits, deadlines; and that what was
 * said is stored once and in order whatever happens to links, scripts and servers. */
#include "fuzz.h"
#include "room_fixture.h"

TEST(messages_are_stored_and_linked) {
  fixture f;
  said first = {0}, second = {0};
  char expected[300];
  begin(&f);
  moonpool_room *room = open_room(&f, "chatty", NULL);
  say(room, "hi", &first);
  say(room, "there", &second);
  RUN_UNTIL(&f, first.count && second.count);
  CHECK_INT(first.status, MOONPOOL_OK);
  CHECK_INT(first.id.seq, 1);
  CHECK_INT(second.id.seq, 2);
  CHECK(second.id.ms >= first.id.ms && first.id.tag != second.id.tag);
  CHECK_STR(ask(&f, "XLEN {room:chatty}:log"), ":2");
  snprintf(expected, sizeof expected, "$%zu %s", strlen(second.id_text), second.id_text);
  CHECK_STR(ask(&f, "GET {room:chatty}:head"), expected);
  snprintf(expected, sizeof expected, "$30 stream 1000 0 %s", strrchr(first.id_text, '-') + 1);
  CHECK_STR(ask(&f, "GET {room:chatty}:config"), expected);
  CHECK(strstr(ask(&f, "XRANGE {room:chatty}:log - +"), "{\"user\":\"ann\",\"text\":\"hi\"}"));
  moonpool_room_close(room);
  teardown(&f);
}

TEST(a_key_takes_effect_once) {
  fixture f;
  begin(&f);
  moonpool_room *room = open_room(&f, "chatty", NULL);
  said once = *said_now(&f, room, "hi", "k1");
  said again = *said_now(&f, room, "hi", "k1");
  CHECK_STR(again.id_text, once.id_text);
  CHECK(again.is_repeat && !once.is_repeat);
  said other = *said_now(&f, room, "other", "k1");
  CHECK_INT(other.status, MOONPOOL_EARG);
  CHECK(strstr(other.message, "room:chatty: the key was used for another message"));
  CHECK_STR(ask(&f, "XLEN {room:chatty}:log"), ":1");
  CHECK(strcmp(ask(&f, "PTTL {room:chatty}:sent:ann:k1"), ":0") > 0);
  moonpool_room_close(room);
  teardown(&f);
}

TEST(keys_are_the_users_own) {
  fixture f;
  said a = {0}, b = {0};
  begin(&f);
  moonpool_room *room = open_room(&f, "chatty", NULL);
  CHECK_INT(say_for(room, "a:b", "hi", "c", 0, &a), MOONPOOL_OK);
  CHECK_INT(say_for(room, "a", "hi", "b:c", 0, &b), MOONPOOL_OK);
  RUN_UNTIL(&f, a.count && b.count);
  CHECK(!a.status && !b.status && !b.is_repeat);
  CHECK_STR(ask(&f, "EXISTS {room:chatty}:sent:a%3Ab:c {room:chatty}:sent:a:b:c"), ":2");
  moonpool_room_close(room);
  teardown(&f);
}

TEST(who_asks_for_another_kind_is_told_what_the_room_has) {
  fixture f;
  moonpool_room_options options;
  begin(&f);
  moonpool_room_options_init(&options);
  options.history = MOONPOOL_HISTORY_LIST;
  options.keep = 7;
  moonpool_room *list = open_room(&f, "chatty", &options);
  CHECK_INT(said_now(&f, list, "hi", NULL)->status, MOONPOOL_OK);
  options.history = MOONPOOL_HISTORY_STREAM;
  moonpool_room *stream = open_room(&f, "chatty", &options);
  said *s = said_now(&f, stream, "hi", NULL);
  CHECK_INT(s->status, MOONPOOL_EARG);
  CHECK_STR(s->message, "room:chatty: its history is a list, not a stream");
  options.history = MOONPOOL_HISTORY_ANY;
  options.keep = 8;
  moonpool_room *other = open_room(&f, "chatty", &options);
  s = said_now(&f, other, "hi", NULL);
  CHECK_STR(s->message, "room:chatty: it keeps 7 messages, not 8");
  moonpool_room *any = open_room(&f, "chatty", NULL);
  CHECK_INT(said_now(&f, any, "hi", NULL)->status, MOONPOOL_OK);
  CHECK_STR(ask(&f, "LLEN {room:chatty}:backlog"), ":2");
  moonpool_room_close(list);
  moonpool_room_close(stream);
  moonpool_room_close(other);
  moonpool_room_close(any);
  teardown(&f);
}

TEST(limits_are_checked_before_anything_is_sent) {
  fixture f;
  moonpool_room_options options;
  char big[400];
  begin(&f);
  moonpool_room_options_init(&options);
  options.max_message = 100;
  options.max_pending = 2;
  memset(big, 'x', sizeof big - 1);
  big[sizeof big - 1] = '\0';
  moonpool_room *room = open_room(&f, "chatty", &options);
  said s[3] = {{0}};
  CHECK_INT(say_for(room, "ann", big + 300, "", 0, &s[0]), MOONPOOL_ETOOBIG);
  CHECK_INT(say_for(room, big, "hi", "", 0, &s[0]), MOONPOOL_EARG);
  CHECK_INT(say_for(room, "ann", "hi", big, 0, &s[0]), MOONPOOL_EARG);
  for (int i = 0; i < 2; i++) CHECK_INT(say_for(room, "ann", "hi", "", 0, &s[i]), MOONPOOL_OK);
  CHECK_INT(say_for(room, "ann", "hi", "", 0, &s[2]), MOONPOOL_EQUEUE);
  RUN_UNTIL(&f, s[0].count && s[1].count);
  CHECK_STR(ask(&f, "XLEN {room:chatty}:log"), ":2");
  moonpool_room_close(room);
  teardown(&f);
}

TEST(a_wrong_key_is_named_and_wedges_nothing) {
  fixture f;
  begin(&f);
  moonpool_room *room = open_room(&f, "chatty", NULL);
  ask(&f, "SET {room:chatty}:log x");
  said *s = said_now(&f, room, "hi", "");
  CHECK_INT(s->status, MOONPOOL_EREDIS);
  CHECK(strstr(s->message, "room:chatty: WRONGTYPE"));
  CHECK_STR(ask(&f, "EXISTS {room:chatty}:head"), ":0");
  ask(&f, "DEL {room:chatty}:log");
  CHECK_INT(said_now(&f, room, "hi", "")->id.seq, 1);
  moonpool_room_close(room);
  teardown(&f);
}

TEST(ids_rise_though_the_clock_falls) {
  fixture f;
  begin(&f);
  moonpool_room *room = open_room(&f, "chatty", NULL);
  ask(&f, "SET {room:chatty}:head 9000000000000-41-0123456789abcdef");
  said s = *said_now(&f, room, "hi", "");
  CHECK(s.id.ms == 9000000000000 && s.id.seq == 42);
  ask(&f, "DEL {room:chatty}:head");
  s = *said_now(&f, room, "hi", "");
  CHECK(s.id.ms == 9000000000000 && s.id.seq == 43);
  ask(&f, "XADD {room:chatty}:log 9000000000000-50 some thing");
  s = *said_now(&f, room, "hi", "");
  CHECK(s.id.ms == 9000000000000 && s.id.seq == 51);
  moonpool_room_close(room);
  teardown(&f);
}

TEST(deleting_and_clearing_are_stored) {
  static const moonpool_history_kind kinds[] = {MOONPOOL_HISTORY_STREAM, MOONPOOL_HISTORY_LIST,
                                                MOONPOOL_HISTORY_SORTED};
  static const char *const counts[] = {"XLEN {room:r}:log", "LLEN {room:r}:backlog",
                                       "ZCARD {room:r}:backlog"};
  for (int i = 0; i < 3; i++) {
    fixture f;
    moonpool_room_options options;
    said gone = {0}, again = {0}, cleared = {0};
    begin(&f);
    moonpool_room_options_init(&options);
    options.history = kinds[i];
    moonpool_room *room = open_room(&f, "r", &options);
    said_now(&f, room, "one", "");
    said two = *said_now(&f, room, "two", "");
    CHECK_INT(moonpool_room_delete(room, BYTES("ann"), BYTES(two.id_text), 0, on_stored, &gone), 0);
    CHECK_INT(moonpool_room_delete(room, BYTES("ann"), BYTES(two.id_text), 0, on_stored, &again),
              0);
    RUN_UNTIL(&f, gone.count && again.count);
    CHECK_STR(gone.message, "");
    CHECK_INT(again.status, MOONPOOL_EARG);
    CHECK(strstr(again.message, "room:r: it has no message "));
    CHECK_STR(ask(&f, counts[i]), ":2");
    CHECK_INT(moonpool_room_clear(room, BYTES("ann"), 0, on_stored, &cleared), 0);
    RUN_UNTIL(&f, cleared.count);
    CHECK_INT(cleared.id.seq, 4);
    CHECK_STR(ask(&f, counts[i]), ":1");
    CHECK_INT(moonpool_room_delete(room, BYTES("ann"), BYTES("x"), 0, on_stored, &gone),
              MOONPOOL_EARG);
    moonpool_room_close(room);
    teardown(&f);
  }
}

TEST(too_few_replicas_are_told_and_the_message_is_stored) {
  fixture f;
  moonpool_room_options options;
  begin(&f);
  moonpool_room_options_init(&options);
  options.replicas = 1;
  options.replicas_timeout = 1;
  moonpool_room *room = open_room(&f, "chatty", &options);
  for (int i = 1; i <= 3; i++) {
    said *s = said_now(&f, room, "hi", "");
    CHECK_INT(s->status, MOONPOOL_EPARTIAL);
    CHECK_STR(s->message, "room:chatty: stored, not replicated: 0 of 1 replicas have it");
    CHECK(s->is_stored);
    CHECK_INT(s->id.seq, i);
    ask(&f, "SCRIPT FLUSH");
  }
  ask(&f, "SET {room:chatty}:config x");
  said *s = said_now(&f, room, "hi", "");
  CHECK_INT(s->status, MOONPOOL_EARG);
  CHECK_STR(s->message, "room:chatty: its configuration is none: x");
  CHECK_STR(ask(&f, "XLEN {room:chatty}:log"), ":3");
  moonpool_room_close(room);
  teardown(&f);
}

TEST(who_may_not_publish_stores_without_announcing) {
  fixture f;
  begin(&f);
  moonpool_room *room = open_room(&f, "chatty", NULL);
  ask(&f, "ACL SETUSER default resetchannels");
  said s = *said_now(&f, room, "hi", "");
  ask(&f, "ACL SETUSER default allchannels");
  CHECK_INT(s.status, MOONPOOL_EPARTIAL);
  CHECK_STR(s.message, "room:chatty: stored, not announced: Redis's ACL refuses PUBLISH");
  CHECK_STR(ask(&f, "XLEN {room:chatty}:log"), ":1");
  moonpool_room_close(room);
  teardown(&f);
}

TEST(a_redis_without_memory_refuses_and_uses_no_number) {
  fixture f;
  begin(&f);
  moonpool_room *room = open_room(&f, "chatty", NULL);
  said_now(&f, room, "hi", "");
  ask(&f, "CONFIG SET maxmemory 1");
  said s = *said_now(&f, room, "hi", "");
  ask(&f, "CONFIG SET maxmemory 0");
  CHECK_INT(s.status, MOONPOOL_EREDIS);
  CHECK(strstr(s.message, "room:chatty: OOM"));
  CHECK_INT(said_now(&f, room, "hi", "")->id.seq, 2);
  moonpool_room_close(room);
  teardown(&f);
}

TEST(what_passes_is_waited_for_in_its_place) {
  fixture f, other;
  said s[2] = {{0}};
  begin(&f);
  setup_another(&other);
  moonpool_room *room = open_room(&f, "chatty", NULL);
  ask(&other, "CONFIG SET min-replicas-to-write 1"); /* NOREPLICAS */
  say(room, "first", &s[0]);
  for (int i = 0; i < 30; i++) uv_run(&f.loop, UV_RUN_ONCE);
  say(room, "second", &s[1]);
  for (int i = 0; i < 30; i++) uv_run(&f.loop, UV_RUN_ONCE);
  CHECK_INT(s[0].count + s[1].count, 0);
  ask(&other, "CONFIG SET min-replicas-to-write 0");
  RUN_UNTIL(&f, s[0].count && s[1].count);
  CHECK(!s[0].status && !s[1].status);
  CHECK(s[0].id.seq == 1 && s[1].id.seq == 2);
  moonpool_room_close(room);
  teardown(&other);
  teardown(&f);
}

/* What was told of something that gives nothing back. */
static void on_done(const moonpool_error *error, void *ctx) {
  take_call(ctx, NULL, error);
}

TEST(what_a_room_keeps_can_be_changed) {
  fixture f;
  call done = {0};
  begin(&f);
  moonpool_room *room = open_room(&f, "chatty", NULL);
  static said s[300];
  for (int i = 0; i < 300; i++) say(room, "hi", &s[i]);
  RUN_UNTIL(&f, s[299].count);
  CHECK_INT(moonpool_room_configure(room, -2, 0, 0, on_done, &done), MOONPOOL_EARG);
  CHECK_INT(moonpool_room_configure(room, 10, 3600000, 0, on_done, &done), MOONPOOL_OK);
  RUN_UNTIL(&f, done.count);
  CHECK_STR(done.message, "");
  CHECK(strstr(ask(&f, "GET {room:chatty}:config"), "stream 10 3600000 "));
  said_now(&f, room, "hi", "");
  int left = atoi(ask(&f, "XLEN {room:chatty}:log") + 1);
  CHECK(left >= 10 && left < 300); /* Redis trims a stream by whole nodes */
  ask(&f, "SET {room:chatty}:config x");
  done = (call){0};
  CHECK_INT(moonpool_room_configure(room, -1, 5, 0, on_done, &done), MOONPOOL_OK);
  RUN_UNTIL(&f, done.count);
  CHECK_INT(done.status, MOONPOOL_EARG);
  CHECK_STR(done.message, "room:chatty: its configuration is none");
  moonpool_room_close(room);
  teardown(&f);
}

TEST(a_destroyed_room_leaves_no_key_and_others_alone) {
  fixture f;
  call done = {0};
  begin(&f);
  moonpool_room *room = open_room(&f, "a*b", NULL), *other = open_room(&f, "axb", NULL);
  for (int i = 0; i < 5; i++) said_now(&f, room, "hi", "");
  said_now(&f, other, "hi", "k");
  CHECK_INT(moonpool_room_destroy(room, 0, on_done, &done), MOONPOOL_OK);
  RUN_UNTIL(&f, done.count);
  CHECK_STR(done.message, "");
  CHECK_STR(ask(&f, "DBSIZE"), ":4"); /* log, head, config, the key's record */
  CHECK_INT(said_now(&f, room, "hi", "")->id.seq, 1);
  CHECK_INT(said_now(&f, other, "hi", "k")->is_repeat, 1);
  moonpool_room_close(room);
  moonpool_room_close(other);
  teardown(&f);
}

TEST(closing_the_client_ends_what_waits_and_what_is_on_its_way) {
  fixture f;
  said s[5] = {{0}};
  begin(&f);
  moonpool_room *room = open_room(&f, "chatty", NULL);
  say(room, "on its way", &s[0]);
  uv_run(&f.loop, UV_RUN_NOWAIT);
  for (int i = 1; i < 5; i++) say(room, "waits", &s[i]);
  close_client(&f);
  RUN_UNTIL(&f, f.gone);
  for (int i = 0; i < 5; i++) CHECK_INT(s[i].count, 1);
  CHECK_INT(s[4].status, MOONPOOL_ECLOSED);
  CHECK_INT(say_for(room, "ann", "hi", "", 0, &s[0]), MOONPOOL_ECLOSED);
  moonpool_room_close(room);
  teardown(&f);
}

TEST(a_deadline_ends_waiting) {
  fixture f;
  said s = {0};
  begin(&f);
  moonpool_room *room = open_room(&f, "chatty", NULL);
  stop_process(redis.pid);
  CHECK_INT(say_for(room, "ann", "hi", "", 30, &s), MOONPOOL_OK);
  RUN_UNTIL(&f, s.count);
  CHECK_INT(s.status, MOONPOOL_ETIMEOUT);
  CHECK(strstr(s.message, "room:chatty: possibly stored"));
  kill(redis.pid, SIGCONT);
  CHECK_INT(said_now(&f, room, "later", "")->status, MOONPOOL_OK);
  moonpool_room_close(room);
  teardown(&f);
}

/* ---- anything, at random --------------------------------------------------------------------- */

enum { MESSAGES = 1500, WRITERS = 2 };

typedef struct storm {
  fixture f, other; /* `other` empties the cache and kills links */
  fuzz random;
  moonpool_room *rooms[WRITERS]; /* handles of one room */
  said said[MESSAGES];
  int given, told, seen;
} storm;

static void run_both(storm *s) {
  uv_run(&s->f.loop, UV_RUN_NOWAIT);
  uv_run(&s->other.loop, UV_RUN_NOWAIT);
}

static void give(storm *s) {
  for (size_t n = fuzz_below(&s->random, 8); n > 0 && s->given < MESSAGES; n--, s->given++) {
    char text[20];
    snprintf(text, sizeof text, "%d", s->given);
    say(s->rooms[s->given % WRITERS], text, &s->said[s->given]);
  }
}

static void disturb(storm *s) {
  if (fuzz_below(&s->random, 5) == 0) CHECK_INT(command(&s->other, "SCRIPT FLUSH", NULL), 0);
  if (fuzz_below(&s->random, 60) == 0)
    CHECK_INT(command(&s->other, "CLIENT KILL TYPE normal SKIPME yes", NULL), 0);
}

/* Every message is in the log once, in the order in which it was said. */
static void on_log(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  storm *s = ctx;
  CHECK(!error);
  for (const moonpool_reply *e = reply ? reply->u.list.first : NULL; e; e = e->next) {
    const moonpool_reply *body = e->u.list.first->next->u.list.first->next->next->next;
    const char *text = strstr(body->u.string.data, "\"text\":\"");
    CHECK_INT(atoi(text + 8), s->seen);
    CHECK_INT(s->said[s->seen].id.seq, s->seen + 1);
    s->seen++;
  }
  s->told = -1;
}

static void run_storm(storm *s) {
  moonpool_room_options options;
  moonpool_room_options_init(&options);
  options.keep = 0;
  begin(&s->f);
  setup_another(&s->other);
  for (int i = 0; i < WRITERS; i++) s->rooms[i] = open_room(&s->f, "storm", &options);
  while (s->given < MESSAGES && !s->f.is_late) {
    give(s);
    disturb(s);
    for (size_t n = fuzz_below(&s->random, 3); n > 0; n--) run_both(s);
  }
  while (s->told < MESSAGES && !s->f.is_late) {
    run_both(s);
    s->told = 0;
    for (int i = 0; i < MESSAGES; i++) s->told += s->said[i].count;
  }
  for (int i = 0; i < MESSAGES; i++) {
    CHECK_INT(s->said[i].count, 1);
    CHECK_STR(s->said[i].message, "");
  }
  moonpool_bytes argv[] = {BYTES("XRANGE"), BYTES("{room:storm}:log"), BYTES("-"), BYTES("+")};
  CHECK_INT(moonpool_command(s->other.client, 4, argv, 0, on_log, s), MOONPOOL_OK);
  RUN_UNTIL(&s->other, s->told == -1);
  CHECK_INT(s->seen, MESSAGES);
  for (int i = 0; i < WRITERS; i++) moonpool_room_close(s->rooms[i]);
  teardown(&s->other);
  teardown(&s->f);
}

TEST(in_any_storm_messages_are_stored_in_order_and_once) {
  fuzz random = fuzz_new("rooms");
  for (int round = 0; round < 8; round++) {
    static storm s;
    memset(&s, 0, sizeof s);
    s.random.state = fuzz_next(&random);
    run_storm(&s);
  }
}

static const test_case tests[] = {
    TEST_CASE(messages_are_stored_and_linked),
    TEST_CASE(a_key_takes_effect_once),
    TEST_CASE(keys_are_the_users_own),
    TEST_CASE(who_asks_for_another_kind_is_told_what_the_room_has),
    TEST_CASE(limits_are_checked_before_anything_is_sent),
    TEST_CASE(a_wrong_key_is_named_and_wedges_nothing),
    TEST_CASE(ids_rise_though_the_clock_falls),
    TEST_CASE(deleting_and_clearing_are_stored),
    TEST_CASE(too_few_replicas_are_told_and_the_message_is_stored),
    TEST_CASE(who_may_not_publish_stores_without_announcing),
    TEST_CASE(a_redis_without_memory_refuses_and_uses_no_number),
    TEST_CASE(what_passes_is_waited_for_in_its_place),
    TEST_CASE(what_a_room_keeps_can_be_changed),
    TEST_CASE(a_destroyed_room_leaves_no_key_and_others_alone),
    TEST_CASE(closing_the_client_ends_what_waits_and_what_is_on_its_way),
    TEST_CASE(a_deadline_ends_waiting),
    TEST_CASE(in_any_storm_messages_are_stored_in_order_and_once),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
