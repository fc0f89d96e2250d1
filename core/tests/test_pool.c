/* The pool's links: who gets one, who waits, what becomes of them. */
#include "batch_fixture.h"

static moonpool_stats stats_of(fixture *f) {
  moonpool_stats stats;
  moonpool_get_stats(f->client, &stats);
  return stats;
}

static void setup_pool(fixture *f, size_t size) {
  setup(f);
  f->options.pool_size = size;
  CHECK_INT(open_client(f), MOONPOOL_OK);
  RUN_UNTIL(f, state_of(f) == MOONPOOL_READY);
}

static int is_closed(fixture *f, int number) {
  return number < f->link_count && f->links[number].fd < 0;
}

/* ---- blocking commands ----------------------------------------------------------------------- */

TEST(a_blocking_command_has_a_link_of_its_own) {
  fixture f;
  call block = {0}, get = {0}, again = {0};
  setup_pool(&f, 4);
  CHECK_INT(command(&f, "BLPOP a 0", &block), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET a", &get), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 1, "BLPOP a 0\n") && has_heard(&f, 0, "GET a\n"));
  CHECK_INT(stats_of(&f).pool_busy, 1);
  CHECK_INT(stats_of(&f).in_flight, 2);
  CHECK_INT(stats_of(&f).links, 2);
  peer_say(&f.links[0], "+a\r\n");
  RUN_UNTIL(&f, get.count);
  CHECK_INT(block.count, 0);
  peer_say(&f.links[1], "*2\r\n+a\r\n+b\r\n");
  RUN_UNTIL(&f, block.count);
  CHECK_STR(block.text, "*2[+1 a +1 b]");
  CHECK_INT(stats_of(&f).pool_busy, 0);
  CHECK_INT(command(&f, "BLPOP b 0", &again), MOONPOOL_OK); /* on the same link */
  RUN_UNTIL(&f, has_heard(&f, 1, "BLPOP a 0\nBLPOP b 0\n"));
  CHECK_INT(stats_of(&f).pool_links, 1);
  CHECK_INT(stats_of(&f).pool_uses, 2);
  CHECK_INT(stats_of(&f).commands, 3);
  teardown(&f);
  CHECK_INT(again.status, MOONPOOL_ECLOSED);
  CHECK_INT(again.count, 1);
}

TEST(the_link_used_last_is_used_next) {
  fixture f;
  call calls[3] = {{0}}, next = {0};
  setup_pool(&f, 4);
  for (int i = 0; i < 3; i++) CHECK_INT(command(&f, "BLPOP a 0", &calls[i]), MOONPOOL_OK);
  RUN_UNTIL(&f, strlen(heard(&f, 1)) && strlen(heard(&f, 2)) && strlen(heard(&f, 3)));
  peer_say(&f.links[3], "+3\r\n");
  peer_say(&f.links[1], "+1\r\n");
  RUN_UNTIL(&f, stats_of(&f).pool_busy == 1);
  peer_say(&f.links[2], "+2\r\n");
  RUN_UNTIL(&f, stats_of(&f).pool_busy == 0);
  CHECK_INT(command(&f, "BLPOP next 0", &next), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 2, "BLPOP a 0\nBLPOP next 0\n"));
  CHECK_INT(stats_of(&f).pool_links, 3);
  teardown(&f);
}

