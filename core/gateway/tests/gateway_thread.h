/* A gateway on a loop in a thread of its own, beside a real Redis, so that a test can speak to it
 * by blocking sockets. Its options are the test's to change between gateway_thread_init and
 * gateway_thread_start. */
#ifndef GW_GATEWAY_THREAD_H
#define GW_GATEWAY_THREAD_H

#include <moonpool_gateway.h>

#include "redis_server.h"
#include "test.h"

typedef struct gateway_thread {
  moonpool_gateway_options options;
  const char *redis_url;
  const moonpool_allocator *allocator; /* NULL: the C library's */
  const char *address;                 /* to listen on; any port of 127.0.0.1 */
  char listens[108];                   /* where it does */
  int port;                            /* likewise, of TCP */
  char message[300];                   /* why it did not start */
  moonpool_gateway *gateway;
  moonpool *client;
  uv_loop_t loop;
  uv_thread_t thread;
  uv_async_t wake;
  uv_sem_t is_done;                             /* what was asked for */
  void (*job)(struct gateway_thread *, void *); /* NULL: end */
  void *job_ctx;
} gateway_thread;

static inline void gateway_thread_init(gateway_thread *g, const redis_server *redis) {
  *g = (gateway_thread){.redis_url = redis->url, .address = "127.0.0.1:0"};
  moonpool_gateway_options_init(&g->options);
}

static inline void gateway_thread_on_closed(void *ctx) {
  gateway_thread *g = ctx;
  moonpool_close(g->client, NULL, NULL);
}

static inline void gateway_thread_on_wake(uv_async_t *wake) {
  gateway_thread *g = wake->data;
  if (g->job) {
    g->job(g, g->job_ctx);
    uv_sem_post(&g->is_done);
    return;
  }
  uv_close((uv_handle_t *)wake, NULL);
  if (g->gateway)
    moonpool_gateway_close(g->gateway, gateway_thread_on_closed, g);
  else if (g->client)
    gateway_thread_on_closed(g);
}

static inline int gateway_thread_open(gateway_thread *g) {
  moonpool_options options;
  moonpool_options_init(&options);
  options.url = g->redis_url;
  options.allocator = g->allocator;
  int status = moonpool_open(&g->client, &g->loop, &options, g->message, sizeof g->message);
  if (status) return status;
  status = moonpool_gateway_open(&g->gateway, g->client, &g->loop, &g->options, g->message,
                                 sizeof g->message);
  if (status) return status;
  status = moonpool_gateway_listen(g->gateway, g->address, -1, g->message, sizeof g->message);
  if (status) return status;
  snprintf(g->listens, sizeof g->listens, "%s", moonpool_gateway_address(g->gateway, 0));
  const char *colon = strrchr(g->listens, ':');
  g->port = colon ? atoi(colon + 1) : 0;
  return MOONPOOL_OK;
}

static inline void gateway_thread_run(void *ctx) {
  gateway_thread *g = ctx;
  if (uv_loop_init(&g->loop) || uv_async_init(&g->loop, &g->wake, gateway_thread_on_wake)) abort();
  g->wake.data = g;
  if (gateway_thread_open(g)) printf("  gateway: %s\n", g->message);
  uv_sem_post(&g->is_done);
  uv_run(&g->loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&g->loop)) {
    printf("  the gateway's loop still has handles\n");
    uv_print_all_handles(&g->loop, stdout);
    abort();
  }
}

/* 1, or 0: it does not listen (gateway_thread_stop is to be called all the same). */
static inline int gateway_thread_start(gateway_thread *g) {
  if (uv_sem_init(&g->is_done, 0)) abort();
  if (uv_thread_create(&g->thread, gateway_thread_run, g)) abort();
  uv_sem_wait(&g->is_done);
  return g->listens[0] != '\0';
}

/* Runs `job` on the gateway's loop, and returns after it. */
static inline void gateway_thread_call(gateway_thread *g, void (*job)(gateway_thread *, void *),
                                       void *ctx) {
  g->job = job;
  g->job_ctx = ctx;
  uv_async_send(&g->wake);
  uv_sem_wait(&g->is_done);
}

static inline void gateway_thread_take_stats(gateway_thread *g, void *ctx) {
  moonpool_gateway_get_stats(g->gateway, ctx);
}

static inline moonpool_gateway_stats gateway_thread_stats(gateway_thread *g) {
  moonpool_gateway_stats stats;
  gateway_thread_call(g, gateway_thread_take_stats, &stats);
  return stats;
}

static inline void gateway_thread_stop(gateway_thread *g) {
  g->job = NULL;
  uv_async_send(&g->wake);
  uv_thread_join(&g->thread);
  uv_sem_destroy(&g->is_done);
}

#endif
