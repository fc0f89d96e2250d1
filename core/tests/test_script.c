/* Prepared scripts at a peer that says what the test has it say: what is sent, and in which order,
 * when Redis has forgotten a script, when a link is lost, when time or memory runs out. */
#include "script_fixture.h"

static moonpool_stats stats_of(fixture *f) {
  moonpool_stats stats;
  moonpool_get_stats(f->client, &stats);
  return stats;
}

/* ---- preparing ------------------------------------------------------------------------------- */

TEST(a_script_is_loaded_and_called_by_its_sha) {
  fixture f;
  preparation p = {0};
  call c = {0};
  setup_prepared(&f, &p);
  CHECK_STR(moonpool_script_sha(p.script), SHA);
  run(&f, p.script, "a", &c);
  RUN_UNTIL(&f, has_heard(&f, 0, EVALSHA("a")));
  peer_say(&f.links[0], ":7\r\n");
  RUN_UNTIL(&f, c.count);
  CHECK_STR(c.text, ":7");
  CHECK_INT(stats_of(&f).commands, 2);
  teardown_prepared(&f, &p);
}

TEST(words_of_any_bytes_and_none_are_sent) {
  fixture f;
  preparation p = {0};
  call c = {.f = &f};
  moonpool_bytes keys[] = {{"", 0}, {NULL, 0}, {"\0\r\n", 3}};
  setup_prepared(&f, &p);
  CHECK_INT(moonpool_script_call(p.script, 0, NULL, 0, NULL, 0, on_reply, &c), MOONPOOL_OK);
  CHECK_INT(moonpool_script_call(p.script, 3, keys, 0, NULL, 0, on_reply, &c), MOONPOOL_OK);
  RUN_UNTIL(&f, strstr(heard(&f, 0), "EVALSHA " SHA " 3 "));
  CHECK(begins_with(heard(&f, 0), "EVALSHA " SHA " 0\nEVALSHA " SHA " 3  "));
  peer_say(&f.links[0], "+a\r\n+b\r\n");
  RUN_UNTIL(&f, c.count == 2);
  teardown_prepared(&f, &p);
}

static const struct {
  const char *said;
  int status;
  const char *message;
} refusals[] = {
    {"-ERR Error compiling script (new function): user_script:1: nonsense\r\n", MOONPOOL_EREDIS,
     "ERR Error compiling"},
    {"-NOPERM this user has no permissions\r\n", MOONPOOL_EPERM, "NOPERM"},
    {":1\r\n", MOONPOOL_EPROTO, "not answered with a SHA1"},
    {"$3\r\nabc\r\n", MOONPOOL_EPROTO, "not answered with a SHA1"},
};

TEST(what_cannot_be_loaded_is_told) {
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    fixture f;
    preparation p = {0};
    setup_ready(&f);
    prepare(&f, &p, "nonsense");
    RUN_UNTIL(&f, f.links[0].heard.len);
    peer_say(&f.links[0], refusals[i].said);
    RUN_UNTIL(&f, p.told.count);
    CHECK_INT(p.told.status, refusals[i].status);
    CHECK(strstr(p.told.message, refusals[i].message));
    CHECK(!p.script);
    teardown(&f);
  }
}

TEST(a_preparation_has_its_deadline_and_its_loss) {
  fixture f;
  preparation late = {0}, lost = {0}, closed = {0};
  setup_ready(&f);
  CHECK_INT(prepare_for(&f, &late, "S", 20), MOONPOOL_OK);
  RUN_UNTIL(&f, late.told.count);
  CHECK_INT(late.told.status, MOONPOOL_ETIMEOUT);
  prepare(&f, &lost, "S");
  RUN_UNTIL(&f, has_heard(&f, 0, "SCRIPT LOAD S\nSCRIPT LOAD S\n"));
  peer_drop(&f.links[0]);
  RUN_UNTIL(&f, lost.told.count);
  CHECK_INT(lost.told.status, MOONPOOL_ECONN);
  prepare(&f, &closed, "S");
  teardown(&f);
  CHECK_INT(closed.told.status, MOONPOOL_ECLOSED);
  CHECK_INT(late.told.count + lost.told.count + closed.told.count, 3);
}

