/* What the gateway's files share. Public functions: core/include/moonpool_gateway.h. */
#ifndef GW_GATEWAY_H
#define GW_GATEWAY_H

#include <moonpool_gateway.h>

struct gw_server; /* listeners and connections: server.c */
struct gw_rooms;  /* open rooms: rooms.c */
struct gw_origins;
struct gw_proxies;

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
  int is_draining, is_closing;
};

/* options.c: a copy that owns what it points to; and its end. */
int gw_options_copy(moonpool_gateway *gateway, const moonpool_gateway_options *options,
                    char *message, size_t size);
void gw_options_free(moonpool_gateway *gateway);

#endif
