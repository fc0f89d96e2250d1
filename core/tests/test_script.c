/* Prepared scripts at a peer that says what the test has it say: how they are loaded, and in which
 * order calls are sent when Redis has forgotten them. */
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
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
