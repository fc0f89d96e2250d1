/* The deadlines of all connections, on one timer: a wheel of lists. Times are of the loop's clock,
 * in milliseconds; a deadline is told at most GW_WHEEL_TICK late. */
#ifndef GW_WHEEL_H
#define GW_WHEEL_H

#include "deadline.h"

enum { GW_WHEEL_SLOTS = 256, GW_WHEEL_TICK = 32 };

/* Inside of what has a deadline. Zeroed: it has none. */
typedef struct gw_wheel_node {
  struct gw_wheel_node *next, **link;
  uint64_t due;
} gw_wheel_node;

/* The node is off the wheel when this is called; it may be set again. */
typedef void (*gw_wheel_cb)(gw_wheel_node *node, uint64_t now);

typedef struct gw_wheel {
  mp_deadline deadline; /* its timer is closed by the owner */
  gw_wheel_cb on_due;
  uint64_t turned; /* ticks that have been handled */
  uint64_t count;  /* nodes */
  gw_wheel_node *slots[GW_WHEEL_SLOTS];
} gw_wheel;

void gw_wheel_init(gw_wheel *wheel, uv_loop_t *loop, gw_wheel_cb on_due);

/* Sets or moves a deadline; UINT64_MAX: none. */
void gw_wheel_set(gw_wheel *wheel, gw_wheel_node *node, uint64_t due);
void gw_wheel_remove(gw_wheel *wheel, gw_wheel_node *node);

#endif
