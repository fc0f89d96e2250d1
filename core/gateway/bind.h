/* Addresses to listen on: their text, and sockets for them. */
#ifndef GW_BIND_H
#define GW_BIND_H

#include <moonpool_gateway.h>
#include <sys/socket.h>

enum { GW_BOUND_SIZE = 128 };

typedef struct gw_bound {
  int fd;
  int is_loopback;          /* nobody from outside reaches it: also of a Unix socket */
  char text[GW_BOUND_SIZE]; /* "127.0.0.1:8080", "[::1]:8080" or "unix:PATH" */
} gw_bound;

/* "HOST:PORT", "[IPv6]:PORT" or "unix:PATH": binds and listens, without blocking. With
 * `is_loopback_only`, other addresses are EARG. EARG or ESYS, with a line in `message`. */
int gw_bind(const char *address, int is_loopback_only, gw_bound *bound, char *message, size_t size);

/* The same of a socket that listens already. */
int gw_bind_adopt(int fd, gw_bound *bound, char *message, size_t size);

/* The address without a port; "unix" of a Unix socket. */
void gw_bind_host(const struct sockaddr *address, char *text, size_t size);

#endif
