/* What becomes of a feed when frames are lost, the history is trimmed, or is another one. */
#include "feed_forge.h"

/* ---- frames -----------------------------------------------------------------------------------
 */

TEST(a_lost_frame_comes_before_the_next) {
  scene s;
  begin_scene(&s);
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 2);
  forge_many(&s.f, "xh", 5000, A_TAG, 3, 5);
  forge_many(&s.f, "xhp", 5000, A_TAG, 6, 6);
  RUN_UNTIL(&s.f, s.l.count == 6);
  CHECK_STR(s.l.told, "L 1 2 3 4 5 6 ");
  CHECK_INT((long long)feed_stats(&s.l).resyncs, 1);
  end_scene(&s);
}

TEST(the_last_frame_lost_is_found_at_the_head) {
  scene s;
  begin_scene(&s);
  s.options.check = 40;
  s.options.check_grace = 5;
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 1);
  forge_many(&s.f, "xh", 5000, A_TAG, 2, 3);
  RUN_UNTIL(&s.f, s.l.count == 3);
  CHECK_STR(s.l.told, "L 1 2 3 ");
  end_scene(&s);
}

TEST(frames_that_come_again_or_late_are_dropped) {
  scene s;
  begin_scene(&s);
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 3);
  forge_many(&s.f, "p", 5000, A_TAG, 1, 3);
  forge_many(&s.f, "xh", 5000, A_TAG, 4, 6);
  forge_many(&s.f, "p", 5000, A_TAG, 6, 6);
  forge_many(&s.f, "p", 5000, A_TAG, 4, 5);
  forge_many(&s.f, "xhp", 5000, A_TAG, 7, 7);
  RUN_UNTIL(&s.f, s.l.count == 7);
  CHECK_STR(s.l.told, "L 1 2 3 4 5 6 7 ");
  end_scene(&s);
}

TEST(forged_frames_move_nothing) {
  static const char *const payloads[] = {
      "[1,2]",
      "{}",
      "garbage",
      "{\"\\u0069d\":\"5000-4-aaaaaaaaaaaaaaaa\",\"prev\":\"5000-3-aaaaaaaaaaaaaaaa\",\"m\":{}}",
      "{\"id\":\"x\",\"prev\":\"y\",\"m\":{}}",
      "{\"id\":\"5000-4-aaaaaaaaaaaaaaaa\",\"m\":{}}"};
  scene s;
  char line[300];
  begin_scene(&s);
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 3);
  RUN_UNTIL(&s.f, s.l.count == 3);
  for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
    snprintf(line, sizeof line, "PUBLISH room:r %s", payloads[i]);
    ask(&s.f, line);
  }
  /* Far in the future; and with the right prev, but not the next seq. */
  forge(&s.f, "p", "9999999999999-8" B_TAG, "9999999999999-9" B_TAG, "future");
  forge(&s.f, "p", "5000-3" A_TAG, "9999999999999-9" B_TAG, "future");
  forge_many(&s.f, "xhp", 5000, A_TAG, 4, 4);
  RUN_UNTIL(&s.f, s.l.count == 4);
  CHECK(!strstr(s.l.told, "future"));
  CHECK(s.l.signals >= 5);
  CHECK_INT(s.l.gaps, 0);
  end_scene(&s);
}

/* A forger who knows the place: what he says is taken for a message, but not for long. */
TEST(a_perfect_forgery_ends_as_a_fork) {
  scene s;
  begin_scene(&s);
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 3);
  RUN_UNTIL(&s.f, s.l.count == 3);
  forge(&s.f, "p", "5000-3" A_TAG, "9999999999999-4" B_TAG, "forged");
  forge_many(&s.f, "xhp", 5000, A_TAG, 4, 5);
  RUN_UNTIL(&s.f, s.l.count == 6);
  CHECK_STR(s.l.told, "L 1 2 3 forged [forked ?] 4 5 ");
  end_scene(&s);
}

/* ---- trimmed ----------------------------------------------------------------------------------
 */

TEST(what_was_trimmed_is_counted) {
  scene s;
  begin_scene(&s);
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 3);
  forge_many(&s.f, "xh", 5000, A_TAG, 4, 20);
  ask(&s.f, "XTRIM {room:r}:log MAXLEN 3");
  forge_many(&s.f, "p", 5000, A_TAG, 20, 20);
  RUN_UNTIL(&s.f, s.l.count == 6);
  CHECK_STR(s.l.told, "L 1 2 3 [trimmed 14] 18 19 20 ");
  CHECK_INT((long long)s.l.gap.from.seq, 3);
  CHECK_INT((long long)s.l.gap.to.seq, 18);
  end_scene(&s);
}

