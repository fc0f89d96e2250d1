/* moonpool in a Lua state of a C program's own. This header is the manual of libmoonpool-lua;
 * docs/embedding/c.md shows it at work, and so does examples/embed.
 *
 *   moonpool_lua_options options;
 *   moonpool_lua_options_init(&options);
 *   options.loop = loop;                            // the program's; NULL: moonpool has its own
 *   if (moonpool_lua_open(L, &options) != LUA_OK) … // the message is on top of the stack
 *   lua_setglobal(L, "moonpool");
 *
 * The library does not link Lua: it uses the Lua that the program links, of the version that it was
 * built for (MOONPOOL_LUA_VERSION of the build).
 *
 * Threads: a state, its moonpool and its loop belong to one thread. Several states, in one thread
 * or in many, on one loop or on many, do not know of each other; nothing here holds global state.
 *
 * Lua runs in three places: where the program calls it; inside of uv_run of `options.loop`, from
 * where handlers and tasks go on; and, as moonpool.run, where a script calls that. Without a loop
 * of the program's, only the first and the last. */
#ifndef MOONPOOL_LUA_H
#define MOONPOOL_LUA_H

#include <lua.h>
#include <moonpool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An error that no script catches: raised by a handler, by a task that nobody awaits, or by a
 * timer. `message` is its text with a traceback, and valid during the call. Called inside of uv_run
 * or moonpool.run; it must neither close the state nor raise. A script replaces it by
 * moonpool.on_error(fn). */
typedef void (*moonpool_lua_error_cb)(const char *message, void *ctx);

/* Fill with moonpool_lua_options_init, then change what should differ. */
typedef struct moonpool_lua_options {
  /* The loop that moves moonpool along in this state, run by the program. It must outlive the
   * state, and after lua_close run once more (uv_run), as for every handle that is closed: moonpool
   * has two handles of its own on it. They keep uv_run from returning as long as moonpool is
   * active: moonpool_lua_is_active. Scripts spawn tasks (moonpool.spawn) instead of waiting in the
   * program's calls, where "the host runs the loop; use moonpool.spawn" is raised, by moonpool.run,
   * too. In a task, moonpool.run(fn, ...) calls fn. NULL (default): a loop of the state's own,
   * which moonpool.run runs. */
  uv_loop_t *loop;

  moonpool_lua_error_cb on_error; /* NULL (default): errors go to standard error */
  void *ctx;                      /* of on_error */

  /* The memory of the links to Redis: what is sent and received, replies, subscriptions, rooms.
   * Lua's values are in the state's own memory (lua_newstate); small things of the binding, libuv,
   * OpenSSL and jansson use the C library's. Not copied: it must be there until lua_close has
   * returned. Without memory, calls fail with ENOMEM. NULL (default): the C library's. */
  const moonpool_allocator *allocator;

  /* The folder of moonpool's Lua files (moonpool/init.lua ...), put in front of package.path;
   * copied. NULL (default): package.path as it is and, when there is no moonpool in it, the folder
   * where the installation has put them. */
  const char *path;
} moonpool_lua_options;

/* Defaults. Can't fail. */
MOONPOOL_EXTERN void moonpool_lua_options_init(moonpool_lua_options *options);

/* Opens moonpool in the state, which must have Lua's standard libraries (luaL_openlibs), and pushes
 * the module, that which require "moonpool" returns from then on; one push in any case. `options`
 * NULL: the defaults. Once a state. It raises nothing.
 *
 * Returns LUA_OK; or LUA_ERRRUN or LUA_ERRMEM with a message on top instead: moonpool is open in
 * this state already, its Lua files are not found, are of another version, or there is no memory.
 *
 * lua_close ends everything: connections are closed, what waits never goes on, and no callback
 * comes any more. It may be called inside a callback of the program's loop, but not while Lua
 * runs. */
MOONPOOL_EXTERN int moonpool_lua_open(lua_State *L, const moonpool_lua_options *options);

/* 1 while moonpool has something under way in this state that keeps the program's loop from ending:
 * tasks that have not ended, timers, subscriptions with handlers. 0: nothing, or moonpool is not
 * open, or moonpool.stop() was called, after which nothing keeps the loop any more. A client alone
 * is no such thing: it goes on as long as the loop runs. Can't fail. */
MOONPOOL_EXTERN int moonpool_lua_is_active(lua_State *L);

#ifdef __cplusplus
}
#endif
#endif
