/* Prepared scripts whose link is lost, whose calls run out of time or over a limit, and whose
 * client is closed. */
#include "script_fixture.h"

/* ---- links ----------------------------------------------------------------------------------- */

TEST(a_new_link_has_the_script_loaded_ahead_of_its_calls) {
  fixture f;
  preparation p = {0}, idle = {0};
  call sent = {0}, unsent[2] = {{0}}, get = {0}, next = {0};
  setup_prepared(&f, &p);
  prepare(&f, &idle, "I");
  RUN_UNTIL(&f, f.links[0].heard.len);
  peer_say(&f.links[0], "$40\r\n1111111111222222222233333333334444444444\r\n");
  RUN_UNTIL(&f, idle.told.count);
  run(&f, p.script, "sent", &sent);
  RUN_UNTIL(&f, strstr(heard(&f, 0), EVALSHA("sent")));
  stop_listening(&f);
  peer_drop(&f.links[0]);
  RUN_UNTIL(&f, sent.count);
  CHECK_INT(sent.status, MOONPOOL_ECONN);
  CHECK(strstr(sent.message, "possibly executed"));
  CHECK_INT(command(&f, "GET a", &get), MOONPOOL_OK);
  run(&f, p.script, "0", &unsent[0]);
  run(&f, p.script, "1", &unsent[1]);
  start_listening(&f);
  RUN_UNTIL(&f, has_heard(&f, 1, "SCRIPT LOAD S\nGET a\n" EVALSHA("0") EVALSHA("1")));
  peer_say(&f.links[1], SHA_REPLY "+got\r\n+0\r\n+1\r\n");
  RUN_UNTIL(&f, unsent[1].count);
  CHECK_STR(get.text, "+3 got");
  CHECK_STR(unsent[0].text, "+1 0");
  forget_heard(&f, 1);
  run(&f, p.script, "2", &next);
  run(&f, idle.script, "3", &next);
  RUN_UNTIL(&f, has_heard(&f, 1,
                          EVALSHA("2") "SCRIPT LOAD I\n"
                                       "EVALSHA 1111111111222222222233333333334444444444 1 k 3\n"));
  moonpool_script_free(idle.script);
  teardown_prepared(&f, &p);
}

/* What was sent fails, the second sending too; what was held goes on, on the next link. */
TEST(a_loss_amid_the_second_sending_fails_what_was_sent) {
  fixture f;
  preparation p = {0};
  call c[3] = {{0}};
  setup_prepared(&f, &p);
  run(&f, p.script, "0", &c[0]);
  run(&f, p.script, "1", &c[1]);
  RUN_UNTIL(&f, has_heard(&f, 0, EVALSHA("0") EVALSHA("1")));
  peer_say(&f.links[0], NOSCRIPT);
  RUN_UNTIL(&f, strstr(heard(&f, 0), EVAL("0")));
  run(&f, p.script, "2", &c[2]);
  peer_drop(&f.links[0]);
  RUN_UNTIL(&f, c[0].count && c[1].count);
  CHECK_INT(c[0].status, MOONPOOL_ECONN);
  CHECK_INT(c[1].status, MOONPOOL_ECONN);
  RUN_UNTIL(&f, has_heard(&f, 1, "SCRIPT LOAD S\n" EVALSHA("2")));
  CHECK_INT(c[2].count, 0);
  teardown_prepared(&f, &p);
  CHECK_INT(c[2].count, 1);
}

/* ---- deadlines and limits -------------------------------------------------------------------- */

