/* Where a link is to connect to, when that is not the same for every attempt: asked once an
 * attempt, answered at once or later. */
#ifndef MP_LOCATOR_H
#define MP_LOCATOR_H

#include "url.h"

/* One question, part of who asks; the locator links it into its list. */
typedef struct mp_lookup {
  struct mp_lookup *next;
  /* Called once, unless it is cancelled: with the server, which is borrowed until it returns, or
   * with the error, whose message names what was asked for. */
  void (*on_done)(void *ctx, const mp_url *url, const moonpool_error *error);
  void *ctx;
  unsigned lost_in; /* the locator's round when the last server was lost: no answer counts that was
                       asked for in this round or before; 0: all count */
} mp_lookup;

typedef struct mp_locator {
  /* May call on_done before it returns. */
  void (*look_up)(struct mp_locator *locator, mp_lookup *lookup);
  /* Of a lookup that is not done. */
  void (*cancel)(struct mp_locator *locator, mp_lookup *lookup);
  const char *service; /* the server must be its master, and ROLE say so; NULL: any server */
  unsigned round;      /* of questions, counted as they begin */
} mp_locator;

#endif
