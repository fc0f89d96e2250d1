/* What listens, and all connections of a gateway: what they share. */
#ifndef GW_SERVER_H
#define GW_SERVER_H

#include "conn.h"
#include "drain.h"
#include "lag.h"
#include "wheel.h"

struct gw_listener;
struct gw_ws_reader;

enum { GW_SCRATCH = 64 * 1024 };

typedef struct gw_server {
  moonpool_gateway *gateway;
  uv_prepare_t prepare; /* writes what the turn has put into queues, before the loop waits */
  uv_idle_t idle;       /* active while something is to be written: then the loop does not wait */
  gw_wheel wheel;
  uv_timer_t retry; /* of accepting */
  gw_drain drain;
  gw_lag lag;
  struct gw_addresses *addresses; /* NULL: they are not counted */
  struct gw_listener *listeners;
  gw_conn *conns;
  gw_conn *dirty, *dirty_last;  /* to be looked at by on_prepare */
  struct gw_ws_reader *readers; /* that no connection uses now */
  unsigned reader_count;
  char *scratch; /* GW_SCRATCH bytes, for one read */
  int reserve;   /* a descriptor to give up when there are no others left; -1: none */
} gw_server;

/* Makes gateway->server. MOONPOOL_OK or ENOMEM, and then nothing is left of it. */
int gw_server_new(moonpool_gateway *gateway);

/* Closes listeners and connections, then the handles; the memory goes with the last gw_release. */
void gw_server_stop(moonpool_gateway *gateway);
void gw_server_free(moonpool_gateway *gateway);

/* The loop is to come to on_prepare without waiting. */
void gw_server_wake(gw_server *server);

/* listen.c: closes what listens. */
void gw_listeners_close(gw_server *server);

static inline uint64_t gw_server_now(const gw_server *server) {
  return uv_now(server->gateway->loop);
}

#endif
