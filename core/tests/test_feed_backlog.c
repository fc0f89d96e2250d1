/* Feeds of rooms whose history is a list or a sorted set. */
#include "feed_forge.h"

static const moonpool_history_kind kinds[] = {MOONPOOL_HISTORY_LIST, MOONPOOL_HISTORY_SORTED};

#define EACH_KIND(i) for (int i = 0; i < 2; i++)

static void begin_of_kind(scene *s, int i) {
  begin_scene(s);
  s->options.history = kinds[i];
  s->room = open_room(&s->f, "r", &s->options);
}

TEST(they_are_told_what_is_said) {
  EACH_KIND(i) {
    scene s;
    begin_of_kind(&s, i);
    listen_from(&s.f, &s.l, s.room, NULL);
    RUN_UNTIL(&s.f, s.l.lives);
    say_numbers(&s.f, s.room, 1, 3);
    RUN_UNTIL(&s.f, s.l.count == 3);
    ask(&s.f, "PUBLISH room:r garbage");
    RUN_UNTIL(&s.f, s.l.signals);
    CHECK_STR(s.l.told, "L 1 2 3 ?garbage ");
    end_scene(&s);
  }
}

TEST(their_kind_is_found_out) {
  EACH_KIND(i) {
    scene s;
    begin_of_kind(&s, i);
    moonpool_room *other = open_room(&s.f, "r", NULL);
    listen_from(&s.f, &s.l, other, NULL);
    RUN_UNTIL(&s.f, s.l.lives);
    say_numbers(&s.f, s.room, 1, 3);
    RUN_UNTIL(&s.f, s.l.count == 3);
    say_numbers(&s.f, s.room, 4, 4);
    RUN_UNTIL(&s.f, s.l.count == 4);
    CHECK_STR(s.l.told, "L 1 2 3 4 ");
    moonpool_room_close(other);
    end_scene(&s);
  }
}

TEST(what_is_asked_for_is_read_once_and_joined) {
  EACH_KIND(i) {
    scene s;
    listener all = {0}, since = {0};
    begin_of_kind(&s, i);
    say_numbers(&s.f, s.room, 1, 5);
    moonpool_start start = start_last(2), whole = start_last(100);
    listen_from(&s.f, &s.l, s.room, &start);
    listen_from(&s.f, &all, s.room, &whole);
    start = (moonpool_start){.kind = MOONPOOL_START_SINCE, .since_ms = 1};
    listen_from(&s.f, &since, s.room, &start);
    say_numbers(&s.f, s.room, 6, 6);
    RUN_UNTIL(&s.f, all.lives && since.lives && s.l.lives);
    say_numbers(&s.f, s.room, 7, 7);
    RUN_UNTIL(&s.f, all.count >= 7 && since.count == 7 && s.l.ids[s.l.count - 1].seq == 7);
    CHECK(strstr(s.l.told, "5 ") && strstr(s.l.told, "7 "));
    CHECK_INT((long long)all.count, 7);
    for (size_t n = 0; n < 7; n++) CHECK_INT((long long)all.ids[n].seq, (long long)n + 1);
    for (size_t n = 0; n < 7; n++) CHECK_INT((long long)since.ids[n].seq, (long long)n + 1);
    forget(&all);
    forget(&since);
    end_scene(&s);
  }
}

TEST(what_was_missed_with_a_link_is_a_gap) {
  EACH_KIND(i) {
    scene s;
    begin_of_kind(&s, i);
    listen_from(&s.f, &s.l, s.room, NULL);
    RUN_UNTIL(&s.f, s.l.lives);
    say_numbers(&s.f, s.room, 1, 2);
    RUN_UNTIL(&s.f, s.l.count == 2);
    ask(&s.f, "CLIENT KILL TYPE pubsub");
    RUN_UNTIL(&s.f, s.l.reconnects == 1); /* nothing was said meanwhile */
    CHECK_INT(s.l.gaps, 0);
    /* In one write: Redis carries out the kill and the message before the link is back. */
    command(&s.f, "CLIENT KILL TYPE pubsub", NULL);
    said said = {0};
    say(s.room, "3", &said);
    RUN_UNTIL(&s.f, said.count && s.l.reconnects == 2);
    say_numbers(&s.f, s.room, 4, 4);
    RUN_UNTIL(&s.f, s.l.ids[s.l.count - 1].seq == 4);
    CHECK_STR(s.l.told, "L 1 2 ~ [unavailable 1]> ~ 4 ");
    end_scene(&s);
  }
}

