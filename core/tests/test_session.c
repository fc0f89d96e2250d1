/* Sessions: a connection of one's own, what is watched on it, and its end. */
#include "batch_fixture.h"

typedef struct held {
  fixture *f;
  int count, status;
  char message[300];
  moonpool_session *session;
  void (*then)(fixture *f, struct held *held);
} held;

static void on_session(moonpool_session *session, const moonpool_error *error, void *ctx) {
  held *h = ctx;
  h->count++;
  CHECK_INT(session == NULL, error != NULL);
  h->session = session;
  h->status = error ? error->status : MOONPOOL_OK;
  snprintf(h->message, sizeof h->message, "%s", error ? error->message : "");
  if (h->then) h->then(h->f, h);
}

static int open_session(fixture *f, uint64_t timeout, held *h) {
  h->f = f;
  return moonpool_session_open(f->client, timeout, on_session, h);
}

static int session_command(held *h, const char *line, call *c) {
  moonpool_bytes argv[32];
  if (c) c->f = h->f;
  return moonpool_session_command(h->session, split(line, argv), argv, 0, c ? on_reply : NULL, c);
}

/* The session is on the peer's link 1. */
static void setup_session(fixture *f, held *h, size_t pool_size) {
  memset(h, 0, sizeof *h);
  setup(f);
  f->options.pool_size = pool_size;
  CHECK_INT(open_client(f), MOONPOOL_OK);
  RUN_UNTIL(f, state_of(f) == MOONPOOL_READY);
  CHECK_INT(open_session(f, 0, h), MOONPOOL_OK);
  RUN_UNTIL(f, h->count);
  CHECK(h->session != NULL);
}

static moonpool_stats stats_of(fixture *f) {
  moonpool_stats stats;
  moonpool_get_stats(f->client, &stats);
  return stats;
}

TEST(an_optimistic_transaction_is_on_its_own_link) {
  fixture f;
  held h;
  call watch = {0}, get = {0};
  batch_call exec = {0};
  setup_session(&f, &h, 2);
  CHECK_INT(session_command(&h, "WATCH a", &watch), MOONPOOL_OK);
  CHECK_INT(session_command(&h, "GET a", &get), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 1, "WATCH a\nGET a\n"));
  peer_say(&f.links[1], "+OK\r\n$1\r\n1\r\n");
  RUN_UNTIL(&f, get.count);
  CHECK_INT(send_batch_on(&f, h.session, MOONPOOL_TRANSACTION, "SET a 2", 0, &exec), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 1, "WATCH a\nGET a\nMULTI\nSET a 2\nEXEC\n"));
  peer_say(&f.links[1], "+OK\r\n+QUEUED\r\n*-1\r\n");
  RUN_UNTIL(&f, exec.ends);
  CHECK_INT(exec.status, MOONPOOL_ECONFLICT);
  forget_heard(&f, 1);
  moonpool_session_close(h.session);
  held next = {0};
  CHECK_INT(open_session(&f, 0, &next), MOONPOOL_OK);
  RUN_UNTIL(&f, next.count);
  CHECK_INT(session_command(&next, "GET b", NULL), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 1, "GET b\n")); /* EXEC has unwatched */
  moonpool_session_close(next.session);
  CHECK_STR(heard(&f, 0), "");
  teardown(&f);
}

TEST(what_is_watched_is_unwatched_at_the_end) {
  static const char *const ends[][2] = {{"WATCH a", "WATCH a\nUNWATCH\nGET b\n"},
                                        {"UNWATCH", "UNWATCH\nGET b\n"}};
  for (int i = 0; i < 2; i++) {
    fixture f;
    held h, next = {0};
    setup_session(&f, &h, 1);
    CHECK_INT(session_command(&h, ends[i][0], NULL), MOONPOOL_OK);
    moonpool_session_close(h.session);
    CHECK_INT(open_session(&f, 0, &next), MOONPOOL_OK);
    RUN_UNTIL(&f, next.count);
    CHECK_INT(session_command(&next, "GET b", NULL), MOONPOOL_OK);
    RUN_UNTIL(&f, has_heard(&f, 1, ends[i][1]));
    teardown(&f);
  }
}

TEST(what_would_change_the_connection_is_refused) {
  static const char *const refused[] = {"MULTI",    "EXEC",        "DISCARD",
                                        "SELECT 1", "SUBSCRIBE a", "MONITOR"};
  fixture f;
  held h;
  setup_session(&f, &h, 1);
  CHECK_INT(moonpool_session_command(h.session, 0, NULL, 0, NULL, NULL), MOONPOOL_EARG);
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    CHECK_INT(session_command(&h, refused[i], NULL), MOONPOOL_ENOSUPPORT);
  moonpool_session_close(NULL);
  teardown(&f);
}

static held closing;

