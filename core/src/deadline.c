#include "deadline.h"

#include <string.h>

#define HELD_UP_MS 10u /* a timer that fires so late: the loop was busy, or stopped */

void mp_deadline_init(mp_deadline *d, uv_loop_t *loop, void (*on_due)(void *ctx, uint64_t now),
                      void *ctx) {
  memset(d, 0, sizeof *d);
  uv_timer_init(loop, &d->timer);
  d->on_due = on_due;
  d->ctx = ctx;
}

static void on_timer(uv_timer_t *timer);

/* How long the loop was held up is not known, only how long over the deadline. */
static void put_off(mp_deadline *d) {
  uint64_t more = 1, late = uv_now(d->timer.loop) - d->due;
  if (d->patience && late >= HELD_UP_MS) {
    more = d->patience;
    d->put_off += late + more;
  }
  uv_timer_start(&d->timer, on_timer, more, 0);
}

static void on_timer(uv_timer_t *timer) {
  mp_deadline *d = (mp_deadline *)timer; /* its first member: `data` is the owner's */
  if (!d->has_read) {
    d->has_read = 1;
    put_off(d);
    return;
  }
  mp_deadline_stop(d);
  d->on_due(d->ctx, uv_now(timer->loop));
}

void mp_deadline_stop(mp_deadline *d) {
  d->has_read = 0;
  d->due = 0;
  uv_timer_stop(&d->timer);
}

void mp_deadline_watch(mp_deadline *d, uint64_t when) {
  if (when == UINT64_MAX || (d->due && d->due <= when)) return;
  uint64_t now = uv_now(d->timer.loop);
  d->due = when ? when : 1;
  d->has_read = 0;
  uv_timer_start(&d->timer, on_timer, when > now ? when - now : 0, 0);
}
