/* A connection's life: what comes in goes where its phase says, what it has to send goes out once a
 * turn, and it ends once. */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addresses.h"
#include "conn_private.h"
#include "http.h"
#include "log.h"
#include "socket.h"
#include "tls.h"

static void on_poll(uv_poll_t *poll, int status, int events);

/* ---- beginning ---------------------------------------------------------------------------- */

static void link_conn(gw_conn *c) {
  gw_server *s = c->server;
  c->next = s->conns;
  c->link = &s->conns;
  if (c->next) c->next->link = &c->next;
  s->conns = c;
  s->gateway->stats.connections++;
  gw_hold(s->gateway);
}

static gw_conn *make_conn(gw_server *server, int fd) {
  moonpool_gateway *g = server->gateway;
  gw_conn *c = mp_calloc(g->allocator, sizeof *c);
  if (!c) return NULL;
  c->server = server;
  c->fd = fd;
  c->is_https = g->tls != NULL;
  if (g->tls) c->tls = gw_tls_stream_new(g->tls, c);
  if ((c->tls || !g->tls) && !uv_poll_init_socket(g->loop, &c->poll, fd)) return c;
  gw_tls_stream_free(c->tls);
  mp_free(g->allocator, c);
  return NULL;
}

gw_conn *gw_conn_new(gw_server *server, int fd, const char *address) {
  gw_conn *c = make_conn(server, fd);
  if (!c) return NULL;
  c->opened = c->since = c->last_in = c->last_out = gw_server_now(server);
  gw_queue_init(&c->queue);
  strncpy(c->address, address, sizeof c->address - 1);
  link_conn(c);
  gw_conn_watch(c);
  gw_conn_schedule(c);
  return c;
}

/* ---- end ---------------------------------------------------------------------------------- */

static void free_conn(gw_conn *c) {
  moonpool_gateway *gateway = c->server->gateway;
  mp_free(gateway->allocator, (char *)c->close_reason);
  mp_free(gateway->allocator, c);
  gw_release(gateway);
}

static void on_closed(uv_handle_t *handle) {
  gw_conn *c = (gw_conn *)handle;
  c->is_closed = 1;
  if (!c->is_dirty) free_conn(c);
}

static void tell_session(gw_conn *c) {
  gw_session *session = c->session;
  if (!session) return;
  if (c->was_socket) gw_log_close(c); /* while somebody knows whose it was */
  c->session = NULL;
  gw_session_closed(session);
}

static void unlink_conn(gw_conn *c) {
  gw_addresses_leave(c);
  *c->link = c->next;
  if (c->next) c->next->link = c->link;
  c->server->gateway->stats.connections--;
}

static void leave_phase(gw_conn *c) {
  moonpool_gateway_stats *stats = &c->server->gateway->stats;
  if (c->phase == GW_PHASE_SOCKET) stats->sockets--;
  if (c->phase == GW_PHASE_STREAM) stats->streams--;
}

void gw_conn_destroy(gw_conn *c) {
  if (c->phase == GW_PHASE_GONE) return;
  leave_phase(c);
  c->phase = GW_PHASE_GONE;
  tell_session(c);
  gw_wheel_remove(&c->server->wheel, &c->timer);
  gw_ws_release(c);
  gw_http_free(c);
  gw_queue_free(c);
  gw_tls_stream_free(c->tls);
  c->tls = NULL;
  unlink_conn(c);
  uv_close((uv_handle_t *)&c->poll, on_closed);
  mp_socket_close(c->fd);
}

void gw_conn_enter(gw_conn *c, gw_phase phase) {
  leave_phase(c);
  c->phase = (uint8_t)phase;
  c->is_held = 0; /* the peer's end is to be seen, whatever else it had sent */
  moonpool_gateway_stats *stats = &c->server->gateway->stats;
  c->was_socket |= phase == GW_PHASE_SOCKET;
  stats->sockets += phase == GW_PHASE_SOCKET;
  stats->streams += phase == GW_PHASE_STREAM;
  c->since = c->pinged = gw_server_now(c->server);
  gw_conn_touch(c);
  gw_conn_schedule(c);
}

