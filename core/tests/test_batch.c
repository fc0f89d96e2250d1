/* Pipelines and transactions as the peer hears them, and what its replies become. */
#include "batch_fixture.h"

#define THREE "SET a 1\nINCR a\nGET a"
#define HEARD_THREE "SET a 1\nINCR a\nGET a\n"
#define HEARD_TRANSACTION "MULTI\n" HEARD_THREE "EXEC\n"

static moonpool_stats stats_of(fixture *f) {
  moonpool_stats stats;
  moonpool_get_stats(f->client, &stats);
  return stats;
}

/* ---- pipelines ------------------------------------------------------------------------------- */

TEST(a_pipeline_has_a_reply_for_each_command) {
  fixture f;
  batch_call c = {0};
  setup_ready(&f);
  uint64_t writes = stats_of(&f).writes;
  CHECK_INT(send_pipeline(&f, THREE, &c), MOONPOOL_OK);
  CHECK_INT(stats_of(&f).queued, 3);
  CHECK_INT(stats_of(&f).commands, 3);
  RUN_UNTIL(&f, has_heard(&f, 0, HEARD_THREE));
  CHECK_INT(stats_of(&f).writes - writes, 1);
  CHECK_INT(c.calls, 0);
  peer_say(&f.links[0], "+OK\r\n-ERR no\r\n");
  RUN_UNTIL(&f, c.calls == 2);
  CHECK_INT(stats_of(&f).queued, 1);
  CHECK_INT(c.status, MOONPOOL_EREDIS);
  c.status = 0;
  peer_say(&f.links[0], "$1\r\n2\r\n");
  RUN_UNTIL(&f, c.ends);
  CHECK_STR(c.text, "0+2 OK\n1-6 ERR no\n2$1 2\n3.\n");
  CHECK_INT(c.status, MOONPOOL_OK);
  CHECK_INT(stats_of(&f).queued, 0);
  teardown(&f);
}

