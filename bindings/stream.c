/* Streams: Unix sockets and pipes, read line by line and written to by tasks. Nothing is read
 * unless somebody waits for a line, so that a peer who sends faster is held up by the kernel, and a
 * line that is too long is found before it is all there. A write whose reader is gone raises
 * SIGPIPE in libuv: programs call system.ignore_sigpipe() first. */
#include "stream.h"
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_TYPE "moonpool.system.stream"
#define READ_SIZE ((size_t)8192)
#define MAX_LINE 65536          /* bytes; unless read_line is told another limit */
#define MAX_QUEUE (1024 * 1024) /* bytes; unless open_stream is told another limit */
#define MAX_LIMIT 0x40000000    /* of both */

/* A userdata. Who waits has it on his stack, so nothing else anchors it. */
typedef struct stream {
  mp_runtime *runtime;
  mp_pipe *pipe;     /* NULL: closed */
  mp_waiter *reader; /* of the one read_line under way, or NULL */
  char *data;
  size_t start, scanned, end, capacity; /* unread bytes; up to `scanned` there is no line end */
  size_t max_line;                      /* of the read under way */
  size_t max_queue;
  int error; /* of the read that failed, libuv's; 0 */
  int is_at_end;
} stream;

typedef struct write_request {
  uv_write_t uv;
  mp_waiter *waiter;
  mp_runtime *runtime;
  int status;
  char data[];
} write_request;

static int fail(lua_State *L, int status, const char *doing) {
  if (status == UV_ECANCELED) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  return mp_system_fail(L, -status, doing, NULL);
}

/* ---- pipes ---- */

static void free_pipe(uv_handle_t *handle) {
  free(handle->data);
}

int mp_pipe_new(mp_runtime *runtime, mp_pipe **out) {
  mp_pipe *pipe = calloc(1, sizeof *pipe);
  if (!pipe) return UV_ENOMEM;
  int status = uv_pipe_init(&runtime->loop, &pipe->uv, 0);
  if (status < 0) {
    free(pipe);
    return status;
  }
  pipe->uv.data = pipe;
  *out = pipe;
  return 0;
}

int mp_pipe_open(mp_runtime *runtime, int fd, mp_pipe **out) {
  if (uv_guess_handle(fd) != UV_NAMED_PIPE) return UV_EINVAL; /* a pipe, or a Unix socket */
  int status = mp_pipe_new(runtime, out);
  if (status < 0) return status;
  status = uv_pipe_open(&(*out)->uv, fd);
  if (status < 0)
    mp_pipe_close(out);
  else
    fcntl(fd, F_SETFD, FD_CLOEXEC); /* one that was inherited is not */
  return status;
}

void mp_pipe_close(mp_pipe **pipe) {
  if (!*pipe) return;
  (*pipe)->owner = NULL;
  uv_close((uv_handle_t *)&(*pipe)->uv, free_pipe);
  *pipe = NULL;
}

static uv_stream_t *uv_stream_of(stream *s) {
  return (uv_stream_t *)&s->pipe->uv;
}

/* ---- the buffer ---- */

static int make_room(stream *s) {
  if (s->start > 0) {
    memmove(s->data, s->data + s->start, s->end - s->start);
    s->scanned -= s->start;
    s->end -= s->start;
    s->start = 0;
  }
  if (s->capacity - s->end >= READ_SIZE) return 1;
  size_t capacity = s->capacity * 2 + READ_SIZE;
  char *data = realloc(s->data, capacity);
  if (!data) return 0;
  s->data = data;
  s->capacity = capacity;
  return 1;
}

static int has_line(stream *s) {
  if (s->scanned == s->end) return 0;
  char *found = memchr(s->data + s->scanned, '\n', s->end - s->scanned);
  s->scanned = found ? (size_t)(found - s->data) : s->end;
  return found != NULL;
}

static int push_line(lua_State *L, stream *s, size_t end, size_t next) {
  lua_pushlstring(L, s->data + s->start, end - s->start);
  s->start = s->scanned = next;
  return 1;
}

static int push_too_long(lua_State *L, stream *s) {
  lua_pushnil(L);
  lua_pushfstring(L, "a line is longer than %d bytes", (int)s->max_line);
  lua_pushliteral(L, "ETOOBIG");
  return 3;
}

/* Is there something to answer a read with? Then `scanned` is at the line's end, if it has one. */
static int is_known(stream *s) {
  return has_line(s) || s->end - s->start > s->max_line || s->is_at_end;
}

