/* What the peers on hiredis's async API share. */
#ifndef BENCH_ASYNC_H
#define BENCH_ASYNC_H

#include "peer.h"
#include <hiredis/adapters/libuv.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <unistd.h>
#include <uv.h>

/* A connection on libuv's default loop, or the end of the program. */
static inline redisAsyncContext *connect_async(const char *program, const char *address) {
  char host[256];
  int port = split_address(address, host, sizeof host);
  redisAsyncContext *redis = port ? redisAsyncConnect(host, port) : redisAsyncConnectUnix(address);
  if (!redis || redis->err) die(program, "cannot connect: %s", redis ? redis->errstr : "no memory");
  redisLibuvAttach(redis, uv_default_loop());
  return redis;
}

static inline void print_ready(void) {
  printf("ready %ld hiredis %d.%d.%d async API, C\n", (long)getpid(), HIREDIS_MAJOR, HIREDIS_MINOR,
         HIREDIS_PATCH);
  fflush(stdout);
}
#endif
