/* A client of a service that sentinels watch: how it finds the master, and what it says when it
 * does not. */
#include "sentinel_fixture.h"

/* Waits for the first attempt's outcome. */
static void await_outcome(world *w, call *ready) {
  *ready = (call){.f = &w->f};
  CHECK_INT(open_client(&w->f), MOONPOOL_OK);
  moonpool_ready(w->f.client, on_ready, ready);
  RUN_UNTIL(&w->f, ready->count);
}

static void set_all(world *w, const char *master) {
  for (int i = 0; i < SENTINELS; i++) w->fakes[i].master = master;
}

TEST(finds_the_master) {
  static world w;
  call ready, got = {0};
  setup_world(&w);
  await_outcome(&w, &ready);
  CHECK_STR(ready.message, "");
  CHECK(is_on(&w, 0));
  CHECK_INT(command(&w.f, "GET a", &got), MOONPOOL_OK);
  RUN_UNTIL(&w.f, got.count);
  CHECK_INT(got.status, MOONPOOL_OK);
  CHECK(link_that_heard(&w.servers[0], "ROLE\n"));
  CHECK(link_that_heard(&w.servers[0], "GET a\n"));
  RUN_UNTIL(&w.f, watch_of(&w));
  CHECK_INT(w.servers[1].accepted, 0);
  teardown_world(&w);
}

TEST(is_named_after_the_service_before) {
  static world w;
  setup_world(&w);
  CHECK_INT(open_client(&w.f), MOONPOOL_OK);
  CHECK_STR(moonpool_address(w.f.client), "sentinel service m");
  teardown_world(&w);
}

TEST(links_share_one_question) {
  static world w;
  static sub s;
  memset(&s, 0, sizeof s);
  setup_world(&w);
  for (int i = 0; i < SENTINELS; i++) w.fakes[i].is_mute = 1;
  CHECK_INT(open_client(&w.f), MOONPOOL_OK);
  listen_to(&w.f, &s, "room");
  RUN_UNTIL(&w.f, w.fakes[0].accepted && w.fakes[1].accepted && w.fakes[2].accepted);
  for (int i = 0; i < 20; i++) uv_run(&w.f.loop, UV_RUN_NOWAIT);
  for (int i = 0; i < SENTINELS; i++) CHECK_INT(w.fakes[i].accepted, 1);
  teardown_world(&w);
}

TEST(a_dead_sentinel_and_a_silent_one_are_done_without) {
  static world w;
  call ready;
  setup_world(&w);
  close_fake(&w.fakes[0]);
  w.fakes[1].is_mute = 1;
  await_outcome(&w, &ready);
  CHECK_STR(ready.message, "");
  CHECK(is_on(&w, 0));
  teardown_world(&w);
}

static void check_failure(world *w, int status, const char *beginning, const char *reason) {
  call ready;
  await_outcome(w, &ready);
  CHECK_INT(ready.status, status);
  CHECK(begins_with(ready.message, beginning));
  CHECK(strstr(ready.message, reason));
  if (test_failures) printf("  %s\n", ready.message);
  teardown_world(w);
}

TEST(names_each_sentinel_that_cannot_be_reached) {
  static world w;
  char reason[100];
  setup_world(&w);
  for (int i = 0; i < SENTINELS; i++) close_fake(&w.fakes[i]);
  snprintf(reason, sizeof reason, "; connect to 127.0.0.1:%d: connection refused; connect to ",
           w.fakes[1].port);
  check_failure(&w, MOONPOOL_ECONN, "sentinel service m: no sentinel answers: connect to ", reason);
}

TEST(silence_of_all_is_a_deadline) {
  static world w;
  setup_world(&w);
  w.f.options.connect_timeout = 100;
  for (int i = 0; i < SENTINELS; i++) w.fakes[i].is_mute = 1;
  check_failure(&w, MOONPOOL_ETIMEOUT,
                "sentinel service m: no sentinel answers: 127.0.0.1:", " within 50 ms");
}

