/* Links that are lost while commands are on their way: what was sent fails and is never sent again,
 * what was not is sent on the next link; each accepted command completes exactly once. */
#include "client_fixture.h"
#include "fuzz.h"

static moonpool_stats stats_of(fixture *f) {
  moonpool_stats stats;
  moonpool_get_stats(f->client, &stats);
  return stats;
}

static void check_lost(const call *c, const char *reason) {
  CHECK_INT(c->count, 1);
  CHECK_INT(c->status, MOONPOOL_ECONN);
  CHECK(strstr(c->message, "possibly executed"));
  CHECK(strstr(c->message, reason));
}

/* ---- sent, and not sent ---------------------------------------------------------------------- */

static void then_ask_again(fixture *f, call *c) {
  if (c->count == 1) CHECK_INT(command(f, "GET again", c), MOONPOOL_OK);
}

TEST(what_was_sent_fails_and_what_follows_is_sent_later) {
  fixture f;
  call sent = {0}, again = {.then = then_ask_again}, unsent = {0};
  setup_ready(&f);
  CHECK_INT(command(&f, "INCR sent", &sent), MOONPOOL_OK);
  CHECK_INT(command(&f, "INCR again", &again), MOONPOOL_OK);
  RUN_UNTIL(&f, f.links[0].heard.len);
  stop_listening(&f);
  peer_drop(&f.links[0]);
  RUN_UNTIL(&f, sent.count);
  check_lost(&sent, f.address);
  CHECK_INT(command(&f, "INCR unsent", &unsent), MOONPOOL_OK);
  CHECK_INT(stats_of(&f).queued, 2);
  start_listening(&f);
  RUN_UNTIL(&f, has_heard(&f, 1, "GET again\nINCR unsent\n"));
  CHECK_INT(stats_of(&f).reconnects, 1);
  peer_say(&f.links[1], "+again\r\n+unsent\r\n");
  RUN_UNTIL(&f, unsent.count);
  CHECK_STR(again.text, "+5 again");
  CHECK_STR(unsent.text, "+6 unsent");
  teardown(&f);
  CHECK_INT(sent.count, 1);
  CHECK_INT(again.count, 2);
  CHECK_INT(unsent.count, 1);
}

/* Half of it is out: nobody knows what the peer made of it. What waits behind it is untouched. */
TEST(what_was_sent_in_part_fails_too) {
  static char payload[8 << 20];
  moonpool_bytes argv[] = {{"SET", 3}, {"large", 5}, {payload, sizeof payload}};
  fixture f;
  call large = {.f = &f}, behind = {0};
  memset(payload, 'x', sizeof payload);
  setup_ready(&f);
  peer_listen_to(&f.links[0], 0);
  CHECK_INT(moonpool_command(f.client, 3, argv, 0, on_reply, &large), MOONPOOL_OK);
  uv_run(&f.loop, UV_RUN_NOWAIT);
  CHECK_INT(command(&f, "GET behind", &behind), MOONPOOL_OK);
  uv_run(&f.loop, UV_RUN_NOWAIT);
  peer_drop(&f.links[0]);
  RUN_UNTIL(&f, large.count);
  check_lost(&large, f.address);
  RUN_UNTIL(&f, has_heard(&f, 1, "GET behind\n"));
  CHECK_INT(behind.count, 0);
  teardown(&f);
  CHECK_INT(behind.count, 1);
}

TEST(a_reply_that_came_before_the_end_counts) {
  fixture f;
  call answered = {0}, lost = {0};
  setup_ready(&f);
  CHECK_INT(command(&f, "GET a", &answered), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET b", &lost), MOONPOOL_OK);
  RUN_UNTIL(&f, f.links[0].heard.len);
  peer_say(&f.links[0], "$3\r\nyes\r\n$4\r\nhal");
  peer_drop(&f.links[0]);
  RUN_UNTIL(&f, lost.count);
  CHECK_STR(answered.text, "$3 yes");
  check_lost(&lost, "closed the connection");
  RUN_UNTIL(&f, is_shaken(&f, 1));
  CHECK_INT(command(&f, "GET c", &lost), MOONPOOL_OK); /* the half reply is forgotten */
  RUN_UNTIL(&f, has_heard(&f, 1, "GET c\n"));
  peer_say(&f.links[1], "+whole\r\n");
  RUN_UNTIL(&f, lost.count == 2);
  CHECK_STR(lost.text, "+5 whole");
  teardown(&f);
}

/* An abandoned request is lost with its link: the next link's first reply is not for it. */
TEST(abandoned_replies_do_not_outlive_the_link) {
  fixture f;
  call slow = {0}, next = {0};
  setup_ready(&f);
  CHECK_INT(command_for(&f, "GET slow", 300, &slow), MOONPOOL_OK);
  RUN_UNTIL(&f, slow.count);
  peer_drop(&f.links[0]);
  RUN_UNTIL(&f, is_shaken(&f, 1));
  CHECK_INT(command(&f, "GET next", &next), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 1, "GET next\n"));
  peer_say(&f.links[1], "+next\r\n");
  RUN_UNTIL(&f, next.count);
  CHECK_STR(next.text, "+4 next");
  teardown(&f);
  CHECK_INT(slow.count, 1);
}

