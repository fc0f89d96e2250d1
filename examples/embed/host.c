/* A C program with a Lua state and a libuv loop of its own, in which scripts use moonpool.
 *
 *   host SCRIPT [ARGUMENT…]
 *
 * The script runs as a task, so it may await: connect, commands, messages. A timer of the program's
 * own runs beside it, on the same loop, and calls the script's global function tick, if there is
 * one, four times a second, with their count. The program ends when the script has nothing more to
 * do, or by Ctrl-C; its status is 1 when anything failed. */
#include <lauxlib.h>
#include <lualib.h>
#include <moonpool_lua.h>
#include <stdio.h>

typedef struct host {
  uv_loop_t loop;
  uv_timer_t timer;
  uv_signal_t interrupt;
  lua_State *L;
  int ticks, failures;
} host;

/* Errors that no script catches. */
static void on_error(const char *message, void *ctx) {
  host *h = ctx;
  h->failures++;
  fprintf(stderr, "host: %s\n", message);
}

/* The program calls Lua. What must wait there is spawned: moonpool.spawn(function() … end). */
static void on_timer(uv_timer_t *timer) {
  host *h = timer->data;
  if (lua_getglobal(h->L, "tick") == LUA_TFUNCTION) {
    lua_pushinteger(h->L, ++h->ticks);
    if (lua_pcall(h->L, 1, 0, 0) != LUA_OK) on_error(lua_tostring(h->L, -1), h);
  }
  lua_settop(h->L, 0);
}

static void on_interrupt(uv_signal_t *signal, int number) {
  host *h = signal->data;
  (void)number;
  uv_stop(&h->loop);
}

/* moonpool.spawn(script, arguments…): it runs up to its first wait, then goes on in the loop. */
static int start(host *h, int argc, char **argv) {
  lua_State *L = h->L;
  lua_getfield(L, -1, "spawn");
  if (luaL_loadfile(L, argv[1]) != LUA_OK) return 0;
  for (int i = 2; i < argc; i++) lua_pushstring(L, argv[i]);
  return lua_pcall(L, argc - 1, 0, 0) == LUA_OK;
}

static int open_moonpool(host *h) {
  moonpool_lua_options options;
  moonpool_lua_options_init(&options);
  options.loop = &h->loop;
  options.on_error = on_error;
  options.ctx = h;
  if (moonpool_lua_open(h->L, &options) != LUA_OK) return 0;
  lua_pushvalue(h->L, -1);
  lua_setglobal(h->L, "moonpool"); /* the module stays on the stack, for start */
  return 1;
}

int main(int argc, char **argv) {
  host h = {0};
  if (argc < 2) {
    fprintf(stderr, "usage: host SCRIPT [ARGUMENT...]\n");
    return 2;
  }
  if (uv_loop_init(&h.loop) != 0 || !(h.L = luaL_newstate())) return 1;
  luaL_openlibs(h.L);

  /* Neither of these keeps the loop from ending; moonpool does, as long as it is active. */
  uv_timer_init(&h.loop, &h.timer);
  uv_signal_init(&h.loop, &h.interrupt);
  h.timer.data = h.interrupt.data = &h;
  uv_timer_start(&h.timer, on_timer, 250, 250);
  uv_signal_start(&h.interrupt, on_interrupt, SIGINT);
  uv_unref((uv_handle_t *)&h.timer);
  uv_unref((uv_handle_t *)&h.interrupt);

  if (open_moonpool(&h) && start(&h, argc, argv)) {
    lua_settop(h.L, 0);
    uv_run(&h.loop, UV_RUN_DEFAULT);
  } else {
    on_error(lua_tostring(h.L, -1), &h);
  }

  uv_close((uv_handle_t *)&h.timer, NULL);
  uv_close((uv_handle_t *)&h.interrupt, NULL);
  lua_close(h.L);                  /* whatever moonpool has open ends here */
  uv_run(&h.loop, UV_RUN_DEFAULT); /* libuv lets go of the handles */
  uv_loop_close(&h.loop);
  return h.failures > 0;
}
