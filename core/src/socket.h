/* System calls on one stream socket that never blocks, with libuv's error numbers (all negative).
 * Not uv_tcp_t and uv_pipe_t, because libuv writes with write(2): when the peer is gone, that
 * raises SIGPIPE, which ends a program that does not ignore it, and a library must not change how
 * its program treats signals. Here every write says MSG_NOSIGNAL. */
#ifndef MP_SOCKET_H
#define MP_SOCKET_H

#include <sys/socket.h>
#include <uv.h>

/* Makes a socket and starts to connect it; when it is writable, mp_socket_outcome tells how that
 * went. Returns 0 and *fd, or an error. */
int mp_socket_connect(int *fd, const struct sockaddr *address, socklen_t len);

/* 0 when the socket is connected, else why not. */
int mp_socket_outcome(int fd);

/* For TCP: writes leave at once, and the system asks after a silent peer. Can't fail. */
void mp_socket_tune(int fd);

/* How many bytes the socket took: 0 when it is full; or an error. */
ssize_t mp_socket_send(int fd, const char *data, size_t len);

/* How many bytes came: 0 at the end of the stream; or an error, UV_EAGAIN when none are there. */
ssize_t mp_socket_recv(int fd, char *data, size_t size);

void mp_socket_close(int fd);

#endif
