/* What the files of a connection share: conn*.c, http*.c, routes.c and ws*.c. */
#ifndef GW_CONN_PRIVATE_H
#define GW_CONN_PRIVATE_H

#include "mem.h"
#include "server.h"
#include "session.h"
#include "ws_frame.h"

struct gw_http;
struct gw_ws_reader;
struct gw_tls_stream;

typedef enum gw_phase {
  GW_PHASE_HTTP,    /* requests */
  GW_PHASE_STREAM,  /* an event stream; what comes in is dropped */
  GW_PHASE_SOCKET,  /* a WebSocket */
  GW_PHASE_CLOSING, /* of a WebSocket: our close frame is queued, the peer's is not here yet */
  GW_PHASE_LINGER,  /* what is queued goes out, then ours is shut; ends with the peer's end */
  GW_PHASE_GONE     /* the handle is being closed */
} gw_phase;

enum { GW_INLINE_CHUNKS = 4, GW_ADDRESS_SIZE = 46 };

/* What waits to be written. A ring; its size is a power of two. */
typedef struct gw_queue {
  gw_chunk **slots; /* `few`, or a block */
  unsigned size, first, count;
  size_t offset; /* of the first chunk: what was written of it */
  size_t bytes;  /* that wait */
  gw_chunk *few[GW_INLINE_CHUNKS];
} gw_queue;

struct gw_conn {
  uv_poll_t poll; /* first: a handle is its connection */
  int fd;
  uint8_t phase;           /* gw_phase */
  uint8_t events;          /* that `poll` watches */
  uint8_t is_dirty : 1;    /* on the server's list */
  uint8_t is_blocked : 1;  /* the socket takes no more: waits for UV_WRITABLE */
  uint8_t is_full : 1;     /* GW_FULL was answered: gw_session_drained is owed */
  uint8_t is_held : 1;     /* nothing is read until what was read is dealt with */
  uint8_t is_eof : 1;      /* the peer sends no more */
  uint8_t is_shut : 1;     /* nor do we */
  uint8_t is_closed : 1;   /* libuv has let go of it */
  uint8_t is_deaf : 1;     /* what comes in is not looked at any more */
  uint8_t is_counted : 1;  /* by its address: addresses.c */
  uint8_t is_https : 1;    /* the client speaks TLS with us */
  uint8_t was_socket : 1;  /* it is a WebSocket, or was */
  uint8_t has_request : 1; /* that is not answered yet */
  /* Up to here and these: what a write looks at, side by side. */
  gw_server *server;
  gw_conn *next_dirty;
  gw_queue queue;
  gw_session *session;
  struct gw_http *http;      /* while it speaks HTTP and has something to keep */
  struct gw_tls_stream *tls; /* NULL: none */
  uint64_t last_out;         /* when the socket took something */
  uint64_t bytes_out;

  gw_conn *next, **link; /* of server->conns */
  gw_wheel_node timer;
  struct gw_ws_reader *reader;    /* only inside of a message */
  uint64_t last_in;               /* when something came, ms */
  uint64_t pinged;                /* when it was */
  uint64_t since;                 /* when its phase began */
  uint64_t message_due, ping_due; /* rate.h */
  uint64_t bytes_in;
  uint64_t opened;
  const char *close_reason; /* a copy, for the log; NULL: none */
  uint16_t close_code;      /* that it ended with; 0: none yet */
  char address[GW_ADDRESS_SIZE];
};

static inline const moonpool_gateway_options *gw_conn_options(const gw_conn *c) {
  return &c->server->gateway->options;
}
static inline const moonpool_allocator *gw_conn_allocator(const gw_conn *c) {
  return c->server->gateway->allocator;
}

/* Has the processor fetch what a write looks at: a write takes some microseconds, and the kernel
 * much of the cache. */
static inline void gw_conn_prefetch(const gw_conn *c) {
  const char *at = (const char *)c + offsetof(gw_conn, fd);
  for (int i = 0; i < 3; i++) __builtin_prefetch(at + 64 * i, 1);
}

/* ---- conn.c ---- */

/* Takes over a socket that does not block. NULL without memory; `fd` is still the caller's then. */
gw_conn *gw_conn_new(gw_server *server, int fd, const char *address);

/* Turns away a connection that is over a limit, before its first request. */
void gw_conn_refuse(gw_conn *conn, unsigned status);

/* Ends it without a word: tells the session, closes the socket. Never from inside a function of the
 * session's. */
void gw_conn_destroy(gw_conn *conn);

/* Its next phase; the one before is left. */
void gw_conn_enter(gw_conn *conn, gw_phase phase);

/* What the peer says, decrypted. */
void gw_conn_feed(gw_conn *conn, const char *data, size_t len);

/* Sends what is queued, then shuts down; what comes is dropped. */
void gw_conn_linger(gw_conn *conn);

/* Watches what is to be watched now. */
void gw_conn_watch(gw_conn *conn);

/* To be looked at by gw_conn_turn before the loop waits. */
void gw_conn_touch(gw_conn *conn);
void gw_conn_turn(gw_conn *conn);

/* ---- client_address.c ---- */

/* May the connection come? What is known of a proxy's clients is what their requests say. */
int gw_client_accept(gw_conn *conn);

/* With a request's head complete: whose is it? 0: of an address that has too many connections. */
int gw_client_find(gw_conn *conn);

/* ---- conn_queue.c ---- */

void gw_queue_init(gw_queue *queue);
void gw_queue_free(gw_conn *conn);

/* Without a look at limits: MOONPOOL_OK or ENOMEM. */
int gw_queue_put(gw_conn *conn, gw_chunk *chunk);

/* Makes a chunk of these bytes. */
int gw_queue_copy(gw_conn *conn, const char *data, size_t len);

/* Writes what the socket takes: 0, or an error of libuv's: it is dead. */
int gw_queue_write(gw_conn *conn);

/* ---- conn_time.c ---- */

/* Its next deadline, as its phase has it. */
void gw_conn_schedule(gw_conn *conn);
void gw_conn_on_due(gw_wheel_node *node, uint64_t now);

/* ---- ws.c, ws_control.c ---- */

/* Bytes of frames. */
void gw_ws_feed(gw_conn *conn, const char *data, size_t len);
void gw_ws_release(gw_conn *conn); /* gives the reader back */
void gw_ws_readers_free(gw_server *server);

/* What came in broke the rules: closes, and reads no more. */
void gw_ws_fail(gw_conn *conn, unsigned code, const char *reason);

/* One frame of our own: a close, a ping or a pong. MOONPOOL_OK or ENOMEM. */
int gw_ws_send_control(gw_conn *conn, unsigned opcode, const char *data, size_t len);

/* A whole control frame came. */
void gw_ws_on_control(gw_conn *conn, unsigned opcode, const char *data, size_t len);

/* Is it a close code that a peer may send? */
int gw_ws_is_code(unsigned code);

#endif
