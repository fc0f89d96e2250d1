/* Commands to a real Redis: values of every type, what it refuses, what becomes of its links. */
#include "client_fixture.h"
#include "commands.h"
#include "redis_server.h"

static redis_server redis;

/* A client of the real Redis, ready. */
static void setup_redis(fixture *f, const char *url) {
  setup_alone(f);
  f->options.url = url ? url : redis.url;
  CHECK_INT(open_client(f), MOONPOOL_OK);
  RUN_UNTIL(f, state_of(f) == MOONPOOL_READY);
}

/* The reply to one command as text. Valid until the next call. */
static const char *ask(fixture *f, const char *line) {
  static call c;
  c = (call){0};
  CHECK_INT(command(f, line, &c), MOONPOOL_OK);
  RUN_UNTIL(f, c.count);
  return c.text;
}

TEST(values_come_back_as_they_were_given) {
  fixture f;
  call set = {0}, get = {0};
  char bytes[256];
  for (int i = 0; i < 256; i++) bytes[i] = (char)i;
  moonpool_bytes argv[] = {{"SET", 3}, {"k\0\r\n", 4}, {bytes, 256}};
  moonpool_bytes compare[] = {{"EVAL", 4},
                              {"return redis.call('get', KEYS[1]) == ARGV[1]", 44},
                              {"1", 1},
                              {"k\0\r\n", 4},
                              {bytes, 256}};
  setup_redis(&f, NULL);
  set.f = get.f = &f;
  CHECK_INT(moonpool_command(f.client, 3, argv, 0, on_reply, &set), MOONPOOL_OK);
  CHECK_INT(moonpool_command(f.client, 5, compare, 0, on_reply, &get), MOONPOOL_OK);
  RUN_UNTIL(&f, get.count);
  CHECK_STR(set.text, "+2 OK");
  CHECK_STR(get.text, ":1");
  teardown(&f);
}

TEST(every_type_of_value_arrives) {
  fixture f;
  int is_resp3 = moonpool_resp_version() >= 3;
  setup_redis(&f, NULL);
  ask(&f, "FLUSHALL");
  CHECK_STR(ask(&f, "SET a b"), "+2 OK");
  CHECK_STR(ask(&f, "GET a"), "$1 b");
  CHECK_STR(ask(&f, "GET none"), "nil");
  CHECK_STR(ask(&f, "INCRBY n 9223372036854775807"), ":9223372036854775807");
  CHECK_STR(ask(&f, "RPUSH l 1 2"), ":2");
  CHECK_STR(ask(&f, "LRANGE l 0 -1"), "*2[$1 1 $1 2]");
  CHECK_STR(ask(&f, "LRANGE none 0 -1"), "*0[]");
  CHECK_STR(ask(&f, "HSET h f v"), ":1");
  CHECK_STR(ask(&f, "HGETALL h"), is_resp3 ? "%2[$1 f $1 v]" : "*2[$1 f $1 v]");
  CHECK_STR(ask(&f, "SADD s m"), ":1");
  CHECK_STR(ask(&f, "SMEMBERS s"), is_resp3 ? "~1[$1 m]" : "*1[$1 m]");
  CHECK_STR(ask(&f, "ZADD z 1.5 m"), ":1");
  CHECK_STR(ask(&f, "ZSCORE z m"), is_resp3 ? ",1.5" : "$3 1.5");
  CHECK_STR(ask(&f, "GET l"),
            "-65 WRONGTYPE Operation against a key holding the wrong kind of value");
  CHECK(begins_with(ask(&f, "EVAL error('x') 0"), "-"));
  CHECK(begins_with(ask(&f, "NOSUCH a"), "-"));
  CHECK_STR(ask(&f, "PUBLISH nobody hi"), ":0");
  teardown(&f);
}

