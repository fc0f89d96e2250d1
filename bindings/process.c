/* system.spawn: a child process, with the descriptors that it is given and no other of ours, and
 * its end, awaited. A child that still runs when the Lua state ends runs on. */
#include "runtime.h"
#include "stream.h"
#include "system.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define PROCESS_TYPE "moonpool.system.process"
#define MAX_FD 255

extern char **environ;

typedef struct process process;

/* libuv's part outlives the userdata until libuv lets go of it. */
typedef struct child {
  uv_process_t uv;
  process *owner; /* NULL: the state ends */
} child;

/* A userdata, anchored while the child runs. */
struct process {
  mp_runtime *runtime;
  child *child; /* NULL: it has ended, or was not started */
  mp_waiter *waiters, **tail;
  int self, on_exit; /* references */
  int pid, code, signal;
};

/* ---- its end ---- */

static void free_child(uv_handle_t *handle) {
  free(handle->data);
}

static void close_child(process *p) {
  if (!p->child) return;
  p->child->owner = NULL;
  uv_close((uv_handle_t *)&p->child->uv, free_child);
  p->child = NULL;
}

/* Its exit code and nil, or nil and the name of the signal that has ended it. */
static int push_end(lua_State *L, void *ctx) {
  process *p = ctx;
  const char *name = mp_system_signal_name(p->signal);
  if (p->signal == 0) {
    lua_pushinteger(L, p->code);
    return 1;
  }
  lua_pushnil(L);
  if (name)
    lua_pushstring(L, name);
  else
    lua_pushfstring(L, "signal %d", p->signal);
  return 2;
}

/* Protected, on the state that runs the loop. */
static int spawn_on_exit(lua_State *L) {
  process *p = lua_touserdata(L, 1);
  mp_push_ref(L, p->runtime, p->on_exit);
  mp_spawn(L, p->runtime, push_end(L, p));
  return 0;
}

static void on_exit_of(uv_process_t *uv, int64_t code, int signal) {
  child *c = uv->data;
  process *p = c->owner;
  if (!p) return;
  p->code = (int)code;
  p->signal = signal;
  close_child(p);
  while (p->waiters) {
    mp_waiter *waiter = p->waiters;
    p->waiters = waiter->next;
    mp_wake_later(waiter, push_end, p);
  }
  if (p->on_exit != LUA_NOREF) mp_protected(p->runtime, spawn_on_exit, p, 0);
  mp_unref(p->runtime, p->on_exit);
  mp_unref(p->runtime, p->self);
}

/* ---- methods ---- */

static process *check_process(lua_State *L) {
  return luaL_checkudata(L, 1, PROCESS_TYPE);
}

/* process:wait() → its exit code; or nil and the name of the signal that has ended it. Awaits. */
static int process_wait(lua_State *L) {
  process *p = check_process(L);
  if (!p->child) return push_end(L, p);
  mp_waiter *waiter = mp_wait_begin(L, p->runtime);
  waiter->next = NULL;
  *p->tail = waiter;
  p->tail = &waiter->next;
  return mp_wait(L, waiter);
}

/* process:kill([signal]) → true; false when it has ended. Default "SIGTERM". Never another process
 * that has got its id since. */
static int process_kill(lua_State *L) {
  process *p = check_process(L);
  int number = lua_isnoneornil(L, 2) ? SIGTERM : mp_system_check_signal(L, 2);
  int status = p->child ? uv_process_kill(&p->child->uv, number) : UV_ESRCH;
  if (status < 0 && status != UV_ESRCH) return mp_system_fail(L, -status, "kill", NULL);
  lua_pushboolean(L, status == 0);
  return 1;
}

/* process:pid() → its process id, also after its end */
static int process_pid(lua_State *L) {
  lua_pushinteger(L, check_process(L)->pid);
  return 1;
}

/* process:is_running() → boolean: nobody has been told of its end */
static int process_is_running(lua_State *L) {
  lua_pushboolean(L, check_process(L)->child != NULL);
  return 1;
}

static int process_gc(lua_State *L) {
  close_child(check_process(L));
  return 0;
}

static void push_metatable(lua_State *L) {
  static const luaL_Reg methods[] = {{"wait", process_wait},
                                     {"kill", process_kill},
                                     {"pid", process_pid},
                                     {"is_running", process_is_running},
                                     {NULL, NULL}};
  if (!luaL_newmetatable(L, PROCESS_TYPE)) return;
  lua_pushcfunction(L, process_gc);
  lua_setfield(L, -2, "__gc");
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
}

/* ---- starting ---- */

/* The option on top of the stack, of descriptors: which it gives the child as which. */
static void check_fds(lua_State *L, uv_process_options_t *options) {
  luaL_argexpected(L, lua_istable(L, -1), 2, "a table of descriptors as fds");
  uv_stdio_container_t *stdio = lua_newuserdata(L, (MAX_FD + 1) * sizeof *stdio);
  memset(stdio, 0, (MAX_FD + 1) * sizeof *stdio); /* UV_IGNORE */
  for (lua_pushnil(L); lua_next(L, -3); lua_pop(L, 1)) {
    int is_fd = lua_isinteger(L, -2) && lua_isinteger(L, -1);
    lua_Integer fd = is_fd ? lua_tointeger(L, -2) : -1;
    luaL_argcheck(L, fd >= 0 && fd <= MAX_FD, 2, "fds: descriptors from 0 to 255 are needed");
    stdio[fd] = (uv_stdio_container_t){.flags = UV_INHERIT_FD};
    stdio[fd].data.fd = (int)lua_tointeger(L, -1);
    if (fd >= options->stdio_count) options->stdio_count = (int)fd + 1;
  }
  options->stdio = stdio;
}

