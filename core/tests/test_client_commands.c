/* Commands: written together, answered in order, refused, out of time, ended by a close; each
 * accepted one completes exactly once. */
#include "client_fixture.h"

static moonpool_stats stats_of(fixture *f) {
  moonpool_stats stats;
  moonpool_get_stats(f->client, &stats);
  return stats;
}

/* ---- written and answered -------------------------------------------------------------------- */

TEST(what_one_turn_queues_travels_in_one_write) {
  fixture f;
  call calls[3] = {{0}};
  setup_ready(&f);
  moonpool_stats before = stats_of(&f);
  CHECK_INT(command(&f, "SET a b", &calls[0]), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET a", &calls[1]), MOONPOOL_OK);
  CHECK_INT(command(&f, "PUBLISH room hi", &calls[2]), MOONPOOL_OK);
  CHECK_INT(stats_of(&f).queued, 3);
  RUN_UNTIL(&f, has_heard(&f, 0, "SET a b\nGET a\nPUBLISH room hi\n"));
  CHECK_INT(stats_of(&f).writes, before.writes + 1);
  CHECK_INT(stats_of(&f).bytes_out - before.bytes_out, 27 + 20 + 35);
  CHECK_INT(stats_of(&f).commands, 3);
  peer_say(&f.links[0], "+OK\r\n$1\r\nb\r\n:2\r\n");
  RUN_UNTIL(&f, calls[2].count);
  CHECK_STR(calls[0].text, "+2 OK");
  CHECK_STR(calls[1].text, "$1 b");
  CHECK_STR(calls[2].text, ":2");
  CHECK_INT(stats_of(&f).queued, 0);
  CHECK_INT(stats_of(&f).bytes_in - before.bytes_in, 16);
  teardown(&f);
  for (int i = 0; i < 3; i++) CHECK_INT(calls[i].count, 1);
}

TEST(replies_come_to_whom_they_are_for) {
  static const struct {
    const char *reply, *text;
    int status;
  } replies[] = {
      {"+OK\r\n", "+2 OK", MOONPOOL_OK},
      {"-ERR unknown command 'X'\r\n", "-23 ERR unknown command 'X'", MOONPOOL_EREDIS},
      {"-NOPERM no permissions\r\n", "-21 NOPERM no permissions", MOONPOOL_EPERM},
      {"-NOAUTH Authentication required.\r\n", "-31 NOAUTH Authentication required.",
       MOONPOOL_EAUTH},
      {"$-1\r\n", "nil", MOONPOOL_OK},
      {"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n", "*3[$7 message $1 a $1 b]", MOONPOOL_OK},
      {"*2\r\n-ERR inner\r\n*0\r\n", "*2[-9 ERR inner *0[]]", MOONPOOL_OK},
  };
  enum { COUNT = sizeof replies / sizeof *replies };
  fixture f;
  call calls[COUNT] = {{0}};
  setup_ready(&f);
  for (int i = 0; i < COUNT; i++) {
    CHECK_INT(command(&f, "X", &calls[i]), MOONPOOL_OK);
    CHECK_INT(command(&f, "X", NULL), MOONPOOL_OK); /* nobody waits for this one */
  }
  RUN_UNTIL(&f, f.links[0].heard.len == 4 * COUNT);
  for (int i = 0; i < COUNT; i++) {
    peer_say(&f.links[0], replies[i].reply);
    peer_say(&f.links[0], "-ERR not for you\r\n");
  }
  RUN_UNTIL(&f, calls[COUNT - 1].count);
  for (int i = 0; i < COUNT; i++) {
    CHECK_INT(calls[i].count, 1);
    CHECK_INT(calls[i].status, replies[i].status);
    CHECK_STR(calls[i].text, replies[i].text);
    CHECK_STR(calls[i].message, replies[i].status ? strchr(replies[i].text, ' ') + 1 : "");
  }
  teardown(&f);
}

TEST(commands_wait_until_the_link_is_ready) {
  fixture f;
  call early = {0};
  setup_alone(&f);
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET a", &early), MOONPOOL_OK);
  RUN_UNTIL(&f, state_of(&f) == MOONPOOL_WAITING);
  start_listening(&f);
  RUN_UNTIL(&f, has_heard(&f, 0, "GET a\n"));
  peer_say(&f.links[0], "+yes\r\n");
  RUN_UNTIL(&f, early.count);
  CHECK_STR(early.text, "+3 yes");
  teardown(&f);
}

static void then_ask_again(fixture *f, call *c) {
  if (c->count < 4) CHECK_INT(command(f, "GET more", c), MOONPOOL_OK);
}

TEST(a_callback_may_give_the_next_command) {
  fixture f;
  call get = {.then = then_ask_again};
  setup_ready(&f);
  CHECK_INT(command(&f, "GET more", &get), MOONPOOL_OK);
  for (int i = 1; i <= 4; i++) {
    RUN_UNTIL(&f, has_heard(&f, 0, "GET more\n"));
    forget_heard(&f, 0);
    peer_say(&f.links[0], "+OK\r\n");
    RUN_UNTIL(&f, get.count == i);
  }
  teardown(&f);
  CHECK_INT(get.count, 4);
}

/* ---- refused -------------------------------------------------------------------------------- */

TEST(refused_commands_are_nobodys) {
  fixture f;
  call never = {0};
  moonpool_bytes multi = {"MULTI", 5};
  setup_ready(&f);
  CHECK_INT(moonpool_command(f.client, 0, &multi, 0, on_reply, &never), MOONPOOL_EARG);
  CHECK_INT(moonpool_command(f.client, 1, &multi, 0, on_reply, &never), MOONPOOL_ENOSUPPORT);
  CHECK_INT(stats_of(&f).commands, 0);
  CHECK_INT(stats_of(&f).queued, 0);
  close_client(&f);
  CHECK_INT(command(&f, "GET a", &never), MOONPOOL_ECLOSED);
  teardown(&f);
  CHECK_INT(never.count, 0);
}

TEST(the_queue_has_room_for_so_many) {
  fixture f;
  call calls[4] = {{0}};
  setup(&f);
  f.options.max_queue = 2;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET 0", &calls[0]), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET 1", &calls[1]), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET 2", &calls[2]), MOONPOOL_EQUEUE);
  RUN_UNTIL(&f, has_heard(&f, 0, "GET 0\nGET 1\n"));
  CHECK_INT(command(&f, "GET 2", &calls[2]), MOONPOOL_EQUEUE); /* in flight they count too */
  peer_say(&f.links[0], "+0\r\n");
  RUN_UNTIL(&f, calls[0].count);
  CHECK_INT(command(&f, "GET 3", &calls[3]), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 0, "GET 0\nGET 1\nGET 3\n"));
  teardown(&f);
  CHECK_INT(calls[2].count, 0);
  CHECK_INT(calls[3].count, 1);
}

