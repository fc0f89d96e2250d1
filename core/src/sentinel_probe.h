/* One sentinel that is asked for a service's master: over a connection of its own, which ends with
 * the answer. */
#ifndef MP_SENTINEL_PROBE_H
#define MP_SENTINEL_PROBE_H

#include "link.h"

typedef struct mp_probe mp_probe;

typedef struct mp_probe_events {
  /* It knows another sentinel. */
  void (*on_sentinel)(mp_probe *probe, moonpool_bytes host, uint16_t port);
  /* It has answered, or failed: its link may be stopped. */
  void (*on_done)(mp_probe *probe);
  void (*on_dirty)(mp_probe *probe);
} mp_probe_events;

struct mp_probe {
  const mp_probe_events *events;
  void *ctx; /* the owner's */
  const moonpool_allocator *allocator;
  const mp_url *like; /* how the master is to be talked to; its service is asked for */
  mp_link *link;      /* NULL: not under way */
  int is_done;        /* then either `master` or `status` tells */
  mp_url master;      /* owned; address NULL: no answer */
  long long epoch;    /* of the configuration that names it; -1: it would not tell */
  int status;         /* why there is no answer */
  int is_unknown;     /* it does not know the service */
  char reason[160];
};

/* Starts asking: `config` names the sentinel, its events are the probe's to set. What the probe has
 * must be forgotten. ENOMEM: nothing was started. */
int mp_probe_start(mp_probe *probe, const mp_link_config *config);

void mp_probe_flush(mp_probe *probe);

/* Ends its connection, if there is one; `on_gone` as in mp_link_close. Whether there was one. */
int mp_probe_stop(mp_probe *probe, void (*on_gone)(void *ctx), void *ctx);

/* Frees the answer. */
void mp_probe_forget(mp_probe *probe);

#endif
