#include "drain.h"

#include "conn_private.h"

enum { STEP = 10 }; /* ms */

void gw_drain_end(gw_server *s) {
  moonpool_gateway_cb cb = s->drain.cb;
  s->drain.cb = NULL;
  uv_timer_stop(&s->drain.timer);
  if (cb) cb(s->drain.ctx);
}

/* A request under way is answered first: the response says that the connection closes. */
static void close_one(gw_conn *c, void *ctx) {
  gw_drain *d = ctx;
  uint64_t passed = uv_now(d->timer.loop) - d->began;
  int is_open = c->phase <= GW_PHASE_SOCKET && !(c->phase == GW_PHASE_HTTP && c->has_request);
  if (!is_open || (passed < d->spread && d->closed * d->spread >= d->all * passed)) return;
  d->closed++;
  gw_conn_close(c, GW_CLOSE_RESTART, "the gateway restarts");
}

static void on_step(uv_timer_t *timer) {
  gw_server *s = timer->data;
  gw_conn_each(s->gateway, close_one, &s->drain);
  if (!s->gateway->stats.connections) gw_drain_end(s);
}

void moonpool_gateway_drain(moonpool_gateway *g, uint64_t spread, moonpool_gateway_cb cb,
                            void *ctx) {
  gw_server *s = g->server;
  if (g->is_draining) return;
  g->is_draining = 1;
  gw_listeners_close(s);
  s->drain.cb = cb;
  s->drain.ctx = ctx;
  s->drain.began = gw_server_now(s);
  s->drain.spread = spread;
  s->drain.all = g->stats.connections;
  uv_timer_start(&s->drain.timer, on_step, 0, STEP);
}
