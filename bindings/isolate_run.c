/* Calls of the guest's function, in coroutines of the isolate that are used again, and the slices
 * in which they run: each to its end, to where it asks the host for something, or to where it is
 * paused or stopped. */
#include "isolate.h"

#include <stdlib.h>
#include <string.h>

#define IDLE_MAX 8 /* coroutines that are kept */

/* ---- calls ----------------------------------------------------------------------------------- */

static int new_thread(lua_State *L) {
  mp_call *call = lua_touserdata(L, 1);
  call->co = lua_newthread(L);
  call->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

static mp_call *new_call(mp_isolate *isolate) {
  if (isolate->calls_count == isolate->calls_size) {
    size_t size = isolate->calls_size ? 2 * isolate->calls_size : 8;
    mp_call **calls = realloc(isolate->calls, size * sizeof *calls);
    if (!calls) return NULL;
    memset(calls + isolate->calls_size, 0, (size - isolate->calls_size) * sizeof *calls);
    isolate->calls = calls;
    isolate->calls_size = size;
  }
  mp_call *call = calloc(1, sizeof *call);
  if (!call) return NULL;
  lua_State *L = isolate->L;
  lua_pushcfunction(L, new_thread);
  lua_pushlightuserdata(L, call);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    lua_settop(L, 0);
    free(call);
    return NULL;
  }
  size_t number = 0;
  while (isolate->calls[number]) number++;
  isolate->calls[number] = call;
  isolate->calls_count++;
  call->number = (int)number + 1;
  return call;
}

static mp_call *take_call(mp_isolate *isolate) {
  mp_call *call = isolate->idle;
  if (!call) return new_call(isolate);
  isolate->idle = call->next;
  isolate->idle_count--;
  return call;
}

/* Its coroutine has died, or is one too many. */
static void drop_call(mp_isolate *isolate, mp_call *call) {
  luaL_unref(isolate->L, LUA_REGISTRYINDEX, call->ref);
  isolate->calls[call->number - 1] = NULL;
  isolate->calls_count--;
  free(call);
}

/* Its coroutine has come to its end. */
static void give_back(mp_isolate *isolate, mp_call *call) {
  if (isolate->idle_count >= IDLE_MAX) {
    drop_call(isolate, call);
    return;
  }
  lua_settop(call->co, 0);
  call->is_open = 0;
  call->used_ns = 0;
  call->next = isolate->idle;
  isolate->idle = call;
  isolate->idle_count++;
}

void mp_isolate_free_calls(mp_isolate *isolate) {
  for (size_t i = 0; i < isolate->calls_size; i++) free(isolate->calls[i]);
  free(isolate->calls);
  isolate->calls = NULL;
  isolate->idle = NULL;
  isolate->calls_size = isolate->calls_count = isolate->idle_count = 0;
}

/* ---- inside the isolate ---------------------------------------------------------------------- */

/* The mark with which the host goes on with a coroutine: see mp_isolate_take. */
static char parcel_mark;

static void push_parcel(lua_State *L, const mp_parcel *parcel) {
  luaL_checkstack(L, parcel->last - parcel->first + 4, "too many values");
  for (int i = parcel->first; i <= parcel->last; i++) {
    if (mp_message_is(parcel->L, i))
      mp_message_copy(parcel->L, i, L);
    else
      mp_copy(parcel->L, i, L);
  }
}

int mp_isolate_take(lua_State *L, int index) {
  mp_isolate *isolate = mp_isolate_of(L);
  const mp_parcel *parcel = isolate->parcel;
  if (!parcel || lua_touserdata(L, index) != &parcel_mark)
    return luaL_error(L, "this coroutine waits for the host, nobody else can resume it");
  isolate->parcel = NULL;
  int before = lua_gettop(L);
  push_parcel(L, parcel);
  return lua_gettop(L) - before;
}

static int left(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_gettop(L);
}

static int enter(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, mp_isolate_of(L)->dispatch);
  int n = mp_isolate_take(L, 1);
  lua_remove(L, 1);
  lua_callk(L, n, LUA_MULTRET, 0, left);
  return lua_gettop(L);
}

