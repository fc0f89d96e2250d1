/* system.lines(fd): the lines of a descriptor, awaited. A thread of libuv's pool waits in poll(2)
 * and reads, so that one way serves terminals, pipes, sockets and plain files, and the flags of a
 * descriptor that other processes share (O_NONBLOCK) stay as they are. The handle owns the buffer;
 * while the thread works, nobody else touches that. */
#include "runtime.h"
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_TYPE "moonpool.system.lines"
#define READ_SIZE ((size_t)64 * 1024)

typedef struct lines {
  mp_runtime *runtime;
  mp_waiter *waiter; /* of the one next() under way, or NULL */
  int ref;           /* anchors the handle meanwhile */
  int fd;
  int wake[2]; /* a pipe that ends the thread's poll */
  uv_work_t work;
  ssize_t result; /* of the thread's read; below 0: an errno, negated */
  char *data;
  size_t start, scanned, end, capacity; /* unread bytes; up to `scanned` there is no line end */
  int error;                            /* errno of the read that failed, 0 */
  unsigned char is_working, is_waking, is_at_end, is_closed;
} lines;

/* ---- the buffer ---- */

/* Room for one more read at the end. 0, or ENOMEM. */
static int make_room(lines *l) {
  if (l->start > 0) {
    memmove(l->data, l->data + l->start, l->end - l->start);
    l->scanned -= l->start;
    l->end -= l->start;
    l->start = 0;
  }
  if (l->capacity - l->end >= READ_SIZE) return 0;
  size_t capacity = l->capacity * 2 + READ_SIZE;
  char *data = realloc(l->data, capacity);
  if (!data) return ENOMEM;
  l->data = data;
  l->capacity = capacity;
  return 0;
}

static int has_line(lines *l) {
  if (l->scanned == l->end) return 0;
  char *found = memchr(l->data + l->scanned, '\n', l->end - l->scanned);
  l->scanned = found ? (size_t)(found - l->data) : l->end;
  return found != NULL;
}

static int push_closed(lua_State *L) {
  return mp_fail(L, MOONPOOL_ECLOSED, "closed");
}

/* Pushes the next line, or the end, when it is known. Otherwise returns 0. */
static int push_known(lua_State *L, lines *l) {
  if (l->is_closed) return push_closed(L);
  size_t start = l->start;
  if (has_line(l)) {
    lua_pushlstring(L, l->data + start, l->scanned - start);
    l->start = ++l->scanned;
    return 1;
  }
  if (!l->is_at_end) return 0;
  if (l->start < l->end) {
    lua_pushlstring(L, l->data + start, l->end - start);
    l->start = l->end;
    return 1;
  }
  if (l->error) return mp_system_fail(L, l->error, "read", NULL);
  lua_pushnil(L);
  return 1;
}

/* ---- reading ---- */

static void read_in_thread(uv_work_t *work) {
  lines *l = work->data;
  struct pollfd ready[2] = {{.fd = l->fd, .events = POLLIN}, {.fd = l->wake[0], .events = POLLIN}};
  for (;;) {
    l->result = -ECANCELED;
    int count = poll(ready, 2, -1);
    if (count > 0 && ready[1].revents) return;
    if (count > 0) {
      l->result = read(l->fd, l->data + l->end, READ_SIZE);
      if (l->result >= 0) return;
    }
    l->result = -errno;
    if (errno != EINTR && errno != EAGAIN) return;
  }
}

static void free_lines(lines *l) {
  close(l->wake[0]);
  close(l->wake[1]);
  free(l->data);
  free(l);
}

static int push_awaited(lua_State *L, void *ctx) {
  lines *l = ctx;
  l->waiter = NULL;
  l->is_waking = 0;
  mp_unref(l->runtime, l->ref);
  return push_known(L, l);
}

static void wake(lines *l) {
  l->is_waking = 1;
  mp_wake_later(l->waiter, push_awaited, l);
}

static void end_input(lines *l, int error) {
  l->is_at_end = 1;
  l->error = error;
}

static void start_reading(lines *l);

static void on_read(uv_work_t *work, int status) {
  lines *l = work->data;
  l->is_working = 0;
  if (l->is_closed) {
    free_lines(l);
    return;
  }
  if (status == 0 && l->result > 0)
    l->end += (size_t)l->result;
  else
    end_input(l, status ? ECANCELED : (int)-l->result);
  if (!l->waiter || l->runtime->is_closing) return;
  if (has_line(l) || l->is_at_end)
    wake(l);
  else
    start_reading(l);
}

static void start_reading(lines *l) {
  int error = make_room(l);
  l->work.data = l;
  if (!error) error = -uv_queue_work(&l->runtime->loop, &l->work, read_in_thread, on_read);
  if (!error) {
    l->is_working = 1;
    return;
  }
  end_input(l, error);
  if (l->waiter) wake(l);
}

/* ---- Lua ---- */

static lines **check_box(lua_State *L) {
  return luaL_checkudata(L, 1, LINES_TYPE);
}

/* lines:next() → the next line without its "\n" (a "\r" stays), awaited; nil at the end. The last
 * line needs no line end. Raises when another next is under way. */
static int lines_next(lua_State *L) {
  lines *l = *check_box(L);
  if (!l) return push_closed(L);
  if (l->waiter) return luaL_error(L, "another task waits for the next line");
  int results = push_known(L, l);
  if (results) return results;
  mp_waiter *waiter = mp_wait_begin(L, l->runtime);
  lua_pushvalue(L, 1);
  l->ref = mp_ref(L, l->runtime);
  l->waiter = waiter;
  if (!l->is_working) start_reading(l);
  return mp_wait(L, waiter);
}

static int push_closed_awaited(lua_State *L, void *ctx) {
  (void)ctx;
  return push_closed(L);
}

/* lines:close() → true, however often it is called. A next that is under way answers "closed". The
 * descriptor stays open: it was not ours. */
static int lines_close(lua_State *L) {
  lines **box = check_box(L), *l = *box;
  lua_pushboolean(L, 1);
  if (!l) return 1;
  *box = NULL;
  l->is_closed = 1;
  if (l->waiter) {
    mp_unref(l->runtime, l->ref);
    if (l->is_waking)
      l->waiter->push = push_closed_awaited;
    else
      mp_wake_later(l->waiter, push_closed_awaited, NULL);
  }
  if (!l->is_working)
    free_lines(l);
  else
    while (write(l->wake[1], "", 1) < 0 && errno == EINTR) continue;
  return 1;
}

static void push_metatable(lua_State *L) {
  static const luaL_Reg methods[] = {{"next", lines_next}, {"close", lines_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__gc", lines_close}, {"__close", lines_close}, {NULL, NULL}};
  if (!luaL_newmetatable(L, LINES_TYPE)) return;
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
}

/* 0, or an errno. */
static int open_lines(mp_runtime *runtime, int fd, lines **out) {
  if (fcntl(fd, F_GETFD) < 0) return errno;
  lines *l = calloc(1, sizeof *l);
  if (!l) return ENOMEM;
  *l = (lines){.runtime = runtime, .ref = LUA_NOREF, .fd = fd};
  if (pipe(l->wake) < 0) {
    int error = errno;
    free(l);
    return error;
  }
  for (int i = 0; i < 2; i++) fcntl(l->wake[i], F_SETFD, FD_CLOEXEC);
  *out = l;
  return 0;
}

int mp_lines_open(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  lines **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  push_metatable(L);
  lua_setmetatable(L, -2);
  int error = open_lines(mp_runtime_of(L), fd, box);
  return error ? mp_system_fail(L, error, "read", NULL) : 1;
}