void gw_conn_linger(gw_conn *c) {
  if (c->phase < GW_PHASE_LINGER) gw_conn_enter(c, GW_PHASE_LINGER);
}

/* A close frame's payload: the code, and as much of the reason as fits (RFC 6455, 5.5). */
static int send_close(gw_conn *c, unsigned code, const char *reason) {
  char payload[125] = {(char)(code >> 8), (char)code};
  size_t len = reason ? strlen(reason) : 0;
  if (len > sizeof payload - 2) len = sizeof payload - 2;
  while (len && ((unsigned char)reason[len] & 0xc0) == 0x80) len--;
  if (len) memcpy(payload + 2, reason, len);
  return gw_ws_send_control(c, GW_CLOSE, payload, 2 + len);
}

static unsigned status_of_code(unsigned code) {
  switch (code) {
  case GW_CLOSE_AUTH: return 401;
  case GW_CLOSE_REVOKED: return 403;
  case GW_CLOSE_INTERNAL: return 500;
  default: return 503;
  }
}

void gw_conn_close(gw_conn *c, unsigned code, const char *reason) {
  if (c->phase == GW_PHASE_HTTP && c->has_request) {
    const char *text = reason ? reason : "";
    gw_conn_respond(c, status_of_code(code), "text/plain; charset=utf-8", text, strlen(text));
    return;
  }
  if (c->phase > GW_PHASE_SOCKET) return;
  if (c->phase != GW_PHASE_SOCKET) {
    gw_conn_linger(c);
    return;
  }
  c->close_code = (uint16_t)code;
  if (reason) c->close_reason = mp_strndup(gw_conn_allocator(c), reason, strlen(reason));
  gw_conn_enter(c, send_close(c, code, reason) ? GW_PHASE_LINGER : GW_PHASE_CLOSING);
}

/* Through TLS nothing can be said before its handshake, which is not worth making. */
void gw_conn_refuse(gw_conn *c, unsigned status) {
  char text[160];
  c->server->gateway->stats.refused++;
  if (c->tls) {
    gw_conn_destroy(c);
    return;
  }
  int len = snprintf(text, sizeof text,
                     "HTTP/1.1 %u %s\r\nConnection: close\r\nRetry-After: 5\r\n"
                     "Content-Length: 0\r\n\r\n",
                     status, gw_http_reason(status));
  (void)gw_queue_copy(c, text, (size_t)len);
  gw_conn_linger(c);
}

/* ---- what comes in ------------------------------------------------------------------------ */

void gw_conn_feed(gw_conn *c, const char *data, size_t len) {
  if (c->phase == GW_PHASE_HTTP) {
    size_t used = gw_http_feed(c, data, len);
    data += used;
    len -= used;
  }
  if (len && (c->phase == GW_PHASE_SOCKET || c->phase == GW_PHASE_CLOSING))
    gw_ws_feed(c, data, len);
}

/* The peer sends no more: what it waits for still goes out. */
static void on_eof(gw_conn *c) {
  int is_awaited = c->phase == GW_PHASE_HTTP && (c->has_request || c->queue.count);
  if (!is_awaited && !(c->phase == GW_PHASE_LINGER && c->queue.count)) {
    gw_conn_destroy(c);
    return;
  }
  c->is_eof = 1;
  gw_conn_touch(c);
}

/* Whoever speaks HTTP to a port of TLS is told so, in HTTP. */
static int is_plain_http(const gw_conn *c, const char *data) {
  return !gw_tls_is_shaken(c->tls) && c->bytes_in == 0 && data[0] >= 'A' && data[0] <= 'Z';
}