TEST(a_close_inside_a_loss_ends_the_rest) {
  for (int closing = 0; closing < 3; closing++) {
    fixture f;
    call calls[3] = {{0}};
    calls[closing].then = then_close;
    setup_ready(&f);
    for (int i = 0; i < 3; i++) CHECK_INT(command(&f, "GET a", &calls[i]), MOONPOOL_OK);
    RUN_UNTIL(&f, f.links[0].heard.len);
    peer_drop(&f.links[0]);
    RUN_UNTIL(&f, f.gone);
    for (int i = 0; i < 3; i++) check_lost(&calls[i], "closed the connection");
    teardown(&f);
    for (int i = 0; i < 3; i++) CHECK_INT(calls[i].count, 1);
  }
}

/* ---- peers that break the protocol ----------------------------------------------------------- */

TEST(a_broken_protocol_ends_the_link) {
  static const char *const said[][2] = {
      {"?\r\n", "\"?\""},
      {"$3\r\nabcd\r\n", "does not end with CRLF"},
      {"$1000001\r\n", "over the limit of 1000000"},
      {"*101\r\n", "over the limit of 100"},
      {"*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "nested deeper than 3"},
      {"+1\r\n+2\r\n+3\r\n+4\r\n+5\r\n", NULL},
  };
  for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
    fixture f;
    call first = {0}, second = {0}, next = {0};
    setup(&f);
    f.options.max_reply_bytes = 1000000;
    f.options.max_reply_elements = 100;
    f.options.max_reply_depth = 3;
    CHECK_INT(open_client(&f), MOONPOOL_OK);
    CHECK_INT(command(&f, "GET a", &first), MOONPOOL_OK);
    CHECK_INT(command(&f, "GET b", &second), MOONPOOL_OK);
    RUN_UNTIL(&f, f.links[0].heard.len);
    peer_say(&f.links[0], said[i][0]);
    RUN_UNTIL(&f, is_shaken(&f, 1));
    if (said[i][1]) check_lost(&first, said[i][1]);
    CHECK_INT(second.count, 1);
    CHECK_INT(command(&f, "GET next", &next), MOONPOOL_OK);
    RUN_UNTIL(&f, has_heard(&f, 1, "GET next\n"));
    peer_say(&f.links[1], "+next\r\n");
    RUN_UNTIL(&f, next.count);
    CHECK_STR(next.text, "+4 next");
    teardown(&f);
  }
}

static void shake_off(peer_link *link, const char *command) {
  if (link->f->link_count % 3)
    peer_drop(link);
  else
    shake_as_redis(link, command);
}

TEST(attempts_go_on_until_one_succeeds) {
  fixture f;
  call get = {0};
  setup_ready(&f);
  f.shake = shake_off;
  peer_drop(&f.links[0]);
  RUN_UNTIL(&f, is_shaken(&f, 2));
  RUN_UNTIL(&f, state_of(&f) == MOONPOOL_READY);
  CHECK_INT(stats_of(&f).reconnects, 1);
  CHECK_INT(command(&f, "GET a", &get), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 2, "GET a\n"));
  teardown(&f);
}

/* ---- heartbeat ------------------------------------------------------------------------------- */

static void setup_heartbeat(fixture *f, uint64_t interval) {
  setup(f);
  f->options.heartbeat = interval;
  CHECK_INT(open_client(f), MOONPOOL_OK);
  RUN_UNTIL(f, state_of(f) == MOONPOOL_READY);
}