TEST(what_is_prepared_twice_is_one_script) {
  fixture f;
  preparation first = {0}, same = {0}, later = {0}, closed = {0};
  setup_ready(&f);
  prepare(&f, &first, "S");
  prepare(&f, &same, "S");
  RUN_UNTIL(&f, has_heard(&f, 0, "SCRIPT LOAD S\nSCRIPT LOAD S\n"));
  peer_say(&f.links[0], SHA_REPLY SHA_REPLY);
  RUN_UNTIL(&f, same.told.count);
  prepare(&f, &later, "S");
  CHECK_INT(later.told.count, 0); /* not from inside */
  RUN_UNTIL(&f, later.told.count);
  CHECK(first.script == same.script && same.script == later.script);
  CHECK(has_heard(&f, 0, "SCRIPT LOAD S\nSCRIPT LOAD S\n"));
  prepare(&f, &closed, "S");
  moonpool_script_free(first.script);
  moonpool_script_free(same.script);
  teardown_prepared(&f, &later);
  CHECK_INT(closed.told.count, 1);
  CHECK_INT(closed.told.status, MOONPOOL_ECLOSED);
}

TEST(many_scripts_are_told_apart) {
  enum { MANY = 300 };
  fixture f;
  static preparation many[MANY];
  char line[60];
  memset(many, 0, sizeof many);
  setup_ready(&f);
  for (int i = 0; i < MANY; i++) {
    snprintf(line, sizeof line, "S%d", i);
    prepare(&f, &many[i], line);
  }
  RUN_UNTIL(&f, strstr(heard(&f, 0), "SCRIPT LOAD S299\n"));
  for (int i = 0; i < MANY; i++) {
    snprintf(line, sizeof line, "$40\r\n%040d\r\n", i);
    peer_say(&f.links[0], line);
  }
  RUN_UNTIL(&f, many[MANY - 1].told.count);
  for (int i = 0; i < MANY; i++) CHECK_INT(atoi(moonpool_script_sha(many[i].script)), i);
  for (int i = 0; i < MANY; i += 2) moonpool_script_free(many[i].script);
  close_client(&f);
  RUN_UNTIL(&f, f.gone);
  for (int i = 1; i < MANY; i += 2) {
    CHECK_INT(atoi(moonpool_script_sha(many[i].script)), i);
    moonpool_script_free(many[i].script);
  }
  teardown(&f);
}

/* ---- forgotten by Redis ---------------------------------------------------------------------- */

TEST(refused_calls_are_sent_again_in_their_places) {
  fixture f;
  preparation p = {0};
  call c[5] = {{0}};
  setup_prepared(&f, &p);
  run(&f, p.script, "0", &c[0]);
  run(&f, p.script, "1", &c[1]);
  run(&f, p.script, "2", &c[2]);
  RUN_UNTIL(&f, has_heard(&f, 0, EVALSHA("0") EVALSHA("1") EVALSHA("2")));
  forget_heard(&f, 0);
  peer_say(&f.links[0], NOSCRIPT);
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("0")));
  run(&f, p.script, "3", &c[3]); /* it waits: 1 and 2 will be refused, too */
  CHECK_INT(stats_of(&f).queued, 4);
  peer_say(&f.links[0], NOSCRIPT NOSCRIPT);
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("0") EVALSHA("1") EVALSHA("2")));
  run(&f, p.script, "4", &c[4]);
  peer_say(&f.links[0], "+0\r\n");
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("0") EVALSHA("1") EVALSHA("2") EVALSHA("3") EVALSHA("4")));
  peer_say(&f.links[0], "+1\r\n+2\r\n+3\r\n+4\r\n");
  RUN_UNTIL(&f, c[4].count);
  for (int i = 0; i < 5; i++) {
    CHECK_INT(c[i].count, 1);
    CHECK_INT(atoi(strchr(c[i].text, ' ')), i);
  }
  CHECK_INT(stats_of(&f).queued, 0);
  teardown_prepared(&f, &p);
}

