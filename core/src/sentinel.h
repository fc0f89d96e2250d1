/* The master of a service that sentinels watch: asks them where it is, for every link of a client,
 * and follows it when it moves (https://redis.io/docs/latest/develop/reference/sentinel-clients/).
 *
 * It knows the sentinels of the URL and those that these name. A question goes to all of them at
 * once, so that a dead one costs no time. Of what they answer counts what has the highest
 * configuration epoch: a sentinel that was cut off and still names an old master is outvoted.
 * Meanwhile a subscription to one sentinel's +switch-master, and a question now and then, tell that
 * the master has moved. */
#ifndef MP_SENTINEL_H
#define MP_SENTINEL_H

#include "link.h"

typedef struct mp_sentinel mp_sentinel;

typedef struct mp_sentinel_config {
  /* As for the client's own links; `url` has a service. The rest is the sentinel's to set. */
  mp_link_config link;
  /* mp_sentinel_flush is to be called before the loop polls. */
  void (*on_dirty)(void *ctx);
  /* The master is that of `address`, which its sentinels have just confirmed; it may be where it
   * was. It may close the sentinel. */
  void (*on_master)(void *ctx, const char *address);
  void *ctx;
} mp_sentinel_config;

/* NULL when out of memory. Nobody is asked before the first lookup. */
mp_sentinel *mp_sentinel_new(const mp_sentinel_config *config);

/* For the links to the service's master. Its owner closes them before the sentinel. */
mp_locator *mp_sentinel_locator(mp_sentinel *sentinel);

void mp_sentinel_flush(mp_sentinel *sentinel);

/* Ends every question and the subscription; `on_gone` when libuv has let go of the handles and the
 * memory is free. */
void mp_sentinel_close(mp_sentinel *sentinel, void (*on_gone)(void *ctx), void *ctx);

#endif
