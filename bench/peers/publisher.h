/* What the publishers of streams share: a blocking connection, pipelined PUBLISHes, and what waits
 * in Redis for the subscriber. PROGRAM is defined by who includes it. */
#ifndef BENCH_PUBLISHER_H
#define BENCH_PUBLISHER_H

#include "peer.h"
#include <errno.h>
#include <hiredis/hiredis.h>
#include <unistd.h>

#define MAX_BACKLOG (4 * 1000000ll) /* bytes that may wait in Redis for one subscriber */

static redisContext *redis;

static void write_all(const char *data, size_t len) {
  while (len > 0) {
    ssize_t n = write(redis->fd, data, len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) die(PROGRAM, "write: %s", strerror(errno));
    data += n;
    len -= (size_t)n;
  }
}

static void await_publishes(long count) {
  while (count-- > 0) {
    redisReply *reply;
    if (redisGetReply(redis, (void **)&reply) != REDIS_OK)
      die(PROGRAM, "connection lost: %s", redis->errstr);
    if (reply->type == REDIS_REPLY_ERROR) die(PROGRAM, "PUBLISH: %s", reply->str);
    if (reply->integer != 1) die(PROGRAM, "%lld subscribers instead of one", reply->integer);
    freeReplyObject(reply);
  }
}

/* The subscriber's omem= in CLIENT LIST TYPE pubsub. */
static long long backlog(void) {
  redisReply *reply = redisCommand(redis, "CLIENT LIST TYPE pubsub");
  if (!reply || reply->type == REDIS_REPLY_ERROR)
    die(PROGRAM, "CLIENT LIST: %s", reply ? reply->str : redis->errstr);
  const char *omem = strstr(reply->str, " omem=");
  long long bytes = omem ? atoll(omem + 6) : 0;
  freeReplyObject(reply);
  return bytes;
}

static void connect_to(const char *address) {
  char host[256];
  int port = split_address(address, host, sizeof host);
  redis = port ? redisConnect(host, port) : redisConnectUnix(address);
  if (!redis || redis->err) die(PROGRAM, "cannot connect: %s", redis ? redis->errstr : "no memory");
}
#endif