static int booted(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  if (!lua_isfunction(L, -1)) return luaL_error(L, "the guest returned no function");
  mp_isolate_of(L)->dispatch = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/* The guest's code and its chunk's name are handed over. */
static int enter_boot(lua_State *L) {
  size_t len;
  mp_isolate_take(L, 1);
  const char *code = lua_tolstring(L, 2, &len);
  if (luaL_loadbufferx(L, code, len, lua_tostring(L, 3), "bt") != LUA_OK) return lua_error(L);
  lua_replace(L, 1);
  lua_settop(L, 1);
  mp_isolate_push_tools(L);
  lua_callk(L, 2, 1, 0, booted);
  return booted(L, LUA_OK, 0);
}

/* ---- what comes of a slice ------------------------------------------------------------------- */

static int describe(lua_State *L) {
  lua_State *co = lua_touserdata(L, 1);
  const char *message = lua_type(co, -1) == LUA_TSTRING ? lua_tostring(co, -1) : NULL;
  if (!message) message = lua_pushfstring(L, "error object: %s", luaL_typename(co, -1));
  luaL_traceback(L, co, message, 0);
  return 1;
}

/* Pushes the failure's text onto L, the isolate's own; a metamethod of the script's is never
 * called. */
static void describe_failure(lua_State *L, mp_isolate *isolate, lua_State *co) {
  isolate->is_boundless = 1;
  lua_pushcfunction(L, describe);
  lua_pushlightuserdata(L, co);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    lua_pop(L, 1);
    lua_pushliteral(L, "not enough memory"); /* was made with the state */
  }
  isolate->is_boundless = 0;
}

typedef struct slice {
  mp_isolate *isolate;
  lua_State *co;
  int status, arguments, results;
  const char *problem; /* why the results cannot leave */
} slice;

/* Runs the coroutine, and what is the script's besides: the closing of its variables when it has
 * failed, and going through what it hands over, which may be made to take long. Returns the text of
 * a failure. */
static int run_slice(lua_State *L) {
  slice *s = lua_touserdata(L, 1);
  mp_isolate *isolate = s->isolate;
  isolate->stack = (uintptr_t)__builtin_frame_address(0);
  s->status = lua_resume(s->co, L, s->arguments, &s->results);
  if (isolate->is_killed || isolate->is_pausing) return 0;
  if (s->status == LUA_OK || s->status == LUA_YIELD) {
    int top = lua_gettop(s->co);
    if (s->results) s->problem = mp_copy_check_out(s->co, top - s->results + 1, top);
    return 0;
  }
  describe_failure(L, isolate, s->co);
  lua_resetthread(s->co);
  return 1;
}

static int push_killed(lua_State *L, const mp_isolate *isolate) {
  lua_pushliteral(L, "killed");
  lua_pushstring(L, isolate->is_broken ? "memory" : "cpu");
  if (isolate->where[0])
    lua_pushstring(L, isolate->where);
  else
    lua_pushnil(L);
  return 3;
}

static int push_failure(lua_State *L, mp_isolate *isolate, mp_call *call, const char *text) {
  lua_pushliteral(L, "error");
  lua_pushstring(L, text);
  drop_call(isolate, call);
  return 2;
}

/* Moves values from the top of the coroutine to L. */
static void hand_over(lua_State *L, lua_State *co, int results) {
  luaL_checkstack(L, results + 4, "too many values");
  int top = lua_gettop(co);
  for (int i = top - results + 1; i <= top; i++) mp_copy(co, i, L);
  lua_settop(co, top - results);
}

static int push_paused(lua_State *L, mp_isolate *isolate, mp_call *call) {
  isolate->paused = call;
  call->used_ns = isolate->used_ns;
  lua_pushliteral(L, "pause");
  return 1;
}

/* The text of a failure is on top of the isolate's own stack. */
static int push_outcome(lua_State *L, mp_isolate *isolate, mp_call *call, const slice *s) {
  if (isolate->is_killed) return push_killed(L, isolate);
  if (isolate->is_pausing) return push_paused(L, isolate, call);
  if (s->status != LUA_OK && s->status != LUA_YIELD)
    return push_failure(L, isolate, call, lua_tostring(isolate->L, -1));
  if (s->problem) {
    lua_pushfstring(L, "%s cannot leave the script", s->problem);
    return push_failure(L, isolate, call, lua_tostring(L, -1));
  }
  if (s->status == LUA_OK) {
    lua_pushliteral(L, "done");
    hand_over(L, s->co, s->results);
    give_back(isolate, call);
    return s->results + 1;
  }
  call->is_open = 1;
  call->used_ns = isolate->used_ns;
  lua_pushliteral(L, "ask");
  lua_pushinteger(L, call->number);
  hand_over(L, s->co, s->results);
  return s->results + 2;
}

/* Goes on with the call's coroutine, whose function is on its stack, or which has asked; or, with
 * no parcel, which was paused. It is called from a protected call of the isolate's main thread:
 * there Lua goes with an error that it raises outside of the coroutine (no memory for its own
 * message, say), where it would else end the process. What the coroutines are in then is unknown.
 */
