#include "log.h"

#include <stdarg.h>
#include <stdio.h>

#include "http.h"
#include "utf8_stream.h"

/* ---- JSON --------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void put(mp_buf *out, const char *format, ...) {
  char text[128];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  (void)mp_buf_append(out, text, (size_t)len);
}

static int is_utf8(moonpool_bytes text) {
  gw_utf8 utf8;
  gw_utf8_init(&utf8);
  return gw_utf8_feed(&utf8, text.data, text.len) && gw_utf8_is_complete(&utf8);
}

/* In quotation marks; of text that is not UTF-8, bytes from 0x80 on are replaced. */
static void put_string(mp_buf *out, moonpool_bytes text) {
  int is_clean = is_utf8(text);
  put(out, "\"");
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.data[i];
    if (c < 0x20 || c == 0x7f)
      put(out, "\\u%04x", c);
    else if (c == '"' || c == '\\')
      put(out, "\\%c", c);
    else if (c >= 0x80 && !is_clean)
      put(out, "\xef\xbf\xbd");
    else
      (void)mp_buf_append(out, &text.data[i], 1);
  }
  put(out, "\"");
}

static void put_member(mp_buf *out, const char *name, moonpool_bytes text) {
  put(out, ",\"%s\":", name);
  put_string(out, text);
}

/* ---- lines -------------------------------------------------------------------------------- */

static int is_on(const gw_conn *c) {
  return gw_conn_options(c)->log != NULL;
}

/* Without memory there is no line. */
static void tell(const gw_conn *c, const char *event, mp_buf *out) {
  const moonpool_gateway_options *o = gw_conn_options(c);
  char *end = mp_buf_reserve(out, 2);
  if (end) {
    memcpy(end, "}", 2);
    o->log("info", event, out->data, o->ctx);
  }
  mp_buf_free(out);
}

void gw_log_access(const gw_conn *c, unsigned status, size_t bytes) {
  if (!is_on(c)) return;
  const gw_http *h = c->http;
  uint64_t ms = gw_server_now(c->server) - (h->is_head_done ? h->headed : h->began);
  mp_buf out;
  mp_buf_init(&out, gw_conn_allocator(c));
  put(&out, "{\"status\":%u,\"bytes\":%zu,\"ms\":%llu", status, bytes, (unsigned long long)ms);
  if (h->is_head_done) {
    const char *method = gw_parser_method_name(gw_parser_method(&h->parser));
    put_member(&out, "method", (moonpool_bytes){method, strlen(method)});
    put_member(&out, "path", gw_http_path(h)); /* the query may have a token in it */
  }
  put_member(&out, "address", gw_conn_address(c));
  tell(c, "access", &out);
}

void gw_log_close(const gw_conn *c) {
  if (!is_on(c)) return;
  unsigned long long ms = gw_server_now(c->server) - c->opened;
  mp_buf out;
  mp_buf_init(&out, gw_conn_allocator(c));
  put(&out, "{\"code\":%u,\"seconds\":%llu.%03llu,\"bytes_in\":%llu,\"bytes_out\":%llu",
      c->close_code ? c->close_code : 1006, ms / 1000, ms % 1000, (unsigned long long)c->bytes_in,
      (unsigned long long)c->bytes_out);
  moonpool_bytes user = c->session ? gw_session_user(c->session) : (moonpool_bytes){NULL, 0};
  if (user.data) put_member(&out, "user", user);
  if (c->close_reason)
    put_member(&out, "reason", (moonpool_bytes){c->close_reason, strlen(c->close_reason)});
  put_member(&out, "address", gw_conn_address(c));
  tell(c, "close", &out);
}
