/* Feeds at a real Redis while all is well: where they begin, what they are told, how they end. */
#include "feed_fixture.h"

TEST(a_feed_tells_what_is_said) {
  fixture f;
  listener l = {0};
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  moonpool_room *room = open_room(&f, "chatty", NULL);
  listen_live(&f, &l, room);
  say_numbers(&f, room, 1, 3);
  RUN_UNTIL(&f, l.count == 3);
  ask(&f, "PUBLISH room:chatty {\"type\":\"typing\"}");
  RUN_UNTIL(&f, l.signals);
  say_numbers(&f, room, 4, 4);
  RUN_UNTIL(&f, l.count == 4);
  CHECK_STR(l.told, "L 1 2 3 ?{\"type\":\"typing\"} 4 ");
  check_log(&f, &l, "chatty", 0);
  moonpool_feed_stats stats = feed_stats(&l);
  CHECK(stats.is_live);
  CHECK_INT((long long)stats.messages, 4);
  CHECK_INT((long long)stats.resyncs, 0);
  CHECK(is_same_id(&stats.position, &l.ids[3]));
  moonpool_room_close(room);
  say_numbers(&f, room = open_room(&f, "chatty", NULL), 5, 5);
  CHECK_INT((long long)l.count, 4);
  moonpool_room_close(room);
  teardown(&f);
  forget(&l);
}

TEST(feeds_begin_where_they_are_told_to) {
  fixture f;
  listener end = {0}, last = {0}, more = {0}, after = {0}, origin = {0}, since = {0}, none = {0};
  moonpool_id zero = {0, 0, 0};
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  moonpool_room *room = open_room(&f, "chatty", NULL), *empty = open_room(&f, "empty", NULL);
  say_numbers(&f, room, 1, 5);
  listen_live(&f, &end, room);
  moonpool_start start = start_last(2);
  listen_from(&f, &last, room, &start);
  start = start_last(9);
  listen_from(&f, &more, room, &start);
  size_t count;
  moonpool_id *log = read_log(&f, "chatty", &count);
  start = start_after(&log[2]);
  listen_from(&f, &after, room, &start);
  start = start_after(&zero);
  listen_from(&f, &origin, room, &start);
  start = (moonpool_start){.kind = MOONPOOL_START_SINCE, .since_ms = log[0].ms};
  listen_from(&f, &since, room, &start);
  start = start_last(3);
  listen_from(&f, &none, empty, &start);
  RUN_UNTIL(&f,
            last.lives && more.lives && after.lives && origin.lives && since.lives && none.lives);
  CHECK(is_same_id(&last.live, &log[4]));
  CHECK(is_same_id(&end.live, &log[4]));
  CHECK(is_same_id(&none.live, &zero));
  say_numbers(&f, room, 6, 6);
  say_numbers(&f, empty, 7, 7);
  RUN_UNTIL(&f, end.count == 1 && last.count == 3 && more.count == 6 && after.count == 3 &&
                    origin.count == 6 && since.count == 6 && none.count == 1);
  CHECK_STR(end.told, "L 6 ");
  CHECK_STR(last.told, "4 5 L 6 ");
  CHECK_STR(more.told, "1 2 3 4 5 L 6 ");
  CHECK_STR(after.told, "4 5 L 6 ");
  CHECK_STR(origin.told, "1 2 3 4 5 L 6 ");
  CHECK_STR(since.told, "1 2 3 4 5 L 6 ");
  CHECK_STR(none.told, "L 7 ");
  moonpool_room_close(room);
  moonpool_room_close(empty);
  teardown(&f);
  free(log);
  forget(&end), forget(&last), forget(&more), forget(&after), forget(&origin), forget(&since);
  forget(&none);
}

TEST(the_clients_end_is_told_once) {
  fixture f;
  listener live = {0}, begun = {0};
  setup_redis(&f);
  moonpool_room *room = open_room(&f, "chatty", NULL);
  listen_live(&f, &live, room);
  listen_from(&f, &begun, room, NULL);
  close_client(&f);
  CHECK_STR(live.told, "L . ");
  CHECK_STR(begun.told, ". ");
  moonpool_room_close(room);
  RUN_UNTIL(&f, f.gone);
  teardown(&f);
}