/* Redis forgets it once more in the middle of the second sending. */
TEST(forgotten_again_they_keep_their_places) {
  fixture f;
  preparation p = {0};
  call c[4] = {{0}};
  setup_prepared(&f, &p);
  run(&f, p.script, "0", &c[0]);
  run(&f, p.script, "1", &c[1]);
  run(&f, p.script, "2", &c[2]);
  RUN_UNTIL(&f, f.links[0].heard.len);
  forget_heard(&f, 0);
  peer_say(&f.links[0], NOSCRIPT NOSCRIPT NOSCRIPT);
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("0") EVALSHA("1") EVALSHA("2")));
  forget_heard(&f, 0);
  peer_say(&f.links[0], "+0\r\n" NOSCRIPT);
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("1")));
  run(&f, p.script, "3", &c[3]);
  peer_say(&f.links[0], NOSCRIPT);
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("1") EVALSHA("2")));
  peer_say(&f.links[0], "+1\r\n+2\r\n");
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("1") EVALSHA("2") EVALSHA("3")));
  peer_say(&f.links[0], "+3\r\n");
  RUN_UNTIL(&f, c[3].count);
  for (int i = 0; i < 4; i++) CHECK_INT(atoi(strchr(c[i].text, ' ')), i);
  teardown_prepared(&f, &p);
}

static void then_run_later(fixture *f, call *c) {
  static call next;
  moonpool_bytes arg = {"later", 5}, key = {"k", 1};
  next = (call){.f = f};
  if (c->count == 1)
    CHECK_INT(
        moonpool_script_call(((preparation *)c)->script, 1, &key, 1, &arg, 0, on_reply, &next),
        MOONPOOL_OK);
}

/* Who is told of the EVAL's reply and calls again comes after those that were held. */
TEST(what_is_called_from_the_reply_comes_last) {
  fixture f;
  preparation p = {0};
  call held = {0};
  setup_prepared(&f, &p);
  p.told.then = then_run_later;
  p.told.count = 0;
  run(&f, p.script, "0", &p.told);
  RUN_UNTIL(&f, f.links[0].heard.len);
  forget_heard(&f, 0);
  peer_say(&f.links[0], NOSCRIPT);
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("0")));
  run(&f, p.script, "held", &held);
  peer_say(&f.links[0], "+0\r\n");
  RUN_UNTIL(&f, has_heard(&f, 0, EVAL("0") EVALSHA("held") EVALSHA("later")));
  teardown_prepared(&f, &p);
}

static moonpool_script *script_to_run;

static void then_run(fixture *f, call *c) {
  static call next;
  (void)c;
  next = (call){0};
  run(f, script_to_run, "unsent", &next);
}

/* It was not written when the refusal came: on the next link, which has the script loaded first, it
 * would come before the EVAL. */
TEST(what_was_not_written_comes_after_the_eval) {
  fixture f;
  preparation p = {0};
  call get = {.then = then_run}, first = {0};
  setup_prepared(&f, &p);
  script_to_run = p.script;
  CHECK_INT(command(&f, "GET a", &get), MOONPOOL_OK);
  run(&f, p.script, "first", &first);
  RUN_UNTIL(&f, has_heard(&f, 0, "GET a\n" EVALSHA("first")));
  forget_heard(&f, 0);
  stop_listening(&f);
  peer_say(&f.links[0], "+a\r\n" NOSCRIPT "?\r\n"); /* the last one ends the link */
  RUN_UNTIL(&f, get.count && state_of(&f) != MOONPOOL_READY);
  start_listening(&f);
  RUN_UNTIL(&f, has_heard(&f, 1, "SCRIPT LOAD S\n" EVAL("first")) || first.count);
  CHECK_INT(first.count, 0);
  peer_say(&f.links[1], SHA_REPLY "+first\r\n");
  RUN_UNTIL(&f, has_heard(&f, 1, "SCRIPT LOAD S\n" EVAL("first") EVALSHA("unsent")));
  CHECK_STR(first.text, "+5 first");
  teardown_prepared(&f, &p);
}

