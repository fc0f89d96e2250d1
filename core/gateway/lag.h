/* How late the loop comes to a timer: what a callback that takes long costs all others. */
#ifndef GW_LAG_H
#define GW_LAG_H

#include <uv.h>

typedef struct gw_lag {
  uv_timer_t timer;
  uint64_t due;     /* of uv_hrtime, ns */
  uint64_t last;    /* ns */
  uint64_t most[2]; /* of the window under way, and of the one before */
  unsigned looks;   /* in the present window */
} gw_lag;

/* The owner closes the timer, and does not count it: it keeps no loop alive. */
void gw_lag_start(gw_lag *lag, uv_loop_t *loop);

/* Of the last 10 to 20 seconds, ns. */
uint64_t gw_lag_most(const gw_lag *lag);

#endif
