/* Questions to a room's history that are overtaken: by the end of the client or of the handle, by
 * their deadline, by a SCRIPT FLUSH; and each allocation refused in its turn. */
#include "history_fixture.h"

static void then_close_client(story *s) {
  if (s->f->client) close_client(s->f);
}

TEST(a_close_completes_each_question_once) {
  static story stories[40];
  for (int turns = 0; turns < 12; turns++) {
    fixture f;
    memset(stories, 0, sizeof stories);
    setup_redis(&f);
    fill(&f, kinds[turns % KINDS], 30, 0);
    moonpool_room *room = open_paged(&f, 3);
    for (int i = 0; i < 40; i++) {
      stories[i] = (story){.f = &f, .then = i == 20 && turns > 8 ? then_close_client : NULL};
      CHECK_INT(moonpool_room_history(room, &(query){0}, 0, on_history, &stories[i]), MOONPOOL_OK);
    }
    for (int i = 0; i < turns; i++) uv_run(&f.loop, UV_RUN_NOWAIT);
    if (turns <= 8) close_client(&f);
    RUN_UNTIL(&f, f.gone);
    for (int i = 0; i < 40; i++) {
      CHECK_INT(stories[i].count, 1);
      CHECK(stories[i].status == MOONPOOL_OK || stories[i].status == MOONPOOL_ECLOSED);
    }
    CHECK_INT(moonpool_room_history(room, &(query){0}, 0, on_history, &stories[0]),
              MOONPOOL_ECLOSED);
    moonpool_room_close(room);
    teardown(&f);
  }
}

TEST(the_handle_may_be_closed_before_the_answer) {
  fixture f;
  story s = {0};
  setup_redis(&f);
  fill(&f, "stream", 30, 0);
  moonpool_room *room = open_paged(&f, 4);
  CHECK_INT(moonpool_room_history(room, &(query){0}, 0, on_history, &s), MOONPOOL_OK);
  moonpool_room_close(room);
  RUN_UNTIL(&f, s.count);
  CHECK_STR(numbers(&s), "1-30");
  teardown(&f);
}

TEST(the_timeout_is_for_the_whole) {
  fixture f;
  story s = {0};
  setup_redis(&f);
  fill(&f, "stream", 30, 0);
  moonpool_room *room = open_paged(&f, 1);
  stop_process(redis.pid);
  CHECK_INT(moonpool_room_history(room, &(query){0}, 30, on_history, &s), MOONPOOL_OK);
  RUN_UNTIL(&f, s.count);
  kill(redis.pid, SIGCONT);
  CHECK_INT(s.status, MOONPOOL_ETIMEOUT);
  moonpool_room_close(room);
  teardown(&f);
}

TEST(scripts_may_be_forgotten_at_any_moment) {
  fixture f, other;
  static story stories[200];
  setup_redis(&f);
  setup_another(&other);
  fill(&f, "stream", 30, 0);
  moonpool_room *room = open_paged(&f, 7);
  for (int i = 0; i < 200; i++) {
    stories[i] = (story){0};
    CHECK_INT(moonpool_room_history(room, &(query){.last = 9}, 0, on_history, &stories[i]), 0);
    if (i % 5 == 0) CHECK_INT(command(&other, "SCRIPT FLUSH", NULL), 0);
    uv_run(&other.loop, UV_RUN_NOWAIT);
    uv_run(&f.loop, UV_RUN_NOWAIT);
  }
  for (int i = 0; i < 200; i++) {
    RUN_UNTIL(&f, stories[i].count);
    CHECK_STR(numbers(&stories[i]), "22-30");
  }
  moonpool_room_close(room);
  teardown(&other);
  teardown(&f);
}

/* How many requests for memory it took. */
static long read_with(int kind, long from, long until) {
  fixture f;
  story s = {0};
  setup_redis(&f);
  long before = f.heap.requests;
  test_heap_fail(&f.heap, before + from, before + until);
  moonpool_room *room = NULL;
  moonpool_room_options options;
  moonpool_room_options_init(&options);
  options.page = 4;
  int status = moonpool_room_open(&room, f.client, BYTES("x"), &options, NULL, 0);
  CHECK(status == MOONPOOL_OK || (status == MOONPOOL_ENOMEM && !room));
  if (room) status = moonpool_room_history(room, &(query){.since_ms = 1}, 0, on_history, &s);
  if (status == MOONPOOL_OK) RUN_UNTIL(&f, s.count);
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
  CHECK_INT(s.count, status == MOONPOOL_OK);
  if (s.count && !s.status) CHECK_STR(numbers(&s), "1-30");
  CHECK(!s.status || s.status == MOONPOOL_ENOMEM || s.status == MOONPOOL_ECONN);
  if (test_failures) printf("  %s, refused: %ld to %ld\n", kinds[kind], from, until - 1);
  moonpool_room_close(room);
  teardown(&f);
  return f.heap.requests - before;
}

TEST(each_failed_allocation_is_survived) {
  fixture f;
  for (int k = 0; k < KINDS; k++) {
    setup_redis(&f);
    fill(&f, kinds[k], 30, 1000);
    teardown(&f);
    long requests = read_with(k, 0, 0);
    CHECK(requests > 10);
    for (long n = 1; n <= requests && !test_failures; n++) read_with(k, n, n + 1);
    for (long n = 1; n <= requests && !test_failures; n++) read_with(k, n, n + 4);
  }
}

static const test_case tests[] = {
    TEST_CASE(a_close_completes_each_question_once),
    TEST_CASE(the_handle_may_be_closed_before_the_answer),
    TEST_CASE(the_timeout_is_for_the_whole),
    TEST_CASE(scripts_may_be_forgotten_at_any_moment),
    TEST_CASE(each_failed_allocation_is_survived),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
