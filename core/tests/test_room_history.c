/* Reading the history of rooms at a real Redis: all three kinds, by number, time and id, cut to
 * what the room keeps, with what is none of ours between. */
#include "history_fixture.h"

/* ---- what is read ---------------------------------------------------------------------------- */

TEST(every_kind_answers_every_question) {
  fixture f;
  setup_redis(&f);
  const moonpool_id four = id_of(4), nine = id_of(9), thirty = id_of(30);
  for (int k = 0; k < KINDS; k++) {
    for (size_t page = 1; page <= 100; page = page * 3 + 1) {
      if (page == 1) fill(&f, kinds[k], 30, 1000);
      moonpool_room *room = open_paged(&f, page);
      CHECK_STR(numbers(history(&f, room, &(query){0})), "1-30");
      CHECK_STR(numbers(history(&f, room, &(query){.last = 4})), "27-30");
      CHECK_STR(numbers(history(&f, room, &(query){.limit = 5})), "26-30");
      CHECK_STR(numbers(history(&f, room, &(query){.last = 9, .limit = 2})), "29-30");
      CHECK_STR(numbers(history(&f, room, &(query){.since_ms = 1003})), "10-30");
      CHECK_STR(numbers(history(&f, room, &(query){.till_ms = 1003})), "1-12");
      CHECK_STR(numbers(history(&f, room, &(query){.since_ms = 1003, .till_ms = 1003})), "10-12");
      CHECK_STR(numbers(history(&f, room, &(query){.since_ms = 1004, .till_ms = 1003})), "");
      CHECK_STR(numbers(history(&f, room, &(query){.since_ms = 1002, .limit = 4})), "7-10");
      CHECK_STR(numbers(history(&f, room, &(query){.till_ms = 1002, .limit = 4})), "6-9");
      CHECK_STR(numbers(history(&f, room, &(query){.since_ms = 1001, .last = 2})), "29-30");
      CHECK_STR(numbers(history(&f, room, &(query){.since_ms = 1010})), "");
      CHECK_STR(numbers(history(&f, room, &(query){.till_ms = 999})), "");
      CHECK_STR(numbers(history(&f, room, &(query){.after = &four})), "5-30");
      CHECK_STR(numbers(history(&f, room, &(query){.after = &four, .limit = 3})), "5-7");
      CHECK_STR(numbers(history(&f, room, &(query){.after = &thirty})), "");
      CHECK_STR(numbers(history(&f, room, &(query){.before = &nine})), "1-8");
      CHECK_STR(numbers(history(&f, room, &(query){.before = &nine, .limit = 3})), "6-8");
      CHECK_STR(numbers(history(&f, room, &(query){.before = &nine, .after = &four})), "5-8");
      CHECK_STR(numbers(history(&f, room, &(query){.before = &nine, .after = &four, .last = 1})),
                "8-8");
      moonpool_room_close(room);
    }
  }
  teardown(&f);
}

/* From one end to the other, ids taken from the answers. */
TEST(a_history_is_paged_both_ways) {
  fixture f;
  setup_redis(&f);
  for (int k = 0; k < KINDS; k++) {
    fill(&f, kinds[k], 50, 0);
    moonpool_room *room = open_paged(&f, 500);
    moonpool_id at = {0, 0, 0};
    int met = 0;
    for (int i = 0; i < 20; i++) {
      const story *s = history(&f, room, &(query){.after = &at, .limit = 7});
      if (!s->entries) break;
      CHECK_INT(s->first.seq, met + 1);
      met += (int)s->entries;
      at = s->last;
    }
    CHECK_INT(met, 50);
    CHECK(at.tag == id_of(50).tag);
    at = (moonpool_id){UINT64_MAX, UINT64_MAX, UINT64_MAX};
    for (int i = 0; i < 20; i++) {
      const story *s = history(&f, room, &(query){.before = &at, .last = 7});
      if (!s->entries) break;
      CHECK_INT(s->last.seq, met);
      met -= (int)s->entries;
      at = s->first;
    }
    CHECK_INT(met, 0);
    moonpool_room_close(room);
  }
  teardown(&f);
}

