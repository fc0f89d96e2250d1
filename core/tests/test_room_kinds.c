/* What saying leaves in Redis, in each kind of history: byte for byte as other programs read it,
 * cut to what the room keeps. */
#include "room_fixture.h"

static const moonpool_history_kind kinds[] = {MOONPOOL_HISTORY_STREAM, MOONPOOL_HISTORY_LIST,
                                              MOONPOOL_HISTORY_SORTED};
static const char *const key_of[] = {"{room:r}:log", "{room:r}:backlog", "{room:r}:backlog"};
static const char *const counts[] = {"XLEN {room:r}:log", "LLEN {room:r}:backlog",
                                     "ZCARD {room:r}:backlog"};
enum { STREAM, LIST, SORTED, KINDS };

static moonpool_room *open_kind(fixture *f, int kind, int64_t keep, int64_t keep_ms) {
  moonpool_room_options options;
  moonpool_room_options_init(&options);
  options.history = kinds[kind];
  options.keep = keep;
  options.keep_ms = keep_ms;
  return open_room(f, "r", &options);
}

/* A member with that body, as put_reply writes it: "$LEN TEXT". */
static const char *member_reply(char out[300], const char *id, const char *body) {
  char text[250];
  int len = snprintf(text, sizeof text, "{\"id\":\"%.64s\",\"m\":%.150s}", id, body);
  snprintf(out, 300, "$%d %s", len, text);
  return out;
}

TEST(a_list_has_the_newest_first) {
  fixture f;
  char one[300], two[300], both[700];
  begin(&f);
  moonpool_room *room = open_kind(&f, LIST, -1, -1);
  member_reply(one, said_now(&f, room, "one \"1\"", "")->id_text,
               "{\"user\":\"ann\",\"text\":\"one \\\"1\\\"\"}");
  member_reply(two, said_now(&f, room, "two", NULL)->id_text,
               "{\"user\":\"ann\",\"text\":\"two\"}");
  snprintf(both, sizeof both, "*2[%s %s]", two, one);
  CHECK_STR(ask(&f, "LRANGE {room:r}:backlog 0 -1"), both);
  CHECK(strstr(ask(&f, "GET {room:r}:config"), "list 1000 0 "));
  moonpool_room_close(room);
  teardown(&f);
}

TEST(a_sorted_set_has_the_times_as_scores) {
  fixture f;
  char one[300], expected[400], line[100];
  begin(&f);
  moonpool_room *room = open_kind(&f, SORTED, -1, -1);
  said s = *said_now(&f, room, "one", "");
  member_reply(one, s.id_text, "{\"user\":\"ann\",\"text\":\"one\"}");
  CHECK(strstr(s.id_text, "-000000000001-"));
  snprintf(line, sizeof line, "ZRANGEBYSCORE {room:r}:backlog %llu %llu",
           (unsigned long long)s.id.ms, (unsigned long long)s.id.ms);
  snprintf(expected, sizeof expected, "*1[%s]", one);
  CHECK_STR(ask(&f, line), expected);
  snprintf(line, sizeof line, "ZCOUNT {room:r}:backlog -inf (%llu", (unsigned long long)s.id.ms);
  CHECK_STR(ask(&f, line), ":0");
  moonpool_room_close(room);
  teardown(&f);
}

TEST(a_stream_has_tag_and_body) {
  fixture f;
  char id[MOONPOOL_ID_SIZE], expected[300];
  begin(&f);
  moonpool_room *room = open_kind(&f, STREAM, -1, -1);
  strcpy(id, said_now(&f, room, "one", "")->id_text);
  char *tag = strrchr(id, '-');
  *tag++ = '\0';
  snprintf(expected, sizeof expected,
           "*1[*2[$%zu %s *4[$1 t $16 %s $1 m $27 {\"user\":\"ann\",\"text\":\"one\"}]]]",
           strlen(id), id, tag);
  CHECK_STR(ask(&f, "XRANGE {room:r}:log - +"), expected);
  moonpool_room_close(room);
  teardown(&f);
}

