/* What the files of streams share: bindings/stream.c, listener.c, unix_socket.c. */
#ifndef MP_STREAM_H
#define MP_STREAM_H

#include "runtime.h"

/* The part of a stream or listener that libuv holds on to: outlives the userdata until libuv has
 * let go of it. */
typedef struct mp_pipe {
  uv_pipe_t uv;
  void *owner; /* the userdata; NULL: closed */
} mp_pipe;

/* A pipe that is open for `fd`, which it then owns. 0, or a libuv error; then the descriptor is
 * still the caller's, and nothing is left. */
int mp_pipe_open(mp_runtime *runtime, int fd, mp_pipe **out);

/* Likewise without a descriptor: for uv_accept. */
int mp_pipe_new(mp_runtime *runtime, mp_pipe **out);

/* Closes *pipe unless it is NULL, and makes it that. */
void mp_pipe_close(mp_pipe **pipe);

/* The stream of a pipe, which it owns from then on: pushes it, or raises without memory. */
void mp_stream_push(lua_State *L, mp_runtime *runtime, mp_pipe *pipe);

/* Checks that the argument is a table, or absent, with no fields but the `known` ones (ended by
 * NULL); an absent one becomes an empty table. */
void mp_check_fields(lua_State *L, int arg, const char *const *known);

/* The whole number from `min` to `max` in that field of the table at `arg`, or `absent`. */
lua_Integer mp_opt_field(lua_State *L, int arg, const char *name, lua_Integer absent,
                         lua_Integer min, lua_Integer max);

#endif
