/* /rooms/NAME/events and /rooms/NAME/messages: sessions of one request. */
#include <stdio.h>

#include "http.h"
#include "log.h"
#include "origins.h"

static const char prefix[] = "/rooms/", events[] = "/events", messages[] = "/messages";

/* The name between, as it came; length 0: none. */
static moonpool_bytes between(moonpool_bytes path, const char *suffix) {
  size_t begin = sizeof prefix - 1, end = strlen(suffix);
  if (path.len <= begin + end || memcmp(path.data, prefix, begin) != 0) return (moonpool_bytes){0};
  if (memcmp(path.data + path.len - end, suffix, end) != 0) return (moonpool_bytes){0};
  moonpool_bytes name = {path.data + begin, path.len - begin - end};
  return memchr(name.data, '/', name.len) ? (moonpool_bytes){0} : name;
}

unsigned gw_route_room_methods(moonpool_bytes path) {
  if (between(path, events).len) return GW_GET | GW_OPTIONS;
  return between(path, messages).len ? GW_POST | GW_OPTIONS : 0;
}

static void open_session(gw_conn *c, const gw_session_start *start) {
  gw_session *session = gw_session_open(c, start);
  if (session)
    c->session = session;
  else
    gw_http_refuse(c, 503, "out of memory");
}

static void fill_post(gw_http *h, gw_session_start *start) {
  start->kind = GW_SESSION_POST;
  start->key = gw_http_field(h, "idempotency-key", NULL);
  start->type = gw_http_field(h, "content-type", NULL);
  start->body = (moonpool_bytes){h->body.data, h->body.len};
}

static void fill_stream(gw_http *h, gw_session_start *start) {
  start->kind = GW_SESSION_STREAM;
  start->since = gw_http_field(h, "last-event-id", NULL);
  if (!start->since.data) start->since = gw_http_parameter(h, "since");
  start->last = gw_http_parameter(h, "last");
}

/* The answer to what a browser asks before it lets a page of another origin do it. */
static void permit(gw_conn *c, const char *method) {
  char fields[300];
  snprintf(fields, sizeof fields,
           "Access-Control-Allow-Methods: %s\r\nAccess-Control-Max-Age: 600\r\n"
           "Access-Control-Allow-Headers: authorization, content-type, idempotency-key, "
           "last-event-id\r\n",
           method);
  gw_http_respond(c, &(gw_response){.status = 204, .fields = fields});
}

void gw_route_room(gw_conn *c, moonpool_bytes path) {
  gw_http *h = c->http;
  moonpool_bytes room = between(path, events);
  int is_stream = room.len > 0;
  if (!is_stream) room = between(path, messages);
  gw_session_start start = {.origin = gw_http_field(h, "origin", NULL)};
  moonpool_bytes host = gw_http_field(h, "host", NULL);
  if (!gw_origins_allow(c->server->gateway->origins, start.origin, host, c->is_https)) {
    gw_http_refuse(c, 403, "this origin may not speak to the gateway");
    return;
  }
  h->is_shared = 1;
  if (gw_parser_method(&h->parser) == HTTP_OPTIONS) {
    permit(c, is_stream ? "GET" : "POST");
    return;
  }
  start.room = gw_http_decode(h, room, 0);
  if (!start.room.data) {
    gw_http_refuse(c, 400, "the room's name is not well encoded");
    return;
  }
  start.token = gw_http_token(h);
  start.user = gw_http_parameter(h, "user");
  is_stream ? fill_stream(h, &start) : fill_post(h, &start);
  open_session(c, &start);
}

static int put_stream_head(gw_conn *c) {
  static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                             "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n"
                             "X-Content-Type-Options: nosniff\r\nConnection: close\r\n";
  mp_buf out;
  mp_buf_init(&out, gw_conn_allocator(c));
  int status = mp_buf_append(&out, head, sizeof head - 1);
  if (!status) status = gw_http_put_sharing(&out, c->http);
  if (!status) status = mp_buf_append(&out, "\r\n", 2);
  if (!status) status = gw_queue_copy(c, out.data, out.len);
  mp_buf_free(&out);
  return status;
}

void gw_conn_begin_stream(gw_conn *c) {
  if (c->phase != GW_PHASE_HTTP || !c->has_request) return;
  gw_log_access(c, 200, 0);
  c->has_request = 0;
  gw_conn_enter(c, GW_PHASE_STREAM);
  if (put_stream_head(c) || c->is_eof) gw_conn_linger(c);
}