static void then_close_again(fixture *f, call *c) {
  (void)f, (void)c;
  CHECK_INT(session_command(&closing, "GET late", NULL), MOONPOOL_ECLOSED);
  moonpool_session_close(closing.session);
}

TEST(what_is_in_flight_goes_on_unheard) {
  fixture f;
  call first = {.then = then_close_again}, second = {0};
  batch_call batch = {0};
  held next = {0};
  setup_session(&f, &closing, 1);
  CHECK_INT(session_command(&closing, "SET a 1", &first), MOONPOOL_OK);
  CHECK_INT(session_command(&closing, "SET b 1", &second), MOONPOOL_OK);
  CHECK_INT(send_batch_on(&f, closing.session, MOONPOOL_PIPELINE, "SET c 1\nSET d 1", 0, &batch),
            MOONPOOL_OK);
  moonpool_session_close(closing.session);
  CHECK_INT(first.status, MOONPOOL_ECLOSED);
  CHECK_INT(second.status, MOONPOOL_ECLOSED);
  CHECK_INT(batch.ends, 1);
  CHECK_INT(batch.status, MOONPOOL_ECLOSED);
  CHECK_INT(open_session(&f, 0, &next), MOONPOOL_OK);
  RUN_UNTIL(&f, next.count);
  CHECK_INT(session_command(&next, "GET a", &second), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 1, "SET a 1\nSET b 1\nSET c 1\nSET d 1\nGET a\n"));
  peer_say(&f.links[1], "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+mine\r\n");
  RUN_UNTIL(&f, second.count == 2);
  CHECK_STR(second.text, "+4 mine");
  CHECK_INT(first.count, 1);
  teardown(&f);
}

TEST(a_blocking_command_in_flight_ends_the_link) {
  fixture f;
  held h;
  call block = {0}, behind = {0};
  setup_session(&f, &h, 1);
  CHECK_INT(session_command(&h, "BLPOP a 0", &block), MOONPOOL_OK);
  CHECK_INT(session_command(&h, "GET a", &behind), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 1, "BLPOP a 0\nGET a\n"));
  moonpool_session_close(h.session);
  CHECK_INT(block.status, MOONPOOL_ECLOSED);
  CHECK_INT(behind.status, MOONPOOL_ECLOSED);
  RUN_UNTIL(&f, f.links[1].fd < 0);
  CHECK_INT(stats_of(&f).pool_links, 0);
  CHECK_INT(stats_of(&f).pool_busy, 0);
  teardown(&f);
}

TEST(an_overdue_blocking_command_ends_the_session) {
  fixture f;
  held h;
  call block = {0}, behind = {0};
  moonpool_bytes argv[8];
  setup_session(&f, &h, 1);
  block.f = &f;
  CHECK_INT(
      moonpool_session_command(h.session, split("BLPOP a 0", argv), argv, 30, on_reply, &block),
      MOONPOOL_OK);
  CHECK_INT(session_command(&h, "GET a", &behind), MOONPOOL_OK);
  RUN_UNTIL(&f, block.count);
  CHECK_INT(block.status, MOONPOOL_ETIMEOUT);
  RUN_UNTIL(&f, behind.count);
  CHECK_INT(behind.status, MOONPOOL_ECONN);
  CHECK_INT(session_command(&h, "GET a", NULL), MOONPOOL_ECONN);
  moonpool_session_close(h.session);
  teardown(&f);
}

TEST(a_lost_connection_is_not_made_again) {
  fixture f;
  held h;
  call get = {0};
  batch_call batch = {0};
  setup_session(&f, &h, 1);
  CHECK_INT(session_command(&h, "GET a", &get), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 1, "GET a\n"));
  peer_drop(&f.links[1]);
  RUN_UNTIL(&f, get.count);
  CHECK_INT(get.status, MOONPOOL_ECONN);
  CHECK(strstr(get.message, "possibly executed"));
  CHECK_INT(session_command(&h, "GET a", &get), MOONPOOL_ECONN);
  CHECK_INT(send_batch_on(&f, h.session, MOONPOOL_PIPELINE, "GET a", 0, &batch), MOONPOOL_ECONN);
  CHECK_INT(stats_of(&f).pool_busy, 0);
  moonpool_session_close(h.session);
  teardown(&f);
  CHECK_INT(get.count, 1);
}

TEST(who_finds_no_link_in_time_has_no_session) {
  fixture f;
  held h, late = {0};
  setup_session(&f, &h, 1);
  CHECK_INT(open_session(&f, 20, &late), MOONPOOL_OK);
  RUN_UNTIL(&f, late.count);
  CHECK_INT(late.status, MOONPOOL_ETIMEOUT);
  moonpool_session_close(h.session);
  teardown(&f);
}

static void then_close_client(fixture *f, held *h) {
  (void)h;
  close_client(f);
}