TEST(ids_at_the_ends_of_all_numbers_are_places_too) {
  fixture f;
  setup_redis(&f);
  const moonpool_id zero = {0, 0, 0}, top = {UINT64_MAX, UINT64_MAX, 0};
  const moonpool_id edge = {1000, UINT64_MAX, 0}, begin = {1001, 0, 0};
  for (int k = 0; k < KINDS; k++) {
    fill(&f, kinds[k], 6, 0);
    moonpool_room *room = open_paged(&f, 2);
    CHECK_STR(numbers(history(&f, room, &(query){.after = &zero})), "1-6");
    CHECK_STR(numbers(history(&f, room, &(query){.after = &top})), "");
    CHECK_STR(numbers(history(&f, room, &(query){.before = &zero})), "");
    CHECK_STR(numbers(history(&f, room, &(query){.before = &top})), "1-6");
    CHECK_STR(numbers(history(&f, room, &(query){.after = &edge})), "4-6");
    CHECK_STR(numbers(history(&f, room, &(query){.before = &begin})), "1-3");
    CHECK_STR(numbers(history(&f, room, &(query){.since_ms = UINT64_MAX})), "");
    CHECK_STR(numbers(history(&f, room, &(query){.till_ms = UINT64_MAX})), "1-6");
    moonpool_room_close(room);
  }
  teardown(&f);
}

TEST(a_history_is_cut_to_what_the_room_keeps) {
  static const char *const all[] = {"25-30", "24-30", "4-30", "1-30", "30-30"};
  static const int keeps[] = {6, 7, 27, 30, 1};
  fixture f;
  setup_redis(&f);
  const moonpool_id zero = {0, 0, 0}, before = id_of(28);
  for (int k = 0; k < KINDS; k++) {
    for (size_t i = 0; i < sizeof keeps / sizeof *keeps; i++) {
      fill(&f, kinds[k], 30, keeps[i]);
      moonpool_room *room = open_paged(&f, 4);
      CHECK_STR(numbers(history(&f, room, &(query){0})), all[i]);
      CHECK_STR(numbers(history(&f, room, &(query){.last = 30})), all[i]);
      CHECK_STR(numbers(history(&f, room, &(query){.after = &zero})), all[i]);
      CHECK_STR(numbers(history(&f, room, &(query){.since_ms = 1})), all[i]);
      if (keeps[i] == 6)
        CHECK_STR(numbers(history(&f, room, &(query){.before = &before})), "25-27");
      if (keeps[i] == 1) CHECK_STR(numbers(history(&f, room, &(query){.before = &before})), "");
      moonpool_room_close(room);
    }
  }
  teardown(&f);
}

/* Redis's clock in ms. */
static uint64_t redis_now(fixture *f) {
  unsigned long long seconds = 0, micros = 0;
  size_t a, b;
  CHECK_INT(sscanf(ask(f, "TIME"), "*2[$%zu %llu $%zu %llu", &a, &seconds, &b, &micros), 4);
  return seconds * 1000 + micros / 1000;
}

TEST(a_history_is_cut_to_the_age_that_the_room_keeps) {
  fixture f;
  setup_redis(&f);
  for (int k = 0; k < KINDS; k++) {
    ask(&f, "FLUSHALL");
    configure_as(&f, kinds[k], 0, 3600000);
    uint64_t now = redis_now(&f);
    say_as(&f, kinds[k], now - 3700000, 1, "{\"n\":1}");
    say_as(&f, kinds[k], now - 3600001, 2, "{\"n\":2}");
    say_as(&f, kinds[k], now - 1800000, 3, "{\"n\":3}");
    say_as(&f, kinds[k], now, 4, "{\"n\":4}");
    moonpool_room *room = open_paged(&f, 500);
    CHECK_STR(numbers(history(&f, room, &(query){0})), "3-4");
    CHECK_STR(numbers(history(&f, room, &(query){.since_ms = 1, .limit = 1})), "3-3");
    configure_as(&f, kinds[k], 0, INT64_MAX);
    CHECK_STR(numbers(history(&f, room, &(query){0})), "1-4");
    moonpool_room_close(room);
  }
  teardown(&f);
}

