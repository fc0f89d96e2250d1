/* What lies at which address. */
#include <stdio.h>

#include "health.h"
#include "http.h"
#include "page.h"

static int is(moonpool_bytes text, const char *other) {
  return text.len == strlen(other) && memcmp(text.data, other, text.len) == 0;
}

/* ---- files -------------------------------------------------------------------------------- */

static const char policy[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n";

static const char *type_of(const char *name) {
  const char *dot = strrchr(name, '.');
  static const char *const types[][2] = {{".html", "text/html; charset=utf-8"},
                                         {".js", "text/javascript; charset=utf-8"},
                                         {".css", "text/css; charset=utf-8"},
                                         {".svg", "image/svg+xml"},
                                         {".png", "image/png"},
                                         {".ico", "image/x-icon"},
                                         {".json", "application/json"}};
  for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
    if (!strcmp(dot, types[i][0])) return types[i][1];
  return "application/octet-stream";
}

static const gw_page_file *find_file(const gw_conn *c, moonpool_bytes path) {
  moonpool_bytes name = {path.data + 1, path.len - 1};
  if (!name.len) name = (moonpool_bytes){"index.html", 10};
  for (const gw_page_file *file = gw_page_files; file->name; file++) {
    if (!is(name, file->name)) continue;
    return gw_conn_options(c)->is_page_off && strcmp(file->name, "moonpool.js") ? NULL : file;
  }
  return NULL;
}

/* If-None-Match: "*", or a list of tags, which may be weak (RFC 9110, 13.1.2). */
static int is_known(const gw_http *h, const char *etag) {
  moonpool_bytes list = gw_http_field(h, "if-none-match", NULL), tag;
  while (gw_http_next(&list, &tag)) {
    if (tag.len > 2 && !memcmp(tag.data, "W/", 2)) tag.data += 2, tag.len -= 2;
    if (is(tag, "*") || is(tag, etag)) return 1;
  }
  return 0;
}

static void send_file(gw_conn *c, const gw_page_file *file) {
  char fields[sizeof policy + 160];
  /* Pages from elsewhere may import it; whether they may connect is up to the origins. */
  const char *cors = strcmp(file->name, "moonpool.js") ? "" : "Access-Control-Allow-Origin: *\r\n";
  snprintf(fields, sizeof fields, "ETag: %s\r\nCache-Control: no-cache\r\n%s%s", file->etag, cors,
           policy);
  gw_response response = {.status = is_known(c->http, file->etag) ? 304 : 200, .fields = fields};
  if (response.status == 200) {
    response.type = type_of(file->name);
    response.body = (moonpool_bytes){file->data, file->len};
  }
  gw_http_respond(c, &response);
}

/* ---- what is where ------------------------------------------------------------------------ */

typedef struct route {
  const char *path;
  void (*serve)(gw_conn *c);
} route;

static const route routes[] = {{"/socket", gw_upgrade},
                               {"/healthz", gw_serve_healthz},
                               {"/readyz", gw_serve_readyz},
                               {"/metrics", gw_serve_metrics}};

static const route *find_route(moonpool_bytes path) {
  for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
    if (is(path, routes[i].path)) return &routes[i];
  return NULL;
}

/* RFC 9112, 6.1: of the codings only chunked is known here; what another would end where, is not.
 */
static int has_strange_coding(const gw_http *h) {
  unsigned count;
  moonpool_bytes coding = gw_http_field(h, "transfer-encoding", &count);
  return count > 1 || (count && (!gw_http_is(coding, "chunked") || !h->parser.http_minor));
}

unsigned gw_route_check(gw_http *h) {
  unsigned hosts;
  (void)gw_http_field(h, "host", &hosts);
  if (h->parser.http_major != 1) return 505;
  if (hosts > 1 || (!hosts && h->parser.http_minor > 0)) return 400;
  if (has_strange_coding(h)) return 400;
  moonpool_bytes expect = gw_http_field(h, "expect", NULL);
  if (expect.data && !gw_http_is(expect, "100-continue")) return 417;
  size_t max = gw_conn_options(h->conn)->max_message;
  if (GW_PARSER_HAS_LENGTH(&h->parser) && max && h->parser.content_length > max) return 413;
  if (!gw_parser_has_body(&h->parser)) {
    int is_post = gw_parser_method(&h->parser) == HTTP_POST;
    return is_post && !GW_PARSER_HAS_LENGTH(&h->parser) ? 411 : 0;
  }
  if (expect.data && gw_queue_copy(h->conn, "HTTP/1.1 100 Continue\r\n\r\n", 25)) return 503;
  return 0;
}

static int is_allowed(unsigned method, unsigned methods) {
  return (method == HTTP_GET && methods & GW_GET) || (method == HTTP_HEAD && methods & GW_HEAD) ||
         (method == HTTP_POST && methods & GW_POST) ||
         (method == HTTP_OPTIONS && methods & GW_OPTIONS);
}

static void refuse_method(gw_conn *c, unsigned methods) {
  const char *allow = methods & GW_POST   ? "Allow: POST, OPTIONS\r\n"
                      : methods & GW_HEAD ? "Allow: GET, HEAD\r\n"
                                          : "Allow: GET, OPTIONS\r\n";
  static const char text[] = "Method Not Allowed\n";
  gw_http_respond(c, &(gw_response){.status = 405,
                                    .type = "text/plain; charset=utf-8",
                                    .fields = allow,
                                    .body = {text, sizeof text - 1}});
}

void gw_route(gw_conn *c) {
  moonpool_bytes path = gw_http_path(c->http);
  unsigned method = gw_parser_method(&c->http->parser);
  if (!gw_client_find(c)) {
    c->server->gateway->stats.refused++;
    c->http->is_keeping_alive = 0;
    gw_http_refuse(c, 429, NULL);
    return;
  }
  const route *found = find_route(path);
  const gw_page_file *file = found || !path.len ? NULL : find_file(c, path);
  unsigned methods = found || file ? GW_GET | GW_HEAD : gw_route_room_methods(path);
  if (!methods)
    gw_http_refuse(c, 404, NULL);
  else if (!is_allowed(method, methods))
    refuse_method(c, methods);
  else if (found)
    found->serve(c);
  else if (file)
    send_file(c, file);
  else
    gw_route_room(c, path);
}