/* Pushes what is_known has found. */
static int push_known(lua_State *L, void *ctx) {
  stream *s = ctx;
  if (!s->pipe) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  if (s->scanned - s->start > s->max_line) return push_too_long(L, s);
  if (s->scanned < s->end) return push_line(L, s, s->scanned, s->scanned + 1);
  if (s->start < s->end) return push_line(L, s, s->end, s->end);
  if (s->error) return fail(L, s->error, "read");
  lua_pushnil(L);
  return 1;
}

/* ---- reading ---- */

static void on_room_needed(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  mp_pipe *pipe = handle->data;
  stream *s = pipe->owner;
  (void)suggested;
  *buf = uv_buf_init(NULL, 0); /* the read fails with ENOBUFS */
  if (s && make_room(s)) *buf = uv_buf_init(s->data + s->end, (unsigned)(s->capacity - s->end));
}

static void wake_reader(stream *s) {
  mp_waiter *waiter = s->reader;
  uv_read_stop(uv_stream_of(s));
  s->reader = NULL;
  mp_wake_push(waiter, push_known, s);
}

static void on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buf) {
  mp_pipe *pipe = handle->data;
  stream *s = pipe->owner;
  (void)buf;
  if (!s || !s->reader || s->runtime->is_closing) return;
  if (size > 0) s->end += (size_t)size;
  if (size < 0) s->is_at_end = 1;
  if (size < 0 && size != UV_EOF) s->error = (int)size;
  if (is_known(s)) wake_reader(s);
}

static stream *check_stream(lua_State *L) {
  return luaL_checkudata(L, 1, STREAM_TYPE);
}

/* stream:read_line([max]) → the next line without its "\n", awaited; nil at the end. The last line
 * needs no line end. nil, message, "ETOOBIG" when it is longer than `max` bytes (default 65536):
 * then the stream is of no more use. Raises when another read_line is under way. */
static int stream_read_line(lua_State *L) {
  stream *s = check_stream(L);
  lua_Integer max = luaL_optinteger(L, 2, MAX_LINE);
  luaL_argcheck(L, max >= 0 && max <= MAX_LIMIT, 2, "0 to 1073741824 bytes");
  if (!s->pipe) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  if (s->reader) return luaL_error(L, "another task waits for the next line");
  s->max_line = (size_t)max;
  if (is_known(s)) return push_known(L, s);
  mp_waiter *waiter = mp_wait_begin(L, s->runtime);
  int status = uv_read_start(uv_stream_of(s), on_room_needed, on_read);
  if (status < 0) return fail(L, status, "read");
  s->reader = waiter;
  return mp_wait(L, waiter);
}

/* ---- writing ---- */

static int push_written(lua_State *L, void *ctx) {
  write_request *request = ctx;
  if (request->status < 0) return fail(L, request->status, "write");
  lua_pushboolean(L, 1);
  return 1;
}

static void on_written(uv_write_t *uv, int status) {
  write_request *request = uv->data;
  request->status = status;
  if (!request->runtime->is_closing) mp_wake_push(request->waiter, push_written, request);
  free(request);
}

/* Queues the bytes for the waiter. 0, or a libuv error. */
static int queue_write(stream *s, mp_waiter *waiter, const char *data, size_t size) {
  write_request *request = malloc(sizeof *request + size);
  if (!request) return UV_ENOMEM;
  *request = (write_request){.waiter = waiter, .runtime = s->runtime};
  request->uv.data = request;
  memcpy(request->data, data, size);
  uv_buf_t buf = uv_buf_init(request->data, (unsigned)size);
  int status = uv_write(&request->uv, uv_stream_of(s), &buf, 1, on_written);
  if (status < 0) free(request);
  return status;
}

static int push_full(lua_State *L, stream *s) {
  lua_pushnil(L);
  lua_pushfstring(L, "the peer does not read: more than %d bytes wait", (int)s->max_queue);
  lua_pushliteral(L, "EQUEUE");
  return 3;
}

/* stream:write(bytes) → true once the kernel has taken them, awaited. Several tasks may write: each
 * one's bytes stay together, in the order of the calls. What waits is bounded: nil, message,
 * "EQUEUE" with nothing written, when others' writes wait and these bytes would make them more than
 * max_queue. nil, message, "ESYS", "EPIPE" when the reader is gone. */