/* ---- what is none of ours -------------------------------------------------------------------- */

TEST(foreign_entries_are_left_out) {
  static const char *const members[] = {"",
                                        "hello",
                                        "{}",
                                        "{\"id\":\"\",\"m\":{}}",
                                        ("{\"id\":\"1001-5-" TAG "\",\"m\":7}"),
                                        ("{\"id\":\"1001-5-" TAG "\",\"m\":{}"),
                                        ("{\"id\":\"1001-5-" TAG "\",\"m\":}"),
                                        ("{\"id\":\"1001-5-" TAG "\", \"m\":{}}"),
                                        "{\"id\":\"1001-5\",\"m\":{}}",
                                        "{\"id\":\"1001-5-" TAG};
  fixture f;
  setup_redis(&f);
  for (size_t page = 1; page < 40; page += 7) {
    for (int k = 1; k < KINDS; k++) {
      fill(&f, kinds[k], 6, 0);
      for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        ask_words(&f, k == 1 ? 3 : 4,
                  k == 1 ? (moonpool_bytes[]){BYTES("RPUSH"), BYTES("{room:x}:backlog"),
                                              BYTES(members[i])}
                         : (moonpool_bytes[]){BYTES("ZADD"), BYTES("{room:x}:backlog"),
                                              BYTES(i % 2 ? "1001" : "1000.5"), BYTES(members[i])});
        if (k == 1)
          ask_words(
              &f, 3,
              (moonpool_bytes[]){BYTES("LPUSH"), BYTES("{room:x}:backlog"), BYTES(members[i])});
      }
      moonpool_room *room = open_paged(&f, page);
      CHECK_STR(numbers(history(&f, room, &(query){0})), "1-6");
      CHECK_STR(numbers(history(&f, room, &(query){.last = 2})), "5-6");
      CHECK_STR(numbers(history(&f, room, &(query){.since_ms = 1000, .limit = 5})), "1-5");
      moonpool_room_close(room);
    }
  }
  teardown(&f);
}

TEST(foreign_entries_of_a_stream_are_left_out) {
  fixture f;
  setup_redis(&f);
  for (size_t page = 1; page < 12; page += 3) {
    ask(&f, "FLUSHALL");
    configure_as(&f, "stream", 0, 0);
    ask(&f, "XADD {room:x}:log 1-1 a b");
    say_as(&f, "stream", 2, 1, "{\"n\":1}");
    ask(&f, "XADD {room:x}:log 2-5 t " TAG " m");
    ask(&f, "XADD {room:x}:log 2-6 t " TAG " m 7");
    ask(&f, "XADD {room:x}:log 2-7 t 9f3a m {}");
    ask(&f, "XADD {room:x}:log 2-8 m {} t " TAG);
    ask(&f, "XADD {room:x}:log 2-9 t " TAG " m {} x y");
    say_as(&f, "stream", 3, 2, "{\"n\":2}");
    say_as(&f, "stream", 3, 3, "{\"n\":3}");
    ask(&f, "XADD {room:x}:log 4-1 t x m {}");
    moonpool_room *room = open_paged(&f, page);
    CHECK_STR(numbers(history(&f, room, &(query){0})), "1-3");
    CHECK_STR(numbers(history(&f, room, &(query){.last = 2})), "2-3");
    CHECK_STR(numbers(history(&f, room, &(query){.since_ms = 1, .limit = 2})), "1-2");
    moonpool_room_close(room);
  }
  teardown(&f);
}