TEST(more_than_is_kept_is_removed) {
  for (int kind = 0; kind < KINDS; kind++) {
    fixture f;
    said s[40] = {{0}};
    begin(&f);
    ask(&f, "CONFIG SET stream-node-max-entries 1");
    moonpool_room *room = open_kind(&f, kind, 7, 0);
    for (int i = 0; i < 40; i++) say(room, "hi", &s[i]); /* one batch */
    RUN_UNTIL(&f, s[39].count);
    CHECK_STR(ask(&f, counts[kind]), ":7");
    said_now(&f, room, "hi", "");
    CHECK_STR(ask(&f, counts[kind]), ":7");
    CHECK_INT(s[39].id.seq, 40);
    moonpool_room_close(room);
    teardown(&f);
  }
}

/* The id before is put into the future, so that what is there is as old as it needs to be. */
TEST(what_is_older_than_is_kept_is_removed) {
  for (int kind = 0; kind < KINDS; kind++) {
    fixture f;
    said s[300] = {{0}};
    begin(&f);
    ask(&f, "CONFIG SET stream-node-max-entries 1");
    moonpool_room *room = open_kind(&f, kind, 0, 1000);
    for (int i = 0; i < 300; i++) say(room, "hi", &s[i]);
    RUN_UNTIL(&f, s[299].count);
    CHECK_STR(ask(&f, counts[kind]), ":300");
    ask(&f, "SET {room:r}:head 9000000000000-300-0123456789abcdef");
    for (int i = 0; i < 3; i++) said_now(&f, room, "later", "");
    CHECK_STR(ask(&f, counts[kind]), ":3"); /* a list is aged by a hundred a message */
    moonpool_room_close(room);
    teardown(&f);
  }
}

TEST(an_age_beyond_the_beginning_of_time_keeps_all) {
  for (int kind = 0; kind < KINDS; kind++) {
    fixture f;
    begin(&f);
    moonpool_room *room = open_kind(&f, kind, (int64_t)1 << 53, (int64_t)1 << 53);
    for (int i = 0; i < 3; i++) CHECK_STR(said_now(&f, room, "hi", "")->message, "");
    CHECK_STR(ask(&f, counts[kind]), ":3");
    moonpool_room_close(room);
    teardown(&f);
  }
}

TEST(each_key_of_a_wrong_type_is_named) {
  static const char *const messages[] = {
      "room:r: WRONGTYPE {room:r}:log holds a string, not a stream",
      "room:r: WRONGTYPE {room:r}:backlog holds a string, not a list",
      "room:r: WRONGTYPE {room:r}:backlog holds a string, not a zset"};
  char line[100];
  for (int kind = 0; kind < KINDS; kind++) {
    for (int is_old = 0; is_old < 2; is_old++) { /* a room that is there, or a new one */
      fixture f;
      begin(&f);
      moonpool_room *room = open_kind(&f, kind, -1, -1);
      if (is_old) said_now(&f, room, "hi", "");
      snprintf(line, sizeof line, "SET %s x", key_of[kind]);
      ask(&f, line);
      said *s = said_now(&f, room, "hi", "k");
      CHECK_INT(s->status, MOONPOOL_EREDIS);
      CHECK_STR(s->message, messages[kind]);
      CHECK_STR(ask(&f, "EXISTS {room:r}:sent:ann:k"), ":0");
      snprintf(line, sizeof line, "DEL %s", key_of[kind]);
      ask(&f, line);
      CHECK_STR(said_now(&f, room, "hi", "k")->message, "");
      ask(&f, "DEL {room:r}:head {room:r}:sent:ann:k");
      ask(&f, "LPUSH {room:r}:head x");
      CHECK_STR(said_now(&f, room, "hi", "")->message,
                "room:r: WRONGTYPE {room:r}:head holds a list, not a string");
      ask(&f, "DEL {room:r}:head");
      ask(&f, "LPUSH {room:r}:sent:ann:k x");
      CHECK_STR(said_now(&f, room, "hi", "k")->message,
                "room:r: WRONGTYPE {room:r}:sent:ann:k holds a list, not a string");
      moonpool_room_close(room);
      teardown(&f);
    }
  }
}