TEST(a_silent_peer_is_given_up) {
  fixture f;
  call get = {0};
  setup_heartbeat(&f, 30);
  CHECK_INT(command(&f, "GET a", &get), MOONPOOL_OK);
  RUN_UNTIL(&f, get.count);
  CHECK(has_heard(&f, 0, "GET a\nPING\n"));
  check_lost(&get, "no answer to PING");
  RUN_UNTIL(&f, is_shaken(&f, 1));
  teardown(&f);
}

TEST(a_peer_that_answers_is_kept) {
  fixture f;
  setup_heartbeat(&f, 300);
  for (int i = 0; i < 3; i++) {
    RUN_UNTIL(&f, has_heard(&f, 0, "PING\n"));
    forget_heard(&f, 0);
    peer_say(&f.links[0], "+PONG\r\n");
  }
  CHECK_INT(state_of(&f), MOONPOOL_READY);
  teardown(&f);
  CHECK_INT(f.link_count, 1);
}

TEST(without_a_heartbeat_nobody_is_asked) {
  fixture f;
  call clock = {0};
  setup_heartbeat(&f, 0);
  CHECK_INT(command_for(&f, "GET a", 300, &clock), MOONPOOL_OK);
  RUN_UNTIL(&f, clock.count);
  CHECK(has_heard(&f, 0, "GET a\n"));
  teardown(&f);
}

/* ---- a loop that is held up, or its process stopped ------------------------------------------ */

static void hold_up(int ms) {
  uint64_t start = uv_hrtime();
  while (uv_hrtime() - start < (uint64_t)ms * 1000000) continue;
}

/* The answer came in time, though nobody has looked. */
TEST(a_held_up_loop_keeps_a_link_that_answered) {
  fixture f;
  setup_heartbeat(&f, 100);
  RUN_UNTIL(&f, has_heard(&f, 0, "PING\n"));
  peer_say(&f.links[0], "+PONG\r\n");
  hold_up(250);
  RUN_UNTIL(&f, has_heard(&f, 0, "PING\nPING\n"));
  CHECK_STR(moonpool_last_error(f.client), "");
  teardown(&f);
  CHECK_INT(f.link_count, 1);
}

/* The peer was held up with it: it answers as soon as both go on. */
TEST(a_held_up_loop_keeps_a_link_that_is_about_to_answer) {
  fixture f;
  setup_heartbeat(&f, 1000);
  RUN_UNTIL(&f, has_heard(&f, 0, "PING\n"));
  hold_up(1100);
  for (int i = 0; i < 4; i++) uv_run(&f.loop, UV_RUN_NOWAIT);
  peer_say(&f.links[0], "+PONG\r\n");
  RUN_UNTIL(&f, has_heard(&f, 0, "PING\nPING\n"));
  CHECK_STR(moonpool_last_error(f.client), "");
  teardown(&f);
  CHECK_INT(f.link_count, 1);
}

/* Turns of the loop before it is held up for longer than an attempt may take. */
static void check_attempt(int turns) {
  fixture f;
  call ready = {.f = &f};
  setup(&f);
  f.options.connect_timeout = 1000;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  moonpool_ready(f.client, on_ready, &ready);
  for (int i = 0; i < turns; i++) uv_run(&f.loop, UV_RUN_NOWAIT);
  hold_up(1100);
  RUN_UNTIL(&f, ready.count);
  CHECK_STR(ready.message, "");
  CHECK_STR(moonpool_last_error(f.client), "");
  teardown(&f);
  CHECK_INT(f.link_count, 1);
}

TEST(a_held_up_loop_keeps_an_attempt) {
  check_attempt(1);
}

TEST(a_held_up_loop_keeps_an_attempt_amid_its_handshake) {
  check_attempt(4);
}

/* ---- anything, at random --------------------------------------------------------------------- */

enum { COMMANDS = 600 };

typedef struct storm {
  fixture f;
  fuzz random;
  call calls[COMMANDS];
  int given, wrong, answered;
} storm;

/* An answer names the command that it is for. */
static void then_compare(fixture *f, call *c) {
  storm *s = (storm *)f;
  char expected[20];
  if (c->status == MOONPOOL_ETIMEOUT || c->status == MOONPOOL_ECONN) return;
  snprintf(expected, sizeof expected, "%d", (int)(c - s->calls));
  s->wrong += c->status || strcmp(strchr(c->text, ' ') + 1, expected);
  s->answered++;
}