TEST(a_client_may_be_closed_with_sessions) {
  for (int how = 0; how < 4; how++) {
    fixture f;
    held h, waits = {0};
    call get = {0};
    batch_call batch = {0};
    setup_session(&f, &h, how == 1 ? 2 : 1);
    if (how == 1) waits.then = then_close_client; /* when it has its session */
    if (how == 2) get.then = then_close;          /* when its session is closed */
    CHECK_INT(open_session(&f, 0, &waits), MOONPOOL_OK);
    CHECK_INT(session_command(&h, "GET a", &get), MOONPOOL_OK);
    CHECK_INT(send_batch_on(&f, h.session, MOONPOOL_TRANSACTION, "GET a", 0, &batch), MOONPOOL_OK);
    if (how == 1) RUN_UNTIL(&f, f.gone);
    if (how == 2) moonpool_session_close(h.session);
    if (how == 2) RUN_UNTIL(&f, f.gone);
    if (how == 3) {
      RUN_UNTIL(&f, strlen(heard(&f, 1)));
      peer_drop(&f.links[1]);
    }
    teardown(&f);
    CHECK_INT(get.count, 1);
    CHECK_INT(batch.ends, 1);
    CHECK_INT(waits.count, 1);
  }
}

/* ---- a batch on its way, and its end --------------------------------------------------------- */

/* The link is lost after each byte of a transaction's replies: it ends exactly once. */
TEST(a_loss_at_any_byte_ends_a_transaction_once) {
  static const char said[] = "+OK\r\n+QUEUED\r\n-ERR no\r\n-EXECABORT aborted\r\n";
  for (size_t len = 0; len < sizeof said - 1; len++) {
    fixture f;
    batch_call c = {0};
    setup_ready(&f);
    CHECK_INT(send_transaction(&f, "GET a\nGET", &c), MOONPOOL_OK);
    RUN_UNTIL(&f, strstr(heard(&f, 0), "EXEC"));
    peer_say_bytes(&f.links[0], said, len);
    peer_drop(&f.links[0]);
    RUN_UNTIL(&f, c.ends);
    CHECK_INT(c.status, MOONPOOL_ECONN);
    CHECK(strstr(c.message, "possibly executed"));
    CHECK_INT(c.calls, 1 + (len >= 23));
    RUN_UNTIL(&f, is_shaken(&f, 1));
    CHECK_STR(heard(&f, 1), "");
    teardown(&f);
  }
}

/* Before it is written all of it is forgotten; later all of its replies are dropped. */
TEST(a_batch_expires_whole) {
  for (int is_sent = 0; is_sent < 2; is_sent++) {
    fixture f;
    batch_call c = {0};
    call get = {0};
    setup_ready(&f);
    if (!is_sent) {
      stop_listening(&f);
      peer_drop(&f.links[0]);
      RUN_UNTIL(&f, state_of(&f) != MOONPOOL_READY);
    }
    CHECK_INT(send_batch_on(&f, NULL, MOONPOOL_TRANSACTION, "SET a 1", 30, &c), MOONPOOL_OK);
    CHECK_INT(command(&f, "GET a", &get), MOONPOOL_OK);
    RUN_UNTIL(&f, c.ends);
    CHECK_INT(c.status, MOONPOOL_ETIMEOUT);
    if (!is_sent) start_listening(&f);
    int link = is_sent ? 0 : 1;
    RUN_UNTIL(&f, has_heard(&f, link, is_sent ? "MULTI\nSET a 1\nEXEC\nGET a\n" : "GET a\n"));
    peer_say(&f.links[link], is_sent ? "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n+a\r\n" : "+a\r\n");
    RUN_UNTIL(&f, get.count);
    CHECK_STR(get.text, "+1 a");
    CHECK_INT(stats_of(&f).queued, 0);
    CHECK_INT(c.calls, 1);
    teardown(&f);
  }
}

TEST(a_batch_is_accepted_whole_or_not_at_all) {
  fixture f;
  batch_call first = {0}, second = {0};
  setup(&f);
  f.options.max_queue = 3;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_INT(send_transaction(&f, "GET a\nGET b\nGET c", &first), MOONPOOL_OK); /* alone it fits */
  CHECK_INT(send_pipeline(&f, "GET d", &second), MOONPOOL_EQUEUE);
  RUN_UNTIL(&f, has_heard(&f, 0, "MULTI\nGET a\nGET b\nGET c\nEXEC\n"));
  teardown(&f);
  CHECK_INT(first.ends, 1);
  CHECK_INT(first.status, MOONPOOL_ECLOSED);
  CHECK_INT(second.calls, 0);
}

static void then_close_in_batch(fixture *f, batch_call *c) {
  (void)c;
  close_client(f);
}