/* Batches and commands of one turn travel in one write, in the order in which they were given. */
TEST(batches_keep_their_place_among_commands) {
  fixture f;
  batch_call batch = {0}, transaction = {0};
  call before = {0}, after = {0};
  setup_ready(&f);
  uint64_t writes = stats_of(&f).writes;
  CHECK_INT(command(&f, "GET before", &before), MOONPOOL_OK);
  CHECK_INT(send_pipeline(&f, "GET a\nGET b", &batch), MOONPOOL_OK);
  CHECK_INT(send_transaction(&f, "GET c", &transaction), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET after", &after), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 0, "GET before\nGET a\nGET b\nMULTI\nGET c\nEXEC\nGET after\n"));
  CHECK_INT(stats_of(&f).writes - writes, 1);
  peer_say(&f.links[0], "+before\r\n+a\r\n+b\r\n+OK\r\n+QUEUED\r\n*1\r\n+c\r\n+after\r\n");
  RUN_UNTIL(&f, after.count);
  CHECK_STR(before.text, "+6 before");
  CHECK_STR(batch.text, "0+1 a\n1+1 b\n2.\n");
  CHECK_STR(transaction.text, "1.*1[+1 c]\n");
  CHECK_STR(after.text, "+5 after");
  teardown(&f);
}

static void nothing_is_told_yet(batch_call *c) {
  CHECK_INT(c->calls, 0);
}

TEST(an_empty_batch_ends_in_the_next_turn) {
  for (int kind = MOONPOOL_PIPELINE; kind <= MOONPOOL_TRANSACTION; kind++) {
    fixture f;
    batch_call first = {0}, second = {0};
    setup_ready(&f);
    CHECK_INT(send_batch_on(&f, NULL, (moonpool_batch_kind)kind, "", 0, &first), MOONPOOL_OK);
    CHECK_INT(send_batch_on(&f, NULL, (moonpool_batch_kind)kind, "", 0, &second), MOONPOOL_OK);
    nothing_is_told_yet(&first);
    RUN_UNTIL(&f, second.ends);
    CHECK_STR(first.text, "0.\n");
    CHECK_INT(first.status, MOONPOOL_OK);
    CHECK_STR(heard(&f, 0), "");
    CHECK_INT(send_pipeline(&f, "", &(batch_call){0}), MOONPOOL_OK);
    teardown(&f);
  }
}

TEST(what_cannot_be_in_a_batch_is_refused) {
  fixture f;
  moonpool_bytes multi = {"MULTI", 5};
  setup(&f);
  f.options.max_queue = 2;
  f.options.max_queue_bytes = 60;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  moonpool_batch *batch = moonpool_batch_new(f.client);
  CHECK_INT(moonpool_batch_add(batch, 0, NULL), MOONPOOL_EARG);
  CHECK_INT(moonpool_batch_add(batch, 1, &multi), MOONPOOL_ENOSUPPORT);
  CHECK_INT(batch_add_lines(batch, "SUBSCRIBE a"), MOONPOOL_ENOSUPPORT);
  CHECK_INT(batch_add_lines(batch, "WATCH a"), MOONPOOL_ENOSUPPORT);
  CHECK_INT(batch_add_lines(batch, "SET a 01234567890123456789012345678901234567890123456789"),
            MOONPOOL_ETOOBIG);
  CHECK_INT(moonpool_batch_count(batch), 0);
  CHECK_INT(batch_add_lines(batch, "GET a\nGET b"), MOONPOOL_OK);
  CHECK_INT(batch_add_lines(batch, "GET c"), MOONPOOL_ETOOBIG);
  CHECK_INT(moonpool_batch_count(batch), 2);
  moonpool_batch_free(batch);
  moonpool_batch_free(NULL);
  teardown(&f);
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* What becomes of the replies, all said at once, and of each of them alone. */
static void check_transaction(const char *lines, const char *said, const char *told, int status,
                              const char *message) {
  for (int is_slow = 0; is_slow < 2; is_slow++) {
    fixture f;
    batch_call c = {0};
    setup_ready(&f);
    CHECK_INT(send_transaction(&f, lines, &c), MOONPOOL_OK);
    RUN_UNTIL(&f, strstr(heard(&f, 0), "EXEC\n"));
    if (!is_slow) peer_say(&f.links[0], said);
    for (const char *at = said; is_slow && *at; at++) {
      CHECK_INT(c.ends, 0);
      peer_say_bytes(&f.links[0], at, 1);
      uv_run(&f.loop, UV_RUN_NOWAIT);
    }
    RUN_UNTIL(&f, c.ends);
    CHECK_STR(c.text, told);
    CHECK_INT(c.status, status);
    CHECK_STR(c.message, message);
    CHECK_INT(stats_of(&f).queued, 0);
    CHECK_INT(state_of(&f), MOONPOOL_READY);
    teardown(&f);
  }
}

TEST(a_transaction_is_written_whole) {
  fixture f;
  batch_call c = {0};
  setup_ready(&f);
  CHECK_INT(send_transaction(&f, THREE, &c), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 0, HEARD_TRANSACTION));
  peer_say(&f.links[0], "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n:2\r\n$1\r\n2\r\n");
  RUN_UNTIL(&f, c.ends);
  CHECK_STR(c.text, "3.*3[+2 OK :2 $1 2]\n");
  CHECK_INT(c.calls, 1);
  teardown(&f);
}

TEST(an_error_inside_exec_is_in_its_list) {
  check_transaction(THREE,
                    "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n-WRONGTYPE no\r\n"
                    "$1\r\n2\r\n",
                    "3.*3[+2 OK -12 WRONGTYPE no $1 2]\n", MOONPOOL_OK, "");
}

TEST(a_refused_command_is_named) {
  check_transaction(THREE, "+OK\r\n+QUEUED\r\n-ERR wrong\r\n-ERR too\r\n-EXECABORT aborted\r\n",
                    "1-9 ERR wrong\n2-7 ERR too\n3.\n", MOONPOOL_EREDIS,
                    "command 2: ERR wrong (EXECABORT aborted)");
  check_transaction("GET a", "+OK\r\n-NOPERM no\r\n-EXECABORT aborted\r\n", "0-9 NOPERM no\n1.\n",
                    MOONPOOL_EPERM, "command 1: NOPERM no (EXECABORT aborted)");
}

TEST(an_abort_without_a_refusal_is_told_as_it_is) {
  check_transaction("GET a", "+OK\r\n+QUEUED\r\n-EXECABORT because of: LOADING\r\n",
                    "1.-29 EXECABORT because of: LOADING\n", MOONPOOL_EREDIS,
                    "EXECABORT because of: LOADING");
}

TEST(a_changed_key_is_a_conflict) {
  check_transaction("GET a", "+OK\r\n+QUEUED\r\n*-1\r\n", "1.\n", MOONPOOL_ECONFLICT,
                    "a watched key was changed: nothing was executed");
}

TEST(without_multi_it_is_no_transaction) {
  check_transaction("GET a\nGET b", "-NOPERM multi\r\n+a\r\n-ERR b\r\n-ERR EXEC without MULTI\r\n",
                    "1-5 ERR b\n2.\n", MOONPOOL_EPERM,
                    "MULTI was refused: NOPERM multi; 1 of 2 commands were executed without it");
}

TEST(a_list_of_another_length_is_no_reply_of_exec) {
  static const char message[] = "EXEC's reply is not a list of as many replies as commands";
  check_transaction("GET a", "+OK\r\n+QUEUED\r\n*0\r\n", "1.\n", MOONPOOL_EPROTO, message);
  check_transaction("GET a", "+OK\r\n+QUEUED\r\n+OK\r\n", "1.\n", MOONPOOL_EPROTO, message);
}

/* Its last call is what frees a batch. */
TEST(a_batch_that_tells_nobody_is_refused) {
  fixture f;
  batch_call c = {.f = &f, .size = 1};
  setup_ready(&f);
  moonpool_batch *empty = moonpool_batch_new(f.client), *batch = moonpool_batch_new(f.client);
  REQUIRE(empty && batch);
  CHECK_INT(batch_add_lines(batch, "GET a"), MOONPOOL_OK);
  for (int kind = MOONPOOL_PIPELINE; kind <= MOONPOOL_TRANSACTION; kind++) {
    CHECK_INT(moonpool_batch_send(empty, kind, NULL, 0, NULL, NULL), MOONPOOL_EARG);
    CHECK_INT(moonpool_batch_send(batch, kind, NULL, 0, NULL, NULL), MOONPOOL_EARG);
  }
  moonpool_batch_free(empty);
  CHECK_INT(stats_of(&f).queued, 0);
  CHECK_INT(moonpool_batch_send(batch, MOONPOOL_PIPELINE, NULL, 0, on_batch, &c), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 0, "GET a\n"));
  peer_say(&f.links[0], "+a\r\n");
  RUN_UNTIL(&f, c.ends);
  CHECK_STR(c.text, "0+1 a\n1.\n");
  teardown(&f);
}

static const test_case tests[] = {
    TEST_CASE(a_pipeline_has_a_reply_for_each_command),
    TEST_CASE(batches_keep_their_place_among_commands),
    TEST_CASE(an_empty_batch_ends_in_the_next_turn),
    TEST_CASE(what_cannot_be_in_a_batch_is_refused),
    TEST_CASE(a_transaction_is_written_whole),
    TEST_CASE(an_error_inside_exec_is_in_its_list),
    TEST_CASE(a_refused_command_is_named),
    TEST_CASE(an_abort_without_a_refusal_is_told_as_it_is),
    TEST_CASE(a_changed_key_is_a_conflict),
    TEST_CASE(without_multi_it_is_no_transaction),
    TEST_CASE(a_list_of_another_length_is_no_reply_of_exec),
    TEST_CASE(a_batch_that_tells_nobody_is_refused),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