TEST(what_was_missed_with_a_link_is_fetched) {
  fixture f, other;
  listener l = {0};
  setup_another(&other);
  setup_redis(&f);
  ask(&other, "FLUSHALL");
  moonpool_room *room = open_room(&f, "chatty", NULL), *writer = open_room(&other, "chatty", NULL);
  listen_live(&f, &l, room);
  say_numbers(&other, writer, 1, 10);
  ask(&other, "CLIENT KILL TYPE pubsub");
  say_numbers(&other, writer, 11, 20);
  RUN_UNTIL(&f, l.reconnects);
  say_numbers(&other, writer, 21, 22);
  RUN_UNTIL(&f, l.count == 22);
  check_log(&other, &l, "chatty", 0);
  CHECK_INT(l.gaps, 0);
  moonpool_room_close(room);
  moonpool_room_close(writer);
  teardown(&f);
  teardown(&other);
  forget(&l);
}

/* A message of another history: its tag is made of its seq. */
static void store(fixture *f, int ms, int seq) {
  char line[200];
  snprintf(line, sizeof line, "XADD {room:chatty}:log %d-%d t %016d m {\"text\":\"%d\"}", ms, seq,
           seq, seq);
  ask(f, line);
  snprintf(line, sizeof line, "SET {room:chatty}:head %d-%d-%016d", ms, seq, seq);
  ask(f, line);
}

/* The promoted server's clock is far behind, and what it has in common with the old one has been
 * trimmed: what it has is younger all the same. */
TEST(another_history_with_lower_times_is_read_from_its_oldest_message_on) {
  fixture f;
  listener l = {0};
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  moonpool_room *room = open_room(&f, "chatty", NULL);
  listen_live(&f, &l, room);
  say_numbers(&f, room, 1, 5);
  RUN_UNTIL(&f, l.count == 5);
  ask(&f, "DEL {room:chatty}:log");
  for (int seq = 8; seq <= 11; seq++) store(&f, 1000 + seq / 10, seq);
  ask(&f, "PUBLISH room:chatty {\"id\":\"1001-11-0000000000000011\","
          "\"prev\":\"1001-10-0000000000000010\",\"m\":{}}");
  RUN_UNTIL(&f, l.count == 9);
  CHECK_STR(l.told, "L 1 2 3 4 5 [forked ?] 8 9 10 11 ");
  moonpool_room_close(room);
  teardown(&f);
  forget(&l);
}

/* Likewise, but it reaches back before all that the feed remembers: it remembers 3 to 5. */
TEST(another_history_with_lower_times_is_read_from_the_oldest_seq_remembered_on) {
  fixture f;
  listener l = {0};
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  moonpool_room *room = open_room(&f, "chatty", NULL);
  say_numbers(&f, room, 1, 2);
  ask(&f, "XTRIM {room:chatty}:log MAXLEN 0");
  listen_live(&f, &l, room);
  say_numbers(&f, room, 3, 5);
  RUN_UNTIL(&f, l.count == 3);
  ask(&f, "DEL {room:chatty}:log");
  for (int seq = 1; seq <= 7; seq++) store(&f, 1000 + seq / 4, seq);
  ask(&f, "PUBLISH room:chatty {\"id\":\"1001-7-0000000000000007\","
          "\"prev\":\"1001-6-0000000000000006\",\"m\":{}}");
  RUN_UNTIL(&f, l.count == 8);
  CHECK_STR(l.told, "L 3 4 5 [forked ?] 3 4 5 6 7 ");
  moonpool_room_close(room);
  teardown(&f);
  forget(&l);
}

static const test_case tests[] = {
    TEST_CASE(a_feed_tells_what_is_said),
    TEST_CASE(feeds_begin_where_they_are_told_to),
    TEST_CASE(the_clients_end_is_told_once),
    TEST_CASE(what_was_missed_with_a_link_is_fetched),
    TEST_CASE(another_history_with_lower_times_is_read_from_its_oldest_message_on),
    TEST_CASE(another_history_with_lower_times_is_read_from_the_oldest_seq_remembered_on),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
