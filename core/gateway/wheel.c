#include "wheel.h"

#include <string.h>

static uint64_t tick_of(uint64_t time) {
  return time / GW_WHEEL_TICK + 1; /* the first tick that does not come before it */
}

/* When the first list is due that has something in it. What is due more than one turn of the wheel
 * away waits in the list of its turn's end, and is put into another then. */
static uint64_t next_due(const gw_wheel *w) {
  if (!w->count) return UINT64_MAX;
  uint64_t tick = w->turned + 1;
  while (!w->slots[tick % GW_WHEEL_SLOTS]) tick++;
  return tick * GW_WHEEL_TICK;
}

/* Returns its list's tick. */
static uint64_t insert(gw_wheel *w, gw_wheel_node *node) {
  uint64_t tick = tick_of(node->due), last = w->turned + GW_WHEEL_SLOTS;
  if (tick <= w->turned) tick = w->turned + 1;
  if (tick > last) tick = last;
  gw_wheel_node **slot = &w->slots[tick % GW_WHEEL_SLOTS];
  node->next = *slot;
  node->link = slot;
  if (node->next) node->next->link = &node->next;
  *slot = node;
  w->count++;
  return tick;
}

void gw_wheel_remove(gw_wheel *w, gw_wheel_node *node) {
  if (!node->link) return;
  *node->link = node->next;
  if (node->next) node->next->link = node->link;
  node->link = NULL;
  node->next = NULL;
  w->count--;
}

void gw_wheel_set(gw_wheel *w, gw_wheel_node *node, uint64_t due) {
  gw_wheel_remove(w, node);
  if (due == UINT64_MAX) return;
  node->due = due;
  if (!w->count) w->turned = uv_now(w->deadline.timer.loop) / GW_WHEEL_TICK;
  mp_deadline_watch(&w->deadline, insert(w, node) * GW_WHEEL_TICK);
}

/* A list's nodes are taken off it first: those told may be set to the same list again. */
static void turn_slot(gw_wheel *w, uint64_t tick, uint64_t now) {
  gw_wheel_node **slot = &w->slots[tick % GW_WHEEL_SLOTS], *list = *slot;
  *slot = NULL;
  if (list) list->link = &list;
  while (list) {
    gw_wheel_node *node = list;
    gw_wheel_remove(w, node);
    if (node->due <= now)
      w->on_due(node, now);
    else
      insert(w, node);
  }
}

static void on_deadline(void *ctx, uint64_t now) {
  gw_wheel *w = ctx;
  uint64_t until = now / GW_WHEEL_TICK;
  if (until > w->turned + GW_WHEEL_SLOTS) w->turned = until - GW_WHEEL_SLOTS;
  while (w->turned < until && w->count) turn_slot(w, ++w->turned, now);
  mp_deadline_watch(&w->deadline, next_due(w));
}

void gw_wheel_init(gw_wheel *w, uv_loop_t *loop, gw_wheel_cb on_due) {
  memset(w, 0, sizeof *w);
  w->on_due = on_due;
  mp_deadline_init(&w->deadline, loop, on_deadline, w);
}
