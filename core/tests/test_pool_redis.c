/* Batches, blocking commands and sessions with a real Redis. */
#include "batch_fixture.h"
#include "redis_server.h"

static redis_server server;

static void setup_redis(fixture *f, size_t pool_size) {
  setup_alone(f);
  f->fds = -1;
  f->options.url = server.url;
  f->options.pool_size = pool_size;
  CHECK_INT(open_client(f), MOONPOOL_OK);
  RUN_UNTIL(f, state_of(f) == MOONPOOL_READY);
}

static const char *ask(fixture *f, const char *line) {
  static call c;
  c = (call){0};
  CHECK_INT(command(f, line, &c), MOONPOOL_OK);
  RUN_UNTIL(f, c.count);
  return c.text;
}

static void exec(fixture *f, moonpool_session *session, const char *lines, batch_call *c) {
  memset(c, 0, sizeof *c);
  CHECK_INT(send_batch_on(f, session, MOONPOOL_TRANSACTION, lines, 0, c), MOONPOOL_OK);
  RUN_UNTIL(f, c->ends);
}

TEST(transactions_end_as_redis_says) {
  fixture f;
  batch_call c;
  setup_redis(&f, 2);
  ask(&f, "DEL n s");
  exec(&f, NULL, "INCR n\nSET s x\nINCR s\nGET n", &c);
  CHECK_STR(c.text, "4.*4[:1 +2 OK -43 ERR value is not an integer or out of range $1 1]\n");
  exec(&f, NULL, "INCR n\nGET\nNOSUCHCOMMAND", &c);
  CHECK_INT(c.status, MOONPOOL_EREDIS);
  CHECK(strstr(c.message, "command 2: ERR wrong number of arguments for 'get' command (EXECABORT"));
  CHECK_INT(c.calls, 3);
  CHECK_STR(ask(&f, "GET n"), "$1 1");
  exec(&f, NULL, "BLPOP nothing 0\nWAIT 5 0", &c); /* inside of one, nothing waits */
  CHECK_STR(c.text, "2.*2[nil :0]\n");
  teardown(&f);
}

/* The one way in which Redis refuses MULTI and executes what follows. */
TEST(a_user_without_multi_is_told_what_happened) {
  fixture f, admin;
  batch_call c;
  setup_redis(&admin, 1);
  setup_redis(&f, 1);
  CHECK_STR(ask(&admin, "ACL SETUSER default -multi"), "+2 OK");
  exec(&f, NULL, "SET without multi\nGET", &c);
  CHECK_STR(ask(&admin, "ACL SETUSER default +multi"), "+2 OK");
  CHECK_INT(c.status, MOONPOOL_EPERM);
  CHECK(strstr(c.message, "MULTI was refused: NOPERM"));
  CHECK(strstr(c.message, "1 of 2 commands were executed without it"));
  CHECK_STR(ask(&f, "GET without"), "$5 multi");
  teardown(&f);
  teardown(&admin);
}

static void on_session(moonpool_session *session, const moonpool_error *error, void *ctx) {
  CHECK(!error);
  *(moonpool_session **)ctx = session;
}

static moonpool_session *lease(fixture *f) {
  moonpool_session *session = NULL;
  CHECK_INT(moonpool_session_open(f->client, 0, on_session, &session), MOONPOOL_OK);
  RUN_UNTIL(f, session);
  return session;
}

static void say(fixture *f, moonpool_session *session, const char *line) {
  moonpool_bytes argv[8];
  call c = {.f = f};
  CHECK_INT(moonpool_session_command(session, split(line, argv), argv, 0, on_reply, &c),
            MOONPOOL_OK);
  RUN_UNTIL(f, c.count);
  CHECK_INT(c.status, MOONPOOL_OK);
}

TEST(a_watched_key_that_changes_is_a_conflict) {
  fixture f;
  batch_call c;
  setup_redis(&f, 1);
  moonpool_session *session = lease(&f);
  say(&f, session, "WATCH k");
  ask(&f, "SET k other");
  exec(&f, session, "SET k mine", &c);
  CHECK_INT(c.status, MOONPOOL_ECONFLICT);
  CHECK_STR(ask(&f, "GET k"), "$5 other");
  say(&f, session, "WATCH k");
  exec(&f, session, "SET k mine", &c);
  CHECK_INT(c.status, MOONPOOL_OK);
  say(&f, session, "WATCH k"); /* left watched: the next one must not notice */
  moonpool_session_close(session);
  ask(&f, "SET k other");
  session = lease(&f);
  exec(&f, session, "SET k mine", &c);
  CHECK_INT(c.status, MOONPOOL_OK);
  CHECK_STR(ask(&f, "GET k"), "$4 mine");
  moonpool_session_close(session);
  teardown(&f);
}

TEST(an_overdue_pop_loses_no_element) {
  fixture f;
  call block = {0};
  setup_redis(&f, 2);
  ask(&f, "DEL list");
  CHECK_INT(command_for(&f, "BLPOP list 0", 50, &block), MOONPOOL_OK);
  RUN_UNTIL(&f, block.count);
  CHECK_INT(block.status, MOONPOOL_ETIMEOUT);
  while (strstr(ask(&f, "CLIENT LIST TYPE normal"), "cmd=blpop") && !f.is_late) continue;
  CHECK_STR(ask(&f, "RPUSH list x"), ":1");
  CHECK_STR(ask(&f, "LLEN list"), ":1");
  teardown(&f);
}

TEST(blocked_pops_hold_up_nothing) {
  fixture f;
  call pops[4] = {{0}};
  setup_redis(&f, 2);
  ask(&f, "DEL queue");
  for (int i = 0; i < 4; i++) CHECK_INT(command(&f, "BLPOP queue 0", &pops[i]), MOONPOOL_OK);
  CHECK_STR(ask(&f, "PING"), "+4 PONG");
  for (int i = 0; i < 4; i++) {
    char line[30];
    snprintf(line, sizeof line, "RPUSH queue %d", i);
    ask(&f, line);
  }
  for (int i = 0; i < 4; i++) RUN_UNTIL(&f, pops[i].count);
  moonpool_stats stats;
  moonpool_get_stats(f.client, &stats);
  CHECK_INT(stats.pool_links, 2);
  CHECK_INT(stats.pool_uses, 4);
  CHECK_INT(stats.pool_busy, 0);
  teardown(&f);
}

static const test_case tests[] = {
    TEST_CASE(transactions_end_as_redis_says),
    TEST_CASE(a_user_without_multi_is_told_what_happened),
    TEST_CASE(a_watched_key_that_changes_is_a_conflict),
    TEST_CASE(an_overdue_pop_loses_no_element),
    TEST_CASE(blocked_pops_hold_up_nothing),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&server, tests, argc, argv);
}