static void check_not_sent_again(const char *source, const char *argument, const char *said) {
  fixture f;
  preparation p = {0};
  call c = {0}, next = {0};
  setup_ready(&f);
  prepare(&f, &p, source);
  RUN_UNTIL(&f, f.links[0].heard.len);
  peer_say(&f.links[0], SHA_REPLY);
  RUN_UNTIL(&f, p.told.count);
  run(&f, p.script, argument, &c);
  RUN_UNTIL(&f, strstr(heard(&f, 0), "EVALSHA"));
  peer_say(&f.links[0], said);
  RUN_UNTIL(&f, c.count);
  CHECK_INT(c.status, MOONPOOL_EREDIS);
  CHECK(begins_with(c.message, "NOSCRIPT"));
  CHECK(!strstr(heard(&f, 0), "EVAL "));
  forget_heard(&f, 0);
  run(&f, p.script, "x", &next);
  RUN_UNTIL(&f, strstr(heard(&f, 0), EVALSHA("x")));
  teardown_prepared(&f, &p);
}

TEST(a_scripts_own_noscript_is_its_result) {
  check_not_sent_again("S", "a", "-NOSCRIPT of my own\r\n");
  check_not_sent_again("S", "a",
                       "-NOSCRIPT No matching script. script: " SHA ", on @user_script:1.\r\n");
  check_not_sent_again("return {err='NOSCRIPT'..KEYS[1]}", "a", NOSCRIPT);
  check_not_sent_again("S", "xNOSCRIPT", NOSCRIPT);
}

/* No server refuses an EVAL so: the script did, and from then on all of its are its own. */
TEST(an_eval_is_not_sent_again) {
  fixture f;
  preparation p = {0};
  call c = {0};
  setup_prepared(&f, &p);
  run(&f, p.script, "a", &c);
  RUN_UNTIL(&f, f.links[0].heard.len);
  peer_say(&f.links[0], NOSCRIPT);
  RUN_UNTIL(&f, has_heard(&f, 0, EVALSHA("a") EVAL("a")));
  peer_say(&f.links[0], NOSCRIPT);
  RUN_UNTIL(&f, c.count);
  CHECK(begins_with(c.message, "NOSCRIPT"));
  forget_heard(&f, 0);
  run(&f, p.script, "b", &c);
  RUN_UNTIL(&f, has_heard(&f, 0, "SCRIPT LOAD S\n" EVALSHA("b")));
  peer_say(&f.links[0], SHA_REPLY NOSCRIPT);
  RUN_UNTIL(&f, c.count == 2);
  CHECK(begins_with(c.message, "NOSCRIPT"));
  teardown_prepared(&f, &p);
}

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
    TEST_CASE(a_script_is_loaded_and_called_by_its_sha),
    TEST_CASE(words_of_any_bytes_and_none_are_sent),
    TEST_CASE(what_cannot_be_loaded_is_told),
    TEST_CASE(a_preparation_has_its_deadline_and_its_loss),
    TEST_CASE(what_is_prepared_twice_is_one_script),
    TEST_CASE(many_scripts_are_told_apart),
    TEST_CASE(refused_calls_are_sent_again_in_their_places),
    TEST_CASE(forgotten_again_they_keep_their_places),
    TEST_CASE(what_is_called_from_the_reply_comes_last),
    TEST_CASE(what_was_not_written_comes_after_the_eval),
    TEST_CASE(a_scripts_own_noscript_is_its_result),
    TEST_CASE(an_eval_is_not_sent_again),
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
