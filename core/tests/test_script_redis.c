/* Prepared scripts at a real Redis: what they return, and that the calls of one script are executed
 * once and in order while somebody empties Redis's cache, kills links and restarts it. */
#include "fuzz.h"
#include "redis_server.h"
#include "script_fixture.h"

static redis_server redis;

static void setup_redis(fixture *f) {
  setup_alone(f);
  f->options.url = redis.url;
  CHECK_INT(open_client(f), MOONPOOL_OK);
  RUN_UNTIL(f, state_of(f) == MOONPOOL_READY);
}

/* One more, next to the first. */
static void setup_another(fixture *f) {
  setup_redis(f);
  f->fds = -1;
}

static const char *ask(fixture *f, const char *line) {
  static call c;
  c = (call){0};
  CHECK_INT(command(f, line, &c), MOONPOOL_OK);
  RUN_UNTIL(f, c.count);
  return c.text;
}

static moonpool_script *prepared(fixture *f, const char *source) {
  preparation p = {0};
  prepare(f, &p, source);
  RUN_UNTIL(f, p.told.count);
  CHECK_STR(p.told.message, "");
  return p.script;
}

/* The result of one call as text. Valid until the next one. */
static const char *result_of(fixture *f, moonpool_script *script, const char *argument) {
  static call c;
  c = (call){0};
  run(f, script, argument, &c);
  RUN_UNTIL(f, c.count);
  return c.text;
}

TEST(scripts_return_what_they_return) {
  fixture f;
  preparation wrong = {0};
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  moonpool_script *echo = prepared(&f, "return { KEYS[1], ARGV[1] }");
  moonpool_script *push = prepared(&f, "return redis.call('RPUSH', KEYS[1], ARGV[1])");
  CHECK_STR(moonpool_script_sha(push), "b9705020f551c492b7692cdba607bbdb64837972");
  CHECK_STR(result_of(&f, echo, "a"), "*2[$1 k $1 a]");
  CHECK_STR(result_of(&f, push, "a"), ":1");
  prepare(&f, &wrong, "return return");
  RUN_UNTIL(&f, wrong.told.count);
  CHECK_INT(wrong.told.status, MOONPOOL_EREDIS);
  CHECK(strstr(wrong.told.message, "user_script:1"));
  ask(&f, "SET k x");
  CHECK(strstr(result_of(&f, push, "a"), "WRONGTYPE"));
  moonpool_script_free(echo);
  moonpool_script_free(push);
  teardown(&f);
}

/* Redis's own words out of a script that has done something: not done again. */
TEST(errors_of_scripts_are_passed_on_after_one_execution) {
  static const char *const sources[] = {
      "redis.call('INCR', KEYS[1]) return {err='NOSCRIPT No matching script. Please use EVAL.'}",
      "redis.call('INCR', KEYS[1]) return redis.error_reply(ARGV[1])",
      "redis.call('INCR', KEYS[1]) return redis.call('EVALSHA', ARGV[1], 0)",
  };
  fixture f;
  setup_redis(&f);
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
    ask(&f, "FLUSHALL");
    moonpool_script *script = prepared(&f, sources[i]);
    CHECK(begins_with(
        result_of(&f, script, i == 1 ? "NOSCRIPT No matching script. Please use EVAL." : SHA),
        "-"));
    CHECK_STR(ask(&f, "GET k"), "$1 1");
    moonpool_script_free(script);
  }
  teardown(&f);
}

TEST(a_script_of_megabytes_is_loaded) {
  enum { SIZE = 2 << 20 };
  static char source[SIZE + 1];
  fixture f;
  memset(source, ' ', SIZE);
  memcpy(source + SIZE - 8, "return 7", 8);
  setup_redis(&f);
  moonpool_script *script = prepared(&f, source);
  CHECK_STR(result_of(&f, script, "a"), ":7");
  ask(&f, "SCRIPT FLUSH");
  CHECK_STR(result_of(&f, script, "a"), ":7");
  moonpool_script_free(script);
  teardown(&f);
}

TEST(a_redis_that_starts_again_gets_the_script) {
  fixture f;
  call waiting = {0};
  setup_redis(&f);
  moonpool_script *script = prepared(&f, "return ARGV[1]"), *other = prepared(&f, "return 2");
  redis_kill(&redis);
  RUN_UNTIL(&f, state_of(&f) != MOONPOOL_READY);
  run(&f, script, "waiting", &waiting);
  REQUIRE(redis_start(&redis));
  RUN_UNTIL(&f, waiting.count);
  CHECK_STR(waiting.text, "$7 waiting");
  CHECK_STR(result_of(&f, script, "again"), "$5 again");
  CHECK_STR(result_of(&f, other, ""), ":2");
  moonpool_script_free(script);
  moonpool_script_free(other);
  teardown(&f);
}

/* ---- anything, at random --------------------------------------------------------------------- */

enum { CALLS = 1500, SCRIPTS = 2 };

typedef struct storm {
  fixture f, other; /* `other` empties the cache and kills links */
  fuzz random;
  moonpool_script *scripts[SCRIPTS];
  call calls[CALLS];
  int given, executed, lost;
} storm;

