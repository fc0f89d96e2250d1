/* system.latch(): something that tasks wait for until somebody opens it, once and for good. */
#include "runtime.h"
#include "system.h"

#define LATCH_TYPE "moonpool.system.latch"

typedef struct latch {
  mp_runtime *runtime;
  mp_waiter *waiters, **tail;
  int is_open;
} latch;

static latch *check_latch(lua_State *L) {
  return luaL_checkudata(L, 1, LATCH_TYPE);
}

static int push_nothing(lua_State *L, void *ctx) {
  (void)L;
  (void)ctx;
  return 0;
}

/* latch:open(): all who wait go on, in the order in which they came, from the next loop turn on. */
static int latch_open(lua_State *L) {
  latch *l = check_latch(L);
  l->is_open = 1;
  while (l->waiters) {
    mp_waiter *waiter = l->waiters;
    l->waiters = waiter->next;
    mp_wake_later(waiter, push_nothing, NULL);
  }
  l->tail = &l->waiters;
  return 0;
}

/* latch:wait(): returns when it is open, at once if it is. */
static int latch_wait(lua_State *L) {
  latch *l = check_latch(L);
  if (l->is_open) return 0;
  mp_waiter *waiter = mp_wait_begin(L, l->runtime);
  waiter->next = NULL;
  *l->tail = waiter;
  l->tail = &waiter->next;
  return mp_wait(L, waiter);
}

int mp_latch_new(lua_State *L) {
  static const luaL_Reg methods[] = {{"open", latch_open}, {"wait", latch_wait}, {NULL, NULL}};
  latch *l = lua_newuserdata(L, sizeof *l);
  *l = (latch){.runtime = mp_runtime_of(L)};
  l->tail = &l->waiters;
  if (luaL_newmetatable(L, LATCH_TYPE)) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
  }
  lua_setmetatable(L, -2);
  return 1;
}