TEST(the_queue_has_room_for_so_many_bytes) {
  fixture f;
  call calls[3] = {{0}};
  setup(&f);
  f.options.max_queue_bytes = 50; /* twice "*2\r\n$3\r\nGET\r\n$1\r\n0\r\n" and no more */
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET 0", &calls[0]), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET 1", &calls[1]), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET 2", &calls[2]), MOONPOOL_EQUEUE);
  RUN_UNTIL(&f, has_heard(&f, 0, "GET 0\nGET 1\n"));
  CHECK_INT(command(&f, "GET 2", &calls[2]), MOONPOOL_OK); /* what is sent needs no room */
  teardown(&f);
  CHECK_INT(calls[2].count, 1);
}

/* ---- out of time ----------------------------------------------------------------------------- */

TEST(a_deadline_abandons_its_own_reply_only) {
  fixture f;
  call slow = {0}, other = {0};
  setup_ready(&f);
  CHECK_INT(command_for(&f, "GET slow", 300, &slow), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET other", &other), MOONPOOL_OK);
  RUN_UNTIL(&f, slow.count);
  CHECK_INT(slow.status, MOONPOOL_ETIMEOUT);
  CHECK(strstr(slow.message, f.address));
  CHECK_STR(slow.text, "");
  CHECK_INT(other.count, 0);
  peer_say(&f.links[0], "+slow\r\n+other\r\n");
  RUN_UNTIL(&f, other.count);
  CHECK_STR(other.text, "+5 other");
  CHECK_INT(state_of(&f), MOONPOOL_READY);
  CHECK_INT(stats_of(&f).queued, 0);
  teardown(&f);
  CHECK_INT(slow.count, 1);
}

/* The peer keeps silent until every short deadline has passed. */
TEST(what_expires_unsent_is_never_written) {
  enum { COUNT = 40 };
  fixture f;
  call calls[COUNT] = {{0}};
  char line[100], expected[2000] = "";
  setup_alone(&f);
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  for (int i = 0; i < COUNT; i++) {
    int is_short = i % 7 % 2 == 0;
    snprintf(line, sizeof line, "ECHO %d %.*s", i, i, "........................................");
    CHECK_INT(command_for(&f, line, is_short ? 30 : 0, &calls[i]), MOONPOOL_OK);
    if (is_short) continue;
    strcat(expected, line);
    strcat(expected, "\n");
  }
  RUN_UNTIL(&f, calls[COUNT - 1].count + calls[COUNT - 2].count + calls[COUNT - 3].count);
  start_listening(&f);
  RUN_UNTIL(&f, has_heard(&f, 0, expected));
  for (int i = 0; i < COUNT; i++) {
    snprintf(line, sizeof line, "+%d\r\n", i);
    if (calls[i].count == 0) peer_say(&f.links[0], line);
  }
  RUN_UNTIL(&f, stats_of(&f).queued == 0);
  for (int i = 0; i < COUNT; i++) {
    CHECK_INT(calls[i].count, 1);
    CHECK_INT(calls[i].status, i % 7 % 2 == 0 ? MOONPOOL_ETIMEOUT : MOONPOOL_OK);
    if (!calls[i].status) CHECK_INT(atoi(strchr(calls[i].text, ' ')), i);
  }
  teardown(&f);
}

/* A command that the socket does not take whole, so that all after it wait in the queue. */
static void send_large(fixture *f, call *c) {
  static char payload[8 << 20];
  moonpool_bytes argv[] = {{"SET", 3}, {"large", 5}, {payload, sizeof payload}};
  memset(payload, 'x', sizeof payload);
  c->f = f;
  CHECK_INT(moonpool_command(f->client, 3, argv, 0, on_reply, c), MOONPOOL_OK);
  uv_run(&f->loop, UV_RUN_NOWAIT);
}

TEST(what_expires_behind_a_full_socket_is_never_written) {
  fixture f;
  call large = {0}, first = {0}, second = {0}, third = {0};
  setup_ready(&f);
  peer_listen_to(&f.links[0], 0);
  send_large(&f, &large);
  CHECK_INT(command(&f, "GET 1", &first), MOONPOOL_OK);
  CHECK_INT(command_for(&f, "GET 2", 30, &second), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET 3", &third), MOONPOOL_OK);
  RUN_UNTIL(&f, second.count);
  CHECK_INT(second.status, MOONPOOL_ETIMEOUT);
  peer_listen_to(&f.links[0], 1);
  RUN_UNTIL(&f, strstr(heard(&f, 0), "\nGET 1\nGET 3\n"));
  peer_say(&f.links[0], "+large\r\n+1\r\n+3\r\n");
  RUN_UNTIL(&f, third.count);
  CHECK_STR(large.text, "+5 large");
  CHECK_STR(first.text, "+1 1");
  CHECK_STR(third.text, "+1 3");
  teardown(&f);
}

static void send_again(fixture *f, call *c) {
  CHECK_INT(command(f, "GET again", c + 1), MOONPOOL_OK);
}

TEST(who_ran_out_of_time_in_a_full_queue_finds_room) {
  fixture f;
  call calls[2] = {{.then = send_again}};
  setup_alone(&f); /* nobody to send it to */
  f.options.max_queue = 1;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_INT(command_for(&f, "GET a", 10, &calls[0]), MOONPOOL_OK);
  RUN_UNTIL(&f, calls[0].count);
  teardown(&f);
  CHECK_INT(calls[1].status, MOONPOOL_ECLOSED);
}

TEST(each_command_has_the_deadline_it_asked_for) {
  fixture f;
  call plain = {0}, none = {0}, blocking = {0}, asked = {0}, last = {0};
  setup(&f);
  f.options.command_timeout = 20;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  RUN_UNTIL(&f, state_of(&f) == MOONPOOL_READY);
  CHECK_INT(command(&f, "GET a", &plain), MOONPOOL_OK);
  CHECK_INT(command_for(&f, "GET a", UINT64_MAX, &none), MOONPOOL_OK);
  CHECK_INT(command(&f, "BLPOP a 0", &blocking), MOONPOOL_OK);
  CHECK_INT(command_for(&f, "BLPOP a 0", 30, &asked), MOONPOOL_OK);
  CHECK_INT(command_for(&f, "GET a", 80, &last), MOONPOOL_OK);
  RUN_UNTIL(&f, last.count);
  CHECK_INT(plain.status, MOONPOOL_ETIMEOUT);
  CHECK_INT(asked.status, MOONPOOL_ETIMEOUT);
  CHECK_INT(none.count, 0);
  CHECK_INT(blocking.count, 0);
  teardown(&f);
}

TEST(a_client_without_a_deadline_gives_none) {
  fixture f;
  call none = {0}, short_one = {0};
  setup(&f);
  f.options.command_timeout = 0;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET a", &none), MOONPOOL_OK);
  CHECK_INT(command_for(&f, "GET a", 40, &short_one), MOONPOOL_OK);
  RUN_UNTIL(&f, short_one.count);
  CHECK_INT(none.count, 0);
  teardown(&f);
}

static void then_ask_for_a_moment(fixture *f, call *c) {
  if (c->status == MOONPOOL_ETIMEOUT) CHECK_INT(command_for(f, "GET a", 10, c), MOONPOOL_OK);
}

/* Not before the one next to it has asked again twice. */
static void then_close_at_last(fixture *f, call *c) {
  if (c[-1].count >= 3)
    close_client(f);
  else if (c->status == MOONPOOL_ETIMEOUT)
    CHECK_INT(command_for(f, "GET b", 10, c), MOONPOOL_OK);
}

TEST(who_runs_out_of_time_may_ask_again_or_close) {
  fixture f;
  call calls[2] = {{.then = then_ask_for_a_moment}, {.then = then_close_at_last}}, other = {0};
  setup_ready(&f);
  CHECK_INT(command_for(&f, "GET a", 10, &calls[0]), MOONPOOL_OK);
  CHECK_INT(command_for(&f, "GET b", 50, &calls[1]), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET c", &other), MOONPOOL_OK);
  RUN_UNTIL(&f, f.gone);
  CHECK(calls[0].count >= 3);
  CHECK_INT(calls[0].status, MOONPOOL_ECLOSED);
  CHECK_INT(calls[1].status, MOONPOOL_ETIMEOUT);
  CHECK_INT(other.count, 1);
  CHECK_INT(other.status, MOONPOOL_ECLOSED);
  teardown(&f);
}

/* ---- ended by a close ------------------------------------------------------------------------ */

TEST(a_close_completes_all) {
  fixture f;
  call calls[6] = {{0}};
  setup_ready(&f);
  for (int i = 0; i < 3; i++) CHECK_INT(command(&f, "GET sent", &calls[i]), MOONPOOL_OK);
  RUN_UNTIL(&f, f.links[0].heard.len);
  for (int i = 3; i < 6; i++) CHECK_INT(command(&f, "GET unsent", &calls[i]), MOONPOOL_OK);
  peer_say(&f.links[0], "+1\r\n+2\r\n+3\r\n"); /* too late */
  close_client(&f);
  for (int i = 0; i < 6; i++) {
    CHECK_INT(calls[i].count, 1);
    CHECK_INT(calls[i].status, MOONPOOL_ECLOSED);
    CHECK(strstr(calls[i].message, f.address));
  }
  teardown(&f);
  for (int i = 0; i < 6; i++) CHECK_INT(calls[i].count, 1);
}

TEST(a_close_inside_a_reply_ends_the_rest) {
  for (int closing = 0; closing < 4; closing++) {
    fixture f;
    call calls[4] = {{0}};
    calls[closing].then = then_close;
    setup_ready(&f);
    for (int i = 0; i < 4; i++) CHECK_INT(command(&f, "GET a", &calls[i]), MOONPOOL_OK);
    RUN_UNTIL(&f, f.links[0].heard.len);
    peer_say(&f.links[0], "+1\r\n-ERR 2\r\n+3\r\n+4\r\n");
    RUN_UNTIL(&f, f.gone);
    for (int i = 0; i < 4; i++) {
      CHECK_INT(calls[i].count, 1);
      int own = i == 1 ? MOONPOOL_EREDIS : MOONPOOL_OK;
      CHECK_INT(calls[i].status, i > closing ? MOONPOOL_ECLOSED : own);
    }
    teardown(&f);
  }
}

static void then_try_in_vain(fixture *f, call *c) {
  (void)c;
  CHECK_INT(command(f, "GET a", NULL), MOONPOOL_ECLOSED);
}

TEST(whom_a_close_ends_asks_in_vain) {
  fixture f;
  call get = {.then = then_try_in_vain};
  setup_ready(&f);
  CHECK_INT(command(&f, "GET a", &get), MOONPOOL_OK);
  teardown(&f);
  CHECK_INT(get.count, 1);
}

static const test_case tests[] = {
    TEST_CASE(what_one_turn_queues_travels_in_one_write),
    TEST_CASE(replies_come_to_whom_they_are_for),
    TEST_CASE(commands_wait_until_the_link_is_ready),
    TEST_CASE(a_callback_may_give_the_next_command),
    TEST_CASE(refused_commands_are_nobodys),
    TEST_CASE(the_queue_has_room_for_so_many),
    TEST_CASE(the_queue_has_room_for_so_many_bytes),
    TEST_CASE(a_deadline_abandons_its_own_reply_only),
    TEST_CASE(what_expires_unsent_is_never_written),
    TEST_CASE(what_expires_behind_a_full_socket_is_never_written),
    TEST_CASE(who_ran_out_of_time_in_a_full_queue_finds_room),
    TEST_CASE(each_command_has_the_deadline_it_asked_for),
    TEST_CASE(a_client_without_a_deadline_gives_none),
    TEST_CASE(who_runs_out_of_time_may_ask_again_or_close),
    TEST_CASE(a_close_completes_all),
    TEST_CASE(a_close_inside_a_reply_ends_the_rest),
    TEST_CASE(whom_a_close_ends_asks_in_vain),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
