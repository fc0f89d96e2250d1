#include "server.h"

#include <fcntl.h>
#include <unistd.h>

#include "addresses.h"
#include "conn_private.h"
#include "log.h"
#include "rooms.h"

/* ---- turns -------------------------------------------------------------------------------- */

static void on_idle(uv_idle_t *idle) {
  (void)idle; /* that it is active keeps the loop from waiting */
}

void gw_server_wake(gw_server *s) {
  if (!uv_is_active((uv_handle_t *)&s->idle)) uv_idle_start(&s->idle, on_idle);
}

/* The list is detached first: who writes into another's queue now puts it on the next one. */
static void on_prepare(uv_prepare_t *prepare) {
  gw_server *s = prepare->data;
  gw_rooms_flush(s->gateway);
  gw_conn *c = s->dirty;
  s->dirty = s->dirty_last = NULL;
  uv_idle_stop(&s->idle);
  while (c) {
    gw_conn *next = c->next_dirty;
    if (next) gw_conn_prefetch(next);
    gw_conn_turn(c);
    c = next;
  }
  if (s->gateway->is_closing) gw_gateway_end(s->gateway);
}

/* ---- life --------------------------------------------------------------------------------- */

static void start_handles(gw_server *s) {
  uv_loop_t *loop = s->gateway->loop;
  uv_prepare_init(loop, &s->prepare);
  uv_idle_init(loop, &s->idle);
  gw_wheel_init(&s->wheel, loop, gw_conn_on_due);
  s->prepare.data = s;
  uv_prepare_start(&s->prepare, on_prepare);
  uv_unref((uv_handle_t *)&s->prepare);
  uv_timer_init(loop, &s->drain.timer);
  uv_timer_init(loop, &s->retry);
  s->drain.timer.data = s->retry.data = s;
  gw_lag_start(&s->lag, loop);
  for (int i = 0; i < 6; i++) gw_hold(s->gateway); /* see gw_server_stop */
}

int gw_server_new(moonpool_gateway *gateway) {
  gw_server *s = mp_calloc(gateway->allocator, sizeof *s);
  if (!s) return MOONPOOL_ENOMEM;
  s->gateway = gateway;
  s->scratch = mp_alloc(gateway->allocator, GW_SCRATCH);
  if (!s->scratch || gw_addresses_new(s)) {
    mp_free(gateway->allocator, s->scratch);
    mp_free(gateway->allocator, s);
    return MOONPOOL_ENOMEM;
  }
  s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
  start_handles(s);
  gateway->server = s;
  return MOONPOOL_OK;
}

static void on_closed(uv_handle_t *handle) {
  gw_release(handle->data);
}

static void close_handle(gw_server *s, uv_handle_t *handle) {
  handle->data = s->gateway;
  uv_close(handle, on_closed);
}

static void say_goodbye(gw_conn *c, void *ctx) {
  (void)ctx;
  gw_conn_close(c, GW_CLOSE_GOING_AWAY, "the gateway ends");
  if (!c->is_blocked) (void)gw_queue_write(c);
  gw_conn_destroy(c);
}

void gw_server_stop(moonpool_gateway *gateway) {
  gw_server *s = gateway->server;
  if (!s) return;
  gw_listeners_close(s);
  gw_conn_each(gateway, say_goodbye, NULL);
  for (gw_conn *c = s->dirty, *next; c; c = next) {
    next = c->next_dirty;
    gw_conn_turn(c);
  }
  s->dirty = NULL;
  gw_drain_end(s);
  close_handle(s, (uv_handle_t *)&s->prepare);
  close_handle(s, (uv_handle_t *)&s->idle);
  close_handle(s, (uv_handle_t *)&s->wheel.deadline.timer);
  close_handle(s, (uv_handle_t *)&s->drain.timer);
  close_handle(s, (uv_handle_t *)&s->lag.timer);
  close_handle(s, (uv_handle_t *)&s->retry);
  if (s->reserve >= 0) close(s->reserve);
  s->reserve = -1;
}

void gw_server_free(moonpool_gateway *gateway) {
  gw_server *s = gateway->server;
  gateway->server = NULL;
  if (!s) return;
  gw_ws_readers_free(s);
  gw_addresses_free(s);
  mp_free(gateway->allocator, s->scratch);
  mp_free(gateway->allocator, s);
}
