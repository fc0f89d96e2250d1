/* Stream sockets that never block and never raise SIGPIPE. */
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL /* macOS; there SO_NOSIGPIPE does it */
#define MSG_NOSIGNAL 0
#endif

static const int KEEPALIVE_SECONDS = 60;

static int last_error(void) {
  return uv_translate_sys_error(errno);
}

static void set_option(int fd, int level, int option, int value) {
  (void)setsockopt(fd, level, option, &value, sizeof value);
}

/* A socket that does not block and that no child process inherits, or an error. */
static int open_socket(int family) {
#ifdef SOCK_CLOEXEC
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return last_error();
#else
  int fd = socket(family, SOCK_STREAM, 0);
  if (fd < 0) return last_error();
  if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, O_NONBLOCK)) {
    int error = last_error();
    close(fd);
    return error;
  }
#endif
#ifdef SO_NOSIGPIPE
  set_option(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
  return fd;
}

int mp_socket_connect(int *fd, const struct sockaddr *address, socklen_t len) {
  int made = open_socket(address->sa_family);
  if (made < 0) return made;
  if (connect(made, address, len) && errno != EINPROGRESS && errno != EINTR) {
    int error = last_error();
    close(made);
    return error;
  }
  *fd = made;
  return 0;
}

/* A connection to a port of this machine on which nobody listens, but which the system has just
 * given to the very same socket, succeeds: TCP's simultaneous open. It would also keep the server
 * from getting its port back. */
static int is_connected_to_itself(int fd) {
  struct sockaddr_storage ours = {0}, theirs = {0};
  socklen_t ours_len = sizeof ours, theirs_len = sizeof theirs;
  if (getsockname(fd, (struct sockaddr *)&ours, &ours_len)) return 0;
  if (ours.ss_family != AF_INET && ours.ss_family != AF_INET6) return 0;
  if (getpeername(fd, (struct sockaddr *)&theirs, &theirs_len)) return 0;
  return ours_len == theirs_len && !memcmp(&ours, &theirs, ours_len);
}

int mp_socket_outcome(int fd) {
  int error = 0;
  socklen_t len = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len)) return last_error();
  if (error) return uv_translate_sys_error(error);
  return is_connected_to_itself(fd) ? UV_ECONNREFUSED : 0;
}

void mp_socket_tune(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_SECONDS);
#endif
}

ssize_t mp_socket_send(int fd, const char *data, size_t len) {
  ssize_t sent;
  do sent = send(fd, data, len, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0) return sent;
  return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : last_error();
}

ssize_t mp_socket_recv(int fd, char *data, size_t size) {
  ssize_t got;
  do got = recv(fd, data, size, 0);
  while (got < 0 && errno == EINTR);
  if (got >= 0) return got;
  return errno == EAGAIN || errno == EWOULDBLOCK ? UV_EAGAIN : last_error();
}

void mp_socket_close(int fd) {
  close(fd);
}
