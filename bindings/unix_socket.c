/* Descriptors of Unix sockets and pipes, as plain integers that the caller closes or gives to a
 * stream, a listener or a child. All are closed on exec; what a child is to have, system.spawn
 * gives it. Nothing here waits: connecting to a Unix socket succeeds or fails at once. */
#include "stream.h"
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

/* Fills in the address; raises for a path that is too long. Its length. */
static socklen_t check_path(lua_State *L, int arg, struct sockaddr_un *address) {
  size_t length;
  const char *path = luaL_checklstring(L, arg, &length);
  luaL_argcheck(L, length > 0 && strlen(path) == length, arg, "a path is needed");
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (length >= sizeof address->sun_path)
    luaL_argerror(L, arg,
                  lua_pushfstring(L, "the socket's path has %d bytes, the system allows %d: %s",
                                  (int)length, (int)sizeof address->sun_path - 1, path));
  memcpy(address->sun_path, path, length);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
}

static int fail_and_close(lua_State *L, int fd, const char *doing) {
  int error = errno;
  if (fd >= 0) close(fd);
  return mp_system_fail(L, error, doing, lua_tostring(L, 1));
}

/* A Unix socket of this type that no child inherits; -1 and errno. */
static int open_socket(int type) {
  int fd = socket(AF_UNIX, type, 0);
  if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return fd;
}

static int open_without_blocking(int type) {
  int fd = open_socket(type);
  if (fd >= 0) fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

/* bind(path[, { backlog = connections, mode = permissions }]) → the descriptor of a socket that
 * listens at this path, so that connections wait in its backlog (default 128); the file's mode
 * (default 0600) is set before anybody can connect. The 4th result is "EADDRINUSE" when there is
 * something at that path. */
int mp_unix_bind(lua_State *L) {
  static const char *const known[] = {"backlog", "mode", NULL};
  struct sockaddr_un address;
  socklen_t size = check_path(L, 1, &address);
  mp_check_fields(L, 2, known);
  int backlog = (int)mp_opt_field(L, 2, "backlog", BACKLOG, 1, 65535);
  mode_t mode = (mode_t)mp_opt_field(L, 2, "mode", 0600, 0, 0777);
  int fd = open_socket(SOCK_STREAM);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0)
    return fail_and_close(L, fd, "bind");
  if (chmod(address.sun_path, mode) < 0 || listen(fd, backlog) < 0) {
    int results = fail_and_close(L, fd, "listen at");
    unlink(address.sun_path);
    return results;
  }
  lua_pushinteger(L, fd);
  return 1;
}

/* connect_descriptor(path) → the descriptor of a socket that is connected. The 4th result on
 * failure is "ENOENT" or "ECONNREFUSED" when nobody listens there, "EAGAIN" when its backlog is
 * full. */
int mp_unix_connect(lua_State *L) {
  struct sockaddr_un address;
  socklen_t size = check_path(L, 1, &address);
  int fd = open_without_blocking(SOCK_STREAM);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0)
    return fail_and_close(L, fd, "connect to");
  lua_pushinteger(L, fd);
  return 1;
}

/* peer_pid(fd) → the id of the process that listens at the other end of a connected Unix socket;
 * nil alone where the system does not tell */
int mp_unix_peer_pid(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
#ifdef SO_PEERCRED
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0) {
    lua_pushinteger(L, peer.pid);
    return 1;
  }
#endif
  (void)fd;
  lua_pushnil(L);
  return 1;
}

static int push_two(lua_State *L, const int fds[2]) {
  for (int i = 0; i < 2; i++) fcntl(fds[i], F_SETFD, FD_CLOEXEC);
  lua_pushinteger(L, fds[0]);
  lua_pushinteger(L, fds[1]);
  return 2;
}

/* socketpair() → two descriptors: what is written to one is read from the other */
int mp_unix_pair(lua_State *L) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
    return mp_system_fail(L, errno, "socketpair", NULL);
  return push_two(L, fds);
}

/* pipe() → the descriptor to read from, the one to write to */
int mp_pipe_pair(lua_State *L) {
  int fds[2];
  if (pipe(fds) < 0) return mp_system_fail(L, errno, "pipe", NULL);
  return push_two(L, fds);
}

/* close_descriptor(fd) → true */
int mp_close_descriptor(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  if (close(fd) < 0 && errno != EINTR) return mp_system_fail(L, errno, "close", NULL);
  lua_pushboolean(L, 1);
  return 1;
}

/* notify(socket, text) → true: one datagram to the socket that a service manager listens at, as
 * sd_notify(3) sends it. A path that begins with "@" is in the abstract namespace. Does not wait:
 * "EAGAIN" when the manager does not keep up. */
int mp_unix_notify(lua_State *L) {
  struct sockaddr_un address;
  size_t length;
  socklen_t size = check_path(L, 1, &address);
  const char *text = luaL_checklstring(L, 2, &length);
  if (address.sun_path[0] == '@') {
    address.sun_path[0] = '\0';
    size--; /* such a name is not ended by a NUL */
  }
  int fd = open_without_blocking(SOCK_DGRAM);
  if (fd < 0 || sendto(fd, text, length, 0, (struct sockaddr *)&address, size) < 0)
    return fail_and_close(L, fd, "notify");
  close(fd);
  lua_pushboolean(L, 1);
  return 1;
}
