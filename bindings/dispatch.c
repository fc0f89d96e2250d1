/* From a read of the socket to handlers. One coroutine, a dispatcher, takes all messages of a read,
 * calling each handler directly; there is no resume per message. A handler that waits takes its
 * dispatcher with it: the rest of the read goes on in another one, and what arrives for that
 * handler's subscription waits in its mailbox, which the first dispatcher empties when the handler
 * has returned. */
#include "room.h"

#define POOL_MAX 64u

static const char loop_source[] = "local next = ...\n"
                                  "while true do\n"
                                  "  local handler, payload, channel, pattern = next()\n"
                                  "  if handler then handler(payload, channel, pattern) end\n"
                                  "end\n";

static void park(mp_task *d) {
  mp_runtime *rt = d->runtime;
  if (rt->drainer == d) rt->drainer = NULL;
  d->is_parked = 1;
  if (rt->pool_size >= POOL_MAX) { /* unreferenced from here on: it is never resumed again */
    mp_unref(rt, d->ref);
    d->ref = LUA_NOREF;
    return;
  }
  d->next = rt->pool;
  rt->pool = d;
  rt->pool_size++;
}

int mp_next_of_read(lua_State *L, mp_runtime *rt, mp_task *d) {
  const moonpool_event *event;
  int got;
  while (rt->draining->core && (got = moonpool_next(rt->draining->core, &event)) != 0) {
    if (got != 1) continue;
    mp_sub *sub = event->ctx;
    int is_to_wait = mp_sub_is_to_wait(sub, event);
    if (is_to_wait) mp_sub_keep(sub, event);
    if (event->type == MOONPOOL_ROOM) mp_feed_note(sub, event);
    if (is_to_wait) continue;
    int n = mp_sub_push(L, sub, event);
    if (n == 0) continue;
    sub->is_busy = 1;
    d->sub = sub;
    return n;
  }
  rt->draining = NULL;
  return 0;
}

int mp_next_letter(lua_State *L, mp_task *d) {
  mp_sub *sub = d->sub;
  int n;
  if (!sub) return 0;
  if (sub->mailbox && (n = mp_sub_push_letter(L, sub)) > 0) return n;
  d->sub = NULL;
  mp_sub_done(sub);
  return 0;
}

static int next(lua_State *L) {
  mp_runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  mp_task *d = rt->current;
  int n;
  lua_settop(L, 0);
  if ((n = mp_next_letter(L, d)) > 0) return n;
  if (rt->drainer == d && (n = mp_next_of_read(L, rt, d)) > 0) return n;
  park(d);
  return lua_yield(L, 0);
}

/* ---- the pool -------------------------------------------------------------------------------- */

/* Pushes nothing; the new dispatcher is anchored and has not run yet. */
static mp_task *new_dispatcher(lua_State *L, mp_runtime *rt) {
  mp_push_ref(L, rt, rt->dispatch);
  lua_getiuservalue(L, -1, 1); /* the loop */
  lua_getiuservalue(L, -2, 2); /* next */
  mp_task *d = mp_task_new(L, rt, 1);
  d->is_dispatcher = 1;
  lua_pop(L, 2);
  return d;
}

void mp_dispatcher_failed(mp_task *d) {
  mp_runtime *rt = d->runtime;
  mp_sub *sub = d->sub;
  d->sub = NULL;
  if (rt->drainer == d) rt->drainer = NULL;
  mp_unref(rt, d->ref);
  d->ref = LUA_NOREF;
  if (!sub) return;
  sub->client->failures++;
  mp_sub_done(sub);
}

/* ---- the drain ------------------------------------------------------------------------------- */

/* Gives work to a parked or new dispatcher and runs it until it parks, waits or fails. */
static void run_dispatcher(lua_State *L, mp_runtime *rt, mp_sub *sub) {
  mp_task *d = rt->pool;
  int nargs = 0;
  if (d) {
    rt->pool = d->next;
    rt->pool_size--;
    d->is_parked = 0;
  } else {
    d = new_dispatcher(L, rt);
    nargs = 1; /* next, on its stack since mp_task_new */
  }
  d->sub = sub;
  if (!sub) rt->drainer = d;
  mp_resume(d, nargs);
}

static int drain(lua_State *L) {
  mp_client *client = lua_touserdata(L, 1);
  mp_runtime *rt = client->runtime;
  mp_push_client(L, client); /* alive until its read is taken, even if a handler drops it */
  rt->draining = client;
  while (rt->draining) {
    run_dispatcher(L, rt, NULL);
    rt->drainer = NULL; /* it parked, or its handler waits: the next one takes over */
  }
  return 0;
}

void mp_on_drain(moonpool *core, void *ctx) {
  mp_client *client = ctx;
  mp_runtime *rt = client->runtime;
  (void)core;
  if (rt->is_hosted) {
    mp_hosted_drain(client);
    return;
  }
  mp_protected(rt, drain, client, 0);
  rt->draining = NULL;
  rt->drainer = NULL;
  if (rt->ready) mp_run_ready(rt);
}

static int dispatch_mailbox(lua_State *L) {
  mp_sub *sub = lua_touserdata(L, 1);
  run_dispatcher(L, mp_sub_runtime(sub), sub);
  return 0;
}

void mp_dispatch_later(mp_sub *sub) {
  mp_runtime *rt = mp_sub_runtime(sub);
  sub->mailbox->due_next = NULL;
  *rt->due_tail = sub;
  rt->due_tail = &sub->mailbox->due_next;
  mp_run_ready_soon(rt);
}

void mp_dispatch_due(mp_runtime *rt) {
  if (rt->is_hosted) return; /* it is looked for by dispatchers of the host's */
  mp_sub *due = rt->due;     /* detached: what becomes due meanwhile has its turn later */
  rt->due = NULL;
  rt->due_tail = &rt->due;
  while (due && !rt->is_closing) {
    mp_sub *sub = due;
    due = sub->mailbox->due_next;
    mp_protected(rt, dispatch_mailbox, sub, 0);
  }
}

void mp_open_dispatch(lua_State *L, mp_runtime *rt, int runtime_index) {
  lua_newuserdatauv(L, 0, 2);
  if (luaL_loadbuffer(L, loop_source, sizeof loop_source - 1, "=moonpool.dispatch") != LUA_OK)
    lua_error(L);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, runtime_index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->values);
  lua_pushcclosure(L, next, 2);
  lua_setiuservalue(L, -2, 2);
  rt->dispatch = mp_ref(L, rt);
}