/* In the order of arrival; those who wait are told by EQUEUE that they are too many. */
TEST(who_finds_no_link_waits_in_line) {
  fixture f;
  call calls[4] = {{0}};
  setup(&f);
  f.options.pool_size = 1;
  f.options.pool_queue = 2;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_INT(command(&f, "BLPOP 0 0", &calls[0]), MOONPOOL_OK);
  CHECK_INT(command(&f, "BLPOP 1 0", &calls[1]), MOONPOOL_OK);
  CHECK_INT(command(&f, "BLPOP 2 0", &calls[2]), MOONPOOL_OK);
  CHECK_INT(command(&f, "BLPOP 3 0", &calls[3]), MOONPOOL_EQUEUE);
  RUN_UNTIL(&f, f.link_count == 2 && strlen(heard(&f, 1)));
  CHECK_INT(command(&f, "BLPOP 3 0", &calls[3]), MOONPOOL_EQUEUE);
  CHECK_INT(stats_of(&f).pool_waiting, 2);
  for (int i = 0; i < 3; i++) {
    char said[20];
    snprintf(said, sizeof said, ":%d\r\n", i);
    RUN_UNTIL(&f, calls[i].count == 0 && strlen(heard(&f, 1)) == (size_t)(i + 1) * 10);
    peer_say(&f.links[1], said);
    RUN_UNTIL(&f, calls[i].count);
  }
  CHECK(has_heard(&f, 1, "BLPOP 0 0\nBLPOP 1 0\nBLPOP 2 0\n"));
  CHECK_STR(calls[2].text, ":2");
  CHECK_INT(stats_of(&f).pool_links, 1);
  CHECK_INT(f.link_count, 2);
  teardown(&f);
  CHECK_INT(calls[3].count, 0);
}

TEST(who_waits_too_long_is_told_why) {
  fixture f;
  call first = {0}, second = {0}, third = {0};
  setup_pool(&f, 1);
  CHECK_INT(command(&f, "BLPOP a 0", &first), MOONPOOL_OK);
  CHECK_INT(command_for(&f, "BLPOP b 0", 20, &second), MOONPOOL_OK);
  CHECK_INT(command(&f, "BLPOP c 0", &third), MOONPOOL_OK);
  RUN_UNTIL(&f, second.count);
  CHECK_INT(second.status, MOONPOOL_ETIMEOUT);
  CHECK(strstr(second.message, "no link of the pool was free before the deadline"));
  CHECK(strstr(second.message, "1 of 1 in use"));
  peer_say(&f.links[1], "+a\r\n");
  RUN_UNTIL(&f, has_heard(&f, 1, "BLPOP a 0\nBLPOP c 0\n"));
  teardown(&f);
}

/* Redis would hand an element to nobody: the connection ends with the command. */
/* The server takes no more connections. */
TEST(a_pool_without_a_limit_names_none) {
  fixture f;
  call blocked = {0};
  setup_pool(&f, 0);
  stop_listening(&f);
  CHECK_INT(command_for(&f, "BLPOP a 0", 50, &blocked), MOONPOOL_OK);
  RUN_UNTIL(&f, blocked.count);
  CHECK_INT(blocked.status, MOONPOOL_ETIMEOUT);
  CHECK(strstr(blocked.message, "(0 in use, 1 waiting"));
  teardown(&f);
}

TEST(an_overdue_command_takes_its_link_along) {
  fixture f;
  call block = {0}, next = {0};
  setup_pool(&f, 1);
  CHECK_INT(command_for(&f, "BLPOP a 0", 500, &block), MOONPOOL_OK);
  CHECK_INT(command(&f, "BLPOP b 0", &next), MOONPOOL_OK);
  RUN_UNTIL(&f, block.count);
  CHECK_INT(block.status, MOONPOOL_ETIMEOUT);
  RUN_UNTIL(&f, is_closed(&f, 1));
  RUN_UNTIL(&f, has_heard(&f, 2, "BLPOP b 0\n"));
  CHECK_STR(heard(&f, 1), "BLPOP a 0\n");
  CHECK_INT(state_of(&f), MOONPOOL_READY);
  teardown(&f);
  CHECK_INT(block.count, 1);
}

static int completions;

static void then_number(fixture *f, call *c) {
  (void)f;
  snprintf(c->text, sizeof c->text, "%d", ++completions);
}