TEST(what_was_trimmed_up_to_the_place_is_no_gap) {
  scene s;
  begin_scene(&s);
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 3);
  forge_many(&s.f, "xh", 5000, A_TAG, 4, 6);
  ask(&s.f, "XTRIM {room:r}:log MAXLEN 3");
  forge_many(&s.f, "xhp", 5000, A_TAG, 7, 7);
  RUN_UNTIL(&s.f, s.l.count == 7);
  CHECK_STR(s.l.told, "L 1 2 3 4 5 6 7 ");
  end_scene(&s);
}

TEST(a_log_trimmed_to_nothing_is_a_gap_up_to_the_head) {
  scene s;
  begin_scene(&s);
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 3);
  forge_many(&s.f, "xh", 5000, A_TAG, 4, 6);
  ask(&s.f, "XTRIM {room:r}:log MAXLEN 0");
  forge_many(&s.f, "p", 5000, A_TAG, 6, 6);
  RUN_UNTIL(&s.f, s.l.gaps);
  forge_many(&s.f, "xhp", 5000, A_TAG, 7, 7);
  RUN_UNTIL(&s.f, s.l.count == 4);
  CHECK_STR(s.l.told, "L 1 2 3 [trimmed 3]> 7 ");
  end_scene(&s);
}

TEST(a_paused_feed_misses_what_is_trimmed) {
  scene s;
  begin_scene(&s);
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 2);
  RUN_UNTIL(&s.f, s.l.count == 2);
  moonpool_feed_pause(s.l.feed);
  forge_many(&s.f, "xhp", 5000, A_TAG, 3, 9);
  ask(&s.f, "XTRIM {room:r}:log MAXLEN 2");
  CHECK_STR(s.l.told, "L 1 2 ");
  moonpool_feed_resume(s.l.feed);
  RUN_UNTIL(&s.f, s.l.lives == 2);
  CHECK_STR(s.l.told, "L 1 2 [trimmed 5] 8 9 L ");
  end_scene(&s);
}

/* ---- forked -----------------------------------------------------------------------------------
 */

/* The log's first `kept` messages of 1 to 5, and others after them. */
static void fork_at(scene *s, int kept, int ms, const char *tag, int from, int to) {
  ask(&s->f, "DEL {room:r}:log");
  forge_many(&s->f, "xh", 5000, A_TAG, 1, kept);
  forge_many(&s->f, "xh", ms, tag, from, to);
}

static void begin_fork(scene *s) {
  begin_scene(s);
  open_scene(s, NULL);
  forge_many(&s->f, "xhp", 5000, A_TAG, 1, 5);
  RUN_UNTIL(&s->f, s->l.count == 5);
}

static void end_fork(scene *s, int ms, const char *tag, int last, const char *told) {
  forge_many(&s->f, "p", ms, tag, last, last);
  RUN_UNTIL(&s->f, s->l.gaps && s->l.ids[s->l.count - 1].seq == (uint64_t)last &&
                       feed_stats(&s->l).is_live);
  CHECK_STR(s->l.told, told);
  CHECK_INT(s->l.gaps, 1);
}

TEST(ids_that_collide_are_a_fork) {
  scene s;
  begin_fork(&s);
  fork_at(&s, 3, 5000, B_TAG, 4, 6);
  end_fork(&s, 5000, B_TAG, 6, "L 1 2 3 4 5 [forked ?] 4 5 6 ");
  CHECK_INT((long long)s.l.gap.from.seq, 3);
  CHECK_INT((long long)s.l.gap.from.tag, (long long)0xaaaaaaaaaaaaaaaa);
  CHECK_INT((long long)s.l.gap.to.seq, 4);
  forge_many(&s.f, "xhp", 5000, B_TAG, 7, 8);
  RUN_UNTIL(&s.f, s.l.count == 10);
  CHECK_INT(s.l.gaps, 1);
  end_scene(&s);
}

TEST(a_fork_with_a_clock_ahead) {
  scene s;
  begin_fork(&s);
  fork_at(&s, 3, 6000, B_TAG, 4, 5);
  end_fork(&s, 6000, B_TAG, 5, "L 1 2 3 4 5 [forked ?] 4 5 ");
  end_scene(&s);
}

TEST(a_fork_with_a_clock_behind) {
  scene s;
  begin_scene(&s);
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 3);
  forge(&s.f, "xhp", "5000-3" A_TAG, "9000-4" A_TAG, "4");
  forge(&s.f, "xhp", "9000-4" A_TAG, "9000-5" A_TAG, "5");
  RUN_UNTIL(&s.f, s.l.count == 5);
  fork_at(&s, 3, 7000, B_TAG, 4, 5);
  end_fork(&s, 7000, B_TAG, 5, "L 1 2 3 4 5 [forked ?] 4 5 ");
  end_scene(&s);
}

