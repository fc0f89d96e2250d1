/* The public functions, and in which order a gateway's parts begin and end. */
#include "gateway.h"

#include "conn_private.h"
#include "mem.h"
#include "origins.h"
#include "proxies.h"
#include "rooms.h"
#include "tls.h"

/* ---- end ---------------------------------------------------------------------------------- */

static void free_gateway(moonpool_gateway *g) {
  const moonpool_allocator *allocator = g->allocator;
  moonpool_gateway_cb on_gone = g->on_gone;
  void *ctx = g->gone_ctx;
  gw_rooms_free(g);
  gw_server_free(g);
  gw_tls_free(g);
  gw_proxies_free(g);
  gw_origins_free(g);
  gw_options_free(g);
  mp_free(allocator, g);
  if (on_gone) on_gone(ctx);
}

void gw_release(moonpool_gateway *g) {
  if (!--g->holds) free_gateway(g);
}

void gw_gateway_end(moonpool_gateway *g) {
  gw_server_stop(g);
  gw_rooms_stop(g);
  gw_release(g);
}

void moonpool_gateway_close(moonpool_gateway *g, moonpool_gateway_cb cb, void *ctx) {
  if (!g || g->is_closing) return;
  g->is_closing = g->is_draining = 1;
  g->on_gone = cb;
  g->gone_ctx = ctx;
  gw_server_wake(g->server); /* a session may be among the callers */
}

/* ---- beginning ---------------------------------------------------------------------------- */

static int open_parts(moonpool_gateway *g, const moonpool_gateway_options *options, char *message,
                      size_t size) {
  int status = gw_options_copy(g, options, message, size);
  if (!status) status = gw_origins_new(g, message, size);
  if (!status) status = gw_proxies_new(g, message, size);
  if (!status) status = gw_tls_new(g, message, size);
  if (!status) status = gw_rooms_new(g);
  if (!status) status = gw_server_new(g);
  return status;
}

int moonpool_gateway_open(moonpool_gateway **gateway, moonpool *client, uv_loop_t *loop,
                          const moonpool_gateway_options *options, char *message, size_t size) {
  const moonpool_allocator *allocator = moonpool_get_allocator(client);
  moonpool_gateway *g = mp_calloc(allocator, sizeof *g);
  *gateway = NULL;
  if (size) message[0] = '\0';
  if (!g) return MOONPOOL_ENOMEM;
  g->client = client;
  g->loop = loop;
  g->allocator = allocator;
  gw_hold(g);
  int status = open_parts(g, options, message, size);
  if (status)
    gw_gateway_end(g);
  else
    *gateway = g;
  return status;
}

/* ---- connections -------------------------------------------------------------------------- */

typedef struct revocation {
  moonpool_bytes user;
  const char *reason;
  size_t count;
} revocation;

static void revoke_one(gw_conn *c, void *ctx) {
  revocation *r = ctx;
  if (!c->session || (c->phase > GW_PHASE_SOCKET)) return;
  moonpool_bytes user = gw_session_user(c->session);
  int is_his = user.data && user.len == r->user.len && !memcmp(user.data, r->user.data, user.len);
  if (r->user.data && !is_his) return;
  gw_conn_close(c, GW_CLOSE_REVOKED, r->reason);
  r->count++;
}

size_t moonpool_gateway_revoke(moonpool_gateway *g, moonpool_bytes user, const char *reason) {
  revocation r = {user, reason, 0};
  gw_conn_each(g, revoke_one, &r);
  return r.count;
}

void moonpool_gateway_get_stats(const moonpool_gateway *g, moonpool_gateway_stats *stats) {
  *stats = g->stats;
}
