/* Feeds of all rooms that match a pattern. */
#include "feed_forge.h"

enum { ROOMS = 200 };

static void open_pattern(fixture *f, listener *l, const char *pattern) {
  moonpool_room_options options;
  moonpool_room_options_init(&options);
  options.resync_pause = 1;
  options.check = 60;
  options.check_grace = 5;
  l->f = f;
  CHECK_INT(
      moonpool_feed_open_pattern(&l->feed, f->client, BYTES(pattern), &options, on_feed_event, l),
      MOONPOOL_OK);
  RUN_UNTIL(f, l->lives);
}

/* Puts the room's name before what is told of a message. */
static void name_it(listener *l, const moonpool_event *event) {
  if (event->room->type == MOONPOOL_ROOM_MESSAGE)
    put_told(l, "(%.*s) ", event->room->room.data, (int)event->room->room.len);
}

TEST(every_room_that_matches_is_heard) {
  fixture f;
  listener l = {.then = name_it};
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  moonpool_room *a = open_room(&f, "a", NULL), *b = open_room(&f, "b", NULL);
  say_numbers(&f, a, 1, 2);
  open_pattern(&f, &l, "room:*");
  say_numbers(&f, a, 3, 4);
  RUN_UNTIL(&f, l.count == 2);
  say_numbers(&f, b, 5, 5);
  RUN_UNTIL(&f, l.count == 3);
  ask(&f, "PUBLISH room:c typing");
  ask(&f, "PUBLISH news hi");
  ask(&f, "PUBLISH room:{x} hi");
  RUN_UNTIL(&f, l.signals == 1);
  CHECK_STR(l.told, "L 3 (a) 4 (a) 5 (b) ?typing ");
  moonpool_room_close(a);
  moonpool_room_close(b);
  teardown(&f);
  CHECK_INT(l.ends, 1);
  forget(&l);
}

TEST(a_lost_frame_of_one_of_them_is_fetched) {
  fixture f;
  listener l = {0};
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  open_pattern(&f, &l, "room:*");
  forge_many(&f, "xh", 5000, A_TAG, 1, 3);
  forge_many(&f, "xhp", 5000, A_TAG, 4, 5);
  RUN_UNTIL(&f, l.count == 2); /* it begins with the first that is published */
  forge_many(&f, "xh", 5000, A_TAG, 6, 8);
  RUN_UNTIL(&f, l.count == 5);
  forge_many(&f, "xh", 5000, A_TAG, 9, 9);
  forge_many(&f, "xhp", 5000, A_TAG, 10, 10);
  RUN_UNTIL(&f, l.count == 7);
  CHECK_STR(l.told, "L 4 5 6 7 8 9 10 ");
  moonpool_feed_close(l.feed);
  teardown(&f);
  forget(&l);
}

TEST(all_of_them_are_whole_after_a_reconnect) {
  fixture f, other;
  listener l = {0};
  moonpool_room *rooms[ROOMS];
  char name[20];
  setup_another(&other);
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  open_pattern(&f, &l, "room:*");
  for (int i = 0; i < ROOMS; i++) {
    snprintf(name, sizeof name, "room%d", i);
    rooms[i] = open_room(&other, name, NULL);
    say_numbers(&other, rooms[i], 1, 2);
  }
  RUN_UNTIL(&f, l.count == 2 * ROOMS);
  ask(&other, "CLIENT KILL TYPE pubsub");
  for (int i = 0; i < ROOMS; i++) say_numbers(&other, rooms[i], 3, 5);
  RUN_UNTIL(&f, l.reconnects == ROOMS);
  RUN_UNTIL(&f, l.count == 5 * ROOMS);
  CHECK_INT(l.gaps, 0);
  for (int i = 0; i < ROOMS; i++) moonpool_room_close(rooms[i]);
  teardown(&f);
  teardown(&other);
  forget(&l);
}

TEST(a_paused_one_fetches_what_it_missed) {
  fixture f;
  listener l = {.then = name_it};
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  moonpool_room *a = open_room(&f, "a", NULL), *b = open_room(&f, "b", NULL);
  open_pattern(&f, &l, "room:*");
  say_numbers(&f, a, 1, 1);
  RUN_UNTIL(&f, l.count == 1);
  moonpool_feed_pause(l.feed);
  say_numbers(&f, a, 2, 3);
  say_numbers(&f, b, 4, 5);
  CHECK_STR(l.told, "L 1 (a) ");
  moonpool_feed_resume(l.feed);
  RUN_UNTIL(&f, l.count == 5 && feed_stats(&l).is_live);
  CHECK(strstr(l.told, "2 (a) 3 (a) "));
  CHECK(strstr(l.told, "4 (b) 5 (b) "));
  moonpool_room_close(a);
  moonpool_room_close(b);
  teardown(&f);
  forget(&l);
}

static const test_case tests[] = {
    TEST_CASE(every_room_that_matches_is_heard),
    TEST_CASE(a_lost_frame_of_one_of_them_is_fetched),
    TEST_CASE(all_of_them_are_whole_after_a_reconnect),
    TEST_CASE(a_paused_one_fetches_what_it_missed),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
