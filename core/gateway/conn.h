/* One connection: bytes in, HTTP, then a WebSocket, an event stream, or a response; and its queue
 * of bytes out. It knows nothing of rooms: what it reads goes to its session (session.h). */
#ifndef GW_CONN_H
#define GW_CONN_H

#include "chunk.h"
#include "gateway.h"

typedef struct gw_conn gw_conn;

/* Close codes (RFC 6455, 7.4.1, and our own). docs/gateway.md has the same table. */
enum {
  GW_CLOSE_NORMAL = 1000,
  GW_CLOSE_GOING_AWAY = 1001,  /* the gateway ends */
  GW_CLOSE_PROTOCOL = 1002,    /* not RFC 6455 */
  GW_CLOSE_UNSUPPORTED = 1003, /* binary */
  GW_CLOSE_NOT_UTF8 = 1007,
  GW_CLOSE_POLICY = 1008, /* too many messages, pings, fragments */
  GW_CLOSE_TOO_BIG = 1009,
  GW_CLOSE_INTERNAL = 1011, /* no memory */
  GW_CLOSE_RESTART = 1012,  /* draining: come back */
  GW_CLOSE_TOO_SLOW = 1013, /* its queue is full */
  GW_CLOSE_AUTH = 4401,     /* no token in time, a wrong one, an expired one */
  GW_CLOSE_REVOKED = 4403
};

/* Puts a chunk into the queue (taking a reference of its own); all of a loop turn goes out in one
 * write at its end. Nothing is written from inside this call, and no session function is called. */
typedef enum gw_sent { GW_SENT, GW_FULL, GW_GONE } gw_sent;

/* GW_FULL: max_queue would be passed (a chunk that is longer passes an empty queue), or there is no
 * memory; nothing was put in, and gw_session_drained will be called once half of it is free.
 * GW_GONE: it is closing. */
gw_sent gw_conn_send(gw_conn *conn, gw_chunk *chunk);

/* Likewise for what must not be dropped (answers): a queue that they fill by more than max_queue
 * again is closed, GW_CLOSE_TOO_SLOW. */
gw_sent gw_conn_send_answer(gw_conn *conn, gw_chunk *chunk);

/* Bytes that wait. */
size_t gw_conn_queued(const gw_conn *conn);

/* Sends what is queued, then the closing handshake (of an event stream: the end); at most
 * close_timeout. gw_session_closed is called in the loop's next turn. Repeating it does nothing. A
 * request that waits for its response gets one: 401, 403, 500 or 503, by the code. */
void gw_conn_close(gw_conn *conn, unsigned code, const char *reason);

/* An HTTP response to a request that waits for one (POST, ...). `type` of the content. The session
 * ends with it: gw_session_closed is called in the loop's next turn. */
void gw_conn_respond(gw_conn *conn, unsigned status, const char *type, const char *body,
                     size_t len);

/* Begins an event stream: 200, text/event-stream. What is sent from now on is its body. */
void gw_conn_begin_stream(gw_conn *conn);

moonpool_gateway *gw_conn_gateway(const gw_conn *conn);

/* The client's address: without a port; that of X-Forwarded-For behind a trusted proxy. Valid as
 * long as the connection. */
moonpool_bytes gw_conn_address(const gw_conn *conn);

/* For every connection of the gateway; `fn` may close it. */
void gw_conn_each(moonpool_gateway *gateway, void (*fn)(gw_conn *conn, void *ctx), void *ctx);

/* Its session; NULL before and without one. */
struct gw_session *gw_conn_session(const gw_conn *conn);

#endif
