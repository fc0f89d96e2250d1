/* isolate: a script's lua_State as the host has it. */
#include "isolate.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static const char isolate_name[] = "moonpool.isolate";

#define MEMORY_DEFAULT (16u << 20)
#define BUDGET_DEFAULT 0.1
#define BOUNDLESS_BYTES (1u << 20) /* for what the host does in it when it is full */
#define BYTES_MAX 1e15             /* of `memory` */
#define SECONDS_MAX 1e9            /* of `budget` */
#define SLICE_MAX 0.9              /* seconds */
#define TRIM_BYTES (4u << 20)      /* of the peak, from which on memory is given back at once */

/* ---- memory ---------------------------------------------------------------------------------- */

static void *allocate(void *ud, void *block, size_t old, size_t size) {
  mp_isolate *isolate = ud;
  size_t before = block ? old : 0;
  if (size == 0) {
    free(block);
    isolate->memory -= before;
    return NULL;
  }
  size_t after = isolate->memory - before + size;
  size_t most = isolate->memory_max + (isolate->is_boundless ? BOUNDLESS_BYTES : 0);
  if (isolate->memory_max && after > most && size > before) return NULL;
  void *moved = realloc(block, size);
  if (!moved) return NULL;
  isolate->memory = after;
  if (after > isolate->memory_peak) isolate->memory_peak = after;
  return moved;
}

/* ---- its life -------------------------------------------------------------------------------- */

static void close_isolate(mp_isolate *isolate) {
  if (!isolate->L) return;
  mp_isolate_free_calls(isolate);
  lua_close(isolate->L);
  isolate->L = NULL;
  if (isolate->is_watched) mp_watch_release();
  isolate->is_watched = 0;
  free(isolate->name);
  isolate->name = NULL;
  if (isolate->memory_peak > TRIM_BYTES) malloc_trim(0);
}

static int close_handle(lua_State *L) {
  close_isolate(luaL_checkudata(L, 1, isolate_name));
  return 0;
}

mp_isolate *mp_check_isolate(lua_State *L) {
  mp_isolate *isolate = luaL_checkudata(L, 1, isolate_name);
  if (!isolate->L) luaL_error(L, "the isolate is closed");
  return isolate;
}

static int open_libraries(lua_State *L) {
  mp_isolate_open_library(L);
  mp_isolate_open_coroutine(L);
  const lua_Integer *seed = lua_touserdata(L, 1);
  lua_getglobal(L, "math");
  lua_getfield(L, -1, "randomseed");
  lua_pushinteger(L, seed[0]);
  lua_pushinteger(L, seed[1]);
  lua_call(L, 2, 0);
  return 0;
}

typedef struct settings {
  const char *name;
  size_t memory;
  lua_Number budget, slice;
  lua_Integer seed[2];
} settings;

static void check_names(lua_State *L) {
  static const char *const known[] = {"name", "memory", "budget", "slice", "seed", NULL};
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
    const char *const *at = known;
    while (*at && strcmp(*at, name) != 0) at++;
    if (!*at) luaL_error(L, "isolate: unknown option '%s'", name);
  }
}

static lua_Number number_option(lua_State *L, const char *name, lua_Number otherwise,
                                lua_Number most) {
  lua_Number value = otherwise;
  if (lua_getfield(L, 1, name) != LUA_TNIL) {
    value = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
    if (!(value >= 0 && value <= most))
      luaL_error(L, "isolate: '%s' must be a number from 0 to %f", name, most);
  }
  lua_pop(L, 1);
  return value;
}

/* Without a seed: Lua's own, of the time and an address, would tell scripts the address. */
static void set_seed(lua_State *L, settings *s) {
  if (lua_getfield(L, 1, "seed") == LUA_TNIL) {
    int error = uv_random(NULL, NULL, s->seed, sizeof s->seed, 0, NULL);
    if (error) luaL_error(L, "isolate: no random numbers: %s", uv_strerror(error));
  } else {
    if (!lua_isinteger(L, -1)) luaL_error(L, "isolate: 'seed' must be a whole number");
    s->seed[0] = lua_tointeger(L, -1);
  }
  lua_pop(L, 1);
}

static settings check_settings(lua_State *L) {
  settings s = {.name = "script"};
  luaL_checktype(L, 1, LUA_TTABLE);
  check_names(L);
  int type = lua_getfield(L, 1, "name");
  if (type == LUA_TSTRING)
    s.name = lua_tostring(L, -1);
  else if (type != LUA_TNIL)
    luaL_error(L, "isolate: 'name' must be a string");
  set_seed(L, &s);
  s.memory = (size_t)number_option(L, "memory", MEMORY_DEFAULT, BYTES_MAX);
  s.budget = number_option(L, "budget", BUDGET_DEFAULT, SECONDS_MAX);
  s.slice = number_option(L, "slice", 0, SLICE_MAX);
  return s; /* the name lives as long as the argument */
}

