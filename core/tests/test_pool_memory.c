/* The life of batches, blocking commands and sessions with each allocation refused in its turn:
 * nothing leaks, and whatever was accepted completes once. */
#include <limits.h>

#include "batch_fixture.h"

typedef struct life {
  fixture f;
  batch_call pipeline, transaction, on_session;
  call block, watch;
  moonpool_session *session;
  int sessions; /* callbacks */
  int is_piped, is_exec, is_blocked, is_asked, is_watched, is_on_session;
} life;

/* As Redis would, as far as it is asked here. */
static void hear(peer_link *link, const moonpool_reply *command) {
  const moonpool_bytes name = command->u.list.first->u.string;
  const char *reply = "+QUEUED\r\n";
  if (name.len == 5 && !memcmp(name.data, "MULTI", 5)) reply = "+OK\r\n";
  if (name.len == 4 && !memcmp(name.data, "EXEC", 4)) reply = "*1\r\n+done\r\n";
  peer_say(link, reply);
}

static void on_session(moonpool_session *session, const moonpool_error *error, void *ctx) {
  life *l = ctx;
  CHECK_INT(session == NULL, error != NULL);
  l->session = session;
  l->sessions++;
}

static int is_accepted(int status) {
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM || status == MOONPOOL_ECONN);
  return status == MOONPOOL_OK;
}

static int is_done(const life *l) {
  return l->pipeline.ends == l->is_piped && l->transaction.ends == l->is_exec &&
         l->block.count == l->is_blocked && l->sessions == l->is_asked;
}

static int is_session_done(const life *l) {
  return l->watch.count == l->is_watched && l->on_session.ends == l->is_on_session;
}

static int begin(life *l, long from, long until) {
  memset(l, 0, sizeof *l);
  setup(&l->f);
  test_heap_fail(&l->f.heap, from, until);
  l->f.options.command_timeout = 2000;
  l->f.hear = hear;
  int status = open_client(&l->f);
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
  return status == MOONPOOL_OK;
}

static void ask(life *l) {
  static const char lines[] = "SET a 0123456789012345678901234567890123456789\nGET a";
  l->is_piped = is_accepted(send_pipeline(&l->f, lines, &l->pipeline));
  l->is_exec = is_accepted(send_transaction(&l->f, "GET a", &l->transaction));
  l->is_blocked = is_accepted(command(&l->f, "BLPOP a 1", &l->block));
  l->is_asked = is_accepted(moonpool_session_open(l->f.client, 0, on_session, l));
}

static void use_session(life *l) {
  moonpool_bytes argv[8];
  l->watch.f = &l->f;
  l->is_watched = is_accepted(
      moonpool_session_command(l->session, split("WATCH a", argv), argv, 0, on_reply, &l->watch));
  l->is_on_session = is_accepted(
      send_batch_on(&l->f, l->session, MOONPOOL_TRANSACTION, "GET a", 0, &l->on_session));
}

static void end(life *l) {
  teardown(&l->f);
  CHECK(is_done(l));
  CHECK(is_session_done(l));
}

static long live(long from, long until) {
  static life l;
  if (begin(&l, from, until)) {
    ask(&l);
    RUN_UNTIL(&l.f, is_done(&l));
    if (l.session) {
      use_session(&l);
      RUN_UNTIL(&l.f, is_session_done(&l));
      moonpool_session_close(l.session);
    }
    for (int i = 0; i < 5; i++) uv_run(&l.f.loop, UV_RUN_NOWAIT);
  }
  end(&l);
  if (test_failures) printf("  refused: %ld to %ld\n", from, until - 1);
  return l.f.heap.requests;
}

TEST(each_failed_allocation_is_survived) {
  long requests = live(0, 0);
  CHECK(requests > 20);
  for (long n = 1; n <= requests && !test_failures; n++) live(n, n + 1);
}

TEST(several_failed_allocations_are_survived) {
  long requests = live(0, 0);
  for (long n = 1; n <= requests && !test_failures; n += 2) live(n, n + 7);
}

/* With each number of allocations granted, and none after them. */
TEST(without_memory_it_still_ends) {
  static life l;
  for (long granted = 0; !test_failures; granted++) {
    if (begin(&l, granted + 1, LONG_MAX)) {
      ask(&l);
      for (int i = 0; i < 30 && !l.session; i++) uv_run(&l.f.loop, UV_RUN_NOWAIT);
      if (l.session) {
        use_session(&l);
        if (granted % 2) moonpool_session_close(l.session);
      }
      for (int i = 0; i < 5; i++) uv_run(&l.f.loop, UV_RUN_NOWAIT);
    }
    int was_refused = l.f.heap.requests > granted;
    end(&l);
    if (test_failures) printf("  granted: %ld\n", granted);
    if (!was_refused) break;
  }
}

/* At each turn of the loop: closed, or its connections lost. */
TEST(an_end_at_any_moment_completes_all) {
  static life l;
  for (int is_loss = 0; is_loss < 2; is_loss++) {
    for (int steps = 0; steps < 25 && !test_failures; steps++) {
      if (!begin(&l, 0, 0)) return;
      ask(&l);
      for (int i = 0; i < steps; i++) {
        uv_run(&l.f.loop, UV_RUN_NOWAIT);
        if (l.session && !l.is_watched) use_session(&l);
      }
      for (int i = 0; is_loss && i < l.f.link_count; i++) peer_drop(&l.f.links[i]);
      if (is_loss) RUN_UNTIL(&l.f, is_done(&l) && is_session_done(&l));
      end(&l);
      if (test_failures) printf("  after %d steps, loss %d\n", steps, is_loss);
    }
  }
}

static const test_case tests[] = {
    TEST_CASE(each_failed_allocation_is_survived),
    TEST_CASE(several_failed_allocations_are_survived),
    TEST_CASE(without_memory_it_still_ends),
    TEST_CASE(an_end_at_any_moment_completes_all),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