TEST(what_came_while_it_was_paused_is_a_gap) {
  EACH_KIND(i) {
    scene s;
    begin_of_kind(&s, i);
    listen_from(&s.f, &s.l, s.room, NULL);
    RUN_UNTIL(&s.f, s.l.lives);
    say_numbers(&s.f, s.room, 1, 1);
    RUN_UNTIL(&s.f, s.l.count == 1);
    moonpool_feed_pause(s.l.feed);
    moonpool_feed_resume(s.l.feed);
    RUN_UNTIL(&s.f, s.l.lives == 2);
    listener other = {0};
    listen_live(&s.f, &other, s.room);
    moonpool_feed_pause(s.l.feed);
    say_numbers(&s.f, s.room, 2, 4);
    RUN_UNTIL(&s.f, other.count == 3);
    moonpool_feed_resume(s.l.feed);
    RUN_UNTIL(&s.f, s.l.lives == 3);
    say_numbers(&s.f, s.room, 5, 5);
    RUN_UNTIL(&s.f, s.l.count == 2 && other.count == 4);
    CHECK_STR(s.l.told, "L 1 L [overflow 3]> L 5 ");
    CHECK_STR(other.told, "L 2 3 4 5 ");
    forget(&other);
    end_scene(&s);
  }
}

static void on_destroyed(const moonpool_error *error, void *ctx) {
  CHECK(!error);
  ++*(int *)ctx;
}

/* Said by handles that ask for no kind but the first one's. */
static void change_kind(moonpool_history_kind from, moonpool_history_kind to, const char *told) {
  scene s;
  int destroyed = 0;
  begin_scene(&s);
  s.options.history = from;
  moonpool_room *before = open_room(&s.f, "r", &s.options);
  s.options.history = to;
  moonpool_room *after = open_room(&s.f, "r", &s.options);
  s.options.history = MOONPOOL_HISTORY_ANY;
  open_scene(&s, NULL);
  say_numbers(&s.f, before, 1, 2);
  RUN_UNTIL(&s.f, s.l.count == 2);
  CHECK_INT(moonpool_room_destroy(before, 0, on_destroyed, &destroyed), MOONPOOL_OK);
  RUN_UNTIL(&s.f, destroyed && s.l.gaps && feed_stats(&s.l).is_live);
  say_numbers(&s.f, after, 3, 4);
  RUN_UNTIL(&s.f, s.l.count == 4);
  CHECK_STR(s.l.told, told);
  moonpool_room_close(before);
  moonpool_room_close(after);
  end_scene(&s);
}

TEST(a_room_may_become_another_kind) {
  change_kind(MOONPOOL_HISTORY_STREAM, MOONPOOL_HISTORY_LIST,
              "L 1 2 ?{\"type\":\"destroy\"} [trimmed ?]> 3 4 ");
  change_kind(MOONPOOL_HISTORY_SORTED, MOONPOOL_HISTORY_STREAM,
              "L 1 2 ?{\"type\":\"destroy\"} [trimmed ?]> 3 4 ");
}

static const test_case tests[] = {
    TEST_CASE(they_are_told_what_is_said),
    TEST_CASE(their_kind_is_found_out),
    TEST_CASE(what_is_asked_for_is_read_once_and_joined),
    TEST_CASE(what_was_missed_with_a_link_is_a_gap),
    TEST_CASE(what_came_while_it_was_paused_is_a_gap),
    TEST_CASE(a_room_may_become_another_kind),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
