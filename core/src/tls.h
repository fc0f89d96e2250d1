/* TLS with OpenSSL over a socket that never blocks. An mp_tls is what all links of a client share:
 * the CAs that it trusts, its certificate; an mp_tls_stream is one connection. Errors are libuv's
 * numbers (all negative), as in socket.h; UV_EPROTO stands for a failure of TLS itself, which
 * mp_tls_reason tells in words. OpenSSL allocates with an allocator of its own. In a build without
 * OpenSSL mp_tls_new answers ENOSUPPORT, so that no stream is ever made. */
#ifndef MP_TLS_H
#define MP_TLS_H

#include <sys/types.h>

#include "url.h"

typedef struct mp_tls mp_tls;
typedef struct mp_tls_stream mp_tls_stream;

/* Such as "OpenSSL 3.0.19 27 Jan 2026"; NULL in a build without TLS. */
const char *mp_tls_version(void);

/* What the links to `url` need: *tls is NULL when it has no TLS. What the options leave open, the
 * URL's query says; either may switch verification off. Both are borrowed only during the call. On
 * failure returns EARG (a file that is not to be had, and why; options of TLS for a URL without),
 * ENOSUPPORT or ENOMEM, and writes a line that names what was wrong into `message`. */
int mp_tls_new(mp_tls **tls, const moonpool_allocator *allocator, const mp_url *url,
               const moonpool_options *options, char *message, size_t size);

/* Once its streams are freed. NULL is accepted. */
void mp_tls_free(mp_tls *tls);

/* A client's side of TLS on the connected socket `fd`, which stays the caller's, to the server that
 * `host` (borrowed only during the call) names. NULL without memory. */
mp_tls_stream *mp_tls_stream_new(mp_tls *tls, int fd, const char *host);

/* Says goodbye to the peer, if that is possible at once. NULL is accepted. */
void mp_tls_stream_free(mp_tls_stream *stream);

/* Goes on with the handshake: 0 when it is done; UV_EAGAIN: again when the socket is what *events
 * says (UV_READABLE or UV_WRITABLE); UV_EOF: the peer closed the connection; or an error. */
int mp_tls_shake(mp_tls_stream *stream, int *events);

/* As mp_socket_send, after the handshake. What was not taken must be sent again before anything
 * else, from any address. */
ssize_t mp_tls_send(mp_tls_stream *stream, const char *data, size_t len);

/* As mp_socket_recv. One call makes one read of the socket and hands out all that it brought, so
 * that afterwards a poll of the socket tells whether there is more; `size` is at least
 * MP_TLS_MIN_READ. It ends at the peer's goodbye and at the socket's end alike: RESP tells itself
 * where a reply is cut off. */
enum { MP_TLS_MIN_READ = 64 * 1024 };
ssize_t mp_tls_recv(mp_tls_stream *stream, char *data, size_t size);

/* Nonzero when the next mp_tls_recv tells of the end or of an error, whatever a poll says. */
int mp_tls_is_over(const mp_tls_stream *stream);

/* After UV_EPROTO: what is wrong, and in *status EAUTH (a certificate was refused, by us or by the
 * server) or EPROTO. */
const char *mp_tls_reason(const mp_tls_stream *stream, int *status);

#endif
