/* An open transport's bytes: what comes is handed over from one buffer that all transports of a
 * client share, what goes is written at once as far as the socket takes it. */
#include "transport_private.h"

#include <assert.h>

#include "socket.h"

/* Reads in a row before other handles of the loop get their turn. */
enum { MAX_READS = 16 };

/* A write buffer larger than this is not kept for the next write. */
static const size_t MAX_KEPT = 1 << 20;

static ssize_t receive(mp_transport *t) {
  const mp_scratch *scratch = t->config.scratch;
  if (t->tls) return mp_tls_recv(t->tls, scratch->data, scratch->size);
  return mp_socket_recv(t->fd, scratch->data, scratch->size);
}

static ssize_t transmit(mp_transport *t, const char *data, size_t len) {
  return t->tls ? mp_tls_send(t->tls, data, len) : mp_socket_send(t->fd, data, len);
}

void mp_transport_watch(mp_transport *t) {
  int events = mp_transport_is_writing(t) ? UV_READABLE | UV_WRITABLE : UV_READABLE;
  uv_poll_start(&t->poll, events, mp_transport_on_poll);
}

/* What a port for TLS does with somebody who speaks none: it goes without a word, or says so in
 * TLS. */
static const char *tls_hint(const mp_transport *t) {
  int is_silent_tcp = !t->has_read && !t->tls && t->tried != &t->unix_info;
  return is_silent_tcp ? " (a port for TLS takes rediss://)" : "";
}

static int is_tls_alert(const char *data, size_t len) {
  return len >= 2 && data[0] == 0x15 && data[1] == 0x03;
}

static void read_failed(mp_transport *t, int error) {
  int status;
  if (error == UV_EPROTO && t->tls) {
    const char *reason = mp_tls_reason(t->tls, &status);
    mp_transport_end(t, status, "%s: %s", t->address, reason);
  } else {
    mp_transport_end(t, MOONPOOL_ECONN, "read from %s: %s%s", t->address, uv_strerror(error),
                     tls_hint(t));
  }
}

/* The peer's first words: 0 when they have ended it. */
static int hear_first(mp_transport *t, size_t len) {
  t->has_read = 1;
  if (t->tls || !is_tls_alert(t->config.scratch->data, len)) return 1;
  mp_transport_end(t, MOONPOOL_EPROTO, "%s speaks TLS: its URL begins with rediss://", t->address);
  return 0;
}

/* Whoever has borrowed what was read last gives it back. */
static void reclaim(mp_scratch *scratch) {
  void (*callback)(void *) = scratch->reclaim;
  scratch->reclaim = NULL;
  if (callback) callback(scratch->ctx);
}

/* Hands over what has come. With `is_last` until nothing is left, else as long as reads are full:
 * libuv tells again if there is more, and what was borrowed need not be copied as long as nobody
 * reads. Nonzero when the socket was found empty. */
static int read_some(mp_transport *t, int is_last) {
  mp_scratch *scratch = t->config.scratch;
  for (int i = 0; i < MAX_READS; i++) {
    reclaim(scratch);
    if (t->phase != MP_OPEN) return 1;
    ssize_t got = receive(t);
    if (got == UV_EAGAIN) return 1;
    if (got == 0) {
      mp_transport_end(t, MOONPOOL_ECONN, "%s closed the connection%s", t->address, tls_hint(t));
      return 1;
    }
    if (got < 0) {
      read_failed(t, (int)got);
      return 1;
    }
    if (!t->has_read && !hear_first(t, (size_t)got)) return 1;
    t->config.events->on_read(t->config.ctx, scratch->data, (size_t)got);
    if (t->phase != MP_OPEN) return 1;
    if (is_last || (t->tls && mp_tls_is_over(t->tls))) continue;
    if ((size_t)got < scratch->size || (scratch->reclaim && !t->tls)) return 0;
  }
  return 0;
}

static void report_failed_write(uv_timer_t *timer) {
  mp_transport *t = timer->data;
  if (t->phase == MP_OPEN) read_some(t, 1);
  if (t->phase == MP_OPEN)
    mp_transport_end(t, MOONPOOL_ECONN, "write to %s: %s", t->address, uv_strerror(t->write_error));
}

/* Put off: mp_transport_write calls no event, and the peer's last words ("-ERR max number of
 * clients reached") are still to be read. */
static void write_failed(mp_transport *t, int error) {
  t->write_error = error;
  uv_timer_start(&t->timer.timer, report_failed_write, 0, 0);
}

static void write_rest(mp_transport *t) {
  ssize_t sent = transmit(t, t->out.data + t->sent, t->out.len - t->sent);
  if (sent > 0) t->sent += (size_t)sent;
  if (sent >= 0 && t->sent < t->out.len) return;
  t->sent = 0;
  mp_buf_clear(&t->out, MAX_KEPT);
  mp_transport_watch(t);
  if (sent < 0)
    write_failed(t, (int)sent);
  else
    t->config.events->on_drain(t->config.ctx);
}

void mp_transport_exchange(mp_transport *t, int status, int events) {
  int is_empty = 0;
  if (status || (events & UV_READABLE)) is_empty = read_some(t, status != 0);
  int is_writable = status || (events & UV_WRITABLE);
  if (t->phase == MP_OPEN && is_writable && mp_transport_is_writing(t)) write_rest(t);
  if (t->phase != MP_OPEN || !status) return;
  if (is_empty)
    mp_transport_end(t, MOONPOOL_ECONN, "lost %s: %s", t->address, uv_strerror(status));
  else
    mp_transport_watch(t);
}

int mp_transport_write(mp_transport *t, mp_buf *buf) {
  assert(t->phase >= MP_OPEN && !mp_transport_is_writing(t));
  ssize_t sent = 0;
  if (t->phase == MP_OPEN && !t->write_error && buf->len) sent = transmit(t, buf->data, buf->len);
  if (sent < 0) write_failed(t, (int)sent);
  if (t->phase != MP_OPEN || t->write_error || (size_t)sent == buf->len) {
    mp_buf_clear(buf, MAX_KEPT);
    return MOONPOOL_OK;
  }
  mp_buf rest = *buf;
  *buf = t->out;
  t->out = rest;
  t->sent = (size_t)sent;
  mp_transport_watch(t);
  return MOONPOOL_OK;
}

int mp_transport_is_writing(const mp_transport *t) {
  return t->out.len > 0;
}

size_t mp_transport_unwritten(const mp_transport *t) {
  return t->out.len - t->sent;
}
