/* Incoming frames (RFC 6455, 5): wslay takes them apart, here messages are put together. A reader,
 * with wslay's context in it, is borrowed from the server for as long as a connection is inside of
 * a frame or a message; when the bytes that it was fed are those of whole frames, it is given back.
 * After an error it never is: wslay would look idle with half a frame inside. */
#include <wslay/wslay.h>

#include "conn_private.h"
#include "rate.h"
#include "utf8_stream.h"

enum { SPARE_READERS = 16, KEEP = 16 * 1024, CONTINUATION = 0 };

typedef struct gw_ws_reader {
  struct gw_ws_reader *next; /* of the spare ones */
  wslay_frame_context_ptr frames;
  const char *data; /* what is being fed */
  size_t left;
  uint64_t fed, done;  /* bytes: given to wslay, and of whole frames */
  uint64_t frame_left; /* payload of the present frame that has not come */
  mp_buf message;
  gw_utf8 utf8;
  unsigned fragments;
  int is_in_frame, is_in_message, is_broken;
  unsigned char control[125];
  size_t control_len;
} gw_ws_reader;

/* ---- readers ------------------------------------------------------------------------------ */

static ssize_t on_wanted(uint8_t *to, size_t size, int flags, void *ctx) {
  gw_ws_reader *r = ctx;
  (void)flags;
  size_t len = r->left < size ? r->left : size;
  if (!len) return -1;
  memcpy(to, r->data, len);
  r->data += len;
  r->left -= len;
  r->fed += len;
  return (ssize_t)len;
}

static void free_reader(const moonpool_allocator *allocator, gw_ws_reader *r) {
  mp_buf_free(&r->message);
  wslay_frame_context_free(r->frames);
  mp_free(allocator, r);
}

static gw_ws_reader *make_reader(const moonpool_allocator *allocator) {
  static const struct wslay_frame_callbacks callbacks = {.recv_callback = on_wanted};
  gw_ws_reader *r = mp_calloc(allocator, sizeof *r);
  if (!r) return NULL;
  mp_buf_init(&r->message, allocator);
  if (!wslay_frame_context_init(&r->frames, &callbacks, r)) return r;
  mp_free(allocator, r);
  return NULL;
}

static gw_ws_reader *borrow(gw_conn *c) {
  gw_server *s = c->server;
  gw_ws_reader *r = s->readers;
  if (!r) return make_reader(gw_conn_allocator(c));
  s->readers = r->next;
  s->reader_count--;
  return r;
}

void gw_ws_release(gw_conn *c) {
  gw_ws_reader *r = c->reader;
  gw_server *s = c->server;
  c->reader = NULL;
  if (!r) return;
  if (r->is_broken || r->is_in_message || r->fed != r->done || s->reader_count >= SPARE_READERS) {
    free_reader(gw_conn_allocator(c), r);
    return;
  }
  mp_buf_clear(&r->message, KEEP);
  r->next = s->readers;
  s->readers = r;
  s->reader_count++;
}

void gw_ws_readers_free(gw_server *s) {
  while (s->readers) {
    gw_ws_reader *r = s->readers;
    s->readers = r->next;
    free_reader(s->gateway->allocator, r);
  }
}

/* ---- frames ------------------------------------------------------------------------------- */

typedef struct wslay_frame_iocb frame;

static int fail(gw_conn *c, unsigned code, const char *reason) {
  c->reader->is_broken = 1;
  gw_ws_fail(c, code, reason);
  return -1;
}

static int is_control(const frame *f) {
  return f->opcode & 8;
}

static int check_order(gw_conn *c, const frame *f) {
  gw_ws_reader *r = c->reader;
  if (f->opcode == CONTINUATION)
    return r->is_in_message ? 0 : fail(c, GW_CLOSE_PROTOCOL, "a continuation of nothing");
  if (r->is_in_message) return fail(c, GW_CLOSE_PROTOCOL, "a message inside of a message");
  if (f->opcode == GW_BINARY) return fail(c, GW_CLOSE_UNSUPPORTED, "only text is spoken here");
  return 0;
}

static int check_size(gw_conn *c, const frame *f) {
  const moonpool_gateway_options *o = gw_conn_options(c);
  gw_ws_reader *r = c->reader;
  if (o->max_message && f->payload_length > o->max_message - r->message.len)
    return fail(c, GW_CLOSE_TOO_BIG, "a message is too long");
  r->fragments = f->opcode == CONTINUATION ? r->fragments + 1 : 1;
  if (o->max_fragments && r->fragments > o->max_fragments)
    return fail(c, GW_CLOSE_POLICY, "a message has too many fragments");
  return 0;
}