static size_t count_environment(void) {
  size_t count = 0;
  while (environ && environ[count]) count++;
  return count;
}

/* Is "NAME=value" one of the names in the table at `index`? */
static int is_overruled(lua_State *L, int index, const char *entry) {
  lua_pushlstring(L, entry, strcspn(entry, "="));
  lua_rawget(L, index);
  int is_there = !lua_isnil(L, -1);
  lua_pop(L, 1);
  return is_there;
}

/* The table of environment variables on top of the stack over our own. Every string of it is in the
 * table that stays on the stack. */
static void check_env(lua_State *L, uv_process_options_t *options) {
  luaL_argexpected(L, lua_istable(L, -1), 2, "a table of environment variables as env");
  int given = lua_gettop(L);
  size_t count = 0, most = count_environment() + 1;
  for (lua_pushnil(L); lua_next(L, given); lua_pop(L, 1)) most++;
  char **env = lua_newuserdata(L, most * sizeof *env);
  for (char **each = environ; each && *each; each++)
    if (!is_overruled(L, given, *each)) env[count++] = *each;
  lua_newtable(L);
  int strings = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, given); lua_pop(L, 1)) {
    int is_unset = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
    luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && (is_unset || lua_type(L, -1) == LUA_TSTRING),
                  2, "env: strings by name are needed, or false");
    if (is_unset) continue;
    lua_pushfstring(L, "%s=%s", lua_tostring(L, -2), lua_tostring(L, -1));
    env[count++] = (char *)lua_tostring(L, -1);
    lua_rawseti(L, strings, (lua_Integer)lua_rawlen(L, strings) + 1);
  }
  env[count] = NULL;
  options->env = env;
}

static void check_argv(lua_State *L, uv_process_options_t *options) {
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t count = lua_rawlen(L, 1);
  luaL_argcheck(L, count > 0, 1, "no program to start");
  char **argv = lua_newuserdata(L, (count + 1) * sizeof *argv);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "an argument is no string");
    argv[i] = (char *)lua_tostring(L, -1); /* the table keeps it alive */
    lua_pop(L, 1);
  }
  argv[count] = NULL;
  options->args = argv;
  options->file = argv[0];
}

/* Leaves what the options point to on the stack. */
static void check_options(lua_State *L, uv_process_options_t *options) {
  static const char *const known[] = {"fds", "env", "on_exit", NULL};
  mp_check_fields(L, 2, known);
  check_argv(L, options);
  lua_getfield(L, 2, "fds");
  if (!lua_isnil(L, -1)) check_fds(L, options);
  lua_getfield(L, 2, "env");
  if (!lua_isnil(L, -1)) check_env(L, options);
  lua_getfield(L, 2, "on_exit");
  luaL_argexpected(L, lua_isnil(L, -1) || lua_isfunction(L, -1), 2, "a function as on_exit");
}

/* 0, or a libuv error; then nothing is left. */
static int start(process *p, const uv_process_options_t *options) {
  child *c = calloc(1, sizeof *c);
  if (!c) return UV_ENOMEM;
  c->uv.data = c;
  c->owner = p;
  p->child = c;
  int status = uv_spawn(&p->runtime->loop, &c->uv, options);
  if (status < 0)
    close_child(p);
  else
    p->pid = c->uv.pid;
  return status;
}

/* spawn(argv[, { fds = { [0] = fd, … }, env = { NAME = value|false }, on_exit = fn }]) → process.
 * argv[1] is looked for in PATH. `fds` says which of our descriptors the child gets as which; 0 to
 * 2 are /dev/null otherwise. `env` changes its environment against ours: false takes a variable
 * away. on_exit(code, signal) is called in a task, with what wait returns. Signals are as at a
 * program's start in it. The 4th result on failure is "ENOENT" when there is no such program. */
int mp_process_spawn(lua_State *L) {
  mp_runtime *runtime = mp_runtime_of(L);
  uv_process_options_t options = {.exit_cb = on_exit_of};
  luaL_checkstack(L, 24, NULL);
  check_options(L, &options);
  int on_exit = lua_gettop(L);
  process *p = lua_newuserdata(L, sizeof *p);
  *p = (process){.runtime = runtime, .self = LUA_NOREF, .on_exit = LUA_NOREF};
  p->tail = &p->waiters;
  push_metatable(L);
  lua_setmetatable(L, -2);
  int status = start(p, &options);
  if (status < 0) return mp_system_fail(L, -status, "start", options.file);
  lua_pushvalue(L, -1);
  p->self = mp_ref(L, runtime);
  if (lua_isnil(L, on_exit)) return 1;
  lua_pushvalue(L, on_exit);
  p->on_exit = mp_ref(L, runtime);
  return 1;
}
