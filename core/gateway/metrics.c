/* /metrics: Prometheus's text format, 0.0.4. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "health.h"
#include "http.h"

__attribute__((format(printf, 2, 3))) static void put(mp_buf *out, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  (void)mp_buf_append(out, text, (size_t)len);
}

/* A counter's name ends in "_total". */
static void put_number(mp_buf *out, const char *name, const char *kind, const char *help,
                       double value) {
  const char *suffix = kind[0] == 'c' ? "_total" : "";
  put(out, "# HELP moonpool_gateway_%s%s %s\n# TYPE moonpool_gateway_%s%s %s\n", name, suffix, help,
      name, suffix, kind);
  put(out, "moonpool_gateway_%s%s %.17g\n", name, suffix, value);
}

static void put_own(mp_buf *out, const moonpool_gateway *g) {
  const moonpool_gateway_stats *s = &g->stats;
#define X(name, kind, help) put_number(out, #name, kind, help, (double)s->name);
  MOONPOOL_GATEWAY_STATS(X)
#undef X
}

static void find_longest(gw_conn *c, void *ctx) {
  size_t *most = ctx, len = gw_conn_queued(c);
  if (len > *most) *most = len;
}

static void put_state(mp_buf *out, moonpool_gateway *g) {
  size_t most = 0;
  gw_conn_each(g, find_longest, &most);
  put_number(out, "queue_max_bytes", "gauge", "Bytes that wait for the socket that most wait for",
             (double)most);
  put_number(out, "draining", "gauge", "1: takes no new connections", g->is_draining);
  put_number(out, "loop_lag_seconds", "gauge",
             "How late the event loop came to a timer, at most, in the last 10 to 20 seconds",
             (double)gw_lag_most(&g->server->lag) / 1e9);
}

static void put_redis(mp_buf *out, const moonpool_gateway *g) {
  moonpool_stats s;
  moonpool_get_stats(g->client, &s);
  put_number(out, "redis_up", "gauge", "1: the link of commands is ready",
             moonpool_get_state(g->client) == MOONPOOL_READY);
  put_number(out, "redis_links", "gauge", "Links to Redis that are ready", (double)s.links);
  put_number(out, "redis_reconnects", "counter", "Times that a link was lost and came back",
             (double)s.reconnects);
  put_number(out, "redis_queued_commands", "gauge", "Commands waiting or in flight",
             (double)s.queued);
  put_number(out, "redis_bytes_in", "counter", "Bytes read from Redis", (double)s.bytes_in);
  put_number(out, "redis_bytes_out", "counter", "Bytes written to Redis", (double)s.bytes_out);
}

static void on_append(void *to, const char *text, size_t len) {
  (void)mp_buf_append(to, text, len);
}

void gw_serve_metrics(gw_conn *c) {
  moonpool_gateway *g = c->server->gateway;
  mp_buf out;
  mp_buf_init(&out, g->allocator);
  put_own(&out, g);
  put_state(&out, g);
  put_redis(&out, g);
  if (g->options.metrics) g->options.metrics(on_append, &out, g->options.ctx);
  gw_http_respond(c, &(gw_response){.status = 200,
                                    .type = "text/plain; version=0.0.4; charset=utf-8",
                                    .fields = "Cache-Control: no-store\r\n",
                                    .body = {out.data, out.len}});
  mp_buf_free(&out);
}
