/* Feeds while links are killed, frames lost and feeds paused at random, under load: each one is
 * told the log, all of it, in order, from where it began. */
#include "feed_fixture.h"
#include "fuzz.h"

enum { NUMBERS = 2000, AHEAD = 10, FOLLOWERS = 12, CROWD = 1000 };

typedef struct storm {
  fixture writer_f, mute_f, f;
  moonpool_room *writer, *mute, *room; /* what the mute one says is stored, but not announced */
  moonpool_room_options options;
  listener followers[FOLLOWERS];
  int stored;
} storm;

static void on_one_stored(const moonpool_stored *stored, const moonpool_error *error, void *ctx) {
  storm *s = ctx;
  CHECK(stored && (!error || error->status == MOONPOOL_EPARTIAL));
  if (error && !stored) printf("  %s\n", error->message);
  s->stored++;
}

static void open_mute(storm *s) {
  static char url[100];
  CHECK_STR(ask(&s->writer_f, "ACL SETUSER mute reset on >pw +@all ~* resetchannels"), "+2 OK");
  snprintf(url, sizeof url, "unix://mute:pw@%s", redis.path);
  setup_alone(&s->mute_f);
  s->mute_f.fds = -1;
  s->mute_f.deadline += 4 * DEADLINE;
  s->mute_f.options.url = url;
  CHECK_INT(open_client(&s->mute_f), MOONPOOL_OK);
  RUN_UNTIL(&s->mute_f, state_of(&s->mute_f) == MOONPOOL_READY);
  s->mute = open_room(&s->mute_f, "r", &s->options);
}

static void begin_storm(storm *s) {
  memset(s, 0, sizeof *s);
  setup_another(&s->writer_f);
  setup_another(&s->f);
  /* Thousands of reads in turn: a slow machine takes its time. */
  s->f.deadline += 4 * DEADLINE;
  s->writer_f.deadline += 4 * DEADLINE;
  ask(&s->writer_f, "FLUSHALL");
  ask(&s->writer_f, "CONFIG RESETSTAT");
  moonpool_room_options_init(&s->options);
  s->options.keep = 0;
  s->options.resync_pause = 1;
  s->options.check = 200;
  s->options.check_grace = 20;
  s->writer = open_room(&s->writer_f, "r", &s->options);
  open_mute(s);
}

static void end_storm(storm *s) {
  moonpool_room_close(s->writer);
  moonpool_room_close(s->mute);
  moonpool_room_close(s->room);
  teardown(&s->f);
  teardown(&s->mute_f);
  teardown(&s->writer_f);
  for (int i = 0; i < FOLLOWERS; i++) forget(&s->followers[i]);
}

/* Without waiting. */
static void say_one(storm *s, moonpool_room *writer, int number) {
  char text[20];
  snprintf(text, sizeof text, "%d", number);
  moonpool_message message = {.user = BYTES("ann"), .text = BYTES(text)};
  moonpool_bytes key = {"", 0};
  CHECK_INT(moonpool_room_say(writer, &message, key, 60000, on_one_stored, s), MOONPOOL_OK);
}

static void turn_both(storm *s) {
  uv_run(&s->writer_f.loop, UV_RUN_NOWAIT);
  uv_run(&s->mute_f.loop, UV_RUN_NOWAIT);
  uv_run(&s->f.loop, UV_RUN_NOWAIT);
}

#define RUN_BOTH_UNTIL(s, condition)                                                               \
  do {                                                                                             \
    while (!(condition) && !(s)->f.is_late && !(s)->writer_f.is_late) turn_both(s);                \
    CHECK(condition);                                                                              \
  } while (0)

/* One that is killed is lost for the moment; the others' may be asked for by it. */
static void kill_some(storm *s, fuzz *random) {
  static const char *const types[] = {"pubsub", "normal"};
  char line[60];
  snprintf(line, sizeof line, "CLIENT KILL TYPE %s", types[fuzz_below(random, 2)]);
  command(&s->writer_f, line, NULL);
}

static int is_all_there(storm *s, size_t total) {
  for (int i = 0; i < FOLLOWERS; i++) {
    listener *l = &s->followers[i];
    if (!l->feed || !feed_stats(l).is_live || !l->count) return 0;
    if (l->ids[l->count - 1].seq != total) return 0;
  }
  return 1;
}

static void check_follower(storm *s, listener *l, const moonpool_id *log, size_t count) {
  size_t from = 0, wrong = 0;
  (void)s;
  while (from < count && !is_same_id(&log[from], &l->ids[0])) from++;
  CHECK_INT((long long)l->count, (long long)(count - from));
  for (size_t i = 0; i < l->count && from + i < count; i++)
    wrong += !is_same_id(&l->ids[i], &log[from + i]);
  CHECK_INT((long long)wrong, 0);
  CHECK_INT(l->gaps, 0);
  CHECK_INT(l->errors, 0);
}

static void open_at_random(storm *s, listener *l, fuzz *random, const moonpool_id *known) {
  moonpool_start start = {.kind = (moonpool_start_kind)fuzz_below(random, 4)};
  start.last = fuzz_below(random, 300);
  start.after = *known;
  start.since_ms = known->ms;
  listen_from(&s->f, l, s->room, &start);
}

