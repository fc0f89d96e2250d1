#include "bind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024, HOST_SIZE = 256 };

static const char unix_prefix[] = "unix:";

typedef union any_address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  struct sockaddr_un local;
  struct sockaddr_storage storage;
} any_address;

/* ---- text --------------------------------------------------------------------------------- */

void gw_bind_host(const struct sockaddr *address, char *text, size_t size) {
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
  if (address->sa_family == AF_INET)
    uv_inet_ntop(AF_INET, &v4->sin_addr, text, size);
  else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
    uv_inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, size);
  else if (address->sa_family == AF_INET6)
    uv_inet_ntop(AF_INET6, &v6->sin6_addr, text, size);
  else
    snprintf(text, size, "unix");
}

static int is_loopback(const struct sockaddr *address) {
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
  if (address->sa_family == AF_INET) return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
  if (address->sa_family != AF_INET6) return 1;
  if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) return v6->sin6_addr.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* What the socket is bound to, as text. */
static void describe(gw_bound *b, const any_address *a) {
  char host[INET6_ADDRSTRLEN] = "";
  if (a->any.sa_family == AF_UNIX) {
    snprintf(b->text, sizeof b->text, "%s%s", unix_prefix, a->local.sun_path);
  } else if (a->any.sa_family == AF_INET) {
    gw_bind_host(&a->any, host, sizeof host);
    snprintf(b->text, sizeof b->text, "%s:%u", host, ntohs(a->v4.sin_port));
  } else {
    uv_inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof host);
    snprintf(b->text, sizeof b->text, "[%s]:%u", host, ntohs(a->v6.sin6_port));
  }
  b->is_loopback = is_loopback(&a->any);
}

/* ---- failures ----------------------------------------------------------------------------- */

static int fail_errno(const char *address, int error, char *message, size_t size) {
  snprintf(message, size, "%s: %s", address, uv_strerror(uv_translate_sys_error(error)));
  return MOONPOOL_ESYS;
}

static int refuse(const char *address, const char *why, char *message, size_t size) {
  snprintf(message, size, "%s: %s", address, why);
  return MOONPOOL_EARG;
}

/* ---- sockets ------------------------------------------------------------------------------ */

static int open_socket(int family) {
  return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static void set(int fd, int level, int option) {
  int on = 1;
  (void)setsockopt(fd, level, option, &on, sizeof on);
}

static int listen_on(const any_address *a, socklen_t len, gw_bound *b) {
  int fd = open_socket(a->any.sa_family), error;
  if (fd < 0) return errno;
  if (a->any.sa_family != AF_UNIX) set(fd, SOL_SOCKET, SO_REUSEADDR);
  if (a->any.sa_family == AF_INET6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
  any_address own = {0};
  socklen_t own_len = sizeof own;
  if (bind(fd, &a->any, len) || listen(fd, BACKLOG) || getsockname(fd, &own.any, &own_len)) {
    error = errno;
    close(fd);
    return error;
  }
  b->fd = fd;
  describe(b, &own);
  return 0;
}

/* A path that nobody listens at any more is in the way: it is removed. */
static void remove_stale(const any_address *a, socklen_t len) {
  int fd = open_socket(AF_UNIX);
  if (fd < 0) return;
  if (connect(fd, &a->any, len) && errno == ECONNREFUSED) unlink(a->local.sun_path);
  close(fd);
}

static int bind_path(const char *address, gw_bound *b, char *message, size_t size) {
  const char *path = address + sizeof unix_prefix - 1;
  any_address a = {.local = {.sun_family = AF_UNIX}};
  size_t len = strlen(path);
  if (!len) return refuse(address, "no path", message, size);
  if (len >= sizeof a.local.sun_path)
    return refuse(address, "longer than the system allows", message, size);
  memcpy(a.local.sun_path, path, len);
  remove_stale(&a, sizeof a.local);
  int error = listen_on(&a, sizeof a.local, b);
  return error ? fail_errno(address, error, message, size) : MOONPOOL_OK;
}

/* ---- names -------------------------------------------------------------------------------- */

/* Splits "HOST:PORT" and "[HOST]:PORT". */
static const char *split(const char *address, char host[HOST_SIZE]) {
  const char *colon = strrchr(address, ':'), *end = colon;
  if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1)) return NULL;
  if (address[0] == '[' && colon > address + 1 && colon[-1] == ']')
    address++, end--;
  else if (memchr(address, ':', (size_t)(colon - address)))
    return NULL;
  if (end == address || end - address >= HOST_SIZE || atol(colon + 1) > 65535) return NULL;
  memcpy(host, address, (size_t)(end - address));
  host[end - address] = '\0';
  return colon + 1;
}

static int bind_first(const char *address, const struct addrinfo *list, int is_loopback_only,
                      gw_bound *b, char *message, size_t size) {
  int error = 0;
  for (const struct addrinfo *i = list; i; i = i->ai_next) {
    any_address a = {0};
    if (i->ai_addrlen > sizeof a) continue;
    memcpy(&a, i->ai_addr, i->ai_addrlen);
    if (is_loopback_only && !is_loopback(&a.any))
      return refuse(address,
                    "not a loopback address, although nobody is asked for a token: set a secret",
                    message, size);
    error = listen_on(&a, i->ai_addrlen, b);
    if (!error) return MOONPOOL_OK;
  }
  return fail_errno(address, error, message, size);
}

int gw_bind(const char *address, int is_loopback_only, gw_bound *b, char *message, size_t size) {
  if (!strncmp(address, unix_prefix, sizeof unix_prefix - 1))
    return bind_path(address, b, message, size);
  char host[HOST_SIZE];
  const char *port = split(address, host);
  if (!port) return refuse(address, "neither HOST:PORT, [IPv6]:PORT nor unix:PATH", message, size);
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  struct addrinfo *list;
  int error = getaddrinfo(host, port, &hints, &list);
  if (error) return refuse(address, gai_strerror(error), message, size);
  int status = bind_first(address, list, is_loopback_only, b, message, size);
  freeaddrinfo(list);
  return status;
}

int gw_bind_adopt(int fd, gw_bound *b, char *message, size_t size) {
  any_address own = {0};
  socklen_t len = sizeof own, type_len = sizeof(int);
  int is_listening = 0;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &type_len) || !is_listening ||
      getsockname(fd, &own.any, &len)) {
    snprintf(message, size, "descriptor %d: not a socket that listens", fd);
    return MOONPOOL_EARG;
  }
  (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
  b->fd = fd;
  describe(b, &own);
  return MOONPOOL_OK;
}

int moonpool_gateway_bind(const char *address, char *message, size_t size) {
  gw_bound bound;
  int status = gw_bind(address, 0, &bound, message, size);
  return status ? status : bound.fd;
}
