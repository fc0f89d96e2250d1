/* From HTTP to a WebSocket: the opening handshake (RFC 6455, 4.2). */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "http.h"
#include "log.h"
#include "origins.h"

static const char protocol[] = "moonpool.v1", token_prefix[] = "token.";

enum { KEY_LEN = 24, ACCEPT_SIZE = 29 };

/* Sixteen bytes in base64. */
static int is_key(moonpool_bytes key) {
  unsigned char bytes[20];
  if (key.len != KEY_LEN || key.data[KEY_LEN - 1] != '=' || key.data[KEY_LEN - 2] != '=') return 0;
  return EVP_DecodeBlock(bytes, (const unsigned char *)key.data, KEY_LEN) == 18;
}

static void write_accept(char accept[ACCEPT_SIZE], moonpool_bytes key) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char text[KEY_LEN + sizeof guid - 1], hash[SHA_DIGEST_LENGTH];
  memcpy(text, key.data, KEY_LEN);
  memcpy(text + KEY_LEN, guid, sizeof guid - 1);
  SHA1(text, sizeof text, hash);
  EVP_EncodeBlock((unsigned char *)accept, hash, sizeof hash);
}

/* Is the protocol offered, and a token beside it? The header may come more than once. */
static int read_protocols(const gw_http *h, moonpool_bytes *token) {
  const gw_field *fields = (const gw_field *)h->fields.data;
  int is_offered = 0;
  for (size_t i = 0; i < h->fields.len / sizeof *fields; i++) {
    moonpool_bytes name = {h->head.data + fields[i].name, fields[i].name_len}, element;
    moonpool_bytes list = {h->head.data + fields[i].value, fields[i].value_len};
    if (!gw_http_is(name, "sec-websocket-protocol")) continue;
    while (gw_http_next(&list, &element)) {
      size_t len = sizeof token_prefix - 1;
      is_offered |= gw_http_is(element, protocol);
      if (element.len > len && !memcmp(element.data, token_prefix, len))
        *token = (moonpool_bytes){element.data + len, element.len - len};
    }
  }
  return is_offered;
}

/* ---- what is refused ---------------------------------------------------------------------- */

static void demand(gw_conn *c, const char *why) {
  gw_http_respond(c, &(gw_response){.status = 426,
                                    .type = "text/plain; charset=utf-8",
                                    .fields = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                                    .body = {why, strlen(why)}});
}

static int is_refused(gw_conn *c, moonpool_bytes key, unsigned keys) {
  const gw_http *h = c->http;
  int is_asked = gw_http_lists(gw_http_field(h, "connection", NULL), "upgrade") &&
                 gw_http_lists(gw_http_field(h, "upgrade", NULL), "websocket");
  moonpool_bytes version = gw_http_field(h, "sec-websocket-version", NULL);
  if (!is_asked || gw_parser_method(&h->parser) != HTTP_GET || h->parser.http_minor == 0)
    demand(c, "This is the address of a WebSocket.\n");
  else if (!gw_http_is(version, "13"))
    demand(c, "Of WebSocket only version 13 is spoken.\n");
  else if (keys != 1 || !is_key(key))
    gw_http_refuse(c, 400, "Sec-WebSocket-Key is missing, or not 16 bytes in base64");
  else if (!gw_origins_allow(c->server->gateway->origins, gw_http_field(h, "origin", NULL),
                             gw_http_field(h, "host", NULL), c->is_https))
    gw_http_refuse(c, 403, "this origin may not speak to the gateway");
  else if (c->server->gateway->is_draining)
    gw_http_refuse(c, 503, "the gateway is ending");
  else
    return 0;
  return 1;
}

/* ---- what is accepted --------------------------------------------------------------------- */

static int put_response(gw_conn *c, moonpool_bytes key, int is_offered) {
  char accept[ACCEPT_SIZE], head[256];
  write_accept(accept, key);
  int len = snprintf(head, sizeof head,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
                     accept, is_offered ? "Sec-WebSocket-Protocol: " : "",
                     is_offered ? protocol : "", is_offered ? "\r\n" : "");
  return gw_queue_copy(c, head, (size_t)len);
}

/* The session's functions may be called before it is kept here: it answers, or closes. */
static void open_session(gw_conn *c, moonpool_bytes token) {
  gw_session_start start = {.kind = GW_SESSION_SOCKET,
                            .origin = gw_http_field(c->http, "origin", NULL)};
  start.token = token.data ? token : gw_http_token(c->http);
  start.user = gw_http_parameter(c->http, "user");
  gw_session *session = gw_session_open(c, &start);
  if (session)
    c->session = session;
  else
    gw_conn_close(c, GW_CLOSE_INTERNAL, "out of memory");
}

void gw_upgrade(gw_conn *c) {
  unsigned keys;
  moonpool_bytes key = gw_http_field(c->http, "sec-websocket-key", &keys), token = {NULL, 0};
  if (is_refused(c, key, keys)) return;
  int is_offered = read_protocols(c->http, &token);
  if (put_response(c, key, is_offered)) {
    gw_conn_linger(c);
    return;
  }
  gw_log_access(c, 101, 0);
  c->has_request = 0;
  gw_conn_enter(c, GW_PHASE_SOCKET);
  open_session(c, token);
}
