/* Publishing with hiredis's async API on libuv: TASKS publishes are always in flight, and each
 * reply sends its task's next one.
 * usage: publish_hiredis ADDRESS TASKS WARMUP MESSAGES */
#include "async.h"
#include <stdint.h>

#define PROGRAM "publish_hiredis"

static redisAsyncContext *redis;
static long tasks;
static char (*names)[NAME_BYTES + 1]; /* of each task's channel */
static long to_send, to_receive;      /* of the present phase */

static void on_reply(redisAsyncContext *context, void *reply, void *ctx);

static void publish(intptr_t task) {
  const char *argv[] = {"PUBLISH", names[task], PAYLOAD};
  const size_t lens[] = {7, NAME_BYTES, sizeof PAYLOAD - 1};
  to_send--;
  redisAsyncCommandArgv(redis, on_reply, (void *)task, 3, argv, lens);
}

static void on_reply(redisAsyncContext *context, void *data, void *ctx) {
  const redisReply *reply = data;
  if (!reply) die(PROGRAM, "connection lost: %s", context->errstr);
  if (reply->type != REDIS_REPLY_INTEGER) die(PROGRAM, "PUBLISH: %s", reply->str);
  if (to_send > 0) publish((intptr_t)ctx);
  if (--to_receive == 0) uv_stop(uv_default_loop());
}

/* Publishes `count` messages and returns when all are answered. */
static void publish_all(long count) {
  to_send = to_receive = count;
  for (long task = 0; task < tasks && to_send > 0; task++) publish(task);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

int main(int argc, char **argv) {
  if (argc != 5) die(PROGRAM, "usage: %s ADDRESS TASKS WARMUP MESSAGES", PROGRAM);
  tasks = number(PROGRAM, argv[2]);
  names = calloc((size_t)tasks, sizeof *names);
  if (!names) die(PROGRAM, "out of memory");
  for (long i = 0; i < tasks; i++) channel_name(names[i], i);
  long messages = number(PROGRAM, argv[4]);
  redis = connect_async(PROGRAM, argv[1]);
  print_ready();
  publish_all(number(PROGRAM, argv[3]));
  long long cpu = cpu_ns(), wall = wall_ns();
  publish_all(messages);
  printf("result %ld %lld %lld\n", messages, cpu_ns() - cpu, wall_ns() - wall);
  redisAsyncFree(redis);
  free(names);
  return 0;
}
