/* The reference of bench/receive: hiredis's async API on libuv, one SUBSCRIBE and one callback a
 * channel, and a callback that does nothing but count.
 * usage: receive_hiredis ADDRESS CHANNELS WARMUP MESSAGES */
#include "async.h"

#define PROGRAM "receive_hiredis"

static long received; /* starts below zero: confirmations come through the same callback */
static long next_mark;
static long warmup, messages;
static long long cpu_start, wall_start, cpu_used, wall_used;

static void finish(redisAsyncContext *redis, const redisReply *reply) {
  const redisReply *payload = reply->elements == 3 ? reply->element[2] : NULL;
  if (!payload || payload->type != REDIS_REPLY_STRING || strcmp(payload->str, "end") != 0)
    die(PROGRAM, "more messages than were expected");
  printf("result %ld %lld %lld\n", messages, cpu_used, wall_used);
  redisAsyncFree(redis);
}

/* Called where the count is one that matters: all confirmed, warm, all received, end. */
static void reached(redisAsyncContext *redis, const redisReply *reply) {
  if (received == 0) {
    print_ready();
    next_mark = warmup;
  } else if (received == warmup) {
    cpu_start = cpu_ns();
    wall_start = wall_ns();
    next_mark = warmup + messages;
  } else if (received == warmup + messages) {
    cpu_used = cpu_ns() - cpu_start;
    wall_used = wall_ns() - wall_start;
    next_mark = received + 1;
  } else {
    finish(redis, reply);
  }
}

static void on_reply(redisAsyncContext *redis, void *reply, void *ctx) {
  (void)ctx;
  if (reply && ++received == next_mark) reached(redis, reply);
}

static void on_disconnect(const redisAsyncContext *redis, int status) {
  if (status != REDIS_OK) die(PROGRAM, "connection lost: %s", redis->errstr);
}

int main(int argc, char **argv) {
  if (argc != 5) die(PROGRAM, "usage: %s ADDRESS CHANNELS WARMUP MESSAGES", PROGRAM);
  long channels = number(PROGRAM, argv[2]);
  warmup = number(PROGRAM, argv[3]);
  messages = number(PROGRAM, argv[4]);
  received = -channels;
  redisAsyncContext *redis = connect_async(PROGRAM, argv[1]);
  redisAsyncSetDisconnectCallback(redis, on_disconnect);
  for (long i = 0; i < channels; i++) {
    char name[NAME_BYTES + 1];
    channel_name(name, i);
    redisAsyncCommand(redis, on_reply, NULL, "SUBSCRIBE %s", name);
  }
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return 0;
}
