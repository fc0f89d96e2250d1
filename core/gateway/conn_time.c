/* What a connection's silence leads to, phase by phase. A deadline is looked at when it comes: what
 * has come in meanwhile only moves it then. */
#include "conn_private.h"
#include "http.h"

static uint64_t after(uint64_t from, uint64_t ms) {
  return ms ? mp_deadline_after(from, ms) : UINT64_MAX;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static uint64_t due_of_socket(const gw_conn *c) {
  const moonpool_gateway_options *o = gw_conn_options(c);
  uint64_t quiet = c->pinged > c->last_in ? c->pinged : c->last_in;
  return earlier(after(quiet, o->ping), after(c->last_in, o->idle));
}

static uint64_t due(const gw_conn *c) {
  const moonpool_gateway_options *o = gw_conn_options(c);
  switch (c->phase) {
  case GW_PHASE_HTTP: return gw_http_due(c);
  case GW_PHASE_STREAM: return earlier(after(c->pinged, o->ping), UINT64_MAX);
  case GW_PHASE_SOCKET: return due_of_socket(c);
  case GW_PHASE_CLOSING: return after(c->since, o->close_timeout);
  case GW_PHASE_LINGER: return after(c->since, o->close_timeout);
  default: return UINT64_MAX;
  }
}

void gw_conn_schedule(gw_conn *c) {
  gw_wheel_set(&c->server->wheel, &c->timer, due(c));
}

static void ping(gw_conn *c, uint64_t now) {
  c->pinged = now;
  int status = c->phase == GW_PHASE_SOCKET ? gw_ws_send_control(c, GW_PING, NULL, 0)
                                           : gw_queue_copy(c, ":\n\n", 3);
  if (status) gw_conn_close(c, GW_CLOSE_INTERNAL, "out of memory");
}

/* An event stream's client sends nothing: that it takes nothing is what tells of its end. */
static void on_due_stream(gw_conn *c, uint64_t now) {
  uint64_t idle = gw_conn_options(c)->idle;
  if (idle && c->is_blocked && c->last_out + idle <= now)
    gw_conn_destroy(c);
  else if (!c->is_blocked)
    ping(c, now);
  else
    c->pinged = now;
}

static void on_due_socket(gw_conn *c, uint64_t now) {
  uint64_t idle = gw_conn_options(c)->idle;
  if (idle && c->last_in + idle <= now)
    gw_conn_close(c, GW_CLOSE_GOING_AWAY, "no sign of life");
  else
    ping(c, now);
}

void gw_conn_on_due(gw_wheel_node *node, uint64_t now) {
  gw_conn *c = (gw_conn *)((char *)node - offsetof(gw_conn, timer));
  uint64_t when = due(c);
  if (when > now) {
    gw_conn_schedule(c);
    return;
  }
  switch (c->phase) {
  case GW_PHASE_HTTP: gw_http_on_due(c, now); break;
  case GW_PHASE_STREAM: on_due_stream(c, now); break;
  case GW_PHASE_SOCKET: on_due_socket(c, now); break;
  default: gw_conn_destroy(c);
  }
  if (c->phase != GW_PHASE_GONE && !c->timer.link) gw_conn_schedule(c);
}
