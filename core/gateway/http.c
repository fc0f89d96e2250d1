/* Reads requests: their heads and bodies up to the limits, one request at a time. What comes while
 * one is being answered is held, and nothing more is read. */
#include "http.h"
#include "tls.h"

enum { MAX_WAITING = 64 * 1024 }; /* bytes of responses; a client that reads none gets no more */

/* ---- the parser's callbacks --------------------------------------------------------------- */

static int refuse(gw_http *h, unsigned status) {
  if (!h->refused) h->refused = status;
  return GW_PARSER_REFUSE;
}

static int keep(gw_http *h, mp_buf *buf, const char *data, size_t len) {
  return mp_buf_append(buf, data, len) ? refuse(h, 503) : 0;
}

static int on_begin(gw_parser *parser) {
  gw_http *h = parser->data;
  h->is_answered = 0;
  h->count++;
  h->conn->server->gateway->stats.requests++;
  return 0;
}

static int on_url(gw_parser *parser, const char *data, size_t len) {
  gw_http *h = parser->data;
  h->target_len += len;
  return keep(h, &h->head, data, len);
}

static gw_field *last_field(gw_http *h) {
  return h->fields.len ? (gw_field *)(h->fields.data + h->fields.len) - 1 : NULL;
}

static int begin_field(gw_http *h) {
  size_t max = gw_conn_options(h->conn)->max_headers;
  if (max && h->fields.len / sizeof(gw_field) >= max) return refuse(h, 431);
  gw_field field = {.name = (uint32_t)h->head.len};
  h->is_in_value = 0;
  return keep(h, &h->fields, (char *)&field, sizeof field);
}

static int on_name(gw_parser *parser, const char *data, size_t len) {
  gw_http *h = parser->data;
  if (h->is_head_done) return 0; /* a trailer */
  if ((h->is_in_value || !last_field(h)) && begin_field(h)) return GW_PARSER_REFUSE;
  last_field(h)->name_len += (uint32_t)len;
  return keep(h, &h->head, data, len);
}

static int on_value(gw_parser *parser, const char *data, size_t len) {
  gw_http *h = parser->data;
  gw_field *field = last_field(h);
  if (h->is_head_done) return 0;
  if (!field) return GW_PARSER_REFUSE;
  if (!h->is_in_value) field->value = (uint32_t)h->head.len;
  h->is_in_value = 1;
  field->value_len += (uint32_t)len;
  return keep(h, &h->head, data, len);
}

static int on_head_done(gw_parser *parser) {
  gw_http *h = parser->data;
  h->is_head_done = 1;
  h->headed = gw_server_now(h->conn->server);
  h->is_keeping_alive = gw_parser_is_keeping_alive(parser);
  unsigned status = gw_route_check(h);
  return status ? refuse(h, status) : 0;
}

static int on_body(gw_parser *parser, const char *data, size_t len) {
  gw_http *h = parser->data;
  size_t max = gw_conn_options(h->conn)->max_message;
  if (max && h->body.len + len > max) return refuse(h, 413);
  return keep(h, &h->body, data, len);
}

static int on_end(gw_parser *parser) {
  return gw_parser_stop(parser);
}

static const gw_parser_settings settings = {.on_message_begin = on_begin,
                                            .on_url = on_url,
                                            .on_header_field = on_name,
                                            .on_header_value = on_value,
                                            .on_headers_complete = on_head_done,
                                            .on_body = on_body,
                                            .on_message_complete = on_end};

/* ---- life --------------------------------------------------------------------------------- */

static gw_http *make(gw_conn *c) {
  const moonpool_allocator *allocator = gw_conn_allocator(c);
  gw_http *h = mp_calloc(allocator, sizeof *h);
  if (!h) return NULL;
  h->conn = c;
  mp_buf_init(&h->head, allocator);
  mp_buf_init(&h->fields, allocator);
  mp_buf_init(&h->body, allocator);
  mp_buf_init(&h->decoded, allocator);
  mp_buf_init(&h->held, allocator);
  gw_parser_init(&h->parser, &settings, h);
  h->began = gw_server_now(c->server);
  return h;
}

void gw_http_free(gw_conn *c) {
  gw_http *h = c->http;
  c->http = NULL;
  if (!h) return;
  mp_buf_free(&h->head);
  mp_buf_free(&h->fields);
  mp_buf_free(&h->body);
  mp_buf_free(&h->decoded);
  mp_buf_free(&h->held);
  mp_free(gw_conn_allocator(c), h);
}

/* The next request's turn. */
static void begin(gw_http *h) {
  mp_buf_clear(&h->head, 4096);
  mp_buf_clear(&h->fields, 4096);
  mp_buf_clear(&h->body, 4096);
  mp_buf_clear(&h->decoded, 4096);
  gw_lint_init(&h->lint);
  h->target_len = h->head_bytes = 0;
  h->is_in_value = h->is_head_done = h->is_shared = 0;
  h->refused = 0;
  h->began = h->conn->since = gw_server_now(h->conn->server);
}

/* ---- feeding ------------------------------------------------------------------------------ */

