/* moonpool: the gateway. An HTTP and WebSocket server on a libuv loop that carries rooms to
 * browsers. This header is the C API and its manual; it stands on moonpool.h and moonpool_room.h,
 * whose rules for threads, callbacks, times (milliseconds) and bytes hold here too. docs/gateway.md
 * has what clients speak: the protocol moonpool.v1, the addresses, the close codes. */
#ifndef MOONPOOL_GATEWAY_H
#define MOONPOOL_GATEWAY_H

#include <moonpool_room.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct moonpool_gateway moonpool_gateway;

/* ---- hooks -------------------------------------------------------------------------------- */

/* What a client wants to do, as a hook sees it. Borrowed during the call; what is absent has data
 * NULL. */
typedef enum moonpool_gateway_verb {
  MOONPOOL_GATEWAY_AUTHENTICATE, /* token, user (the name that it asks for), origin */
  MOONPOOL_GATEWAY_JOIN,         /* user, room */
  MOONPOOL_GATEWAY_SAY           /* user, room, text, type */
} moonpool_gateway_verb;

typedef struct moonpool_gateway_request {
  moonpool_gateway_verb verb;
  moonpool_bytes address; /* the client's, without a port */
  moonpool_bytes user, room, text, type, token, origin;
} moonpool_gateway_request;

/* A question that waits for its answer: exactly one of the two calls below, now or later, also when
 * the client has gone meanwhile. It is invalid after that. */
typedef struct moonpool_gateway_ticket moonpool_gateway_ticket;

typedef void (*moonpool_gateway_judge_cb)(moonpool_gateway_ticket *ticket,
                                          const moonpool_gateway_request *request, void *ctx);

/* Let it be done. AUTHENTICATE: `user` is who it is, `rooms` (patterns as of KEYS; count 0: none)
 * where he may go, until `expires_ms` of the wall clock (0: for good). SAY: `text` is what is said
 * instead (data NULL: what was asked for). All is copied. */
typedef struct moonpool_gateway_grant {
  moonpool_bytes user;
  const moonpool_bytes *rooms;
  size_t room_count;
  uint64_t expires_ms;
  moonpool_bytes text;
} moonpool_gateway_grant;
MOONPOOL_EXTERN void moonpool_gateway_allow(moonpool_gateway_ticket *ticket,
                                            const moonpool_gateway_grant *grant);

/* Refuse it: `status` (such as MOONPOOL_EREJECTED, MOONPOOL_EAUTH) and a reason that its user sees;
 * copied. */
MOONPOOL_EXTERN void moonpool_gateway_reject(moonpool_gateway_ticket *ticket, int status,
                                             const char *reason);

/* One line for the log: `level` "info", "warn" or "error", `event` such as "access" or "close", and
 * `fields`, a JSON object's text. Borrowed. */
typedef void (*moonpool_gateway_log_cb)(const char *level, const char *event, const char *fields,
                                        void *ctx);

/* More lines for /metrics, in Prometheus's text format: appends by calling `append` with `to`. */
typedef void (*moonpool_gateway_metrics_cb)(void (*append)(void *to, const char *text, size_t len),
                                            void *to, void *ctx);

/* ---- options ------------------------------------------------------------------------------ */

typedef enum moonpool_overflow {
  MOONPOOL_OVERFLOW_GAP,       /* drop, then fetch from the history what was dropped */
  MOONPOOL_OVERFLOW_CONFLATE,  /* drop all but the newest; a gap tells how many */
  MOONPOOL_OVERFLOW_DISCONNECT /* close 1013 */
} moonpool_overflow;

typedef struct moonpool_overflow_rule {
  const char *pattern; /* of rooms' names, as of KEYS; the first that matches counts */
  moonpool_overflow overflow;
} moonpool_overflow_rule;

/* Fill with moonpool_gateway_options_init, then change what should differ. Strings are copied. A
 * limit of 0 means: no such limit. */
typedef struct moonpool_gateway_options {
  /* Who may. With none of secret and judges[AUTHENTICATE], only loopback addresses are listened on,
   * and any name is taken. */
  moonpool_bytes secret;      /* of HS256 tokens (RFC 7519); at least 32 bytes; data NULL: none */
  const char *const *origins; /* "https://example.org"; "*": any. NULL: the same origin only. A
                                 client that sends no Origin is no browser, and is let in */
  size_t origin_count;
  const char *const *proxies; /* addresses or CIDR blocks whose X-Forwarded-For is believed */
  size_t proxy_count;

  /* What the judges decide, by verb; NULL: what the gateway itself finds. Never both of `secret`
   * and judges[MOONPOOL_GATEWAY_AUTHENTICATE]. */
  moonpool_gateway_judge_cb judges[3];
  moonpool_gateway_log_cb log; /* NULL: none */
  moonpool_gateway_metrics_cb metrics;
  void *ctx; /* of all of them */

  /* TLS in this process: PEM files. NULL: none. */
  const char *tls_cert_file, *tls_key_file;

  const moonpool_room_options *room;      /* of the rooms; NULL: the defaults */
  const moonpool_overflow_rule *overflow; /* NULL: MOONPOOL_OVERFLOW_GAP for all */
  size_t overflow_count;
  int is_page_off; /* do not serve the chat page; moonpool.js always is */

  /* Limits; what is over is refused with the code in brackets. */
  size_t max_connections;             /* [HTTP 503]; default 20000 */
  size_t max_connections_per_address; /* [HTTP 429]; default 0, as many come through proxies */
  size_t max_header;                  /* bytes of a request's line and headers [431]; 16384; a
                                         build with http-parser takes 80 KiB at most */
  size_t max_headers;                 /* [431]; default 100 */
  uint64_t header_timeout;    /* ms from accept to the end of the headers [408]; default 10000 */
  uint64_t request_timeout;   /* ms from there to the end of a body [408]; default 30000 */
  size_t max_rooms;           /* joined by one socket [EQUEUE]; default 100 */
  size_t max_members;         /* rooms open in the gateway [EQUEUE]; default 100000 */
  size_t max_message;         /* bytes of one incoming message [1009; HTTP 413]; default 65536 */
  size_t max_fragments;       /* of one message [1008]; default 1024 */
  double messages_per_second; /* of one socket, bursts of two seconds' [1008]; default 50 */
  double pings_per_second;    /* likewise, pings and pongs [1008]; default 10 */
  size_t max_requests;        /* of one socket waiting for their answers [EQUEUE]; default 256 */
  size_t max_queue; /* bytes waiting for one socket, above which `overflow` acts; default 1 MiB */
  uint64_t ping;    /* ms of silence after which a socket is pinged; default 25000 */
  uint64_t idle;    /* ms without a byte from it after which it is closed; default 60000 */
  uint64_t auth_timeout;  /* ms in which it must say who it is [4401]; default 10000 */
  uint64_t close_timeout; /* ms that a closing handshake may take; default 2000 */
  uint64_t typing;        /* ms between two typing signals of a user in a room; default 1000 */
  uint64_t query_timeout; /* ms of what is asked of Redis for a client; default 10000 */
} moonpool_gateway_options;

