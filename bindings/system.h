/* What the files of moonpool.system share. */
#ifndef MP_SYSTEM_H
#define MP_SYSTEM_H

#include "compat.h"

/* Pushes moonpool.system: POSIX primitives that Lua lacks and the program needs. The functions'
 * first upvalue is what is on top of the stack (the runtime), which it pops. */
int mp_open_system(lua_State *L);

/* Pushes nil, "<doing> <subject>: <reason>", "ESYS", the error's POSIX name ("ENOENT"); `subject`
 * may be NULL. Returns 4: `return mp_system_fail(L, errno, "open", path);` */
int mp_system_fail(lua_State *L, int error, const char *doing, const char *subject);

/* open_lock(path) → lock; bindings/lock.c */
int mp_lock_open(lua_State *L);

/* The descriptor of the lock at `index`; raises when it is no lock or closed. */
int mp_lock_descriptor(lua_State *L, int index);

/* The number of the signal that the argument names, such as "SIGINT"; raises for others. */
int mp_system_check_signal(lua_State *L, int arg);

/* Its name, or NULL for one that has none here. */
const char *mp_system_signal_name(int number);

/* lines(fd) → lines; bindings/stdio.c */
int mp_lines_open(lua_State *L);

/* signal(name, fn) → handle; bindings/signal.c */
int mp_signal_open(lua_State *L);

/* watch(path, fn) → handle; bindings/fs_event.c */
int mp_fs_watch_open(lua_State *L);

/* latch() → latch; bindings/latch.c */
int mp_latch_new(lua_State *L);

/* spawn(argv, options) → process; bindings/process.c */
int mp_process_spawn(lua_State *L);

/* open_stream(fd, options) → stream; bindings/stream.c */
int mp_stream_open(lua_State *L);

/* listen(fd, options) → listener; bindings/listener.c */
int mp_listener_open(lua_State *L);

/* bind, connect_descriptor, peer_pid, socketpair, pipe, close_descriptor, notify:
 * bindings/unix_socket.c */
int mp_unix_bind(lua_State *L);
int mp_unix_connect(lua_State *L);
int mp_unix_peer_pid(lua_State *L);
int mp_unix_pair(lua_State *L);
int mp_pipe_pair(lua_State *L);
int mp_close_descriptor(lua_State *L);
int mp_unix_notify(lua_State *L);

/* spawn_detached(argv, options) → pid; bindings/spawn.c */
int mp_spawn_detached(lua_State *L);

#endif
