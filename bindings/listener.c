/* Listening Unix sockets: connections are accepted one by one, by a task that waits for each. Those
 * that nobody accepts wait in the kernel's backlog (but for one, which libuv has accepted by then).
 */
#include "stream.h"
#include "system.h"

#define LISTENER_TYPE "moonpool.system.listener"
#define BACKLOG 128

/* A userdata. Who waits has it on his stack, so nothing else anchors it. */
typedef struct listener {
  mp_runtime *runtime;
  mp_pipe *pipe;     /* NULL: closed */
  mp_waiter *waiter; /* of the one accept under way, or NULL */
  int is_pending;    /* a connection is there for uv_accept */
  int status;        /* of the last that came, libuv's */
} listener;

static listener *check_listener(lua_State *L) {
  return luaL_checkudata(L, 1, LISTENER_TYPE);
}

/* Pushes the stream of the connection that has come. */
static int push_connection(lua_State *L, void *ctx) {
  listener *l = ctx;
  mp_pipe *pipe = NULL;
  if (!l->pipe) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  int status = l->is_pending ? mp_pipe_new(l->runtime, &pipe) : l->status;
  if (status < 0) return mp_system_fail(L, -status, "accept", NULL);
  mp_stream_push(L, l->runtime, pipe);
  l->is_pending = 0;
  status = uv_accept((uv_stream_t *)&l->pipe->uv, (uv_stream_t *)&pipe->uv);
  return status < 0 ? mp_system_fail(L, -status, "accept", NULL) : 1; /* its stream is garbage */
}

static void on_connection(uv_stream_t *server, int status) {
  mp_pipe *pipe = server->data;
  listener *l = pipe->owner;
  if (!l || l->runtime->is_closing) return;
  l->status = status;
  l->is_pending = status == 0;
  mp_waiter *waiter = l->waiter;
  l->waiter = NULL;
  if (waiter) mp_wake_push(waiter, push_connection, l);
}

/* listener:accept() → the stream of the next connection, awaited; nil, "closed", "ECLOSED" once the
 * listener is closed. Raises when another accept is under way. */
static int listener_accept(lua_State *L) {
  listener *l = check_listener(L);
  if (!l->pipe) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  if (l->waiter) return luaL_error(L, "another task waits for the next connection");
  if (l->is_pending) return push_connection(L, l);
  l->waiter = mp_wait_begin(L, l->runtime);
  return mp_wait(L, l->waiter);
}

/* listener:close() → true, however often it is called. An accept under way answers "closed". The
 * socket's file stays. */
static int listener_close(lua_State *L) {
  listener *l = check_listener(L);
  mp_waiter *waiter = l->waiter;
  mp_touch(L, l->runtime);
  mp_pipe_close(&l->pipe);
  l->waiter = NULL;
  if (waiter && !l->runtime->is_closing) mp_wake_later(waiter, push_connection, l);
  lua_pushboolean(L, 1);
  return 1;
}

static void push_metatable(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"accept", listener_accept}, {"close", listener_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__gc", listener_close}, {"__close", listener_close}, {NULL, NULL}};
  if (!luaL_newmetatable(L, LISTENER_TYPE)) return;
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
}

/* listen(fd[, { backlog = connections }]) → listener, which owns the descriptor from then on: one
 * that system.bind has made, perhaps in the process that has started this one. */
int mp_listener_open(lua_State *L) {
  static const char *const known[] = {"backlog", NULL};
  mp_runtime *runtime = mp_runtime_of(L);
  int fd = (int)luaL_checkinteger(L, 1);
  mp_check_fields(L, 2, known);
  int backlog = (int)mp_opt_field(L, 2, "backlog", BACKLOG, 1, 65535);
  listener *l = lua_newuserdata(L, sizeof *l);
  *l = (listener){.runtime = runtime};
  push_metatable(L);
  lua_setmetatable(L, -2);
  int status = mp_pipe_open(runtime, fd, &l->pipe);
  if (status < 0) return mp_system_fail(L, -status, "listen", NULL);
  l->pipe->owner = l;
  status = uv_listen((uv_stream_t *)&l->pipe->uv, backlog, on_connection);
  return status < 0 ? mp_system_fail(L, -status, "listen", NULL) : 1;
}