TEST(ten_thousand_commands_are_answered_in_order) {
  enum { MANY = 10000 };
  fixture f;
  static call calls[MANY];
  setup_redis(&f, NULL);
  ask(&f, "FLUSHALL");
  memset(calls, 0, sizeof calls);
  for (int i = 0; i < MANY; i++) CHECK_INT(command(&f, "INCR n", &calls[i]), MOONPOOL_OK);
  RUN_UNTIL(&f, calls[MANY - 1].count);
  int wrong = 0;
  for (int i = 0; i < MANY; i++) wrong += calls[i].count != 1 || atoi(calls[i].text + 1) != i + 1;
  CHECK_INT(wrong, 0);
  teardown(&f);
}

TEST(large_values_pass) {
  static char payload[3 << 20];
  fixture f;
  call set = {.f = &f};
  moonpool_bytes argv[] = {{"SET", 3}, {"large", 5}, {payload, sizeof payload}};
  memset(payload, 'x', sizeof payload);
  setup_redis(&f, NULL);
  CHECK_INT(moonpool_command(f.client, 3, argv, 0, on_reply, &set), MOONPOOL_OK);
  CHECK(begins_with(ask(&f, "GET large"), "$3145728 xxx"));
  CHECK_STR(set.text, "+2 OK");
  CHECK_STR(ask(&f, "DEL large"), ":1");
  teardown(&f);
}

TEST(names_and_databases_are_those_of_the_options) {
  fixture f, other;
  char url[100];
  snprintf(url, sizeof url, "%s?db=3", redis.url);
  setup_redis(&other, NULL);
  setup_alone(&f);
  f.options.url = url;
  f.options.name = "me";
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_STR(ask(&f, "CLIENT GETNAME"), "$2 me");
  CHECK_STR(ask(&other, "CLIENT GETNAME"), "nil");
  CHECK_STR(ask(&f, "SET only-in-3 x"), "+2 OK");
  CHECK_STR(ask(&other, "GET only-in-3"), "nil");
  CHECK_STR(ask(&f, "GET only-in-3"), "$1 x");
  teardown(&f);
  teardown(&other);
}

/* ---- what Redis refuses ---------------------------------------------------------------------- */

TEST(users_may_what_their_rules_say) {
  fixture admin, f;
  call get = {0}, ready = {.f = &f};
  char url[100];
  setup_redis(&admin, NULL);
  CHECK_STR(ask(&admin, "ACL SETUSER ann on >pw ~mine:* +get +ping +hello +client +auth"), "+2 OK");
  snprintf(url, sizeof url, "unix://ann:pw@%s", redis.path);
  setup_redis(&f, url);
  CHECK_STR(ask(&f, "GET mine:a"), "nil");
  CHECK_INT(command(&f, "GET yours", &get), MOONPOOL_OK);
  RUN_UNTIL(&f, get.count);
  CHECK_INT(get.status, MOONPOOL_EPERM);
  CHECK_INT(state_of(&f), MOONPOOL_READY);
  teardown(&f);

  snprintf(url, sizeof url, "unix://ann:wrong@%s", redis.path);
  setup_alone(&f);
  f.options.url = url;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  moonpool_ready(f.client, on_ready, &ready);
  RUN_UNTIL(&f, ready.count);
  CHECK_INT(ready.status, MOONPOOL_EAUTH);
  CHECK(strstr(ready.message, "WRONGPASS") && !strstr(ready.message, "wrong@"));
  teardown(&f);
  CHECK_STR(ask(&admin, "ACL DELUSER ann"), ":1");
  teardown(&admin);
}

/* Redis's own table says which commands block. */
static void check_blocks(const moonpool_reply *entry, int *count) {
  const moonpool_reply *name = entry->u.list.first, *flag = name->next->next->u.list.first;
  moonpool_bytes argv[] = {name->u.string, {"block", 5}};
  const char *hint;
  for (; flag; flag = flag->next) {
    if (flag->u.string.len != 8 || memcmp(flag->u.string.data, "blocking", 8)) continue;
    ++*count;
    hint = moonpool_command_hint(2, argv);
    if (hint) continue; /* refused: PSYNC and the like never get there */
    CHECK_INT(mp_command_class_of(2, argv, &hint), MP_COMMAND_BLOCKING);
  }
}