TEST(a_master_that_is_unknown_to_them) {
  static world w;
  setup_world(&w);
  for (int i = 0; i < SENTINELS; i++) w.fakes[i].names = 0;
  close_fake(&w.fakes[2]);
  check_failure(&w, MOONPOOL_ECONN, "sentinel service m: its sentinels do not know it: 127.0.0.1:",
                ": no such master; ");
}

TEST(a_sentinel_that_does_not_know_it_yet_is_outvoted) {
  static world w;
  call ready;
  setup_world(&w);
  w.fakes[0].names = w.fakes[1].names = 0;
  await_outcome(&w, &ready);
  CHECK_STR(ready.message, "");
  CHECK(is_on(&w, 0));
  teardown_world(&w);
}

TEST(what_is_no_address_is_told) {
  static const char *const answers[] = {
      "+OK\r\n",
      ":1\r\n",
      "*0\r\n",
      "*1\r\n$9\r\n127.0.0.1\r\n",
      "*3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n1\r\n",
      "*2\r\n:1\r\n:1\r\n",
      "*2\r\n*-1\r\n*-1\r\n",
      "*2\r\n$9\r\n127.0.0.1\r\n$1\r\n0\r\n",
      "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n65536\r\n",
      "*2\r\n$9\r\n127.0.0.1\r\n$2\r\n-1\r\n",
      "*2\r\n$9\r\n127.0.0.1\r\n$0\r\n\r\n",
      "*2\r\n$0\r\n\r\n$1\r\n1\r\n",
      "*2\r\n$4\r\na\r\nb\r\n$1\r\n1\r\n",
  };
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    static world w;
    setup_world(&w);
    set_all(&w, answers[i]);
    check_failure(&w, MOONPOOL_ECONN, "sentinel service m: no sentinel answers: 127.0.0.1:",
                  ": a strange answer to SENTINEL GET-MASTER-ADDR-BY-NAME; ");
  }
}

TEST(what_they_refuse_is_told) {
  static const struct {
    const char *says;
    int status;
  } answers[] = {
      {"-IDONTKNOW ask another one\r\n", MOONPOOL_ECONN},
      {"-ERR unknown command 'SENTINEL'\r\n", MOONPOOL_ECONN},
      {"-NOPERM no\r\n", MOONPOOL_EPERM},
  };
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    static world w;
    char reason[100];
    setup_world(&w);
    set_all(&w, answers[i].says);
    snprintf(reason, sizeof reason, ": %.*s; 127.0.0.1:", (int)strlen(answers[i].says) - 3,
             answers[i].says + 1);
    check_failure(&w, answers[i].status,
                  "sentinel service m: no sentinel answers: 127.0.0.1:", reason);
  }
}

TEST(strangers_among_them_do_no_harm) {
  static const char *const answers[] = {"*1\r\n", "?\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n",
                                        "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n65536\r\n"};
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    static world w;
    call ready;
    setup_world(&w);
    w.fakes[0].master = w.fakes[1].master = answers[i];
    await_outcome(&w, &ready);
    CHECK_STR(ready.message, "");
    CHECK(is_on(&w, 0));
    teardown_world(&w);
  }
}

/* ---- passwords --------------------------------------------------------------------------------
 */

static void set_passwords(world *w, const char *sentinels, const char *servers) {
  for (int i = 0; i < SENTINELS; i++) w->fakes[i].password = sentinels;
  for (int i = 0; i < SERVERS; i++) w->servers[i].password = servers;
}

TEST(each_kind_gets_its_own_password) {
  static world w;
  call ready;
  setup_world(&w);
  set_passwords(&w, "tinel", "vers");
  snprintf(w.url, sizeof w.url, "redis+sentinel://u:vers@127.0.0.1:%d/m?sentinel_password=tinel",
           w.fakes[0].port);
  await_outcome(&w, &ready);
  CHECK_STR(ready.message, "");
  for (int i = 0; i < w.f.link_count; i++)
    CHECK(!strstr(heard(&w.f, i), w.of[i]->role ? "tinel" : "vers"));
  teardown_world(&w);
}