static int fail_new(lua_State *L, mp_isolate *isolate, const char *why) {
  lua_pushfstring(L, "isolate: %s", why);
  close_isolate(isolate);
  return mp_fail(L, MOONPOOL_ENOMEM, lua_tostring(L, -1));
}

static int start_state(mp_isolate *isolate, settings *s) {
  isolate->L = mp_newstate(allocate, isolate);
  if (!isolate->L) return 0;
  *(mp_isolate **)lua_getextraspace(isolate->L) = isolate;
  lua_pushcfunction(isolate->L, open_libraries);
  lua_pushlightuserdata(isolate->L, s->seed);
  int status = lua_pcall(isolate->L, 1, 0, 0);
  lua_settop(isolate->L, 0);
  return status == LUA_OK;
}

/* isolate.new{ name=, memory=, budget=, slice=, seed= } → isolate, or nil, message, code. `memory`:
 * bytes (16 MiB; 0: no limit); `budget`: seconds of CPU that a call may take between two waits
 * (0.1; 0: no limit); `slice`: seconds after which a call is paused (0: never). */
static int new_isolate(lua_State *L) {
  settings s = check_settings(L);
  mp_isolate *isolate = lua_newuserdatauv(L, sizeof *isolate, 0);
  *isolate = (mp_isolate){.memory_max = s.memory,
                          .budget_ns = (uint64_t)(s.budget * 1e9),
                          .slice_ns = (uint64_t)(s.slice * 1e9),
                          .dispatch = LUA_NOREF,
                          .message_metatable = LUA_NOREF};
  luaL_setmetatable(L, isolate_name);
  isolate->name = strdup(s.name);
  if (!isolate->name || !start_state(isolate, &s))
    return fail_new(L, isolate, "there is no memory for it");
  if (isolate->budget_ns || isolate->slice_ns) {
    int error = mp_watch_acquire();
    if (error) return fail_new(L, isolate, strerror(error));
    isolate->is_watched = 1;
  }
  return 1;
}

/* ---- what is seen of it ---------------------------------------------------------------------- */

/* isolate:stats() → { memory =, memory_peak = (bytes), cpu = (seconds in it), slices = } */
static int stats(lua_State *L) {
  const mp_isolate *isolate = mp_check_isolate(L);
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, (lua_Integer)isolate->memory);
  lua_setfield(L, -2, "memory");
  lua_pushinteger(L, (lua_Integer)isolate->memory_peak);
  lua_setfield(L, -2, "memory_peak");
  lua_pushnumber(L, (lua_Number)isolate->busy_ns / 1e9);
  lua_setfield(L, -2, "cpu");
  lua_pushinteger(L, (lua_Integer)isolate->slice);
  lua_setfield(L, -2, "slices");
  return 1;
}

/* isolate:set_clock(now, time): what its clocks show from now on; nil: the real ones */
static int set_clock(lua_State *L) {
  mp_isolate *isolate = mp_check_isolate(L);
  int has_clock = !lua_isnoneornil(L, 2);
  if (has_clock) {
    lua_Number clock_time = luaL_checknumber(L, 3);
    isolate->clock_now = luaL_checknumber(L, 2);
    isolate->clock_time = clock_time;
  }
  isolate->has_clock = has_clock;
  return 0;
}

/* isolate:collect(): a full collection of its garbage → bytes in use */
static int collect(lua_State *L) {
  mp_isolate *isolate = mp_check_isolate(L);
  lua_gc(isolate->L, LUA_GCCOLLECT);
  lua_pushinteger(L, (lua_Integer)isolate->memory);
  return 1;
}

void mp_open_isolate(lua_State *L, int runtime_index) {
  static const luaL_Reg functions[] = {
      {"new", new_isolate}, {"set_alarm", mp_watch_set_alarm}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"boot", mp_isolate_boot},     {"start", mp_isolate_start},
                                     {"answer", mp_isolate_answer}, {"resume", mp_isolate_resume},
                                     {"rested", mp_isolate_rested}, {"stats", stats},
                                     {"set_clock", set_clock},      {"collect", collect},
                                     {"close", close_handle},       {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", close_handle}, {"__close", close_handle}, {NULL, NULL}};
  luaL_newmetatable(L, isolate_name);
  luaL_setfuncs(L, meta, 0);
  lua_newtable(L);
  lua_pushvalue(L, runtime_index);
  luaL_setfuncs(L, methods, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  lua_setfield(L, -2, "isolate");
}
