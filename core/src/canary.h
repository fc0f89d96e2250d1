/* The canary: what PING cannot tell. A link to a server that is alive, but to which nobody
 * publishes any more (one that was partitioned off, or is behind a proxy that has gone astray),
 * answers every PING. So the command link publishes to a channel of the client's own, and the
 * subscriber link must hear it. It owns its timer; the links are the client's. */
#ifndef MP_CANARY_H
#define MP_CANARY_H

#include "hub.h"
#include "link.h"

typedef struct mp_canary mp_canary;

typedef struct mp_canary_config {
  uv_loop_t *loop;
  const moonpool_allocator *allocator;
  const moonpool_options *options; /* borrowed; `canary` is above 0 */
  const char *address;             /* for messages; borrowed */
  mp_link *commands;
  mp_hub *hub;
  uint64_t seed; /* of the channel's name */
} mp_canary_config;

/* NULL when out of memory. It does nothing before the hub has its first subscription. */
mp_canary *mp_canary_new(const mp_canary_config *config);

/* Before mp_hub_close and mp_link_close, which still call it back; `on_gone` when the memory is
 * free. */
void mp_canary_close(mp_canary *canary, void (*on_gone)(void *ctx), void *ctx);

/* How often it had the subscriber link dropped. */
uint64_t mp_canary_losses(const mp_canary *canary);

/* Why it is off: Redis refused its channel. NULL while it is on. */
const char *mp_canary_error(const mp_canary *canary);

#endif