TEST(a_close_inside_a_batch_ends_it) {
  for (int at = 0; at < 3; at++) {
    fixture f;
    batch_call c = {.then = at == 0 ? then_close_in_batch : NULL};
    setup_ready(&f);
    CHECK_INT(send_pipeline(&f, "GET a\nGET b", &c), MOONPOOL_OK);
    RUN_UNTIL(&f, strlen(heard(&f, 0)));
    if (at == 2) c.then = then_close_in_batch;
    peer_say(&f.links[0], at == 1 ? "+a\r\n" : "+a\r\n+b\r\n");
    RUN_UNTIL(&f, c.calls);
    teardown(&f);
    CHECK_INT(c.ends, 1);
  }
}

/* What a batch's call closes, and in which one. */
typedef struct closing_batch {
  batch_call call; /* first */
  held *held;      /* whose session; NULL: the client */
  int at;
} closing_batch;

static void then_close_at(fixture *f, batch_call *c) {
  closing_batch *b = (closing_batch *)(void *)c;
  if (c->calls != b->at) return;
  if (b->held)
    moonpool_session_close(b->held->session);
  else
    close_client(f);
}

TEST(each_call_of_a_batch_may_close_its_session_or_the_client) {
  for (int round = 0; round < 12; round++) {
    fixture f;
    held h;
    moonpool_batch_kind kind = round % 2 ? MOONPOOL_TRANSACTION : MOONPOOL_PIPELINE;
    closing_batch c = {
        .call.then = then_close_at, .held = round < 6 ? &h : NULL, .at = 1 + round / 2 % 3};
    setup_session(&f, &h, 1);
    CHECK_INT(send_batch_on(&f, h.session, kind, "GET a\nGET b", 0, &c.call), MOONPOOL_OK);
    RUN_UNTIL(&f, strlen(heard(&f, 1)));
    peer_say(&f.links[1], kind == MOONPOOL_PIPELINE
                              ? "+a\r\n+b\r\n"
                              : "+OK\r\n-ERR a\r\n-ERR b\r\n-EXECABORT no\r\n");
    RUN_UNTIL(&f, c.call.ends);
    for (int i = 0; i < 5; i++) uv_run(&f.loop, UV_RUN_NOWAIT);
    teardown(&f);
    CHECK_INT(c.call.ends, 1);
    if (test_failures) printf("  in round %d: %s\n", round, c.call.text);
  }
}

/* ---- states ---------------------------------------------------------------------------------- */

static char states[2000];

static void on_state(moonpool *client, const moonpool_state_event *event, void *ctx) {
  static const char *const names[] = {"idle", "connecting", "ready", "waiting", "closed"};
  size_t len = strlen(states);
  (void)client, (void)ctx;
  snprintf(states + len, sizeof states - len, "%d %s%s\n", (int)event->role, names[event->state],
           event->error.status ? "!" : "");
}

TEST(every_change_of_state_is_told) {
  fixture f;
  call block = {0};
  states[0] = '\0';
  setup(&f);
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  moonpool_on_state(f.client, on_state, NULL);
  RUN_UNTIL(&f, state_of(&f) == MOONPOOL_READY);
  CHECK_INT(command(&f, "BLPOP a 0", &block), MOONPOOL_OK);
  RUN_UNTIL(&f, f.link_count == 2 && strlen(heard(&f, 1)));
  peer_drop(&f.links[1]);
  RUN_UNTIL(&f, block.count);
  peer_drop(&f.links[0]);
  RUN_UNTIL(&f, strstr(states, "0 waiting!\n0 connecting\n0 ready\n"));
  teardown(&f);
  CHECK_STR(states, "0 connecting\n0 ready\n2 connecting\n2 ready\n2 waiting!\n2 closed\n"
                    "0 waiting!\n0 connecting\n0 ready\n0 closed\n");
}

static const test_case tests[] = {
    TEST_CASE(an_optimistic_transaction_is_on_its_own_link),
    TEST_CASE(what_is_watched_is_unwatched_at_the_end),
    TEST_CASE(what_would_change_the_connection_is_refused),
    TEST_CASE(what_is_in_flight_goes_on_unheard),
    TEST_CASE(a_blocking_command_in_flight_ends_the_link),
    TEST_CASE(an_overdue_blocking_command_ends_the_session),
    TEST_CASE(a_lost_connection_is_not_made_again),
    TEST_CASE(who_finds_no_link_in_time_has_no_session),
    TEST_CASE(a_client_may_be_closed_with_sessions),
    TEST_CASE(a_loss_at_any_byte_ends_a_transaction_once),
    TEST_CASE(a_batch_expires_whole),
    TEST_CASE(a_batch_is_accepted_whole_or_not_at_all),
    TEST_CASE(a_close_inside_a_batch_ends_it),
    TEST_CASE(each_call_of_a_batch_may_close_its_session_or_the_client),
    TEST_CASE(every_change_of_state_is_told),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
