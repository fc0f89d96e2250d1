/* How feeds end, pause and go on, whatever they do in their callbacks; what is left by a drain; and
 * what Redis refuses. */
#include "feed_forge.h"

enum { MANY = 3000 };

static void admin(fixture *f, const char *line) {
  CHECK(*ask(f, line) != '-');
}

/* ---- in callbacks -----------------------------------------------------------------------------
 */

static listener *victim;

static void close_victim(listener *l, const moonpool_event *event) {
  (void)l;
  if (event->room->type != MOONPOOL_ROOM_MESSAGE || !victim) return;
  moonpool_feed *feed = victim->feed;
  victim->feed = NULL;
  victim = NULL;
  moonpool_feed_close(feed);
}

/* Each of three closes itself, the one before it or the one after it. */
TEST(a_feed_may_be_closed_while_events_are_told) {
  for (int closer = 0; closer < 3; closer++) {
    for (int closed = 0; closed < 3; closed++) {
      for (int is_fetched = 0; is_fetched < 2; is_fetched++) {
        scene s;
        listener l[3] = {0};
        begin_scene(&s);
        moonpool_room *room = s.room = open_room(&s.f, "r", &s.options);
        for (int i = 0; i < 3; i++) listen_from(&s.f, &l[i], room, NULL);
        RUN_UNTIL(&s.f, l[0].lives && l[1].lives && l[2].lives);
        victim = &l[closed];
        l[closer].then = close_victim;
        if (is_fetched) forge_many(&s.f, "xh", 5000, A_TAG, 1, 2);
        forge_many(&s.f, "xhp", 5000, A_TAG, is_fetched ? 3 : 1, 3);
        for (int i = 0; i < 3; i++)
          if (i != closed) RUN_UNTIL(&s.f, l[i].count == 3);
        CHECK(l[closed].count <= 1);
        CHECK(!l[closed].feed);
        for (int i = 0; i < 3; i++) forget(&l[i]);
        end_scene(&s);
      }
    }
  }
}

static void close_the_client(listener *l, const moonpool_event *event) {
  if (event->room->type != MOONPOOL_ROOM_MESSAGE) return;
  close_client(l->f);
}

TEST(the_client_may_be_closed_while_events_are_told) {
  for (int is_fetched = 0; is_fetched < 2; is_fetched++) {
    scene s;
    fixture by;
    listener other = {0};
    setup_another(&by);
    begin_scene(&s);
    open_scene(&s, NULL);
    listen_live(&s.f, &other, s.room);
    s.l.then = close_the_client;
    if (is_fetched) forge_many(&by, "xh", 5000, A_TAG, 1, 2);
    forge_many(&by, "xhp", 5000, A_TAG, is_fetched ? 3 : 1, 3);
    RUN_UNTIL(&s.f, s.f.gone);
    CHECK_STR(s.l.told, "L 1 . ");
    CHECK_INT(other.ends, 1);
    moonpool_room_close(s.room);
    teardown(&s.f);
    teardown(&by);
    forget(&s.l);
    forget(&other);
  }
}

static void close_the_room(listener *l, const moonpool_event *event) {
  moonpool_room **room = (moonpool_room **)(void *)victim;
  if (event->room->type != MOONPOOL_ROOM_MESSAGE) return;
  l->feed = NULL;
  victim = NULL;
  moonpool_room_close(*room);
}

TEST(the_room_may_be_closed_while_events_are_told) {
  scene s;
  listener other = {0};
  begin_scene(&s);
  open_scene(&s, NULL);
  listen_live(&s.f, &other, s.room);
  s.l.then = close_the_room;
  victim = (listener *)(void *)&s.room;
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 1);
  RUN_UNTIL(&s.f, !victim);
  CHECK_STR(s.l.told, "L 1 ");
  CHECK_INT(other.ends, 0);
  s.room = NULL;
  end_scene(&s);
  forget(&other);
}

static void pause_now(listener *l, const moonpool_event *event) {
  if (event->room->type == MOONPOOL_ROOM_MESSAGE) moonpool_feed_pause(l->feed);
}

/* One that pauses with every message, and is resumed by the loop, misses nothing; nor does the
 * other, whom it pauses as well, before it has had the same message. */
static listener *paused_too;

static void pause_both(listener *l, const moonpool_event *event) {
  pause_now(l, event);
  if (event->room->type == MOONPOOL_ROOM_MESSAGE) moonpool_feed_pause(paused_too->feed);
}