static void live_through_a_storm(size_t page, size_t max_buffer) {
  static storm s;
  fuzz random = fuzz_new("a storm");
  moonpool_id known = {0, 0, 0};
  begin_storm(&s);
  s.options.page = page;
  s.options.max_buffer = max_buffer;
  s.room = open_room(&s.f, "r", &s.options);
  for (int number = 1; number <= NUMBERS; number++) {
    say_one(&s, fuzz_below(&random, 20) ? s.writer : s.mute, number);
    listener *l = &s.followers[fuzz_below(&random, FOLLOWERS)];
    if (!l->feed && fuzz_below(&random, 10) == 0) open_at_random(&s, l, &random, &known);
    if (l->feed && l->count) known = l->ids[l->count - 1];
    if (l->feed && fuzz_below(&random, 60) == 0) moonpool_feed_pause(l->feed);
    if (l->feed && fuzz_below(&random, 20) == 0) moonpool_feed_resume(l->feed);
    if (fuzz_below(&random, 200) == 0) kill_some(&s, &random);
    RUN_BOTH_UNTIL(&s, s.stored >= number - AHEAD);
  }
  for (int i = 0; i < FOLLOWERS; i++)
    if (s.followers[i].feed)
      moonpool_feed_resume(s.followers[i].feed);
    else
      open_at_random(&s, &s.followers[i], &random, &known);
  RUN_BOTH_UNTIL(&s, s.stored == NUMBERS);
  for (int i = 0; i < FOLLOWERS; i++) RUN_BOTH_UNTIL(&s, s.followers[i].lives);
  say_one(&s, s.writer, NUMBERS + 1);
  RUN_BOTH_UNTIL(&s, s.stored == NUMBERS + 1);
  RUN_BOTH_UNTIL(&s, is_all_there(&s, NUMBERS + 1));
  size_t count;
  moonpool_id *log = read_log(&s.writer_f, "r", &count);
  CHECK_INT((long long)count, NUMBERS + 1);
  for (int i = 0; i < FOLLOWERS; i++) check_follower(&s, &s.followers[i], log, count);
  free(log);
  end_storm(&s);
}

TEST(a_storm) {
  live_through_a_storm(500, 10000);
}

TEST(a_storm_in_small_pages) {
  live_through_a_storm(3, 10000);
}

TEST(a_storm_with_a_small_buffer) {
  live_through_a_storm(50, 2);
}

/* ---- a crowd ----------------------------------------------------------------------------------
 */

typedef struct stats_read {
  long xranges;
  int done;
} stats_read;

static void on_stats(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  stats_read *read = ctx;
  read->done = 1;
  if (error) return;
  const char *at = memmem(reply->u.string.data, reply->u.string.len, "cmdstat_xrange:calls=", 21);
  read->xranges = at ? atol(at + 21) : 0;
}

static long count_reads(fixture *f) {
  stats_read read = {0};
  moonpool_bytes argv[] = {{"INFO", 4}, {"commandstats", 12}};
  CHECK_INT(moonpool_command(f->client, 2, argv, 0, on_stats, &read), MOONPOOL_OK);
  RUN_UNTIL(f, read.done);
  return read.xranges;
}

static listener crowd[CROWD];

static int has_crowd(size_t count) {
  for (int i = 0; i < CROWD; i++)
    if (crowd[i].count < count) return 0;
  return 1;
}

TEST(a_crowd_reads_the_history_once) {
  static storm s;
  begin_storm(&s);
  s.options.check = 0;
  s.room = open_room(&s.f, "r", &s.options);
  memset(crowd, 0, sizeof crowd);
  for (int i = 0; i < CROWD; i++) listen_from(&s.f, &crowd[i], s.room, NULL);
  for (int i = 0; i < CROWD; i++) RUN_BOTH_UNTIL(&s, crowd[i].lives);
  for (int i = 1; i <= 100; i++) say_one(&s, s.writer, i);
  RUN_BOTH_UNTIL(&s, has_crowd(100));
  CHECK_INT(count_reads(&s.writer_f), 0);
  command(&s.writer_f, "CLIENT KILL TYPE pubsub", NULL);
  for (int i = 101; i <= 200; i++) say_one(&s, s.writer, i);
  RUN_BOTH_UNTIL(&s, s.stored == 200);
  RUN_BOTH_UNTIL(&s, has_crowd(200));
  for (int i = 0; i < CROWD; i++) RUN_BOTH_UNTIL(&s, crowd[i].reconnects);
  CHECK_INT(count_reads(&s.writer_f), 1);
  size_t count;
  moonpool_id *log = read_log(&s.writer_f, "r", &count);
  for (int i = 0; i < CROWD; i++) {
    check_follower(&s, &crowd[i], log, count);
    forget(&crowd[i]);
  }
  free(log);
  end_storm(&s);
}

static const test_case tests[] = {
    TEST_CASE(a_storm),
    TEST_CASE(a_storm_in_small_pages),
    TEST_CASE(a_storm_with_a_small_buffer),
    TEST_CASE(a_crowd_reads_the_history_once),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