TEST(a_held_call_has_its_deadline) {
  fixture f;
  preparation p = {0};
  call c[4] = {{0}};
  setup_prepared(&f, &p);
  run(&f, p.script, "0", &c[0]);
  RUN_UNTIL(&f, f.links[0].heard.len);
  forget_heard(&f, 0);
  peer_say(&f.links[0], NOSCRIPT);
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("0")));
  CHECK_INT(run_for(&f, p.script, "1", 30, &c[1]), MOONPOOL_OK);
  CHECK_INT(run_for(&f, p.script, "2", UINT64_MAX, &c[2]), MOONPOOL_OK);
  CHECK_INT(run_for(&f, p.script, "3", 20, &c[3]), MOONPOOL_OK);
  RUN_UNTIL(&f, c[1].count && c[3].count);
  CHECK_INT(c[1].status, MOONPOOL_ETIMEOUT);
  CHECK(strstr(c[1].message, "no reply before the deadline"));
  CHECK_INT(c[3].status, MOONPOOL_ETIMEOUT);
  peer_say(&f.links[0], "+0\r\n");
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("0") EVALSHA("2")));
  teardown_prepared(&f, &p);
  CHECK_INT(c[1].count, 1);
}

/* The deadline is for all of it; a refusal that comes after it has nothing sent again. */
TEST(who_ran_out_of_time_is_not_sent_again) {
  fixture f;
  preparation p = {0};
  call late = {0}, waiting = {0}, next = {0};
  setup_prepared(&f, &p);
  CHECK_INT(run_for(&f, p.script, "late", 20, &late), MOONPOOL_OK);
  run(&f, p.script, "waiting", &waiting);
  RUN_UNTIL(&f, late.count);
  CHECK_INT(late.status, MOONPOOL_ETIMEOUT);
  forget_heard(&f, 0);
  peer_say(&f.links[0], NOSCRIPT NOSCRIPT);
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("waiting")));
  run(&f, p.script, "next", &next);
  peer_say(&f.links[0], "+w\r\n");
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("waiting") EVALSHA("next")));
  teardown_prepared(&f, &p);
  CHECK_INT(late.count, 1);
}

/* The EVAL's caller gives up; those behind it still wait for its reply, which is the last thing
 * before which others may be refused. */
TEST(an_eval_that_is_given_up_keeps_its_place) {
  fixture f;
  preparation p = {0};
  call c[3] = {{0}};
  setup_prepared(&f, &p);
  CHECK_INT(run_for(&f, p.script, "0", 60, &c[0]), MOONPOOL_OK);
  run(&f, p.script, "1", &c[1]);
  RUN_UNTIL(&f, f.links[0].heard.len);
  forget_heard(&f, 0);
  peer_say(&f.links[0], NOSCRIPT);
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("0")) || c[0].count);
  if (c[0].status != MOONPOOL_ETIMEOUT) RUN_UNTIL(&f, c[0].count);
  CHECK_INT(c[0].status, MOONPOOL_ETIMEOUT);
  if (f.links[0].heard.len) { /* else a slow machine */
    run(&f, p.script, "2", &c[2]);
    peer_say(&f.links[0], NOSCRIPT);
    RUN_UNTIL(&f, has_heard(&f, 0, EVAL("0") EVALSHA("1")));
    peer_say(&f.links[0], "+0\r\n");
    RUN_UNTIL(&f, has_heard(&f, 0, EVAL("0") EVALSHA("1") EVALSHA("2")));
  }
  teardown_prepared(&f, &p);
  CHECK_INT(c[0].count, 1);
}

TEST(what_expires_unsent_is_never_sent) {
  fixture f;
  preparation p = {0};
  call c[3] = {{0}};
  setup_prepared(&f, &p);
  stop_listening(&f);
  peer_drop(&f.links[0]);
  RUN_UNTIL(&f, state_of(&f) != MOONPOOL_READY);
  run(&f, p.script, "0", &c[0]);
  CHECK_INT(run_for(&f, p.script, "1", 20, &c[1]), MOONPOOL_OK);
  run(&f, p.script, "2", &c[2]);
  RUN_UNTIL(&f, c[1].count);
  CHECK_INT(c[1].status, MOONPOOL_ETIMEOUT);
  start_listening(&f);
  RUN_UNTIL(&f, has_heard(&f, 1, "SCRIPT LOAD S\n" EVALSHA("0") EVALSHA("2")));
  teardown_prepared(&f, &p);
}

