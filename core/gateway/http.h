/* HTTP/1.1 of one connection: requests in, one after the other, and their responses. */
#ifndef GW_HTTP_H
#define GW_HTTP_H

#include "conn_private.h"
#include "http_lint.h"
#include "http_shim.h"

/* A header field; offsets into `head`, as that may move. */
typedef struct gw_field {
  uint32_t name, name_len, value, value_len;
} gw_field;

typedef struct gw_http {
  gw_parser parser;
  gw_lint lint;
  gw_conn *conn;
  mp_buf head;   /* the request's target, then the names and values of its fields */
  mp_buf fields; /* gw_field */
  mp_buf body;
  mp_buf decoded;    /* parts of the target, as gw_http_decode gave them; it never moves */
  mp_buf held;       /* came in while a request was being answered */
  size_t target_len; /* at the beginning of `head` */
  size_t head_bytes; /* read of the head so far */
  unsigned refused;  /* the status to refuse the request with; 0: none */
  unsigned waits;    /* what of a request is missing: see http.c */
  int is_in_value;
  int is_head_done;
  int is_keeping_alive;
  int is_shared;   /* its response may be read by pages of the request's origin */
  int is_answered; /* its response is in the queue */
  uint64_t began;  /* when its first byte came; before that, when its turn did */
  uint64_t headed; /* when its head was complete */
  uint64_t count;  /* requests on this connection */
} gw_http;

/* Bytes of requests. Returns how many were taken: what is left is not HTTP any more. */
size_t gw_http_feed(gw_conn *conn, const char *data, size_t len);

/* Goes on with what was held, once the request before is answered. */
void gw_http_resume(gw_conn *conn);
void gw_http_free(gw_conn *conn);

uint64_t gw_http_due(const gw_conn *conn);
void gw_http_on_due(gw_conn *conn, uint64_t now);

/* ---- http_request.c: what a request says. Borrowed; absent is data NULL. ---- */

/* A field's value, by its name in lower case. `count` (may be NULL): how many there are. */
moonpool_bytes gw_http_field(const gw_http *http, const char *name, unsigned *count);

/* Is `token` (in lower case) in a list such as Connection's? */
int gw_http_lists(moonpool_bytes list, const char *token);

/* Takes the next element off a list: 0 at its end. */
int gw_http_next(moonpool_bytes *list, moonpool_bytes *element);
int gw_http_is(moonpool_bytes text, const char *lower_case);

/* The target's path, as it came, and a parameter of its query, decoded. */
moonpool_bytes gw_http_path(const gw_http *http);
moonpool_bytes gw_http_parameter(gw_http *http, const char *name);

/* The token: of Authorization, or of the query. */
moonpool_bytes gw_http_token(gw_http *http);

/* A copy of a part of the target in which %XX (and, of a query, "+") is decoded, until the next
 * request. Absent: it is malformed, or there is no memory. All parts together are to be no longer
 * than the target. */
moonpool_bytes gw_http_decode(gw_http *http, moonpool_bytes text, int is_query);

/* ---- http_response.c ---- */

typedef struct gw_response {
  unsigned status;
  const char *type;   /* of the content; NULL: it has none */
  const char *fields; /* more header lines, each with its CRLF; NULL: none */
  moonpool_bytes body;
  int is_last; /* the connection is closed after it */
} gw_response;

/* Puts the response to the present request into the queue, and logs it. */
void gw_http_respond(gw_conn *conn, const gw_response *response);

/* A status with a line of text that says why. */
void gw_http_refuse(gw_conn *conn, unsigned status, const char *why);
const char *gw_http_reason(unsigned status);

/* Appends the header fields that let the page read the response (CORS), if it may. */
int gw_http_put_sharing(mp_buf *out, const gw_http *http);

/* ---- routes.c ---- */

enum { GW_GET = 1, GW_HEAD = 2, GW_POST = 4, GW_OPTIONS = 8 }; /* methods */

/* Does what the complete request asks for. */
void gw_route(gw_conn *conn);

/* With its head complete: the status to refuse it with at once, or 0. */
unsigned gw_route_check(gw_http *http);

/* ---- upgrade.c ---- */
void gw_upgrade(gw_conn *conn);

/* ---- rooms' addresses: rooms_http.c ---- */
void gw_route_room(gw_conn *conn, moonpool_bytes path);
unsigned gw_route_room_methods(moonpool_bytes path);

#endif
