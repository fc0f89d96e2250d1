/* A timer for the earliest of many deadlines. libuv fires timers before it reads: what a deadline
 * waits for may lie in a socket, and does when the loop was held up (a long callback, a process
 * that was stopped). So the loop is given one more turn to read before a deadline counts; where
 * more than one thing is waited for, one after the other, it may be given as much time again. */
#ifndef MP_DEADLINE_H
#define MP_DEADLINE_H

#include <stdint.h>
#include <uv.h>

typedef struct mp_deadline {
  uv_timer_t timer;  /* the owner closes it */
  uint64_t due;      /* of the loop's clock, ms; 0: it is not set */
  int has_read;      /* the loop had its turn */
  uint64_t patience; /* the owner's: ms that the loop has then, once, when it was held up over a
                        deadline; 0 at first: a turn */
  uint64_t put_off;  /* ms that all were put off for that, together */
  void (*on_due)(void *ctx, uint64_t now);
  void *ctx;
} mp_deadline;

void mp_deadline_init(mp_deadline *d, uv_loop_t *loop, void (*on_due)(void *ctx, uint64_t now),
                      void *ctx);

/* `on_due` is called not long after `when`, if not for another reason before: then it calls this
 * again for what is left. UINT64_MAX: never. */
void mp_deadline_watch(mp_deadline *d, uint64_t when);

/* Forgets what was watched. */
void mp_deadline_stop(mp_deadline *d);

/* `ms` from `now`; UINT64_MAX: never. */
static inline uint64_t mp_deadline_after(uint64_t now, uint64_t ms) {
  return ms < UINT64_MAX - now ? now + ms : UINT64_MAX;
}

#endif