TEST(a_tail_that_is_gone_is_a_fork) {
  scene s;
  begin_scene(&s);
  s.options.check = 40;
  s.options.check_grace = 5;
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 5);
  RUN_UNTIL(&s.f, s.l.count == 5);
  ask(&s.f, "XDEL {room:r}:log 5000-4 5000-5");
  ask(&s.f, "SET {room:r}:head 5000-3" A_TAG); /* from here on it may be looked at */
  RUN_UNTIL(&s.f, s.l.gaps);
  forge(&s.f, "xhp", "5000-3" A_TAG, "6000-4" B_TAG, "four");
  RUN_UNTIL(&s.f, s.l.count == 6);
  CHECK_STR(s.l.told, "L 1 2 3 4 5 [forked ?]> four ");
  end_scene(&s);
}

TEST(a_fork_that_was_trimmed_since) {
  scene s;
  begin_fork(&s);
  ask(&s.f, "SET {room:r}:config stream|1000|0|bbbbbbbbbbbbbbbb");
  fork_at(&s, 3, 6000, B_TAG, 4, 20);
  ask(&s.f, "XTRIM {room:r}:log MAXLEN 2");
  forge_many(&s.f, "p", 6000, B_TAG, 20, 20);
  RUN_UNTIL(&s.f, s.l.count == 7);
  CHECK_STR(s.l.told, "L 1 2 3 4 5 [trimmed 13] 19 20 ");
  end_scene(&s);
}

TEST(a_fork_with_a_clock_behind_that_was_trimmed_since) {
  scene s;
  begin_fork(&s);
  ask(&s.f, "DEL {room:r}:log");
  forge_many(&s.f, "xh", 4000, B_TAG, 3, 6);
  end_fork(&s, 4000, B_TAG, 6, "L 1 2 3 4 5 [forked ?] 3 4 5 6 ");
  end_scene(&s);
}

TEST(an_emptied_server_is_a_gap) {
  scene s;
  begin_scene(&s);
  s.options.check = 40;
  s.options.check_grace = 5;
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 2);
  RUN_UNTIL(&s.f, s.l.count == 2);
  ask(&s.f, "FLUSHALL");
  RUN_UNTIL(&s.f, s.l.gaps);
  forge_many(&s.f, "xhp", 6000, B_TAG, 1, 2);
  RUN_UNTIL(&s.f, s.l.count == 4);
  CHECK_STR(s.l.told, "L 1 2 [trimmed ?]> 1 2 ");
  end_scene(&s);
}

TEST(a_room_that_began_anew_unseen_is_a_gap) {
  scene s;
  begin_scene(&s);
  open_scene(&s, NULL);
  forge_many(&s.f, "xhp", 5000, A_TAG, 1, 2);
  RUN_UNTIL(&s.f, s.l.count == 2);
  ask(&s.f, "FLUSHALL");
  forge_many(&s.f, "xhp", 6000, B_TAG, 1, 3);
  RUN_UNTIL(&s.f, s.l.count == 5);
  CHECK_STR(s.l.told, "L 1 2 [forked ?] 1 2 3 ");
  end_scene(&s);
}

/* ---- deleted ----------------------------------------------------------------------------------
 */

TEST(a_deleted_place_is_no_gap) {
  scene s;
  said deleted = {0};
  begin_scene(&s);
  open_scene(&s, NULL);
  say_numbers(&s.f, s.room, 1, 3);
  RUN_UNTIL(&s.f, s.l.count == 3);
  moonpool_feed_pause(s.l.feed);
  char id[MOONPOOL_ID_SIZE];
  moonpool_id_format(&s.l.ids[2], id);
  CHECK_INT(moonpool_room_delete(s.room, BYTES("ann"), BYTES(id), 0, on_stored, &deleted),
            MOONPOOL_OK);
  RUN_UNTIL(&s.f, deleted.count);
  CHECK_STR(deleted.message, "");
  say_numbers(&s.f, s.room, 4, 4);
  moonpool_feed_resume(s.l.feed);
  RUN_UNTIL(&s.f, s.l.lives == 2);
  CHECK_INT(s.l.gaps, 0);
  CHECK_INT((long long)s.l.count, 5);
  end_scene(&s);
}