TEST(a_blocking_command_has_its_own_time_and_the_clients) {
  fixture f;
  call timed = {.then = then_number}, forever = {0}, wrong = {.then = then_number};
  completions = 0;
  setup(&f);
  f.options.command_timeout = 50;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_INT(command(&f, "BLPOP a never", &wrong), MOONPOOL_OK);
  CHECK_INT(command(&f, "BLPOP a 0.1", &timed), MOONPOOL_OK);
  CHECK_INT(command(&f, "BLPOP a 0", &forever), MOONPOOL_OK);
  RUN_UNTIL(&f, timed.count);
  CHECK_STR(wrong.text, "1"); /* in the same turn, when the loop was held up */
  CHECK_STR(timed.text, "2");
  CHECK_INT(timed.status, MOONPOOL_ETIMEOUT);
  CHECK_INT(forever.count, 0);
  teardown(&f);
}

/* WAIT counts the replicas of what its own link wrote. */
TEST(a_pipeline_that_blocks_has_a_link_of_its_own) {
  fixture f;
  batch_call c = {0}, transaction = {0};
  setup_pool(&f, 2);
  CHECK_INT(send_pipeline(&f, "SET a 1\nWAIT 1 0", &c), MOONPOOL_OK);
  CHECK_INT(send_transaction(&f, "BLPOP a 0", &transaction), MOONPOOL_OK); /* does not block */
  RUN_UNTIL(&f, has_heard(&f, 1, "SET a 1\nWAIT 1 0\n"));
  RUN_UNTIL(&f, has_heard(&f, 0, "MULTI\nBLPOP a 0\nEXEC\n"));
  peer_say(&f.links[1], "+OK\r\n");
  RUN_UNTIL(&f, c.calls == 1);
  CHECK_INT(stats_of(&f).pool_busy, 1);
  peer_say(&f.links[1], ":1\r\n");
  RUN_UNTIL(&f, c.ends);
  CHECK_STR(c.text, "0+2 OK\n1:1\n2.\n");
  CHECK_INT(stats_of(&f).pool_busy, 0);
  teardown(&f);
}

/* ---- silence --------------------------------------------------------------------------------- */

/* A transaction that was not accepted is still its giver's, who may send it as a pipeline. */
TEST(what_was_refused_as_a_transaction_may_block_as_a_pipeline) {
  fixture f;
  batch_call c = {.size = 1};
  call first = {0};
  moonpool_bytes pop[] = {{"BLPOP", 5}, {"a", 1}, {"0", 1}};
  setup(&f);
  f.options.max_queue = 1;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  RUN_UNTIL(&f, state_of(&f) == MOONPOOL_READY);
  moonpool_batch *batch = moonpool_batch_new(f.client);
  c.f = &f;
  CHECK_INT(moonpool_batch_add(batch, 3, pop), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET a", &first), MOONPOOL_OK);
  CHECK_INT(moonpool_batch_send(batch, MOONPOOL_TRANSACTION, NULL, 0, on_batch, &c),
            MOONPOOL_EQUEUE);
  CHECK_INT(moonpool_batch_send(batch, MOONPOOL_PIPELINE, NULL, 0, on_batch, &c), MOONPOOL_OK);
  RUN_UNTIL(&f, f.link_count == 2 && has_heard(&f, 1, "BLPOP a 0\n"));
  CHECK(has_heard(&f, 0, "GET a\n"));
  teardown(&f);
  CHECK_INT(c.ends, 1);
}

TEST(a_blocking_command_is_no_silence) {
  fixture f;
  call block = {0}, clock = {0};
  setup(&f);
  f.options.heartbeat = 10;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_INT(command(&f, "BLPOP a 0", &block), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 1, "BLPOP a 0\n"));
  CHECK_INT(command_for(&f, "GET a", 150, &clock), MOONPOOL_OK);
  while (!clock.count && !f.is_late) {
    uv_run(&f.loop, UV_RUN_ONCE);
    if (strstr(heard(&f, 0), "PING")) peer_say(&f.links[0], "+PONG\r\n"), forget_heard(&f, 0);
  }
  CHECK_STR(heard(&f, 1), "BLPOP a 0\n");
  CHECK_INT(block.count, 0);
  peer_say(&f.links[1], "*-1\r\n");
  RUN_UNTIL(&f, block.count);
  CHECK_STR(block.text, "nil");
  RUN_UNTIL(&f, has_heard(&f, 1, "BLPOP a 0\nPING\n")); /* now it would be one */
  teardown(&f);
}

