/* Rooms without memory: each request for it is refused in its turn, at a real Redis. What was
 * accepted completes once, nothing leaks, and the room goes on. */
#include "room_fixture.h"

enum { SAID = 24 };

typedef struct life {
  fixture f;
  moonpool_room *room, *durable;
  said said[SAID];
  int is_accepted[SAID], given;
  call done[2];
  int is_done_accepted[2];
} life;

static void on_done(const moonpool_error *error, void *ctx) {
  take_call(ctx, NULL, error);
}

static void check_status(int status) {
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
}

static void give(life *l, moonpool_room *room, const char *key) {
  if (!room) return;
  int i = l->given++;
  int status = say_for(room, "ann", "hi", key, 0, &l->said[i]);
  check_status(status);
  l->is_accepted[i] = status == MOONPOOL_OK;
}

static int is_all_told(const life *l) {
  for (int i = 0; i < l->given; i++)
    if (l->said[i].count < l->is_accepted[i]) return 0;
  for (int i = 0; i < 2; i++)
    if (l->done[i].count < l->is_done_accepted[i]) return 0;
  return 1;
}

static moonpool_room *try_open(life *l, unsigned replicas) {
  moonpool_room_options options;
  moonpool_room *room;
  moonpool_room_options_init(&options);
  options.replicas = replicas;
  options.replicas_timeout = 1;
  check_status(moonpool_room_open(&room, l->f.client, BYTES("r"), &options, NULL, 0));
  return room;
}

static void live_in_rooms(life *l) {
  l->room = try_open(l, 0);
  l->durable = try_open(l, 1);
  for (int i = 0; i < 4; i++) give(l, l->room, i % 2 ? "" : NULL);
  give(l, l->durable, "");
  RUN_UNTIL(&l->f, is_all_told(l));
  for (int i = 0; i < 4; i++) give(l, l->room, "");
  for (int i = 0; i < 2; i++) uv_run(&l->f.loop, UV_RUN_NOWAIT);
  moonpool_bytes kill[] = {BYTES("CLIENT"), BYTES("KILL"), BYTES("TYPE"), BYTES("normal")};
  moonpool_command(l->f.client, 4, kill, 0, NULL, NULL);
  give(l, l->durable, "");
  RUN_UNTIL(&l->f, is_all_told(l));
  if (l->room) {
    l->is_done_accepted[0] =
        moonpool_room_configure(l->room, 5, -1, 0, on_done, &l->done[0]) == MOONPOOL_OK;
    l->is_done_accepted[1] = moonpool_room_destroy(l->room, 0, on_done, &l->done[1]) == MOONPOOL_OK;
  }
  RUN_UNTIL(&l->f, is_all_told(l));
}

static void end(life *l) {
  give(l, l->room, ""); /* completed by the close */
  moonpool_room_close(l->room);
  moonpool_room_close(l->durable);
  teardown(&l->f);
  CHECK(is_all_told(l));
  for (int i = 0; i < l->given; i++) {
    CHECK(l->said[i].count <= 1);
    int status = l->said[i].status;
    CHECK(!status || status == MOONPOOL_ENOMEM || status == MOONPOOL_ECONN ||
          status == MOONPOOL_ECLOSED || status == MOONPOOL_EPARTIAL);
  }
}

/* How many requests for memory it took. */
static long live(long from, long until) {
  static life l;
  memset(&l, 0, sizeof l);
  setup_alone(&l.f);
  l.f.options.url = redis.url;
  l.f.options.backoff_min = 1;
  l.f.options.backoff_max = 2;
  test_heap_fail(&l.f.heap, from, until);
  if (open_client(&l.f) == MOONPOOL_OK) {
    live_in_rooms(&l);
    end(&l);
  } else {
    teardown(&l.f);
  }
  if (test_failures) printf("  refused: %ld to %ld\n", from, until - 1);
  return l.f.heap.requests;
}

/* Redis looks after WAITs whose time is over that often. */
static void hurry_redis(void) {
  fixture f;
  setup_redis(&f);
  CHECK_STR(ask(&f, "CONFIG SET hz 500"), "+2 OK");
  teardown(&f);
}

TEST(each_failed_allocation_is_survived) {
  hurry_redis();
  long requests = live(0, 0);
  CHECK(requests > 20);
  for (long n = 1; n <= requests && !test_failures; n++) live(n, n + 1);
}

TEST(several_failed_allocations_are_survived) {
  long requests = live(0, 0);
  for (long n = 1; n <= requests && !test_failures; n += 3) live(n, n + 5);
}

static const test_case tests[] = {
    TEST_CASE(each_failed_allocation_is_survived),
    TEST_CASE(several_failed_allocations_are_survived),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