TEST(an_option_holds_against_the_url) {
  static world w;
  call ready;
  setup_world(&w);
  set_passwords(&w, "tinel", NULL);
  strcat(w.url, "?sentinel_password=x&sentinel_username=y");
  w.f.options.sentinel_username = "me";
  w.f.options.sentinel_password = "tinel";
  await_outcome(&w, &ready);
  CHECK_STR(ready.message, "");
  CHECK(strstr(heard(&w.f, 0), "AUTH me tinel"));
  teardown_world(&w);
}

TEST(a_refused_password_is_told_and_not_shown) {
  static world w;
  setup_world(&w);
  set_passwords(&w, "tinel", NULL);
  w.f.options.sentinel_password = "wrong";
  check_failure(&w, MOONPOOL_EAUTH, "sentinel service m: no sentinel answers: 127.0.0.1:",
                ": WRONGPASS no; 127.0.0.1:");
}

TEST(an_option_that_fits_no_url_is_refused) {
  static world w;
  char message[100];
  setup_world(&w);
  w.f.options.url = "redis://127.0.0.1:1";
  w.f.options.sentinel_password = "hunter2";
  CHECK_INT(moonpool_open(&w.f.client, &w.f.loop, &w.f.options, message, sizeof message),
            MOONPOOL_EARG);
  CHECK_STR(message, "sentinel_password: the URL names no sentinels");
  teardown_world(&w);
}

/* ---- roles ------------------------------------------------------------------------------------
 */

TEST(a_replica_is_left_and_asked_for_again) {
  static world w;
  char message[100];
  call ready = {.f = &w.f};
  setup_world(&w);
  w.servers[0].role = ROLE_REPLICA;
  w.f.options.connect_timeout = 500;
  snprintf(message, sizeof message, "127.0.0.1:%d is a replica, not the master of m",
           w.servers[0].port);
  CHECK_INT(open_client(&w.f), MOONPOOL_OK);
  moonpool_ready(w.f.client, on_ready, &ready);
  RUN_UNTIL(&w.f, ready.count);
  CHECK_INT(ready.status, MOONPOOL_ECONN);
  CHECK_STR(ready.message, message);
  CHECK(w.servers[0].accepted > 1);
  w.servers[0].role = ROLE_MASTER;
  RUN_UNTIL(&w.f, is_on(&w, 0));
  teardown_world(&w);
}

TEST(a_master_that_is_gone_is_waited_for) {
  static world w;
  call ready = {.f = &w.f};
  setup_world(&w);
  close_fake(&w.servers[0]);
  w.f.options.connect_timeout = DEADLINE;
  CHECK_INT(open_client(&w.f), MOONPOOL_OK);
  moonpool_ready(w.f.client, on_ready, &ready);
  RUN_UNTIL(&w.f, strstr(moonpool_last_error(w.f.client), "connection refused"));
  CHECK_INT(ready.count, 0);
  for (int i = 0; i < SENTINELS; i++) name_server(&w, i, 1, 2); /* the failover */
  RUN_UNTIL(&w.f, ready.count);
  CHECK_STR(ready.message, "");
  CHECK(is_on(&w, 1));
  teardown_world(&w);
}

TEST(who_may_not_ask_for_the_role_trusts_the_sentinels) {
  static const char *const answers[] = {"-NOPERM no\r\n", "-ERR unknown command 'ROLE'\r\n"};
  for (int i = 0; i < 2; i++) {
    static world w;
    call ready;
    setup_world(&w);
    w.servers[0].role = answers[i];
    await_outcome(&w, &ready);
    CHECK_STR(ready.message, "");
    teardown_world(&w);
  }
}

TEST(another_kind_of_server_is_refused) {
  static const char *const answers[][2] = {
      {"*2\r\n$8\r\nsentinel\r\n*0\r\n", " is a sentinel, not the master of m"},
      {"*1\r\n$3\r\nnew\r\n", " is a server of another kind, not the master of m"},
      {"+OK\r\n", ": a strange answer to ROLE"},
      {"*0\r\n", ": a strange answer to ROLE"},
      {"*1\r\n:1\r\n", ": a strange answer to ROLE"},
  };
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    static world w;
    setup_world(&w);
    w.servers[0].role = answers[i][0];
    w.f.options.connect_timeout = 500;
    check_failure(&w, i < 2 ? MOONPOOL_ECONN : MOONPOOL_EPROTO, "127.0.0.1:", answers[i][1]);
  }
}