/* ---- links that end -------------------------------------------------------------------------- */

TEST(a_link_that_nobody_uses_is_closed) {
  fixture f;
  call block = {0}, next = {0};
  setup(&f);
  f.options.pool_idle = 30;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_INT(command(&f, "BLPOP a 0", &block), MOONPOOL_OK);
  RUN_UNTIL(&f, f.link_count == 2 && strlen(heard(&f, 1)));
  peer_say(&f.links[1], "+a\r\n");
  RUN_UNTIL(&f, block.count);
  RUN_UNTIL(&f, is_closed(&f, 1));
  CHECK_INT(stats_of(&f).pool_links, 0);
  CHECK_INT(command(&f, "BLPOP a 0", &next), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 2, "BLPOP a 0\n"));
  teardown(&f);
}

TEST(a_lost_link_fails_its_command_and_is_not_made_again) {
  fixture f;
  call block = {0}, idle = {0};
  setup_pool(&f, 2);
  CHECK_INT(command(&f, "BLPOP a 0", &block), MOONPOOL_OK);
  CHECK_INT(command(&f, "BLPOP b 0", &idle), MOONPOOL_OK);
  RUN_UNTIL(&f, f.link_count == 3 && strlen(heard(&f, 1)) && strlen(heard(&f, 2)));
  int of_block = has_heard(&f, 1, "BLPOP a 0\n") ? 1 : 2;
  peer_say(&f.links[3 - of_block], "+b\r\n");
  RUN_UNTIL(&f, idle.count);
  peer_drop(&f.links[1]);
  peer_drop(&f.links[2]);
  RUN_UNTIL(&f, block.count);
  CHECK_INT(block.status, MOONPOOL_ECONN);
  CHECK(strstr(block.message, "possibly executed"));
  RUN_UNTIL(&f, stats_of(&f).pool_links == 0);
  for (int i = 0; i < 20; i++) uv_run(&f.loop, UV_RUN_NOWAIT);
  CHECK_INT(f.link_count, 3);
  CHECK_INT(stats_of(&f).pool_busy, 0);
  teardown(&f);
  CHECK_INT(block.count, 1);
}

/* One link tries for all; when it succeeds, the others follow. */
TEST(who_waits_is_served_when_the_server_is_back) {
  fixture f;
  call calls[3] = {{0}}, late = {0};
  setup_pool(&f, 3);
  stop_listening(&f);
  for (int i = 0; i < 3; i++) CHECK_INT(command(&f, "BLPOP a 0", &calls[i]), MOONPOOL_OK);
  CHECK_INT(command_for(&f, "BLPOP late 0", 50, &late), MOONPOOL_OK);
  RUN_UNTIL(&f, late.count);
  CHECK_INT(late.status, MOONPOOL_ETIMEOUT);
  CHECK(strstr(late.message, "the last error was: connect to"));
  CHECK_INT(stats_of(&f).pool_links, 1);
  start_listening(&f);
  RUN_UNTIL(&f, f.link_count == 4 && strlen(heard(&f, 1)) && strlen(heard(&f, 2)) &&
                    strlen(heard(&f, 3)));
  CHECK_INT(stats_of(&f).pool_busy, 3);
  teardown(&f);
}

