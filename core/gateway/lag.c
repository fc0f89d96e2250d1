#include "lag.h"

#include <string.h>

enum { EVERY_MS = 500, WINDOW = 20 };

static void on_timer(uv_timer_t *timer) {
  gw_lag *lag = (gw_lag *)timer;
  uint64_t now = uv_hrtime();
  lag->last = now > lag->due ? now - lag->due : 0;
  lag->due = now + EVERY_MS * UINT64_C(1000000);
  if (++lag->looks >= WINDOW) {
    lag->looks = 0;
    lag->most[1] = lag->most[0];
    lag->most[0] = 0;
  }
  if (lag->last > lag->most[0]) lag->most[0] = lag->last;
  uv_timer_start(timer, on_timer, EVERY_MS, 0);
}

void gw_lag_start(gw_lag *lag, uv_loop_t *loop) {
  memset(lag, 0, sizeof *lag);
  uv_timer_init(loop, &lag->timer);
  lag->due = uv_hrtime() + EVERY_MS * UINT64_C(1000000);
  uv_timer_start(&lag->timer, on_timer, EVERY_MS, 0);
  uv_unref((uv_handle_t *)&lag->timer);
}

uint64_t gw_lag_most(const gw_lag *lag) {
  return lag->most[0] > lag->most[1] ? lag->most[0] : lag->most[1];
}