TEST(held_calls_count_for_the_limits) {
  fixture f;
  preparation p = {0};
  call first = {0}, held[3] = {{0}};
  setup(&f);
  f.options.max_queue = 3;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  prepare(&f, &p, "S");
  RUN_UNTIL(&f, is_shaken(&f, 0) && f.links[0].heard.len);
  peer_say(&f.links[0], SHA_REPLY);
  RUN_UNTIL(&f, p.told.count);
  run(&f, p.script, "0", &first);
  RUN_UNTIL(&f, strstr(heard(&f, 0), EVALSHA("0")));
  peer_say(&f.links[0], NOSCRIPT);
  RUN_UNTIL(&f, strstr(heard(&f, 0), EVAL("0")));
  run(&f, p.script, "1", &held[0]);
  run(&f, p.script, "2", &held[1]);
  CHECK_INT(run_for(&f, p.script, "3", 0, &held[2]), MOONPOOL_EQUEUE);
  CHECK_INT(command(&f, "GET a", NULL), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET b", NULL), MOONPOOL_OK);
  peer_say(&f.links[0], "+0\r\n"); /* what was accepted is sent, whatever came meanwhile */
  RUN_UNTIL(&f, strstr(heard(&f, 0), EVALSHA("1") EVALSHA("2")));
  teardown_prepared(&f, &p);
  CHECK_INT(held[2].count, 0);
}

/* ---- the end --------------------------------------------------------------------------------- */

TEST(a_close_completes_all_calls) {
  for (int closing = 0; closing < 4; closing++) {
    fixture f;
    preparation p = {0};
    call c[4] = {{0}};
    if (closing < 3) c[closing].then = then_close;
    setup_prepared(&f, &p);
    run(&f, p.script, "0", &c[0]);
    run(&f, p.script, "1", &c[1]);
    RUN_UNTIL(&f, f.links[0].heard.len);
    peer_say(&f.links[0], NOSCRIPT);
    RUN_UNTIL(&f, strstr(heard(&f, 0), EVAL("0")));
    run(&f, p.script, "2", &c[2]);
    run(&f, p.script, "3", &c[3]);
    moonpool_script_free(p.script); /* the calls keep it */
    if (closing == 3)
      close_client(&f);
    else
      peer_drop(&f.links[0]);
    RUN_UNTIL(&f, closing < 2 ? f.gone : c[0].count && c[1].count);
    teardown(&f);
    for (int i = 0; i < 4; i++) {
      CHECK_INT(c[i].count, 1);
      CHECK(c[i].status == MOONPOOL_ECLOSED || (i < 2 && c[i].status == MOONPOOL_ECONN));
    }
  }
}

TEST(a_handle_outlives_its_client) {
  fixture f;
  preparation p = {0};
  setup_prepared(&f, &p);
  close_client(&f);
  CHECK_INT(run_for(&f, p.script, "a", 0, NULL), MOONPOOL_ECLOSED);
  CHECK_INT(prepare_for(&f, &p, "S", 0), MOONPOOL_ECLOSED);
  RUN_UNTIL(&f, f.gone);
  CHECK_INT(run_for(&f, p.script, "a", 0, NULL), MOONPOOL_ECLOSED);
  CHECK_STR(moonpool_script_sha(p.script), SHA);
  moonpool_script_free(NULL);
  teardown_prepared(&f, &p);
}

static const test_case tests[] = {
    TEST_CASE(a_new_link_has_the_script_loaded_ahead_of_its_calls),
    TEST_CASE(a_loss_amid_the_second_sending_fails_what_was_sent),
    TEST_CASE(a_held_call_has_its_deadline),
    TEST_CASE(who_ran_out_of_time_is_not_sent_again),
    TEST_CASE(an_eval_that_is_given_up_keeps_its_place),
    TEST_CASE(what_expires_unsent_is_never_sent),
    TEST_CASE(held_calls_count_for_the_limits),
    TEST_CASE(a_close_completes_all_calls),
    TEST_CASE(a_handle_outlives_its_client),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
