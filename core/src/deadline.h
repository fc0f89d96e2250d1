/* A timer for the earliest of many deadlines. libuv fires timers before it reads: what a deadline
 * waits for may lie in a socket, and does when the loop was held up. So the loop is given one more
 * turn to read before a deadline counts. */
#ifndef MP_DEADLINE_H
#define MP_DEADLINE_H

#include <stdint.h>
#include <uv.h>

typedef struct mp_deadline {
  uv_timer_t timer; /* the owner closes it */
  uint64_t due;     /* of the loop's clock, ms; 0: it is not set */
  int has_read;     /* the loop had its turn */
  void (*on_due)(void *ctx, uint64_t now);
  void *ctx;
} mp_deadline;

void mp_deadline_init(mp_deadline *d, uv_loop_t *loop, void (*on_due)(void *ctx, uint64_t now),
                      void *ctx);

/* `on_due` is called not long after `when`, if not for another reason before: then it calls this
 * again for what is left. UINT64_MAX: never. */
void mp_deadline_watch(mp_deadline *d, uint64_t when);

/* `ms` from `now`; UINT64_MAX: never. */
static inline uint64_t mp_deadline_after(uint64_t now, uint64_t ms) {
  return ms < UINT64_MAX - now ? now + ms : UINT64_MAX;
}

#endif