/* ---- other sentinels --------------------------------------------------------------------------
 */

TEST(those_that_others_name_are_asked_too) {
  static world w;
  char listed[200] = "*1\r\n";
  setup_world(&w);
  put_listed(listed + 4, sizeof listed - 4, "127.0.0.1", w.fakes[1].port);
  w.fakes[0].listed = listed;
  snprintf(w.url, sizeof w.url, "redis+sentinel://127.0.0.1:%d/m", w.fakes[0].port);
  CHECK_INT(open_client(&w.f), MOONPOOL_OK);
  RUN_UNTIL(&w.f, is_on(&w, 0) && w.fakes[1].accepted);
  close_fake(&w.fakes[0]);
  name_server(&w, 1, 1, 2);
  drop_links_of(&w.servers[0]);
  RUN_UNTIL(&w.f, is_on(&w, 1));
  CHECK_INT(w.fakes[2].accepted, 0);
  teardown_world(&w);
}

TEST(only_so_many_of_them_are_kept) {
  enum { COUNT = 1000 };
  static world w;
  static char listed[COUNT * 80];
  call ready;
  setup_world(&w);
  size_t len = (size_t)sprintf(listed, "*%d\r\n", COUNT + 3);
  for (int i = 0; i < COUNT; i++) { /* nobody is there: such addresses are of no network */
    char host[20];
    snprintf(host, sizeof host, "127.1.%d.%d", i / 250, i % 250 + 1);
    put_listed(listed + len, sizeof listed - len, host, 1);
    len += strlen(listed + len);
  }
  strcpy(listed + len, "$1\r\nx\r\n*2\r\n$2\r\nip\r\n$1\r\na\r\n*3\r\n$2\r\nip\r\n:1\r\n:1\r\n");
  w.fakes[0].listed = listed;
  await_outcome(&w, &ready);
  CHECK_STR(ready.message, "");
  RUN_UNTIL(&w.f, watch_of(&w));
  w.fakes[0].listed = NULL;
  drop_links_of(&w.servers[0]);
  RUN_UNTIL(&w.f, state_of(&w.f) != MOONPOOL_READY);
  RUN_UNTIL(&w.f, is_on(&w, 0));
  teardown_world(&w);
}

static const test_case tests[] = {
    TEST_CASE(finds_the_master),
    TEST_CASE(is_named_after_the_service_before),
    TEST_CASE(links_share_one_question),
    TEST_CASE(a_dead_sentinel_and_a_silent_one_are_done_without),
    TEST_CASE(names_each_sentinel_that_cannot_be_reached),
    TEST_CASE(silence_of_all_is_a_deadline),
    TEST_CASE(a_master_that_is_unknown_to_them),
    TEST_CASE(a_sentinel_that_does_not_know_it_yet_is_outvoted),
    TEST_CASE(what_is_no_address_is_told),
    TEST_CASE(what_they_refuse_is_told),
    TEST_CASE(strangers_among_them_do_no_harm),
    TEST_CASE(each_kind_gets_its_own_password),
    TEST_CASE(an_option_holds_against_the_url),
    TEST_CASE(a_refused_password_is_told_and_not_shown),
    TEST_CASE(an_option_that_fits_no_url_is_refused),
    TEST_CASE(a_replica_is_left_and_asked_for_again),
    TEST_CASE(a_master_that_is_gone_is_waited_for),
    TEST_CASE(who_may_not_ask_for_the_role_trusts_the_sentinels),
    TEST_CASE(another_kind_of_server_is_refused),
    TEST_CASE(those_that_others_name_are_asked_too),
    TEST_CASE(only_so_many_of_them_are_kept),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
