/* What the transport's files share: transport.c (from the name to the open socket, and the end) and
 * transport_bytes.c (reading and writing). Nobody else includes it. */
#ifndef MP_TRANSPORT_PRIVATE_H
#define MP_TRANSPORT_PRIVATE_H

#include "deadline.h"
#include "transport.h"

#include <sys/un.h>

typedef enum mp_transport_phase {
  MP_STARTING,
  MP_RESOLVING,
  MP_CONNECTING,
  MP_TLS_HANDSHAKE,
  MP_OPEN,
  MP_ENDED
} mp_transport_phase;

struct mp_transport {
  mp_transport_config config;
  mp_transport_phase phase;
  mp_deadline timer; /* of the name, of each address; its timer puts off what may not happen now */
  uv_getaddrinfo_t resolver;
  uv_poll_t poll; /* of `fd`; one a socket */
  int fd;
  int is_polled;    /* `poll` is libuv's */
  int is_resolving; /* so is `resolver` */
  unsigned held;    /* handles and requests of ours that libuv holds */
  void (*on_gone)(void *ctx);
  void *gone_ctx;

  uint64_t timeout, deadline; /* `deadline` in the loop's time; UINT64_MAX: none */
  struct addrinfo *resolved;  /* owned */
  const struct addrinfo *next, *tried;
  struct addrinfo unix_info; /* the one "address" of a Unix socket */
  struct sockaddr_un unix_address;
  int is_named;   /* the address was resolved: messages tell which */
  uint64_t share; /* ms for the address being tried */
  int failure;    /* of the address tried last; an error of libuv's */
  int tls_status; /* TLS has failed, so no other address is tried: EAUTH or EPROTO */
  char reasons[512];

  int has_read;    /* the peer has said something */
  int write_error; /* writing has failed: an error of libuv's */
  mp_buf out;      /* what the socket has not taken, after `sent` bytes that it has */
  size_t sent;

  mp_tls_stream *tls; /* of the socket; NULL: no TLS */
  const char *host;   /* url->host, inside `address` */
  char address[];     /* url->address */
};

/* ---- transport.c ---- */

/* The one event of the end, with a message made of `format`. */
__attribute__((format(printf, 3, 4))) void mp_transport_end(mp_transport *t, int status,
                                                            const char *format, ...);

void mp_transport_on_poll(uv_poll_t *poll, int status, int events);

/* ---- transport_bytes.c ---- */

/* Has the loop tell of bytes to read, and of room for what is still to be written. */
void mp_transport_watch(mp_transport *t);

/* What the loop tells of an open socket. With a negative `status` the socket has an error, and
 * libuv watches it no longer. */
void mp_transport_exchange(mp_transport *t, int status, int events);

#endif
