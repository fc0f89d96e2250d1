/* A client as the rooms know it: who it is, where it has joined, what it has asked for. One for
 * each WebSocket, event stream and POST. The connection (conn.h) calls these; they call its
 * functions. */
#ifndef GW_SESSION_H
#define GW_SESSION_H

#include "conn.h"

typedef struct gw_session gw_session;

typedef enum gw_session_kind {
  GW_SESSION_SOCKET, /* moonpool.v1 over WebSocket */
  GW_SESSION_STREAM, /* GET /rooms/NAME/events */
  GW_SESSION_POST    /* POST /rooms/NAME/messages */
} gw_session_kind;

/* What the request said of it. Borrowed during gw_session_open. */
typedef struct gw_session_start {
  gw_session_kind kind;
  moonpool_bytes token;      /* of the subprotocol, Authorization or the query; absent: data NULL */
  moonpool_bytes user;       /* the query's `user`: a name that is asked for */
  moonpool_bytes origin;     /* the header, already checked */
  moonpool_bytes room;       /* STREAM, POST: the path's, decoded */
  moonpool_bytes since;      /* STREAM: Last-Event-ID, or the query's `since` */
  moonpool_bytes last;       /* STREAM: the query's `last` */
  moonpool_bytes key;        /* POST: Idempotency-Key */
  moonpool_bytes body, type; /* POST: the body, whole, and its Content-Type */
} gw_session_start;

/* NULL without memory. It may answer, or close, at once. */
gw_session *gw_session_open(gw_conn *conn, const gw_session_start *start);

/* A whole text message, checked to be UTF-8; not terminated. Borrowed. */
void gw_session_text(gw_session *session, const char *text, size_t len);

/* After GW_FULL: half of the queue is free. */
void gw_session_drained(gw_session *session);

/* The connection is gone, or going; nothing can be sent any more. Frees the session. */
void gw_session_closed(gw_session *session);

/* Who it is, once that is known; data NULL before. Valid until the session's next call. */
moonpool_bytes gw_session_user(const gw_session *session);

#endif