TEST(a_cleared_room_goes_on) {
  scene s;
  said cleared = {0};
  begin_scene(&s);
  open_scene(&s, NULL);
  say_numbers(&s.f, s.room, 1, 3);
  RUN_UNTIL(&s.f, s.l.count == 3);
  CHECK_INT(moonpool_room_clear(s.room, BYTES("ann"), 0, on_stored, &cleared), MOONPOOL_OK);
  RUN_UNTIL(&s.f, s.l.count == 4);
  say_numbers(&s.f, s.room, 4, 4);
  RUN_UNTIL(&s.f, s.l.count == 5);
  CHECK_INT(s.l.gaps, 0);
  CHECK_INT((long long)feed_stats(&s.l).resyncs, 0);
  end_scene(&s);
}

static void on_destroyed(const moonpool_error *error, void *ctx) {
  CHECK(!error);
  ++*(int *)ctx;
}

TEST(a_destroyed_room_is_a_gap_at_once) {
  scene s;
  int destroyed = 0;
  begin_scene(&s);
  open_scene(&s, NULL);
  say_numbers(&s.f, s.room, 1, 3);
  RUN_UNTIL(&s.f, s.l.count == 3);
  CHECK_INT(moonpool_room_destroy(s.room, 0, on_destroyed, &destroyed), MOONPOOL_OK);
  RUN_UNTIL(&s.f, destroyed && s.l.gaps);
  say_numbers(&s.f, s.room, 4, 4);
  RUN_UNTIL(&s.f, s.l.count == 4);
  CHECK(strstr(s.l.told, "[trimmed ?]> 4 "));
  CHECK_INT(s.l.gaps, 1);
  end_scene(&s);
}

/* ---- beginnings -------------------------------------------------------------------------------
 */

static void begin_after(scene *s, moonpool_id id) {
  moonpool_start start = start_after(&id);
  begin_scene(s);
  forge_many(&s->f, "xh", 5000, A_TAG, 1, 5);
  ask(&s->f, "XTRIM {room:r}:log MAXLEN 3");
  open_scene(s, &start);
}

TEST(a_beginning_that_is_not_there_is_a_gap) {
  const uint64_t a = 0xaaaaaaaaaaaaaaaa, b = 0xbbbbbbbbbbbbbbbb;
  const struct {
    moonpool_id id;
    const char *told;
  } cases[] = {
      {{5000, 4, a}, "5 L "},
      {{5000, 5, a}, "L "},
      {{5000, 1, a}, "[trimmed ?] 3 4 5 L "},
      {{5000, 4, b}, "[forked ?] 4 5 L "},
      {{9000000000000, 9, b}, "[forked ?]> L "},
      {{9000000000000, 1, b}, "[forked ?] 3 4 5 L "},
      {{0, 0, 0}, "[trimmed 2] 3 4 5 L "},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    scene s;
    begin_after(&s, cases[i].id);
    CHECK_STR(s.l.told, cases[i].told);
    forge_many(&s.f, "xhp", 5000, A_TAG, 6, 6);
    RUN_UNTIL(&s.f, strstr(s.l.told, "L 6 "));
    end_scene(&s);
  }
}

static const test_case tests[] = {
    TEST_CASE(a_lost_frame_comes_before_the_next),
    TEST_CASE(the_last_frame_lost_is_found_at_the_head),
    TEST_CASE(frames_that_come_again_or_late_are_dropped),
    TEST_CASE(forged_frames_move_nothing),
    TEST_CASE(a_perfect_forgery_ends_as_a_fork),
    TEST_CASE(what_was_trimmed_is_counted),
    TEST_CASE(what_was_trimmed_up_to_the_place_is_no_gap),
    TEST_CASE(a_log_trimmed_to_nothing_is_a_gap_up_to_the_head),
    TEST_CASE(a_paused_feed_misses_what_is_trimmed),
    TEST_CASE(ids_that_collide_are_a_fork),
    TEST_CASE(a_fork_with_a_clock_ahead),
    TEST_CASE(a_fork_with_a_clock_behind),
    TEST_CASE(a_tail_that_is_gone_is_a_fork),
    TEST_CASE(a_fork_that_was_trimmed_since),
    TEST_CASE(a_fork_with_a_clock_behind_that_was_trimmed_since),
    TEST_CASE(an_emptied_server_is_a_gap),
    TEST_CASE(a_room_that_began_anew_unseen_is_a_gap),
    TEST_CASE(a_deleted_place_is_no_gap),
    TEST_CASE(a_cleared_room_goes_on),
    TEST_CASE(a_destroyed_room_is_a_gap_at_once),
    TEST_CASE(a_beginning_that_is_not_there_is_a_gap),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