MOONPOOL_EXTERN void moonpool_gateway_options_init(moonpool_gateway_options *options);

/* ---- life --------------------------------------------------------------------------------- */

/* Makes a gateway for the rooms of `client`, which is the caller's and must outlive it, on that
 * client's loop. MOONPOOL_OK, or EARG (options: the line in `message` names what), ENOSUPPORT (TLS
 * in a build without it), ENOMEM. */
MOONPOOL_EXTERN int moonpool_gateway_open(moonpool_gateway **gateway, moonpool *client,
                                          uv_loop_t *loop, const moonpool_gateway_options *options,
                                          char *message, size_t size);

/* Listens on "HOST:PORT", "[IPv6]:PORT" (port 0: any that is free) or "unix:PATH"; or, `fd` not -1,
 * on that socket, which is listening already and becomes the gateway's. May be called for several.
 * EARG (no such address; not loopback although nobody is asked for a token), ESYS (and why). */
MOONPOOL_EXTERN int moonpool_gateway_listen(moonpool_gateway *gateway, const char *address, int fd,
                                            char *message, size_t size);

/* Where it listens: the nth address as text ("127.0.0.1:8080"), NULL behind the last. Owned by the
 * gateway. */
MOONPOOL_EXTERN const char *moonpool_gateway_address(const moonpool_gateway *gateway, size_t n);

/* Binds and listens without a gateway, for a process that hands the socket on: its number, or a
 * status with a line in `message`. */
MOONPOOL_EXTERN int moonpool_gateway_bind(const char *address, char *message, size_t size);

/* Closes the live connections of a user (data NULL: of everybody) with close code 4403 and the
 * reason; returns how many. */
MOONPOOL_EXTERN size_t moonpool_gateway_revoke(moonpool_gateway *gateway, moonpool_bytes user,
                                               const char *reason);

/* Takes no new connections, closes those that are there with 1012, spread over `spread` ms, so that
 * they do not all come back elsewhere at once; then calls `cb`, once. /readyz answers 503. */
typedef void (*moonpool_gateway_cb)(void *ctx);
MOONPOOL_EXTERN void moonpool_gateway_drain(moonpool_gateway *gateway, uint64_t spread,
                                            moonpool_gateway_cb cb, void *ctx);

/* Closes everything at once (1001); `cb` (may be NULL) once libuv has let go of the handles and the
 * gateway is gone. NULL is accepted. */
MOONPOOL_EXTERN void moonpool_gateway_close(moonpool_gateway *gateway, moonpool_gateway_cb cb,
                                            void *ctx);

/* Counters since the start, and what is there now. Can't fail. */
#define MOONPOOL_GATEWAY_STATS(X)                                                                  \
  X(connections, "gauge", "Open connections")                                                      \
  X(sockets, "gauge", "Open WebSockets")                                                           \
  X(streams, "gauge", "Open event streams (SSE)")                                                  \
  X(rooms, "gauge", "Rooms with a listener")                                                       \
  X(members, "gauge", "Memberships: one for each socket and room")                                 \
  X(queued_bytes, "gauge", "Bytes that wait for sockets")                                          \
  X(accepted, "counter", "Connections accepted")                                                   \
  X(refused, "counter", "Connections refused by a limit")                                          \
  X(requests, "counter", "HTTP requests")                                                          \
  X(messages_in, "counter", "Frames with a message from clients")                                  \
  X(messages_said, "counter", "Messages stored for clients")                                       \
  X(messages_out, "counter", "Room events put into sockets' queues")                               \
  X(bytes_in, "counter", "Bytes read")                                                             \
  X(bytes_out, "counter", "Bytes written")                                                         \
  X(gaps, "counter", "Gap events sent")                                                            \
  X(overflows, "counter", "Times that a socket's queue was full")                                  \
  X(allowed, "counter", "Verdicts of judges: allowed")                                             \
  X(rejected, "counter", "Verdicts of judges: rejected")                                           \
  X(auth_failures, "counter", "Clients that could not say who they are")                           \
  X(protocol_errors, "counter", "Connections closed for what they sent")

typedef struct moonpool_gateway_stats {
#define X(name, kind, help) uint64_t name;
  MOONPOOL_GATEWAY_STATS(X)
#undef X
} moonpool_gateway_stats;
MOONPOOL_EXTERN void moonpool_gateway_get_stats(const moonpool_gateway *gateway,
                                                moonpool_gateway_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
