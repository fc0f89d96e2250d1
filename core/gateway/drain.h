/* The gateway's end by degrees, so that its clients do not all come elsewhere at once. */
#ifndef GW_DRAIN_H
#define GW_DRAIN_H

#include "gateway.h"

typedef struct gw_drain {
  uv_timer_t timer;
  uint64_t began, spread; /* ms */
  size_t all, closed;     /* connections: at the beginning, and of these closed so far */
  moonpool_gateway_cb cb;
  void *ctx;
} gw_drain;

/* Nobody is left: tells who asked, once. */
void gw_drain_end(struct gw_server *server);

#endif