static int run(lua_State *L, mp_isolate *isolate, mp_call *call, mp_parcel *parcel) {
  slice s = {.isolate = isolate, .co = call->co, .status = LUA_OK, .arguments = parcel != NULL};
  uint64_t begin = uv_hrtime();
  isolate->parcel = parcel;
  isolate->is_asking = isolate->is_pausing = 0;
  isolate->paused = NULL;
  isolate->top = s.co;
  isolate->used_ns = call->used_ns;
  isolate->entered_ns = begin;
  if (parcel) lua_pushlightuserdata(s.co, &parcel_mark);
  lua_pushcfunction(isolate->L, run_slice);
  lua_pushlightuserdata(isolate->L, &s);
  mp_watch_enter(isolate, s.co, !parcel);
  if (lua_pcall(isolate->L, 1, 1, 0) != LUA_OK) isolate->is_broken = isolate->is_killed = 1;
  mp_watch_leave(isolate);
  if (isolate->is_killed && !isolate->is_broken) mp_watch_note_where(s.co, isolate);
  isolate->parcel = NULL;
  uint64_t took = uv_hrtime() - begin;
  isolate->busy_ns += took;
  isolate->used_ns += mp_watch_used(isolate, took);
  int pushed = push_outcome(L, isolate, call, &s);
  lua_settop(isolate->L, 0);
  return pushed;
}

/* ---- for the host ---------------------------------------------------------------------------- */

static void check_values(lua_State *L, int first) {
  int top = lua_gettop(L);
  for (int i = first; i <= top; i++) {
    const char *problem = mp_message_is(L, i) ? NULL : mp_copy_check(L, i);
    if (problem) luaL_error(L, "argument %d: %s cannot go into an isolate", i - 1, problem);
  }
}

static void check_not_paused(lua_State *L, const mp_isolate *isolate) {
  if (isolate->paused) luaL_error(L, "a call is paused: it must be resumed before others");
}

static int call_guest(lua_State *L, mp_isolate *isolate, lua_CFunction function) {
  check_values(L, 2);
  check_not_paused(L, isolate);
  if (isolate->is_killed) return push_killed(L, isolate);
  mp_call *call = take_call(isolate);
  if (!call || !lua_checkstack(call->co, 8)) {
    if (call) drop_call(isolate, call);
    lua_pushliteral(L, "error");
    lua_pushliteral(L, "not enough memory");
    return 2;
  }
  lua_pushcfunction(call->co, function);
  mp_parcel parcel = {L, 2, lua_gettop(L)};
  return run(L, isolate, call, &parcel);
}

/* isolate:boot(code, chunkname): runs the guest's chunk, which is trusted and returns its function.
 * Returns as start. */
int mp_isolate_boot(lua_State *L) {
  mp_isolate *isolate = mp_check_isolate(L);
  luaL_checkstring(L, 2);
  luaL_checkstring(L, 3);
  lua_settop(L, 3);
  return call_guest(L, isolate, enter_boot);
}

/* isolate:start(...): calls the guest's function. Returns
 *   "done", its results... | "ask", call, what it asks for...: go on by answer
 *   "error", text with traceback | "killed", "cpu" | "memory", where: nothing runs in it any more
 *   "pause": it has taken longer than a slice; nothing else may run in the isolate before resume
 */
int mp_isolate_start(lua_State *L) {
  mp_isolate *isolate = mp_check_isolate(L);
  if (isolate->dispatch == LUA_NOREF) return luaL_error(L, "the isolate has no guest");
  return call_guest(L, isolate, enter);
}

/* isolate:answer(call, ...): goes on with a call that has asked. Returns as start. */
int mp_isolate_answer(lua_State *L) {
  mp_isolate *isolate = mp_check_isolate(L);
  lua_Integer number = luaL_checkinteger(L, 2);
  int is_one = number >= 1 && (size_t)number <= isolate->calls_size && isolate->calls[number - 1];
  mp_call *call = is_one ? isolate->calls[number - 1] : NULL;
  if (!call || !call->is_open) return luaL_argerror(L, 2, "no call that has asked");
  check_values(L, 3);
  check_not_paused(L, isolate);
  if (isolate->is_killed) return push_killed(L, isolate);
  call->is_open = 0;
  mp_parcel parcel = {L, 3, lua_gettop(L)};
  return run(L, isolate, call, &parcel);
}

/* isolate:resume(): goes on with the call that was paused. Returns as start. */
int mp_isolate_resume(lua_State *L) {
  mp_isolate *isolate = mp_check_isolate(L);
  if (!isolate->paused) return luaL_error(L, "no call is paused");
  return run(L, isolate, isolate->paused, NULL);
}

/* isolate:rested(call): the call that has asked has waited: its budget begins anew */
int mp_isolate_rested(lua_State *L) {
  mp_isolate *isolate = mp_check_isolate(L);
  lua_Integer number = luaL_checkinteger(L, 2);
  int is_one = number >= 1 && (size_t)number <= isolate->calls_size;
  if (is_one && isolate->calls[number - 1]) isolate->calls[number - 1]->used_ns = 0;
  return 0;
}
