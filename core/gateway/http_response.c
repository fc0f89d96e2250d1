/* Responses. */
#include <stdio.h>
#include <time.h>

#include "http.h"
#include "log.h"

#define REASONS(X)                                                                                 \
  X(100, "Continue")                                                                               \
  X(101, "Switching Protocols")                                                                    \
  X(200, "OK")                                                                                     \
  X(201, "Created")                                                                                \
  X(204, "No Content")                                                                             \
  X(304, "Not Modified")                                                                           \
  X(400, "Bad Request")                                                                            \
  X(401, "Unauthorized")                                                                           \
  X(403, "Forbidden")                                                                              \
  X(404, "Not Found")                                                                              \
  X(405, "Method Not Allowed")                                                                     \
  X(408, "Request Timeout")                                                                        \
  X(409, "Conflict")                                                                               \
  X(411, "Length Required")                                                                        \
  X(413, "Content Too Large")                                                                      \
  X(414, "URI Too Long")                                                                           \
  X(415, "Unsupported Media Type")                                                                 \
  X(417, "Expectation Failed")                                                                     \
  X(421, "Misdirected Request")                                                                    \
  X(422, "Unprocessable Content")                                                                  \
  X(426, "Upgrade Required")                                                                       \
  X(429, "Too Many Requests")                                                                      \
  X(431, "Request Header Fields Too Large")                                                        \
  X(500, "Internal Server Error")                                                                  \
  X(502, "Bad Gateway")                                                                            \
  X(503, "Service Unavailable")                                                                    \
  X(504, "Gateway Timeout")                                                                        \
  X(505, "HTTP Version Not Supported")

const char *gw_http_reason(unsigned status) {
  switch (status) {
#define X(number, text)                                                                            \
  case number: return text;
    REASONS(X)
#undef X
  default: return "Unknown";
  }
}

/* ---- the head ----------------------------------------------------------------------------- */

/* "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale. */
static void write_date(char *text, size_t size) {
  static const char days[] = "SunMonTueWedThuFriSat",
                    months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  time_t now = time(NULL);
  struct tm tm;
  gmtime_r(&now, &tm);
  snprintf(text, size, "%.3s, %02d %.3s %d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday, tm.tm_mday,
           months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static int has_content(const gw_response *r) {
  return r->status >= 200 && r->status != 204 && r->status != 304;
}

int gw_http_put_sharing(mp_buf *out, const gw_http *h) {
  static const char allow[] = "Access-Control-Allow-Origin: ", vary[] = "\r\nVary: Origin\r\n";
  moonpool_bytes origin = gw_http_field(h, "origin", NULL);
  if (!h->is_shared || !origin.data) return MOONPOOL_OK;
  if (mp_buf_append(out, allow, sizeof allow - 1)) return MOONPOOL_ENOMEM;
  if (mp_buf_append(out, origin.data, origin.len)) return MOONPOOL_ENOMEM;
  return mp_buf_append(out, vary, sizeof vary - 1);
}

static int write_head(mp_buf *out, const gw_conn *c, const gw_response *r) {
  const gw_http *h = c->http;
  char text[512], date[40];
  write_date(date, sizeof date);
  int len = snprintf(text, sizeof text, "HTTP/1.1 %u %s\r\nDate: %s\r\n", r->status,
                     gw_http_reason(r->status), date);
  if (r->type) {
    len += snprintf(text + len, sizeof text - (size_t)len,
                    "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n", r->type);
  }
  if (has_content(r))
    len += snprintf(text + len, sizeof text - (size_t)len, "Content-Length: %zu\r\n", r->body.len);
  if (!h->is_keeping_alive || r->is_last)
    len += snprintf(text + len, sizeof text - (size_t)len, "Connection: close\r\n");
  else if (h->parser.http_minor == 0)
    len += snprintf(text + len, sizeof text - (size_t)len, "Connection: keep-alive\r\n");
  const char *fields = r->fields ? r->fields : "";
  if (mp_buf_append(out, text, (size_t)len)) return MOONPOOL_ENOMEM;
  if (mp_buf_append(out, fields, strlen(fields))) return MOONPOOL_ENOMEM;
  if (gw_http_put_sharing(out, h)) return MOONPOOL_ENOMEM;
  return mp_buf_append(out, "\r\n", 2);
}

/* ---- the whole ---------------------------------------------------------------------------- */

static int is_head_request(const gw_http *h) {
  return h->is_head_done && gw_parser_method(&h->parser) == HTTP_HEAD;
}

static int put(gw_conn *c, const gw_response *r) {
  mp_buf out;
  mp_buf_init(&out, gw_conn_allocator(c));
  int status = write_head(&out, c, r);
  if (!status && r->body.len && has_content(r) && !is_head_request(c->http))
    status = mp_buf_append(&out, r->body.data, r->body.len);
  if (!status) status = gw_queue_copy(c, out.data, out.len);
  mp_buf_free(&out);
  return status;
}

void gw_http_respond(gw_conn *c, const gw_response *r) {
  gw_http *h = c->http;
  if (!c->has_request) return;
  if (c->server->gateway->is_draining) h->is_keeping_alive = 0;
  int status = put(c, r);
  gw_log_access(c, r->status, r->body.len);
  c->has_request = 0;
  h->is_answered = 1;
  c->since = gw_server_now(c->server);
  gw_conn_schedule(c);
  if (status || r->is_last || !h->is_keeping_alive) gw_conn_linger(c);
  gw_conn_touch(c);
}

void gw_http_refuse(gw_conn *c, unsigned status, const char *why) {
  char text[256];
  int len = snprintf(text, sizeof text, "%s\n", why ? why : gw_http_reason(status));
  gw_http_respond(c, &(gw_response){.status = status,
                                    .type = "text/plain; charset=utf-8",
                                    .body = {text, (size_t)len}});
}

void gw_conn_respond(gw_conn *c, unsigned status, const char *type, const char *body, size_t len) {
  if (c->phase != GW_PHASE_HTTP || !c->has_request) return;
  gw_http_respond(c, &(gw_response){.status = status, .type = type, .body = {body, len}});
}