static void give_commands(storm *s) {
  char line[200], filler[100];
  memset(filler, 'x', sizeof filler);
  for (size_t n = fuzz_below(&s->random, 6); n > 0 && s->given < COMMANDS; n--, s->given++) {
    uint64_t timeout = fuzz_below(&s->random, 4) ? UINT64_MAX : 1 + fuzz_below(&s->random, 4);
    snprintf(line, sizeof line, "ECHO %d %.*s", s->given, (int)fuzz_below(&s->random, 100), filler);
    s->calls[s->given].then = then_compare;
    CHECK_INT(command_for(&s->f, line, timeout, &s->calls[s->given]), MOONPOOL_OK);
  }
}

/* Answers some of what the last link has heard, in pieces. */
static void answer_some(storm *s) {
  if (s->f.link_count == 0) return;
  int number = s->f.link_count - 1;
  peer_link *link = &s->f.links[number];
  size_t lines = fuzz_below(&s->random, 8);
  char reply[40], *at = link->heard.data;
  const char *text = heard(&s->f, number);
  for (; lines > 0 && link->fd >= 0 && *text; lines--) {
    int len = snprintf(reply, sizeof reply, "+%d\r\n", atoi(text + 5));
    int cut = (int)fuzz_below(&s->random, (size_t)len);
    peer_say_bytes(link, reply, (size_t)cut);
    if (fuzz_below(&s->random, 2)) uv_run(&s->f.loop, UV_RUN_NOWAIT);
    peer_say_bytes(link, reply + cut, (size_t)(len - cut));
    text = strchr(heard(&s->f, number), '\n') + 1;
    at = link->heard.data;
    link->heard.len -= (size_t)(text - at);
    memmove(at, text, link->heard.len);
    text = heard(&s->f, number);
  }
}

static void disturb(storm *s) {
  if (s->f.link_count == 0 || s->f.link_count > LINKS - 10) return;
  peer_link *link = &s->f.links[s->f.link_count - 1];
  if (link->fd < 0 || !link->is_shaken) return;
  switch (fuzz_below(&s->random, 60)) {
  case 0: peer_drop(link); break;
  case 1: peer_say(link, "$1\r\nxx\r\n"); break;
  case 2: peer_listen_to(link, 0); break;
  default: peer_listen_to(link, 1);
  }
}

static void run_storm(storm *s) {
  setup(&s->f);
  CHECK_INT(open_client(&s->f), MOONPOOL_OK);
  while (s->given < COMMANDS && !s->f.is_late) {
    give_commands(s);
    uv_run(&s->f.loop, UV_RUN_NOWAIT);
    answer_some(s);
    disturb(s);
  }
  while (stats_of(&s->f).queued > 0 && !s->f.is_late) {
    if (s->f.link_count) peer_listen_to(&s->f.links[s->f.link_count - 1], 1);
    uv_run(&s->f.loop, UV_RUN_NOWAIT);
    answer_some(s);
  }
  teardown(&s->f);
  int counts = 0;
  for (int i = 0; i < COMMANDS; i++) counts += s->calls[i].count != 1;
  CHECK_INT(counts, 0);
  CHECK_INT(s->wrong, 0);
  CHECK(s->answered > 0);
}

TEST(in_any_storm_each_command_completes_once) {
  fuzz random = fuzz_new("storms");
  for (int round = 0; round < 8; round++) {
    static storm s;
    memset(&s, 0, sizeof s);
    s.random.state = fuzz_next(&random);
    run_storm(&s);
  }
}

static const test_case tests[] = {
    TEST_CASE(what_was_sent_fails_and_what_follows_is_sent_later),
    TEST_CASE(what_was_sent_in_part_fails_too),
    TEST_CASE(a_reply_that_came_before_the_end_counts),
    TEST_CASE(abandoned_replies_do_not_outlive_the_link),
    TEST_CASE(a_close_inside_a_loss_ends_the_rest),
    TEST_CASE(a_broken_protocol_ends_the_link),
    TEST_CASE(attempts_go_on_until_one_succeeds),
    TEST_CASE(a_silent_peer_is_given_up),
    TEST_CASE(a_peer_that_answers_is_kept),
    TEST_CASE(without_a_heartbeat_nobody_is_asked),
    TEST_CASE(a_held_up_loop_keeps_a_link_that_answered),
    TEST_CASE(a_held_up_loop_keeps_a_link_that_is_about_to_answer),
    TEST_CASE(a_held_up_loop_keeps_an_attempt),
    TEST_CASE(a_held_up_loop_keeps_an_attempt_amid_its_handshake),
    TEST_CASE(in_any_storm_each_command_completes_once),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
