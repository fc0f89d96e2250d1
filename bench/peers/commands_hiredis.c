/* GET or SET with hiredis's async API on libuv.
 * tasks: WIDTH commands are always in flight, and each reply sends the next one.
 * pipeline: WIDTH commands are sent at once, and the next WIDTH when all are answered.
 * usage: commands_hiredis ADDRESS get|set tasks|pipeline WIDTH WARMUP COUNT */
#include "async.h"
#include "keys.h"
#include <stdint.h>

#define PROGRAM "commands_hiredis"

static redisAsyncContext *redis;
static pair *pairs;
static int is_set, is_pipeline;
static long width;
static long next_pair;
static long to_send, to_receive; /* of the present phase */
static long in_flight;

static void on_reply(redisAsyncContext *context, void *reply, void *ctx);

static void send_next(void) {
  intptr_t at = next_pair;
  const char *argv[] = {is_set ? "SET" : "GET", pairs[at].key, pairs[at].value};
  const size_t lens[] = {3, KEY_BYTES, VALUE_BYTES};
  next_pair = at + 1 < KEYS ? at + 1 : 0;
  to_send--;
  in_flight++;
  redisAsyncCommandArgv(redis, on_reply, (void *)at, is_set ? 3 : 2, argv, lens);
}

static void send_many(void) {
  for (long i = 0; i < width && to_send > 0; i++) send_next();
}

static void check(const redisReply *reply, long at) {
  if (reply->type == REDIS_REPLY_ERROR) die(PROGRAM, "%s", reply->str);
  if (is_set) {
    if (reply->type != REDIS_REPLY_STATUS || strcmp(reply->str, "OK") != 0)
      die(PROGRAM, "SET %s: not OK", pairs[at].key);
  } else if (reply->type != REDIS_REPLY_STRING || (size_t)reply->len != VALUE_BYTES ||
             memcmp(reply->str, pairs[at].value, VALUE_BYTES) != 0) {
    die(PROGRAM, "GET %s: not its value", pairs[at].key);
  }
}

static void on_reply(redisAsyncContext *context, void *reply, void *ctx) {
  if (!reply) die(PROGRAM, "connection lost: %s", context->errstr);
  check(reply, (intptr_t)ctx);
  in_flight--;
  if (!is_pipeline && to_send > 0) send_next();
  if (is_pipeline && in_flight == 0) send_many();
  if (--to_receive == 0) uv_stop(uv_default_loop());
}

/* Sends `count` commands and returns when all are answered. */
static void run(long count) {
  to_send = to_receive = count;
  send_many();
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

int main(int argc, char **argv) {
  if (argc != 7)
    die(PROGRAM, "usage: %s ADDRESS get|set tasks|pipeline WIDTH WARMUP COUNT", PROGRAM);
  is_set = strcmp(argv[2], "set") == 0;
  is_pipeline = strcmp(argv[3], "pipeline") == 0;
  width = number(PROGRAM, argv[4]);
  long count = number(PROGRAM, argv[6]);
  pairs = make_pairs(PROGRAM);
  redis = connect_async(PROGRAM, argv[1]);
  print_ready();
  run(number(PROGRAM, argv[5]));
  long long cpu = cpu_ns(), wall = wall_ns();
  run(count);
  printf("result %ld %lld %lld\n", count, cpu_ns() - cpu, wall_ns() - wall);
  redisAsyncFree(redis);
  free(pairs);
  return 0;
}