/* The head may still have so many bytes. */
static size_t room_of_head(const gw_http *h) {
  size_t max = gw_conn_options(h->conn)->max_header;
  return !max || h->is_head_done ? SIZE_MAX : max - h->head_bytes;
}

static unsigned status_of(const gw_http *h, gw_parsed parsed) {
  if (h->refused) return h->refused;
  return parsed == GW_PARSED_LONG ? 431 : parsed == GW_PARSED_VERSION ? 505 : 400;
}

static void fail(gw_http *h, gw_parsed parsed) {
  h->is_keeping_alive = 0;
  gw_http_refuse(h->conn, status_of(h, parsed), NULL);
}

/* Of what the parser has taken; otherwise h->refused says what is wrong, whatever it said. */
static int check_form(gw_http *h, const char *data, size_t len) {
  size_t max = gw_conn_options(h->conn)->max_message;
  if (!gw_lint_feed(&h->lint, data, len, (h->parser.flags & F_CHUNKED) != 0))
    h->refused = 400;
  else if (max && gw_lint_chunk(&h->lint) > max)
    h->refused = 413;
  else
    return 1;
  return 0;
}

static gw_parsed feed_part(gw_http *h, const char *data, size_t len, size_t *used) {
  size_t room = room_of_head(h);
  int was_done = h->is_head_done;
  gw_parsed parsed = gw_parser_feed(&h->parser, &settings, data, len < room ? len : room, used);
  if (!was_done) h->head_bytes += *used;
  if (!check_form(h, data, *used)) return GW_PARSED_BAD;
  if (parsed != GW_PARSED_MORE || h->is_head_done || room > *used) return parsed;
  h->refused = h->fields.len ? 431 : 414;
  return GW_PARSED_BAD;
}

/* Parses until a request is complete: nonzero when there is to be waited for more. */
static int feed_request(gw_http *h, const char **data, size_t *len) {
  gw_parsed parsed = GW_PARSED_MORE;
  while (*len && parsed == GW_PARSED_MORE) {
    size_t used;
    parsed = feed_part(h, *data, *len, &used);
    *data += used;
    *len -= used;
  }
  if (parsed == GW_PARSED_MORE) return 1;
  h->conn->has_request = 1;
  if (parsed == GW_PARSED_END)
    gw_route(h->conn);
  else
    fail(h, parsed);
  return 0;
}

static int is_ready(const gw_conn *c) {
  return c->phase == GW_PHASE_HTTP && !c->has_request && !c->session &&
         c->queue.bytes < MAX_WAITING;
}

static void hold(gw_conn *c, const char *data, size_t len) {
  if (!len) return;
  c->is_held = 1;
  if (mp_buf_append(&c->http->held, data, len)) gw_conn_linger(c);
}

size_t gw_http_feed(gw_conn *c, const char *data, size_t len) {
  const char *from = data;
  size_t left = len;
  if (!c->http && !(c->http = make(c))) {
    gw_conn_linger(c);
    return len;
  }
  while (left && is_ready(c)) {
    if (c->http->is_answered) begin(c->http);
    c->http->is_answered = 0;
    if (feed_request(c->http, &from, &left)) break;
  }
  if (c->phase == GW_PHASE_HTTP) {
    hold(c, from, left);
    gw_conn_schedule(c);
    return len;
  }
  return len - left;
}

void gw_http_resume(gw_conn *c) {
  if (!c->is_held || !is_ready(c)) return;
  gw_http *h = c->http;
  mp_buf held = h->held;
  mp_buf_init(&h->held, gw_conn_allocator(c));
  c->is_held = 0;
  size_t used = gw_http_feed(c, held.data, held.len);
  if (c->phase == GW_PHASE_SOCKET) gw_ws_feed(c, held.data + used, held.len - used);
  mp_buf_free(&held);
}

/* ---- time --------------------------------------------------------------------------------- */

uint64_t gw_http_due(const gw_conn *c) {
  const moonpool_gateway_options *o = gw_conn_options(c);
  const gw_http *h = c->http;
  uint64_t from = c->since, ms = o->header_timeout;
  if (c->queue.count) { /* a client that does not read */
    from = c->last_out, ms = o->idle;
  } else if (c->has_request) {
    return UINT64_MAX; /* who answers has a time limit of its own */
  } else if (h && h->is_head_done && !h->is_answered) {
    from = h->headed, ms = o->request_timeout;
  } else if (h && h->is_answered) {
    ms = o->idle;
  }
  return ms ? mp_deadline_after(from, ms) : UINT64_MAX;
}

void gw_http_on_due(gw_conn *c, uint64_t now) {
  gw_http *h = c->http;
  (void)now;
  if (c->queue.count || (h && h->is_answered) || (c->tls && !gw_tls_is_shaken(c->tls))) {
    gw_conn_destroy(c);
    return;
  }
  if (!h && !(h = c->http = make(c))) {
    gw_conn_destroy(c);
    return;
  }
  c->has_request = 1;
  h->is_keeping_alive = 0;
  gw_http_refuse(c, 408, NULL);
}
