/* A lock file: flock(2) on a descriptor of its own that no child inherits. The handle owns the
 * descriptor; closing it, or the end of the process however it comes, gives the lock back. The
 * file stays: removing it would let two programs hold "the same" lock on two files. */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_TYPE "moonpool.system.lock"

typedef struct lock_handle {
  int fd; /* -1: closed */
} lock_handle;

static lock_handle *check_lock(lua_State *L) {
  return luaL_checkudata(L, 1, LOCK_TYPE);
}

int mp_lock_descriptor(lua_State *L, int index) {
  lock_handle *lock = luaL_testudata(L, index, LOCK_TYPE);
  if (!lock) return luaL_error(L, "a lock is needed, not a %s", luaL_typename(L, index));
  if (lock->fd < 0) luaL_error(L, "the lock is closed");
  return lock->fd;
}

static int fail_closed(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, "closed");
  lua_pushliteral(L, "ECLOSED");
  return 3;
}

static int flock_through_signals(int fd, int operation) {
  int result;
  do {
    result = flock(fd, operation);
  } while (result < 0 && errno == EINTR);
  return result;
}

/* lock:lock("ex"|"sh"[, nonblocking]) → true; false when nonblocking and somebody else has it.
 * Changing from one kind to the other is not atomic: the old one is given up first. */
static int lock_lock(lua_State *L) {
  static const char *const names[] = {"ex", "sh", NULL};
  static const int operations[] = {LOCK_EX, LOCK_SH};
  lock_handle *lock = check_lock(L);
  int operation = operations[luaL_checkoption(L, 2, NULL, names)];
  if (lua_toboolean(L, 3)) operation |= LOCK_NB;
  if (lock->fd < 0) return fail_closed(L);
  if (flock_through_signals(lock->fd, operation) < 0) {
    if (errno != EWOULDBLOCK) return mp_system_fail(L, errno, "flock", NULL);
    lua_pushboolean(L, 0);
    return 1;
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* lock:unlock() → true; also when it was not locked */
static int lock_unlock(lua_State *L) {
  lock_handle *lock = check_lock(L);
  if (lock->fd < 0) return fail_closed(L);
  if (flock_through_signals(lock->fd, LOCK_UN) < 0) return mp_system_fail(L, errno, "flock", NULL);
  lua_pushboolean(L, 1);
  return 1;
}

/* lock:close() → true, however often it is called */
static int lock_close(lua_State *L) {
  lock_handle *lock = check_lock(L);
  if (lock->fd >= 0) close(lock->fd);
  lock->fd = -1;
  lua_pushboolean(L, 1);
  return 1;
}

static int lock_tostring(lua_State *L) {
  lock_handle *lock = check_lock(L);
  if (lock->fd < 0)
    lua_pushliteral(L, LOCK_TYPE " (closed)");
  else
    lua_pushfstring(L, LOCK_TYPE " (descriptor %d)", lock->fd);
  return 1;
}

static void push_metatable(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"lock", lock_lock}, {"unlock", lock_unlock}, {"close", lock_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__gc", lock_close}, {"__close", lock_close}, {"__tostring", lock_tostring}, {NULL, NULL}};
  if (!luaL_newmetatable(L, LOCK_TYPE)) return;
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
}

/* open_lock(path) → lock. Makes the file (0600) if it is missing; a symbolic link, or anything
 * else that is no plain file, is refused. */
int mp_lock_open(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lock_handle *lock = lua_newuserdata(L, sizeof *lock);
  struct stat status;
  lock->fd = -1;
  push_metatable(L);
  lua_setmetatable(L, -2);
  lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (lock->fd < 0) return mp_system_fail(L, errno, "open the lock file", path);
  if (fstat(lock->fd, &status) < 0) return mp_system_fail(L, errno, "stat", path);
  if (!S_ISREG(status.st_mode)) return mp_system_fail(L, EEXIST, "open the lock file", path);
  return 1;
}