static int stream_write(lua_State *L) {
  stream *s = check_stream(L);
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  luaL_argcheck(L, size <= MAX_LIMIT, 2, "at most 1073741824 bytes at once");
  if (!s->pipe) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  size_t queued = uv_stream_get_write_queue_size(uv_stream_of(s));
  if (queued > 0 && queued + size > s->max_queue) return push_full(L, s);
  mp_waiter *waiter = mp_wait_begin(L, s->runtime);
  uv_buf_t buf = uv_buf_init((char *)data, (unsigned)size);
  int status = size > 0 ? uv_try_write(uv_stream_of(s), &buf, 1) : 0;
  if (status < 0 && status != UV_EAGAIN) return fail(L, status, "write");
  size_t done = status > 0 ? (size_t)status : 0;
  status = done < size ? queue_write(s, waiter, data + done, size - done) : 0;
  if (status < 0) return fail(L, status, "write");
  if (done < size) return mp_wait(L, waiter);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- the rest ---- */

/* stream:fd() → its descriptor, which stays the stream's. It does not block. */
static int stream_fd(lua_State *L) {
  stream *s = check_stream(L);
  uv_os_fd_t fd = -1;
  if (!s->pipe) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  int status = uv_fileno((uv_handle_t *)&s->pipe->uv, &fd);
  if (status < 0) return fail(L, status, "fd");
  lua_pushinteger(L, fd);
  return 1;
}

/* stream:close() → true, however often it is called. A read_line and writes under way answer
 * "closed"; what is not written is dropped. */
static int stream_close(lua_State *L) {
  stream *s = check_stream(L);
  mp_waiter *reader = s->reader;
  mp_pipe_close(&s->pipe);
  s->reader = NULL;
  if (reader && !s->runtime->is_closing) mp_wake_later(reader, push_known, s);
  free(s->data);
  s->data = NULL;
  s->start = s->scanned = s->end = s->capacity = 0;
  lua_pushboolean(L, 1);
  return 1;
}

static void push_metatable(lua_State *L) {
  static const luaL_Reg methods[] = {{"read_line", stream_read_line},
                                     {"write", stream_write},
                                     {"fd", stream_fd},
                                     {"close", stream_close},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__gc", stream_close}, {"__close", stream_close}, {NULL, NULL}};
  if (!luaL_newmetatable(L, STREAM_TYPE)) return;
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
}

static stream *push_stream(lua_State *L, mp_runtime *runtime) {
  stream *s = lua_newuserdata(L, sizeof *s);
  *s = (stream){.runtime = runtime, .max_queue = MAX_QUEUE};
  push_metatable(L);
  lua_setmetatable(L, -2);
  return s;
}

void mp_stream_push(lua_State *L, mp_runtime *runtime, mp_pipe *pipe) {
  stream *s = push_stream(L, runtime);
  s->pipe = pipe;
  pipe->owner = s;
}

void mp_check_fields(lua_State *L, int arg, const char *const *known) {
  lua_settop(L, arg);
  if (lua_isnil(L, arg)) {
    lua_newtable(L);
    lua_replace(L, arg);
  }
  luaL_checktype(L, arg, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    const char *const *each = known;
    while (*each && strcmp(*each, name) != 0) each++;
    if (!*each) luaL_error(L, "unknown option '%s'", name);
  }
}

lua_Integer mp_opt_field(lua_State *L, int arg, const char *name, lua_Integer absent,
                         lua_Integer min, lua_Integer max) {
  lua_getfield(L, arg, name);
  lua_Integer value = absent;
  if (!lua_isnil(L, -1)) {
    int is_integer = lua_type(L, -1) == LUA_TNUMBER && lua_isinteger(L, -1);
    value = is_integer ? lua_tointeger(L, -1) : min;
    if (!is_integer || value < min || value > max)
      luaL_error(L, "option '%s' must be a whole number from %d to %d", name, (int)min, (int)max);
  }
  lua_pop(L, 1);
  return value;
}

/* open_stream(fd[, { max_queue = bytes }]) → stream, which owns the descriptor from then on, makes
 * it non-blocking and keeps it from children. `fd` is a pipe's or a Unix socket's. max_queue: see
 * write; default 1 MiB.
 */
int mp_stream_open(lua_State *L) {
  static const char *const known[] = {"max_queue", NULL};
  mp_runtime *runtime = mp_runtime_of(L);
  int fd = (int)luaL_checkinteger(L, 1);
  mp_check_fields(L, 2, known);
  lua_Integer max_queue = mp_opt_field(L, 2, "max_queue", MAX_QUEUE, 0, MAX_LIMIT);
  stream *s = push_stream(L, runtime);
  s->max_queue = (size_t)max_queue;
  int status = mp_pipe_open(runtime, fd, &s->pipe);
  if (status < 0) return fail(L, status, "open the stream");
  s->pipe->owner = s;
  return 1;
}