/* Well-formed, but not where its id says. */
TEST(forged_ids_hide_no_message) {
  fixture f;
  setup_redis(&f);
  fill(&f, "sorted", 9, 0);
  ask(&f, "ZADD {room:x}:backlog 1000 {\"id\":\"9999999999999-7-" TAG "\",\"m\":{\"n\":77}}");
  ask(&f, "ZADD {room:x}:backlog 1001 {\"id\":\"1-7-" TAG "\",\"m\":{\"n\":78}}");
  ask(&f, "ZADD {room:x}:backlog 1001 {\"id\":\"1001-1-" TAG "\",\"m\":{\"n\":79}}");
  moonpool_room *room = open_paged(&f, 2);
  CHECK_STR(numbers(history(&f, room, &(query){.since_ms = 1})), "1-9");
  moonpool_room_close(room);
  teardown(&f);
}

TEST(an_absent_room_has_no_history) {
  fixture f;
  moonpool_room_options options;
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  moonpool_room_options_init(&options);
  for (int kind = MOONPOOL_HISTORY_ANY; kind <= MOONPOOL_HISTORY_SORTED; kind++) {
    options.history = (moonpool_history_kind)kind;
    moonpool_room *room = open_room(&f, "x", &options);
    const story *s = history(&f, room, &(query){0});
    CHECK_INT(s->status, MOONPOOL_OK);
    CHECK_INT(s->entries, 0);
    CHECK_STR(ask(&f, "DBSIZE"), ":0");
    moonpool_room_close(room);
  }
  teardown(&f);
}

TEST(wrong_keys_are_named) {
  fixture f;
  moonpool_room_options options;
  setup_redis(&f);
  moonpool_room_options_init(&options);
  moonpool_room *room = open_room(&f, "x", NULL);
  ask(&f, "FLUSHALL");
  ask(&f, "SET {room:x}:log text");
  CHECK(strstr(history(&f, room, &(query){0})->message,
               "WRONGTYPE {room:x}:log holds a string, not a stream"));
  CHECK_INT(history(&f, room, &(query){0})->status, MOONPOOL_EREDIS);
  configure_as(&f, "list", 10, 0);
  ask(&f, "SADD {room:x}:backlog a");
  CHECK(strstr(history(&f, room, &(query){0})->message,
               "WRONGTYPE {room:x}:backlog holds a set, not a list"));
  ask(&f, "SET {room:x}:config nothing");
  CHECK(strstr(history(&f, room, &(query){0})->message,
               "ERR {room:x}:config holds no configuration of a room"));
  ask(&f, "DEL {room:x}:config");
  ask(&f, "LPUSH {room:x}:config a");
  CHECK(strstr(history(&f, room, &(query){0})->message,
               "WRONGTYPE {room:x}:config holds a list, not a string"));
  moonpool_room_close(room);
  fill(&f, "stream", 3, 0);
  options.history = MOONPOOL_HISTORY_LIST;
  room = open_room(&f, "x", &options);
  const story *s = history(&f, room, &(query){0});
  CHECK_INT(s->status, MOONPOOL_EARG);
  CHECK_STR(s->message, "room:x: its history is of the kind \"stream\", not \"list\"");
  moonpool_room_close(room);
  teardown(&f);
}

TEST(a_backlog_may_have_another_key) {
  fixture f;
  moonpool_room_options options;
  setup_redis(&f);
  fill(&f, "list", 3, 0);
  ask(&f, "RENAME {room:x}:backlog room:x:backlog");
  moonpool_room_options_init(&options);
  options.backlog = "room:x:backlog";
  moonpool_room *room = open_room(&f, "x", &options);
  CHECK_STR(numbers(history(&f, room, &(query){0})), "1-3");
  moonpool_room_close(room);
  teardown(&f);
}

/* ---- what was said --------------------------------------------------------------------------- */

/* As moonpool_room_say stores it: ids as they were told, and no more than is kept, though Redis
 * trims a stream only now and then. */
