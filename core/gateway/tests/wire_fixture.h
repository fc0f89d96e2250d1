/* The connection layer without rooms: its sessions are the test's. A socket's session sends back
 * each message that it gets; what else it is to do, the test says. */
#ifndef GW_WIRE_FIXTURE_H
#define GW_WIRE_FIXTURE_H

#include "rooms.h"
#include "session.h"
#include "test.h"
#include "ws_frame.h"

/* What the sessions of a fixture did and are to do; `ctx` of the options. */
typedef struct wire {
  int opened, closed, drained;
  int texts;
  size_t text_bytes;
  int is_silent;          /* do not send messages back */
  int is_refusing;        /* gw_session_open: no memory */
  unsigned close_at_open; /* with this code; 0: do not */
  int is_late;            /* a POST is answered by the test */
  const char *user;       /* of all */
  struct gw_session *last;
  gw_session_kind kind;
  char token[200], asked[200], origin[200], room[200], since[200], last_n[200], key[200], type[200];
  char body[2000];
  void (*on_text)(struct gw_session *session, const char *text, size_t len);
  void (*on_drained)(struct gw_session *session);
} wire;

struct gw_session {
  gw_conn *conn;
  wire *w;
  void *data;
};

static inline void wire_copy(char *to, size_t size, moonpool_bytes from) {
  size_t len = from.len < size - 1 ? from.len : size - 1;
  if (!from.data) len = 0;
  memcpy(to, len ? from.data : "", len);
  to[len] = '\0';
}

static inline gw_chunk *wire_frame(gw_conn *conn, unsigned opcode, const char *text, size_t len) {
  gw_chunk *chunk = gw_chunk_new(gw_conn_gateway(conn)->allocator, len + GW_FRAME_MAX_HEADER);
  if (!chunk) return NULL;
  chunk->len = gw_frame_header(chunk->data, opcode, len);
  if (len) memcpy(chunk->data + chunk->len, text, len);
  chunk->len += len;
  return chunk;
}

static inline gw_sent wire_send(gw_conn *conn, const char *text, size_t len) {
  gw_chunk *chunk = wire_frame(conn, GW_TEXT, text, len);
  gw_sent sent = chunk ? gw_conn_send(conn, chunk) : GW_GONE;
  gw_chunk_unref(gw_conn_gateway(conn)->allocator, chunk);
  return sent;
}

#define WIRE_KEEP(field, value) wire_copy(w->field, sizeof w->field, (value))

static inline void wire_remember(wire *w, const gw_session_start *start) {
  w->kind = start->kind;
  WIRE_KEEP(token, start->token);
  WIRE_KEEP(asked, start->user);
  WIRE_KEEP(origin, start->origin);
  WIRE_KEEP(room, start->room);
  WIRE_KEEP(since, start->since);
  WIRE_KEEP(last_n, start->last);
  WIRE_KEEP(key, start->key);
  WIRE_KEEP(type, start->type);
  WIRE_KEEP(body, start->body);
}

gw_session *gw_session_open(gw_conn *conn, const gw_session_start *start) {
  wire *w = gw_conn_gateway(conn)->options.ctx;
  gw_session *s = w->is_refusing ? NULL : mp_alloc(gw_conn_gateway(conn)->allocator, sizeof *s);
  if (!s) return NULL;
  *s = (gw_session){conn, w, NULL};
  w->opened++;
  w->last = s;
  wire_remember(w, start);
  if (w->close_at_open) gw_conn_close(conn, w->close_at_open, "not you");
  if (start->kind == GW_SESSION_STREAM && !w->is_late) gw_conn_begin_stream(conn);
  if (start->kind == GW_SESSION_POST && !w->is_late)
    gw_conn_respond(conn, 201, "application/json", "{\"id\":\"1\"}", 10);
  return s;
}

void gw_session_text(gw_session *s, const char *text, size_t len) {
  s->w->texts++;
  s->w->text_bytes += len;
  if (s->w->on_text) s->w->on_text(s, text, len);
  if (s->w->is_silent) return;
  gw_chunk *chunk = wire_frame(s->conn, GW_TEXT, text, len);
  if (chunk)
    gw_conn_send_answer(s->conn, chunk);
  else
    gw_conn_close(s->conn, GW_CLOSE_INTERNAL, "out of memory");
  gw_chunk_unref(gw_conn_gateway(s->conn)->allocator, chunk);
}

void gw_session_drained(gw_session *s) {
  s->w->drained++;
  if (s->w->on_drained) s->w->on_drained(s);
}

void gw_session_closed(gw_session *s) {
  s->w->closed++;
  if (s->w->last == s) s->w->last = NULL;
  mp_free(gw_conn_gateway(s->conn)->allocator, s);
}

moonpool_bytes gw_session_user(const gw_session *s) {
  return (moonpool_bytes){s->w->user, s->w->user ? strlen(s->w->user) : 0};
}

int gw_rooms_new(moonpool_gateway *gateway) {
  (void)gateway;
  return MOONPOOL_OK;
}

void gw_rooms_stop(moonpool_gateway *gateway) {
  (void)gateway;
}

void gw_rooms_flush(moonpool_gateway *gateway) {
  (void)gateway;
}

void gw_rooms_free(moonpool_gateway *gateway) {
  (void)gateway;
}

/* ---- the fixture -------------------------------------------------------------------------- */

#define SET_UP_MORE(f)                                                                             \
  ((f)->more = calloc(1, sizeof(wire)), (f)->options.ctx = (f)->more,                              \
   (f)->options.messages_per_second = 0, (f)->options.pings_per_second = 0)

#include "gateway_fixture.h"

static inline wire *wire_of(const fixture *f) {
  return f->more;
}

/* Everything ends, and each session was told. */
static inline void tear_down_wire(fixture *f) {
  close_gateway(f);
  CHECK_INT(wire_of(f)->opened, wire_of(f)->closed);
  tear_down(f);
  free(f->more);
}

#endif