static int is_known(unsigned opcode) {
  return opcode <= GW_BINARY || (opcode >= GW_CLOSE && opcode <= GW_PONG);
}

/* A frame's header is known. */
static int begin_frame(gw_conn *c, const frame *f) {
  gw_ws_reader *r = c->reader;
  if (!f->mask) return fail(c, GW_CLOSE_PROTOCOL, "a frame is not masked");
  if (f->rsv) return fail(c, GW_CLOSE_PROTOCOL, "reserved bits are set");
  if (!is_known(f->opcode)) return fail(c, GW_CLOSE_PROTOCOL, "an opcode that is not defined");
  if (is_control(f))
    r->control_len = 0;
  else if (check_order(c, f) || check_size(c, f))
    return -1;
  r->is_in_frame = 1;
  r->frame_left = f->payload_length;
  r->done += 6 + f->payload_length +
             (f->payload_length < 126     ? 0
              : f->payload_length < 65536 ? 2
                                          : 8);
  return 0;
}

static int end_message(gw_conn *c, const char *text, size_t len) {
  gw_ws_reader *r = c->reader;
  r->is_in_message = 0;
  if (!gw_utf8_is_complete(&r->utf8)) return fail(c, GW_CLOSE_NOT_UTF8, "a message is not UTF-8");
  c->server->gateway->stats.messages_in++;
  if (!gw_rate_take(&c->message_due, gw_server_now(c->server),
                    gw_conn_options(c)->messages_per_second))
    return fail(c, GW_CLOSE_POLICY, "too many messages");
  if (c->phase == GW_PHASE_SOCKET && c->session) gw_session_text(c->session, text, len);
  r->message.len = 0;
  return 0;
}

/* A part of a message. What is whole in one piece is not copied. */
static int take_data(gw_conn *c, const frame *f) {
  gw_ws_reader *r = c->reader;
  const char *data = (const char *)f->data;
  int is_last = f->fin && !r->frame_left;
  if (!r->is_in_message) gw_utf8_init(&r->utf8);
  r->is_in_message = 1;
  if (!gw_utf8_feed(&r->utf8, data, f->data_length))
    return fail(c, GW_CLOSE_NOT_UTF8, "a message is not UTF-8");
  if (is_last && !r->message.len) return end_message(c, data, f->data_length);
  if (mp_buf_append(&r->message, data, f->data_length))
    return fail(c, GW_CLOSE_INTERNAL, "out of memory");
  return is_last ? end_message(c, r->message.data, r->message.len) : 0;
}

static int take_control(gw_conn *c, const frame *f) {
  gw_ws_reader *r = c->reader;
  if (f->data_length) memcpy(r->control + r->control_len, f->data, f->data_length);
  r->control_len += f->data_length;
  if (!r->frame_left) gw_ws_on_control(c, f->opcode, (char *)r->control, r->control_len);
  return 0;
}

static int take(gw_conn *c, const frame *f) {
  gw_ws_reader *r = c->reader;
  if (!r->is_in_frame && begin_frame(c, f)) return -1;
  r->frame_left -= f->data_length;
  if (!r->frame_left) r->is_in_frame = 0;
  return is_control(f) ? take_control(c, f) : take_data(c, f);
}

static int is_reading(const gw_conn *c) {
  return !c->is_deaf && (c->phase == GW_PHASE_SOCKET || c->phase == GW_PHASE_CLOSING);
}

void gw_ws_feed(gw_conn *c, const char *data, size_t len) {
  if (!is_reading(c) || !len) return;
  if (!c->reader && !(c->reader = borrow(c))) {
    gw_ws_fail(c, GW_CLOSE_INTERNAL, "out of memory");
    return;
  }
  gw_ws_reader *r = c->reader;
  r->data = data;
  r->left = len;
  while (is_reading(c)) {
    frame f = {0};
    ssize_t got = wslay_frame_recv(r->frames, &f);
    if (got == WSLAY_ERR_WANT_READ && !r->left) break;
    if (got == WSLAY_ERR_WANT_READ) continue;
    if (got < 0) fail(c, GW_CLOSE_PROTOCOL, "a frame is malformed");
    if (got < 0 || take(c, &f)) break;
  }
  if (!is_reading(c)) r->is_broken = 1;
  if (r->is_broken || (r->fed == r->done && !r->is_in_message)) gw_ws_release(c);
}