TEST(pausing_at_every_message_misses_nothing) {
  scene s;
  listener other = {0};
  begin_scene(&s);
  open_scene(&s, NULL);
  listen_live(&s.f, &other, s.room);
  paused_too = &other;
  s.l.then = pause_both;
  static said all[40];
  memset(all, 0, sizeof all);
  for (int i = 1; i <= 40; i++) {
    char text[20];
    snprintf(text, sizeof text, "%d", i);
    say(s.room, text, &all[i - 1]);
  }
  while ((s.l.count < 40 || other.count < 40) && !s.f.is_late) {
    moonpool_feed_resume(s.l.feed);
    moonpool_feed_resume(other.feed);
    uv_run(&s.f.loop, UV_RUN_ONCE);
  }
  check_log(&s.f, &s.l, "r", 0);
  check_log(&s.f, &other, "r", 0);
  CHECK_INT(s.l.gaps + other.gaps, 0);
  forget(&other);
  end_scene(&s);
}

/* ---- drains -----------------------------------------------------------------------------------
 */

static int drains, taken_most;

/* Takes one event, and leaves the others. */
static void take_one(moonpool *client, void *ctx) {
  const moonpool_event *event;
  int got;
  (void)ctx;
  drains++;
  while ((got = moonpool_next(client, &event)) != 0) {
    if (got != 1) continue;
    on_feed_event(event);
    if (event->room->type == MOONPOOL_ROOM_MESSAGE) return;
  }
}

TEST(what_a_drain_leaves_is_kept) {
  scene s;
  listener other = {0};
  begin_scene(&s);
  s.room = open_room(&s.f, "r", &s.options);
  moonpool_set_drain(s.f.client, take_one, NULL);
  listen_live(&s.f, &s.l, s.room);
  listen_live(&s.f, &other, s.room);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 3);
  while ((s.l.count < 3 || other.count < 3) && !s.f.is_late) {
    ask(&s.f, "PUBLISH room:r hi");
    uv_run(&s.f.loop, UV_RUN_NOWAIT);
  }
  CHECK(strstr(s.l.told, "1 ") && strstr(s.l.told, "3 "));
  check_log(&s.f, &s.l, "r", 0);
  check_log(&s.f, &other, "r", 0);
  forget(&other);
  end_scene(&s);
}

static void count_taken(moonpool *client, void *ctx) {
  const moonpool_event *event;
  int got, taken = 0;
  (void)ctx;
  while ((got = moonpool_next(client, &event)) != 0) {
    if (got != 1) continue;
    taken++;
    on_feed_event(event);
  }
  if (taken > taken_most) taken_most = taken;
}

TEST(a_long_history_is_told_in_slices) {
  scene s;
  moonpool_start start = {.kind = MOONPOOL_START_AFTER};
  begin_scene(&s);
  s.options.keep = 0;
  s.options.page = 2500;
  s.room = open_room(&s.f, "r", &s.options);
  say_numbers(&s.f, s.room, 1, MANY);
  moonpool_set_drain(s.f.client, count_taken, NULL);
  taken_most = 0;
  listen_from(&s.f, &s.l, s.room, &start);
  RUN_UNTIL(&s.f, s.l.lives);
  check_log(&s.f, &s.l, "r", 0);
  CHECK(taken_most > 100 && taken_most <= 1000);
  CHECK_INT((long long)feed_stats(&s.l).reads, 2);
  end_scene(&s);
}

/* ---- refusals ---------------------------------------------------------------------------------
 */

TEST(a_log_of_the_wrong_type_is_an_error_until_it_is_gone) {
  scene s;
  begin_scene(&s);
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 2);
  RUN_UNTIL(&s.f, s.l.count == 2);
  admin(&s.f, "RENAME {room:r}:log kept");
  admin(&s.f, "SET {room:r}:log x");
  forge_many(&s.f, "p", 5000, A_TAG, 7, 7);
  RUN_UNTIL(&s.f, s.l.errors);
  CHECK(strstr(s.l.error, "WRONGTYPE"));
  admin(&s.f, "DEL {room:r}:log");
  admin(&s.f, "RENAME kept {room:r}:log");
  forge_many(&s.f, "xhp", 5000, A_TAG, 3, 4);
  RUN_UNTIL(&s.f, s.l.count == 4);
  CHECK_STR(s.l.told, "L 1 2 !EREDIS 3 4 ");
  end_scene(&s);
}