/* Without its head a room goes on after its newest message. */
TEST(a_lost_head_is_found_again) {
  for (int kind = 0; kind < KINDS; kind++) {
    fixture f;
    begin(&f);
    moonpool_room *room = open_kind(&f, kind, -1, -1);
    for (int i = 0; i < 3; i++) said_now(&f, room, "hi", "");
    ask(&f, "DEL {room:r}:head");
    CHECK_INT(said_now(&f, room, "hi", "")->id.seq, 4);
    moonpool_room_close(room);
    teardown(&f);
  }
}

/* Where numbers are no longer exact, nothing is stored, and nothing loops. */
TEST(an_id_that_is_too_large_is_refused) {
  fixture f;
  begin(&f);
  moonpool_room *room = open_kind(&f, STREAM, -1, -1);
  ask(&f, "SET {room:r}:head 18446744073709551615-1-0123456789abcdef");
  CHECK_STR(said_now(&f, room, "hi", "")->message,
            "room:r: the id before is too large: 18446744073709551615-1-0123456789abcdef");
  ask(&f, "DEL {room:r}:head");
  said_now(&f, room, "hi", "");
  ask(&f, "XADD {room:r}:log 9007199254740993-1 some thing");
  CHECK_STR(said_now(&f, room, "hi", "k")->message,
            "room:r: the id before is too large: 9007199254740993-1-0000000000000000");
  CHECK_STR(ask(&f, "EXISTS {room:r}:sent:ann:k"), ":0");
  CHECK_STR(ask(&f, "XLEN {room:r}:log"), ":2");
  moonpool_room_close(room);
  teardown(&f);
}

TEST(a_backlog_may_have_a_key_of_its_own) {
  fixture f;
  moonpool_room_options options;
  begin(&f);
  moonpool_room_options_init(&options);
  options.history = MOONPOOL_HISTORY_LIST;
  options.backlog = "room:r:backlog";
  moonpool_room *room = open_room(&f, "r", &options);
  CHECK_STR(said_now(&f, room, "hi", "")->message, "");
  CHECK_STR(ask(&f, "LLEN room:r:backlog"), ":1");
  CHECK_STR(ask(&f, "EXISTS {room:r}:backlog"), ":0");
  moonpool_room_close(room);
  teardown(&f);
}

/* Deep in a long list, and with the id as programs have it: without zeros. */
TEST(one_of_many_is_deleted) {
  for (int kind = 0; kind < KINDS; kind++) {
    fixture f;
    static said s[2500];
    said gone = {0};
    char id[MOONPOOL_ID_SIZE];
    memset(s, 0, sizeof s);
    begin(&f);
    moonpool_room *room = open_kind(&f, kind, 0, 0);
    for (int i = 0; i < 2500; i++) say(room, "hi", &s[i]);
    RUN_UNTIL(&f, s[2499].count);
    moonpool_id_format(&s[3].id, id);
    CHECK_INT(moonpool_room_delete(room, BYTES("ann"), BYTES(id), 0, on_stored, &gone), 0);
    RUN_UNTIL(&f, gone.count);
    CHECK_STR(gone.message, "");
    CHECK_STR(ask(&f, counts[kind]), ":2500");
    moonpool_room_close(room);
    teardown(&f);
  }
}

static const test_case tests[] = {
    TEST_CASE(a_list_has_the_newest_first),
    TEST_CASE(a_sorted_set_has_the_times_as_scores),
    TEST_CASE(a_stream_has_tag_and_body),
    TEST_CASE(more_than_is_kept_is_removed),
    TEST_CASE(what_is_older_than_is_kept_is_removed),
    TEST_CASE(an_age_beyond_the_beginning_of_time_keeps_all),
    TEST_CASE(each_key_of_a_wrong_type_is_named),
    TEST_CASE(a_lost_head_is_found_again),
    TEST_CASE(an_id_that_is_too_large_is_refused),
    TEST_CASE(a_backlog_may_have_a_key_of_its_own),
    TEST_CASE(one_of_many_is_deleted),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