TEST(what_was_said_is_read) {
  enum { MESSAGES = 250, KEPT = 60 };
  static said told[MESSAGES];
  fixture f;
  moonpool_room_options options;
  setup_redis(&f);
  moonpool_room_options_init(&options);
  options.keep = KEPT;
  options.page = 40;
  for (int k = 0; k < KINDS; k++) {
    ask(&f, "FLUSHALL");
    options.history = (moonpool_history_kind)(MOONPOOL_HISTORY_STREAM + k);
    moonpool_room *room = open_room(&f, "x", &options);
    memset(told, 0, sizeof told);
    for (int i = 0; i < MESSAGES; i++) {
      char text[20];
      snprintf(text, sizeof text, "text %d", i);
      say(room, text, &told[i]);
    }
    for (int i = 0; i < MESSAGES; i++) RUN_UNTIL(&f, told[i].count);
    if (k == 0) CHECK(strcmp(ask(&f, "XLEN {room:x}:log"), ":60")); /* or this would show nothing */
    const story *s = history(&f, room, &(query){.last = MESSAGES});
    CHECK_INT(s->entries, KEPT);
    CHECK(!memcmp(&s->first, &told[MESSAGES - KEPT].id, sizeof s->first));
    CHECK(!memcmp(&s->last, &told[MESSAGES - 1].id, sizeof s->last));
    CHECK_STR(history(&f, room, &(query){.last = 2})->text,
              "{\"user\":\"ann\",\"text\":\"text 248\"} {\"user\":\"ann\",\"text\":\"text 249\"}");
    const moonpool_id *middle = &told[MESSAGES - 30].id;
    CHECK_INT(history(&f, room, &(query){.after = middle})->entries, 29);
    CHECK_INT(history(&f, room, &(query){.before = middle})->entries, KEPT - 30);
    CHECK(history(&f, room, &(query){.since_ms = middle->ms})->entries >= 30);
    moonpool_room_close(room);
  }
  teardown(&f);
}

/* ---- lists from afar ------------------------------------------------------------------------- */

TEST(a_list_is_looked_through_up_to_a_limit) {
  static const char script[] = "local n = 0 for i = 1, 132 do local t = {} for j = 1, 1000 do "
                               "n = n + 1 t[j] = string.format('{\"id\":\"%d-%012d-" TAG
                               "\",\"m\":{\"n\":%d}}', n, n, n) end "
                               "redis.call('LPUSH', KEYS[1], unpack(t)) end return n";
  fixture f;
  setup_redis(&f);
  fill(&f, "list", 0, 0);
  CHECK_STR(ask_words(&f, 4,
                      (moonpool_bytes[]){BYTES("EVAL"), BYTES(script), BYTES("1"),
                                         BYTES("{room:x}:backlog")}),
            ":132000");
  moonpool_room *room = open_paged(&f, 500);
  CHECK_STR(numbers(history(&f, room, &(query){.last = 3})), "131998-132000");
  CHECK_STR(numbers(history(&f, room, &(query){.since_ms = 930, .limit = 2})), "930-931");
  const story *s = history(&f, room, &(query){.till_ms = 900, .limit = 2});
  CHECK_INT(s->status, MOONPOOL_ETOOBIG);
  CHECK_STR(s->message, "room:x: this is further back than the newest 131072 entries of its list");
  moonpool_room_close(room);
  teardown(&f);
}

static const test_case tests[] = {
    TEST_CASE(every_kind_answers_every_question),
    TEST_CASE(a_history_is_paged_both_ways),
    TEST_CASE(ids_at_the_ends_of_all_numbers_are_places_too),
    TEST_CASE(a_history_is_cut_to_what_the_room_keeps),
    TEST_CASE(a_history_is_cut_to_the_age_that_the_room_keeps),
    TEST_CASE(foreign_entries_are_left_out),
    TEST_CASE(foreign_entries_of_a_stream_are_left_out),
    TEST_CASE(forged_ids_hide_no_message),
    TEST_CASE(an_absent_room_has_no_history),
    TEST_CASE(wrong_keys_are_named),
    TEST_CASE(a_backlog_may_have_another_key),
    TEST_CASE(what_was_said_is_read),
    TEST_CASE(a_list_is_looked_through_up_to_a_limit),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
