/* What the gateway's files share. Public functions: core/include/moonpool_gateway.h. */
#ifndef GW_GATEWAY_H
#define GW_GATEWAY_H

#include <moonpool_gateway.h>

struct gw_server; /* listeners and connections: server.c */
struct gw_rooms;  /* open rooms: rooms.c */
struct gw_origins;
struct gw_proxies;
struct gw_tls;

struct moonpool_gateway {
  moonpool *client;
  uv_loop_t *loop;
  const moonpool_allocator *allocator; /* the client's */
  moonpool_gateway_options options;    /* its strings and lists are owned */
  moonpool_gateway_stats stats;
  struct gw_server *server;
  struct gw_rooms *rooms;
  struct gw_origins *origins;
  struct gw_proxies *proxies;
  struct gw_tls *tls; /* NULL: none */
  int is_draining, is_closing;
  unsigned holds; /* who needs this memory still: see gw_hold */
  moonpool_gateway_cb on_gone;
  void *gone_ctx;
};

/* The gateway's memory, and that of its server, lasts until every hold is released: one for each uv
 * handle of it, taken when that is made and released in its close callback. The last release calls
 * moonpool_gateway_close's callback. */
static inline void gw_hold(moonpool_gateway *gateway) {
  gateway->holds++;
}
void gw_release(moonpool_gateway *gateway);

/* Ends its parts; what is left goes with the last hold. */
void gw_gateway_end(moonpool_gateway *gateway);

/* options.c: a copy that owns what it points to; and its end. */
int gw_options_copy(moonpool_gateway *gateway, const moonpool_gateway_options *options,
                    char *message, size_t size);
void gw_options_free(moonpool_gateway *gateway);

#endif
