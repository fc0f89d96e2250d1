/* What waits for a socket: references of chunks, written together. */
#include <sys/socket.h>
#include <sys/uio.h>

#include "conn_private.h"
#include "socket.h"
#include "tls.h"

enum { MAX_PARTS = 64 }; /* in one write */

void gw_queue_init(gw_queue *q) {
  q->slots = q->few;
  q->size = GW_INLINE_CHUNKS;
  q->first = q->count = 0;
  q->offset = q->bytes = 0;
}

static gw_chunk *chunk_at(const gw_queue *q, unsigned i) {
  return q->slots[(q->first + i) & (q->size - 1)];
}

void gw_queue_free(gw_conn *c) {
  gw_queue *q = &c->queue;
  for (unsigned i = 0; i < q->count; i++) gw_chunk_unref(gw_conn_allocator(c), chunk_at(q, i));
  c->server->gateway->stats.queued_bytes -= q->bytes;
  if (q->slots != q->few) mp_free(gw_conn_allocator(c), q->slots);
  gw_queue_init(q);
}

static int grow(gw_conn *c) {
  gw_queue *q = &c->queue;
  gw_chunk **slots = mp_alloc(gw_conn_allocator(c), q->size * 2 * sizeof *slots);
  if (!slots) return MOONPOOL_ENOMEM;
  for (unsigned i = 0; i < q->count; i++) slots[i] = chunk_at(q, i);
  if (q->slots != q->few) mp_free(gw_conn_allocator(c), q->slots);
  q->slots = slots;
  q->size *= 2;
  q->first = 0;
  return MOONPOOL_OK;
}

static inline int put(gw_conn *c, gw_chunk *chunk) {
  gw_queue *q = &c->queue;
  if (!chunk->len) return MOONPOOL_OK;
  if (q->count == q->size && grow(c)) return MOONPOOL_ENOMEM;
  q->slots[(q->first + q->count++) & (q->size - 1)] = gw_chunk_ref(chunk);
  q->bytes += chunk->len;
  c->server->gateway->stats.queued_bytes += chunk->len;
  if (!c->is_blocked) gw_conn_touch(c);
  return MOONPOOL_OK;
}

int gw_queue_put(gw_conn *c, gw_chunk *chunk) {
  return put(c, chunk);
}

int gw_queue_copy(gw_conn *c, const char *data, size_t len) {
  gw_chunk *chunk = gw_chunk_new(gw_conn_allocator(c), len);
  if (!chunk) return MOONPOOL_ENOMEM;
  memcpy(chunk->data, data, len);
  chunk->len = len;
  int status = put(c, chunk);
  gw_chunk_unref(gw_conn_allocator(c), chunk);
  return status;
}

static int is_open(const gw_conn *c) {
  return c->phase == GW_PHASE_SOCKET || c->phase == GW_PHASE_STREAM;
}

static gw_sent refuse(gw_conn *c) {
  c->server->gateway->stats.overflows++;
  c->is_full = 1;
  gw_conn_touch(c); /* what is queued may go out in this turn, and with it the reason */
  return GW_FULL;
}

gw_sent gw_conn_send(gw_conn *c, gw_chunk *chunk) {
  if (!is_open(c)) return GW_GONE;
  size_t max = gw_conn_options(c)->max_queue;
  if (max && c->queue.bytes && c->queue.bytes + chunk->len > max) return refuse(c);
  return put(c, chunk) ? refuse(c) : GW_SENT;
}

gw_sent gw_conn_send_answer(gw_conn *c, gw_chunk *chunk) {
  if (!is_open(c)) return GW_GONE;
  size_t max = gw_conn_options(c)->max_queue;
  if (max && c->queue.bytes > max && c->queue.bytes - max + chunk->len > max) {
    gw_conn_close(c, GW_CLOSE_TOO_SLOW, "too many answers wait to be read");
    return GW_GONE;
  }
  if (!put(c, chunk)) return GW_SENT;
  gw_conn_close(c, GW_CLOSE_INTERNAL, "out of memory");
  return GW_GONE;
}

size_t gw_conn_queued(const gw_conn *c) {
  return c->queue.bytes;
}

/* ---- writing ------------------------------------------------------------------------------ */

static size_t gather(const gw_queue *q, struct iovec *parts, size_t *total) {
  size_t count = q->count < MAX_PARTS ? q->count : MAX_PARTS, offset = q->offset;
  *total = 0;
  for (size_t i = 0; i < count; i++) {
    gw_chunk *chunk = chunk_at(q, (unsigned)i);
    parts[i].iov_base = chunk->data + offset;
    parts[i].iov_len = chunk->len - offset;
    *total += parts[i].iov_len;
    offset = 0;
  }
  return count;
}

static void consume(gw_conn *c, size_t len) {
  gw_queue *q = &c->queue;
  q->bytes -= len;
  c->bytes_out += len;
  c->server->gateway->stats.queued_bytes -= len;
  c->server->gateway->stats.bytes_out += len;
  q->offset += len;
  while (q->count && q->offset >= chunk_at(q, 0)->len) {
    gw_chunk *chunk = chunk_at(q, 0);
    q->offset -= chunk->len;
    gw_chunk_unref(gw_conn_allocator(c), chunk);
    q->first = (q->first + 1) & (q->size - 1);
    q->count--;
  }
}

/* TLS makes records of at most 16 KiB; what fits into one is sent as one. */
static ssize_t write_record(gw_conn *c, size_t *total) {
  enum { RECORD = 16 * 1024 };
  struct iovec parts[MAX_PARTS];
  size_t count = gather(&c->queue, parts, total), len = 0;
  char *record = c->server->scratch;
  for (size_t i = 0; i < count && len < RECORD; i++) {
    size_t part = parts[i].iov_len < RECORD - len ? parts[i].iov_len : RECORD - len;
    memcpy(record + len, parts[i].iov_base, part);
    len += part;
  }
  *total = len;
  return gw_tls_send(c->tls, record, len);
}

/* Nearly always there is one; send() takes a tenth less time than sendmsg(). */
static ssize_t write_chunk(gw_conn *c, size_t *total) {
  const gw_chunk *chunk = chunk_at(&c->queue, 0);
  *total = chunk->len - c->queue.offset;
  return mp_socket_send(c->fd, chunk->data + c->queue.offset, *total);
}

/* What was taken: a number of bytes, 0: not now; or an error. */
static ssize_t write_once(gw_conn *c, size_t *total) {
  if (c->tls) return write_record(c, total);
  if (c->queue.count == 1) return write_chunk(c, total);
  struct iovec parts[MAX_PARTS];
  struct msghdr message = {.msg_iov = parts};
  message.msg_iovlen = gather(&c->queue, parts, total);
  ssize_t sent;
  do sent = sendmsg(c->fd, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0) return sent;
  return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : uv_translate_sys_error(errno);
}

static void shrink(gw_conn *c) {
  gw_queue *q = &c->queue;
  if (q->slots == q->few) return;
  mp_free(gw_conn_allocator(c), q->slots);
  gw_queue_init(q);
}

int gw_queue_write(gw_conn *c) {
  while (c->queue.count) {
    size_t total;
    ssize_t sent = write_once(c, &total);
    if (sent < 0) return (int)sent;
    if (sent) c->last_out = gw_server_now(c->server);
    consume(c, (size_t)sent);
    c->is_blocked = (size_t)sent < total;
    if (c->is_blocked) return 0;
  }
  shrink(c);
  return 0;
}