static void run_both(storm *s) {
  uv_run(&s->f.loop, UV_RUN_NOWAIT);
  uv_run(&s->other.loop, UV_RUN_NOWAIT);
}

/* Each script has a list of its own. */
static void give_calls(storm *s) {
  for (size_t n = fuzz_below(&s->random, 8); n > 0 && s->given < CALLS; n--, s->given++) {
    char number[20], key = (char)('0' + s->given % SCRIPTS);
    moonpool_bytes arg = {number, (size_t)snprintf(number, sizeof number, "%d", s->given)};
    uint64_t timeout = fuzz_below(&s->random, 10) ? UINT64_MAX : 1 + fuzz_below(&s->random, 5);
    s->calls[s->given].f = &s->f;
    CHECK_INT(moonpool_script_call(s->scripts[s->given % SCRIPTS], 1, &(moonpool_bytes){&key, 1}, 1,
                                   &arg, timeout, on_reply, &s->calls[s->given]),
              MOONPOOL_OK);
  }
}

static void disturb(storm *s) {
  if (fuzz_below(&s->random, 5) == 0) CHECK_INT(command(&s->other, "SCRIPT FLUSH", NULL), 0);
  if (fuzz_below(&s->random, 60) == 0)
    CHECK_INT(command(&s->other, "CLIENT KILL TYPE normal SKIPME yes", NULL), 0);
}

/* What was answered was executed; of what was lost or late some was; in order, and nothing twice.
 */
static void on_list(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  storm *s = ctx;
  int last = -1;
  CHECK(!error);
  for (const moonpool_reply *e = reply ? reply->u.list.first : NULL; e; e = e->next) {
    int number = atoi(e->u.string.data);
    CHECK(number > last);
    last = number;
    if (s->calls[number].status == MOONPOOL_OK) s->executed++;
  }
  s->lost--;
}

static void check_lists(storm *s) {
  int answered = 0;
  for (int i = 0; i < CALLS; i++) {
    int status = s->calls[i].status;
    CHECK_INT(s->calls[i].count, 1);
    CHECK(!status || status == MOONPOOL_ECONN || status == MOONPOOL_ETIMEOUT);
    answered += status == MOONPOOL_OK;
  }
  s->lost = SCRIPTS;
  moonpool_bytes argv[] = {{"LRANGE", 6}, {"0", 1}, {"0", 1}, {"-1", 2}};
  for (int i = 0; i < SCRIPTS; i++) {
    char key = (char)('0' + i);
    argv[1].data = &key;
    CHECK_INT(moonpool_command(s->other.client, 4, argv, 0, on_list, s), MOONPOOL_OK);
  }
  RUN_UNTIL(&s->other, s->lost == 0);
  CHECK_INT(s->executed, answered);
}

/* A storm may have lost all its calls, when Redis was slow and a link was killed late. After it
 * calls are answered again; one that meets the last kill is lost, too, and is given anew. */
static void check_calm(storm *s) {
  for (int i = 0; i < SCRIPTS; i++) {
    call c = {.status = MOONPOOL_ECONN};
    while (c.status == MOONPOOL_ECONN && !s->f.is_late) {
      c = (call){0};
      run(&s->f, s->scripts[i], "calm", &c);
      while (!c.count && !s->f.is_late) run_both(s);
    }
    CHECK_INT(c.status, MOONPOOL_OK);
  }
}

static void run_storm(storm *s) {
  static const char *const sources[SCRIPTS] = {"return redis.call('RPUSH', KEYS[1], ARGV[1])",
                                               "return redis.pcall('RPUSH', KEYS[1], ARGV[1])"};
  moonpool_stats stats = {.queued = 1};
  setup_redis(&s->f);
  setup_another(&s->other);
  ask(&s->other, "FLUSHALL");
  for (int i = 0; i < SCRIPTS; i++) s->scripts[i] = prepared(&s->f, sources[i]);
  while (s->given < CALLS && !s->f.is_late) {
    give_calls(s);
    disturb(s);
    for (size_t n = fuzz_below(&s->random, 3); n > 0; n--) run_both(s);
  }
  for (; stats.queued && !s->f.is_late; moonpool_get_stats(s->f.client, &stats)) run_both(s);
  check_lists(s);
  check_calm(s);
  for (int i = 0; i < SCRIPTS; i++) moonpool_script_free(s->scripts[i]);
  teardown(&s->other);
  teardown(&s->f);
}

TEST(in_any_storm_calls_are_executed_in_order_and_once) {
  fuzz random = fuzz_new("storms");
  for (int round = 0; round < 10; round++) {
    static storm s;
    memset(&s, 0, sizeof s);
    s.random.state = fuzz_next(&random);
    run_storm(&s);
  }
}

static const test_case tests[] = {
    TEST_CASE(scripts_return_what_they_return),
    TEST_CASE(errors_of_scripts_are_passed_on_after_one_execution),
    TEST_CASE(a_script_of_megabytes_is_loaded),
    TEST_CASE(a_redis_that_starts_again_gets_the_script),
    TEST_CASE(in_any_storm_calls_are_executed_in_order_and_once),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
