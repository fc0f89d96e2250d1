/* Presence at its end: the client is closed under joins and parts, and takes its users along; and
 * each allocation is refused in its turn. */
#include "presence_fixture.h"

enum { SHORT = 300, LONG = 60000 };

static void then_close_client(outcome *o) {
  if (o->f->client) close_client(o->f);
}

TEST(a_close_completes_each_join_once) {
  enum { CALLS = 30 };
  for (int turns = 0; turns < 14; turns++) {
    static outcome outcomes[3 * CALLS];
    fixture f;
    page p = {0};
    number n = {0};
    setup_redis(&f);
    ask(&f, "FLUSHALL");
    memset(outcomes, 0, sizeof outcomes);
    moonpool_room *room = open_leased(&f, SHORT), *second = open_leased(&f, SHORT);
    for (int i = 0; i < CALLS; i++) {
      char user[20];
      snprintf(user, sizeof user, "user%d", i % 7);
      for (int j = 0; j < 3; j++) outcomes[3 * i + j].f = &f;
      if (turns > 9 && i == 10) outcomes[3 * i].then = then_close_client;
      moonpool_room_join(room, BYTES(user), 0, on_done, &outcomes[3 * i]);
      if (i % 4 == 0) uv_run(&f.loop, UV_RUN_NOWAIT);
      if (f.gone) break;
      moonpool_room_join(second, BYTES(user), 0, on_done, &outcomes[3 * i + 1]);
      moonpool_room_part(room, BYTES(user), 0, on_done, &outcomes[3 * i + 2]);
    }
    int has_asked = moonpool_room_who(room, 0, 0, 0, on_who, &p) == MOONPOOL_OK;
    has_asked += moonpool_room_count(room, 0, on_count, &n) == MOONPOOL_OK;
    if (turns % 2) moonpool_room_close(second);
    for (int i = 0; i < turns && i < 6; i++) uv_run(&f.loop, UV_RUN_NOWAIT);
    if (f.client) close_client(&f);
    RUN_UNTIL(&f, f.gone);
    CHECK_INT(p.count + n.count, has_asked);
    for (int i = 0; i < 3 * CALLS; i++) {
      CHECK(outcomes[i].count <= 1);
      CHECK(turns > 9 || outcomes[i].count == 1);
      CHECK(outcomes[i].status == MOONPOOL_OK || outcomes[i].status == MOONPOOL_ECLOSED);
    }
    CHECK_INT(moonpool_room_join(room, BYTES("ann"), 0, on_done, NULL), MOONPOOL_ECLOSED);
    CHECK_INT(moonpool_room_part(room, BYTES("ann"), 0, on_done, NULL), MOONPOOL_ECLOSED);
    CHECK_INT(moonpool_room_who(room, 0, 0, 0, on_who, NULL), MOONPOOL_ECLOSED);
    CHECK_INT(moonpool_room_watch_presence(room, 1), MOONPOOL_ECLOSED);
    if (turns % 2 == 0) moonpool_room_close(second);
    moonpool_room_close(room);
    teardown(&f);
  }
}

/* What is written is executed though nobody waits for it. */
TEST(a_client_that_is_closed_takes_its_users_along) {
  fixture f, other;
  ear e;
  setup_redis(&f);
  setup_another(&other);
  ask(&f, "FLUSHALL");
  listen_to(&f, &e);
  moonpool_room *first = open_leased(&other, LONG), *second = open_leased(&other, LONG);
  join(&other, first, "ann");
  join(&other, second, "bob");
  RUN_UNTIL_HEARD(&e, "+ann +bob ");
  moonpool_room_close(first);
  close_client(&other);
  RUN_UNTIL(&f, e.heard == 4);
  CHECK_STR(ask(&f, "DBSIZE"), ":0");
  moonpool_room_close(second);
  teardown(&other);
  teardown(&f);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static int is_settled(const outcome *outcomes, const int *accepted, int count) {
  for (int i = 0; i < count; i++)
    if (outcomes[i].count != accepted[i]) return 0;
  return 1;
}

/* How many requests for memory it took. */
static long live(long from, long until) {
  enum { CALLS = 24 };
  fixture f;
  outcome outcomes[CALLS] = {{0}};
  int accepted[CALLS] = {0}, status = MOONPOOL_OK;
  page p = {0};
  setup_redis(&f);
  long before = f.heap.requests;
  test_heap_fail(&f.heap, before + from, before + until);
  moonpool_room *room = NULL;
  moonpool_room_options options;
  moonpool_room_options_init(&options);
  options.lease = SHORT;
  moonpool_room_open(&room, f.client, BYTES("x"), &options, NULL, 0);
  for (int i = 0; room && i < CALLS; i++) {
    char user[20];
    snprintf(user, sizeof user, "user%d", i / 2);
    if (i % 4 == 1)
      status = moonpool_room_part(room, BYTES(user), 0, on_done, &outcomes[i]);
    else
      status = moonpool_room_join(room, BYTES(user), 0, on_done, &outcomes[i]);
    accepted[i] = status == MOONPOOL_OK;
    CHECK(!status || status == MOONPOOL_ENOMEM || (i % 4 == 1 && status == MOONPOOL_EARG));
    if (i % 5 == 0) uv_run(&f.loop, UV_RUN_NOWAIT);
  }
  RUN_UNTIL(&f, is_settled(outcomes, accepted, CALLS));
  for (int i = 0; i < CALLS; i++) CHECK_STR(outcomes[i].message, "");
  if (room && moonpool_room_who(room, 0, 0, 0, on_who, &p) == MOONPOOL_OK) RUN_UNTIL(&f, p.count);
  if (room) moonpool_room_watch_presence(room, 1);
  moonpool_room_close(room);
  long requests = f.heap.requests - before;
  if (test_failures) printf("  refused: %ld to %ld\n", from, until - 1);
  teardown(&f);
  return requests;
}

TEST(failed_allocations_are_survived) {
  fixture f;
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  teardown(&f);
  long requests = live(0, 0);
  CHECK(requests > 30);
  for (long n = 1; n <= requests && !test_failures; n++) live(n, n + 1);
  for (long n = 1; n <= requests && !test_failures; n += 3) live(n, n + 6);
}

static const test_case tests[] = {
    TEST_CASE(a_close_completes_each_join_once),
    TEST_CASE(a_client_that_is_closed_takes_its_users_along),
    TEST_CASE(failed_allocations_are_survived),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