TEST(a_link_that_nobody_waits_for_any_more_is_not_tried) {
  fixture f;
  call late = {0};
  setup_pool(&f, 3);
  stop_listening(&f);
  CHECK_INT(command_for(&f, "BLPOP late 0", 30, &late), MOONPOOL_OK);
  RUN_UNTIL(&f, late.count);
  RUN_UNTIL(&f, stats_of(&f).pool_links == 0);
  start_listening(&f);
  for (int i = 0; i < 20; i++) uv_run(&f.loop, UV_RUN_NOWAIT);
  CHECK_INT(f.link_count, 1);
  teardown(&f);
}

/* ---- closing --------------------------------------------------------------------------------- */

/* At each step of two blocking commands on a pool of one. */
TEST(a_close_at_any_moment_completes_all) {
  for (int steps = 0; steps < 14; steps++) {
    fixture f;
    call first = {0}, second = {0};
    setup(&f);
    f.options.pool_size = 1;
    CHECK_INT(open_client(&f), MOONPOOL_OK);
    CHECK_INT(command(&f, "BLPOP a 0", &first), MOONPOOL_OK);
    CHECK_INT(command(&f, "BLPOP b 0", &second), MOONPOOL_OK);
    for (int i = 0; i < steps; i++) uv_run(&f.loop, UV_RUN_NOWAIT);
    teardown(&f);
    CHECK_INT(first.count, 1);
    CHECK_INT(second.count, 1);
    CHECK_INT(first.status, MOONPOOL_ECLOSED);
    CHECK_INT(second.status, MOONPOOL_ECLOSED);
  }
}

TEST(a_callback_may_close_the_client) {
  for (int closing = 0; closing < 3; closing++) {
    for (int how = 0; how < 3; how++) { /* a reply, a loss, a deadline */
      fixture f;
      call calls[3] = {{0}};
      calls[closing].then = then_close;
      setup_pool(&f, 2);
      for (int i = 0; i < 3; i++)
        CHECK_INT(command_for(&f, "BLPOP a 0", how == 2 ? 30 : 0, &calls[i]), MOONPOOL_OK);
      RUN_UNTIL(&f, f.gone || (f.link_count == 3 && strlen(heard(&f, 1)) && strlen(heard(&f, 2))));
      while (how < 2 && !f.gone && !f.is_late) {
        for (int i = 1; i < f.link_count; i++) {
          if (how == 0 && f.links[i].heard.len) {
            forget_heard(&f, i);
            peer_say(&f.links[i], "+a\r\n");
          } else if (how == 1 && f.links[i].heard.len) {
            peer_drop(&f.links[i]);
          }
        }
        uv_run(&f.loop, UV_RUN_ONCE);
      }
      RUN_UNTIL(&f, f.gone);
      teardown(&f);
      for (int i = 0; i < 3; i++) CHECK_INT(calls[i].count, 1);
    }
  }
}

static const test_case tests[] = {
    TEST_CASE(a_blocking_command_has_a_link_of_its_own),
    TEST_CASE(the_link_used_last_is_used_next),
    TEST_CASE(who_finds_no_link_waits_in_line),
    TEST_CASE(who_waits_too_long_is_told_why),
    TEST_CASE(a_pool_without_a_limit_names_none),
    TEST_CASE(an_overdue_command_takes_its_link_along),
    TEST_CASE(a_blocking_command_has_its_own_time_and_the_clients),
    TEST_CASE(a_pipeline_that_blocks_has_a_link_of_its_own),
    TEST_CASE(what_was_refused_as_a_transaction_may_block_as_a_pipeline),
    TEST_CASE(a_blocking_command_is_no_silence),
    TEST_CASE(a_link_that_nobody_uses_is_closed),
    TEST_CASE(a_lost_link_fails_its_command_and_is_not_made_again),
    TEST_CASE(who_waits_is_served_when_the_server_is_back),
    TEST_CASE(a_link_that_nobody_waits_for_any_more_is_not_tried),
    TEST_CASE(a_close_at_any_moment_completes_all),
    TEST_CASE(a_callback_may_close_the_client),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
