/* moonpool.sleep: waiting for the time to pass. */
#include "runtime.h"

#include <stdlib.h>

struct mp_nap {
  uv_timer_t timer;
  mp_waiter *waiter;
  mp_nap *next, **at; /* in the runtime's list */
};

static void free_nap(uv_handle_t *handle) {
  free(handle->data);
}

static void end_nap(mp_nap *n) {
  *n->at = n->next;
  if (n->next) n->next->at = n->at;
  uv_close((uv_handle_t *)&n->timer, free_nap);
}

static void on_nap_over(uv_timer_t *timer) {
  mp_nap *n = timer->data;
  mp_waiter *w = n->waiter;
  end_nap(n);
  mp_wake_now(w, 0);
}

void mp_end_naps(mp_runtime *rt) {
  while (rt->naps) end_nap(rt->naps);
}

static int push_nothing(lua_State *L, void *ctx) {
  (void)L, (void)ctx;
  return 0;
}

/* moonpool.sleep(seconds); 0 waits for the loop's next turn */
static int sleep_seconds(lua_State *L) {
  mp_runtime *rt = mp_runtime_of(L);
  uint64_t ms = mp_check_seconds(L, 1);
  mp_waiter *w = mp_wait_begin(L, rt);
  if (ms == 0) { /* a timer of 0 would fire again and again before the loop polls */
    mp_wake_later(w, push_nothing, NULL);
    return mp_wait(L, w);
  }
  mp_nap *n = malloc(sizeof *n);
  if (!n) return luaL_error(L, "moonpool.sleep: no memory");
  n->waiter = w;
  n->next = rt->naps;
  n->at = &rt->naps;
  if (n->next) n->next->at = &n->next;
  rt->naps = n;
  uv_update_time(&rt->loop); /* it stands still while a task computes */
  uv_timer_init(&rt->loop, &n->timer);
  n->timer.data = n;
  uv_timer_start(&n->timer, on_nap_over, ms, 0);
  return mp_wait(L, w);
}

static const luaL_Reg functions[] = {{"sleep", sleep_seconds}, {NULL, NULL}};

void mp_open_sleep(lua_State *L, int runtime_index) {
  mp_set_functions(L, functions, runtime_index);
}