static void take_encrypted(gw_conn *c, const char *data, size_t len) {
  static const char hint[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                             "Content-Type: text/plain\r\nContent-Length: 30\r\n\r\n"
                             "This port takes TLS: https://\n";
  if (len && is_plain_http(c, data)) {
    (void)mp_socket_send(c->fd, hint, sizeof hint - 1);
    gw_conn_destroy(c);
    return;
  }
  int error = gw_tls_feed(c->tls, data, len);
  if (error == UV_EOF)
    on_eof(c);
  else if (error)
    gw_conn_destroy(c);
}

static void on_readable(gw_conn *c) {
  gw_server *s = c->server;
  ssize_t got = mp_socket_recv(c->fd, s->scratch, GW_SCRATCH);
  if (got == UV_EAGAIN) return;
  if (got < 0) {
    gw_conn_destroy(c);
    return;
  }
  if (got == 0) {
    on_eof(c);
    return;
  }
  c->last_in = gw_server_now(s);
  if (c->tls)
    take_encrypted(c, s->scratch, (size_t)got);
  else
    gw_conn_feed(c, s->scratch, (size_t)got);
  c->bytes_in += (uint64_t)got;
  s->gateway->stats.bytes_in += (uint64_t)got;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  gw_conn *c = (gw_conn *)poll;
  if (status < 0) {
    gw_conn_destroy(c);
    return;
  }
  if (events & UV_WRITABLE) {
    c->is_blocked = 0;
    gw_conn_touch(c);
    if (c->tls && !gw_tls_is_shaken(c->tls)) take_encrypted(c, NULL, 0);
  }
  if (c->phase == GW_PHASE_GONE) return;
  if (events & UV_READABLE) on_readable(c);
  if (c->phase != GW_PHASE_GONE) gw_conn_watch(c);
}

void gw_conn_watch(gw_conn *c) {
  int events = c->is_held || c->is_eof ? 0 : UV_READABLE;
  if (c->is_blocked) events |= UV_WRITABLE;
  if (events == c->events) return;
  c->events = (uint8_t)events;
  if (events)
    uv_poll_start(&c->poll, events, on_poll);
  else
    uv_poll_stop(&c->poll);
}

/* ---- what goes out ------------------------------------------------------------------------ */

void gw_conn_touch(gw_conn *c) {
  gw_server *s = c->server;
  if (c->is_dirty) return;
  c->is_dirty = 1;
  c->next_dirty = NULL;
  if (s->dirty)
    s->dirty_last->next_dirty = c;
  else
    s->dirty = c;
  s->dirty_last = c;
  gw_server_wake(s);
}

static int is_half_free(const gw_conn *c) {
  return c->queue.bytes <= gw_conn_options(c)->max_queue / 2;
}

/* All is out: what was to end then, ends. */
static void on_empty(gw_conn *c) {
  if (c->phase == GW_PHASE_HTTP && c->is_eof && !c->has_request) {
    gw_conn_destroy(c);
  } else if (c->phase == GW_PHASE_LINGER) {
    if (!c->is_shut && c->tls) gw_tls_shut(c->tls);
    if (!c->is_shut) shutdown(c->fd, SHUT_WR);
    c->is_shut = 1;
    if (c->is_eof) gw_conn_destroy(c);
  }
}

void gw_conn_turn(gw_conn *c) {
  c->is_dirty = 0;
  if (c->is_closed) {
    free_conn(c);
    return;
  }
  if (c->phase == GW_PHASE_GONE) return;
  if (c->phase != GW_PHASE_HTTP) gw_http_free(c);
  if (!c->is_blocked && c->queue.count && gw_queue_write(c)) {
    gw_conn_destroy(c);
    return;
  }
  if (c->phase > GW_PHASE_SOCKET || (c->phase == GW_PHASE_HTTP && !c->has_request)) tell_session(c);
  if (c->is_full && c->session && is_half_free(c)) {
    c->is_full = 0;
    gw_session_drained(c->session);
  }
  if (!c->queue.count) on_empty(c);
  if (c->phase == GW_PHASE_HTTP) gw_http_resume(c);
  if (c->phase != GW_PHASE_GONE) gw_conn_watch(c);
}

/* ---- what others ask ---------------------------------------------------------------------- */

moonpool_gateway *gw_conn_gateway(const gw_conn *c) {
  return c->server->gateway;
}

moonpool_bytes gw_conn_address(const gw_conn *c) {
  return (moonpool_bytes){c->address, strlen(c->address)};
}

struct gw_session *gw_conn_session(const gw_conn *c) {
  return c->session;
}

void gw_conn_each(moonpool_gateway *gateway, void (*fn)(gw_conn *conn, void *ctx), void *ctx) {
  if (!gateway->server) return;
  for (gw_conn *c = gateway->server->conns, *next; c; c = next) {
    next = c->next;
    fn(c, ctx);
  }
}