static void on_table(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  CHECK(!error);
  if (!reply) return;
  for (const moonpool_reply *entry = reply->u.list.first; entry; entry = entry->next)
    check_blocks(entry, ctx);
}

TEST(every_command_that_blocks_is_known) {
  fixture f;
  int count = 0;
  moonpool_bytes argv[] = {{"COMMAND", 7}};
  setup_redis(&f, NULL);
  CHECK_INT(moonpool_command(f.client, 1, argv, 0, on_table, &count), MOONPOOL_OK);
  RUN_UNTIL(&f, count > 0);
  CHECK(count >= 10);
  teardown(&f);
}

/* ---- what becomes of links ------------------------------------------------------------------- */

TEST(a_killed_link_comes_back) {
  fixture f, killer;
  call block = {0};
  moonpool_stats stats = {0};
  setup_redis(&f, NULL);
  setup_redis(&killer, NULL);
  int id = atoi(ask(&f, "CLIENT ID") + 1);
  CHECK_INT(command(&f, "BLPOP nothing 0", &block), MOONPOOL_OK);
  while (stats.in_flight == 0 && !f.is_late) {
    uv_run(&f.loop, UV_RUN_ONCE);
    moonpool_get_stats(f.client, &stats);
  }
  CHECK_STR(ask(&killer, "CLIENT KILL TYPE normal"), ":2"); /* for commands, and of the pool */
  RUN_UNTIL(&f, block.count);
  CHECK_INT(block.status, MOONPOOL_ECONN);
  CHECK(strstr(block.message, "possibly executed"));
  CHECK(atoi(ask(&f, "CLIENT ID") + 1) > id);
  teardown(&killer);
  teardown(&f);
  CHECK_INT(block.count, 1);
}

TEST(a_stopped_redis_is_noticed) {
  fixture f;
  call get = {0};
  setup_alone(&f);
  f.options.url = redis.url;
  f.options.heartbeat = 500;
  f.options.connect_timeout = 1000;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  RUN_UNTIL(&f, state_of(&f) == MOONPOOL_READY);
  stop_process(redis.pid);
  CHECK_INT(command(&f, "GET a", &get), MOONPOOL_OK);
  RUN_UNTIL(&f, get.count);
  kill(redis.pid, SIGCONT);
  CHECK_INT(get.status, MOONPOOL_ECONN);
  CHECK(strstr(get.message, "no answer to PING"));
  CHECK_STR(ask(&f, "ECHO back"), "$4 back");
  teardown(&f);
}

TEST(a_redis_that_starts_again_is_found) {
  fixture f;
  call get = {0};
  setup_redis(&f, NULL);
  redis_kill(&redis);
  RUN_UNTIL(&f, state_of(&f) != MOONPOOL_READY);
  CHECK_INT(command(&f, "ECHO waiting", &get), MOONPOOL_OK);
  RUN_UNTIL(&f, state_of(&f) == MOONPOOL_WAITING);
  REQUIRE(redis_start(&redis));
  RUN_UNTIL(&f, get.count);
  CHECK_STR(get.text, "$7 waiting");
  teardown(&f);
}

static const test_case tests[] = {
    TEST_CASE(values_come_back_as_they_were_given),
    TEST_CASE(every_type_of_value_arrives),
    TEST_CASE(ten_thousand_commands_are_answered_in_order),
    TEST_CASE(large_values_pass),
    TEST_CASE(names_and_databases_are_those_of_the_options),
    TEST_CASE(users_may_what_their_rules_say),
    TEST_CASE(every_command_that_blocks_is_known),
    TEST_CASE(a_killed_link_comes_back),
    TEST_CASE(a_stopped_redis_is_noticed),
    TEST_CASE(a_redis_that_starts_again_is_found),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