/* The user's rights are taken away and given back by another client. */
static void begin_user(scene *s, fixture *by, const char *rights) {
  char line[200];
  static char url[100];
  memset(s, 0, sizeof *s);
  setup_another(by);
  admin(by, "FLUSHALL");
  snprintf(line, sizeof line, "ACL SETUSER ann reset on >pw +@all %s", rights);
  admin(by, line);
  snprintf(url, sizeof url, "unix://ann:pw@%s", redis.path);
  setup_alone(&s->f);
  s->f.options.url = url;
  CHECK_INT(open_client(&s->f), MOONPOOL_OK);
  RUN_UNTIL(&s->f, state_of(&s->f) == MOONPOOL_READY);
  moonpool_room_options_init(&s->options);
  s->options.resync_pause = 1;
  s->room = open_room(&s->f, "r", &s->options);
  listen_from(&s->f, &s->l, s->room, NULL);
}

TEST(a_history_that_may_not_be_read_is_an_error_until_it_may) {
  scene s;
  fixture by;
  begin_user(&s, &by, "~nothing &*");
  RUN_UNTIL(&s.f, s.l.errors);
  CHECK(strstr(s.l.error, "NOPERM"));
  CHECK_INT(s.l.lives, 0);
  admin(&by, "ACL SETUSER ann ~*");
  RUN_UNTIL(&s.f, s.l.lives);
  CHECK_STR(s.l.told, "!EPERM L ");
  end_scene(&s);
  teardown(&by);
}

TEST(a_channel_that_may_not_be_heard_is_an_error_until_it_may) {
  scene s;
  fixture by;
  begin_user(&s, &by, "~* resetchannels &other");
  RUN_UNTIL(&s.f, s.l.errors);
  CHECK_INT(s.l.lives, 0);
  admin(&by, "ACL SETUSER ann &*");
  RUN_UNTIL(&s.f, s.l.lives);
  forge_many(&by, "xhp", 5000, A_TAG, 1, 1);
  RUN_UNTIL(&s.f, s.l.count == 1);
  CHECK_STR(s.l.told, "!EPERM L 1 ");
  end_scene(&s);
  teardown(&by);
}

TEST(scripts_that_were_flushed_are_brought_along) {
  scene s;
  begin_scene(&s);
  open_scene(&s, NULL);
  for (int i = 1; i < 10; i += 3) {
    admin(&s.f, "SCRIPT FLUSH");
    forge_many(&s.f, "xh", 5000, A_TAG, i, i + 1);
    forge_many(&s.f, "xhp", 5000, A_TAG, i + 2, i + 2);
    RUN_UNTIL(&s.f, (int)s.l.count == i + 2);
  }
  CHECK_STR(s.l.told, "L 1 2 3 4 5 6 7 8 9 ");
  end_scene(&s);
}

TEST(foreign_entries_of_the_log_are_left_out) {
  scene s;
  moonpool_start start = {.kind = MOONPOOL_START_AFTER};
  begin_scene(&s);
  s.options.page = 2;
  forge_many(&s.f, "xh", 5000, A_TAG, 1, 2);
  for (int i = 0; i < 5; i++) admin(&s.f, "XADD {room:r}:log 5000-* a b");
  open_scene(&s, &start);
  CHECK_STR(s.l.told, "1 2 L ");
  forge(&s.f, "xhp", "5000-2" A_TAG, "6000-8" A_TAG, "8");
  RUN_UNTIL(&s.f, s.l.count == 3);
  CHECK_STR(s.l.told, "1 2 L 8 ");
  end_scene(&s);
}

static const test_case tests[] = {
    TEST_CASE(a_feed_may_be_closed_while_events_are_told),
    TEST_CASE(the_client_may_be_closed_while_events_are_told),
    TEST_CASE(the_room_may_be_closed_while_events_are_told),
    TEST_CASE(pausing_at_every_message_misses_nothing),
    TEST_CASE(what_a_drain_leaves_is_kept),
    TEST_CASE(a_long_history_is_told_in_slices),
    TEST_CASE(a_log_of_the_wrong_type_is_an_error_until_it_is_gone),
    TEST_CASE(a_history_that_may_not_be_read_is_an_error_until_it_may),
    TEST_CASE(a_channel_that_may_not_be_heard_is_an_error_until_it_may),
    TEST_CASE(scripts_that_were_flushed_are_brought_along),
    TEST_CASE(foreign_entries_of_the_log_are_left_out),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
