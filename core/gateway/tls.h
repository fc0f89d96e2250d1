/* TLS of connections that were accepted, with OpenSSL. */
#ifndef GW_TLS_H
#define GW_TLS_H

#include "conn.h"

struct gw_tls;
typedef struct gw_tls_stream gw_tls_stream;

/* Makes gateway->tls of its options; without certificate it stays NULL. EARG: `message` names the
 * file and what is wrong with it; ENOMEM. */
int gw_tls_new(moonpool_gateway *gateway, char *message, size_t size);
void gw_tls_free(moonpool_gateway *gateway);

/* A connection's side of it. NULL without memory. */
gw_tls_stream *gw_tls_stream_new(struct gw_tls *tls, gw_conn *conn);
void gw_tls_stream_free(gw_tls_stream *stream);

/* Is the handshake done? */
int gw_tls_is_shaken(const gw_tls_stream *stream);

/* Decrypts what the socket gave (`len` 0: goes on with the handshake, when the socket takes more),
 * and feeds the connection with it. Returns 0, or UV_EOF (the peer's goodbye), UV_EPROTO. */
int gw_tls_feed(gw_tls_stream *stream, const char *data, size_t len);

/* As mp_socket_send. What was not taken must be sent again, with the same bytes at its beginning,
 * before anything else. UV_EPROTO. */
ssize_t gw_tls_send(gw_tls_stream *stream, const char *data, size_t len);

/* Tells the peer that nothing more follows, if that is possible at once. */
void gw_tls_shut(gw_tls_stream *stream);

#endif
