/* A WebSocket conformance case as a row of a table: the frames that are sent, and what comes back.
 * The rows are those of the Autobahn test suite (its numbers), which speaks to an echo server: here
 * a message is {"op":"ping","ref":"..."}, whose answer has the same ref. */
#ifndef GW_WS_CASE_H
#define GW_WS_CASE_H

#include <jansson.h>

#include "gateway_thread.h"
#include "ws_client.h"

/* How the bytes are cut: Autobahn's "in one chop", "frame-wise" and "octet-wise". */
typedef enum ws_chop { IN_ONE, BY_FRAME, BY_BYTE } ws_chop;

typedef struct ws_step {
  unsigned first; /* FIN, RSV, opcode */
  const char *data;
  size_t len;
} ws_step;

typedef enum ws_kind {
  WS_NOTHING,
  WS_ECHO,  /* an ok whose ref is `data` */
  WS_ERROR, /* an error: it was a message, but none of the protocol's */
  WS_PONGED,
  WS_CLOSED /* a close with `code` */
} ws_kind;

typedef struct ws_expected {
  ws_kind kind;
  const char *data;
  size_t len;
  unsigned code;
} ws_expected;

enum { WS_STEPS = 12, WS_EXPECTED = 12 };

/* What is expected and does not end with a close ends with ours, of 1000. */
typedef struct ws_case {
  const char *id;
  ws_chop chop;
  ws_step steps[WS_STEPS];
  ws_expected expected[WS_EXPECTED];
} ws_case;

#define RSV(bits) ((unsigned)(bits) << 4)
#define FRAME(first, text)                                                                         \
  { first, text, sizeof(text) - 1 }
#define JSON_START "{\"op\":\"ping\",\"ref\":\""
#define JSON_END "\"}"
#define MESSAGE(text) FRAME(WS_FIN | WS_TEXT, JSON_START text JSON_END)
#define START(text) FRAME(WS_TEXT, JSON_START text) /* of a fragmented message */
#define MORE(text) FRAME(WS_REST, text)
#define END(text) FRAME(WS_FIN | WS_REST, text JSON_END)
#define PING(text) FRAME(WS_FIN | WS_PING, text)
#define PONG(text) FRAME(WS_FIN | WS_PONG, text)
#define CLOSE(payload) FRAME(WS_FIN | WS_CLOSE, payload)

#define ECHOED(text)                                                                               \
  { WS_ECHO, text, sizeof(text) - 1, 0 }
#define PONGED(text)                                                                               \
  { WS_PONGED, text, sizeof(text) - 1, 0 }
#define CLOSED(code)                                                                               \
  { WS_CLOSED, NULL, 0, code }
#define FAULT                                                                                      \
  { WS_ERROR, NULL, 0, 0 }

/* ---- what came ------------------------------------------------------------------------------- */

static inline int ws_is_answer(const ws_frame *frame, const char *op, const ws_expected *e) {
  json_t *answer = json_loadb(frame->data, frame->len, 0, NULL);
  const json_t *ref = json_object_get(answer, "ref");
  const char *got = json_string_value(json_object_get(answer, "op"));
  int is_it = frame->first == (WS_FIN | WS_TEXT) && got && !strcmp(got, op);
  if (is_it && e->data)
    is_it = json_string_length(ref) == e->len && !memcmp(json_string_value(ref), e->data, e->len);
  json_decref(answer);
  return is_it;
}

static inline int ws_is_expected(const ws_frame *frame, const ws_expected *e) {
  switch (e->kind) {
  case WS_ECHO: return ws_is_answer(frame, "ok", e);
  case WS_ERROR: return ws_is_answer(frame, "error", e);
  case WS_PONGED:
    return frame->first == (WS_FIN | WS_PONG) && frame->len == e->len &&
           !memcmp(frame->data, e->data, e->len);
  default: return frame->first == (WS_FIN | WS_CLOSE) && ws_close_code(frame) == e->code;
  }
}

/* One more frame; says what came instead of what was expected. */
static inline int ws_expect(ws_client *c, const char *id, const ws_expected *e) {
  ws_frame frame;
  int got = ws_read_frame(c, &frame);
  if (got == 1 && ws_is_expected(&frame, e)) return 1;
  if (got != 1)
    printf("  %s: %s\n", id, got ? "the connection ended" : "nothing came");
  else
    printf("  %s: %02x came, of %zu bytes: %.*s (close: %u)\n", id, frame.first, frame.len,
           (int)(frame.len < 80 ? frame.len : 80), frame.data, ws_close_code(&frame));
  return 0;
}

/* The rest of it: a close that was not expected is asked for; then the peer ends the connection. */
static inline int ws_finish(ws_client *c, const char *id, unsigned code) {
  static const ws_expected normal = CLOSED(1000);
  ws_send_close(c, code ? code : 1000);
  if (!code && !ws_expect(c, id, &normal)) return 0;
  if (ws_has_ended(c)) return 1;
  printf("  %s: the connection was not ended\n", id);
  return 0;
}

/* ---- one case -------------------------------------------------------------------------------- */

static inline void ws_send_steps(ws_client *c, const ws_case *row) {
  mp_buf all;
  mp_buf_init(&all, &mp_default_allocator);
  for (size_t i = 0; i < WS_STEPS && row->steps[i].data; i++) {
    ws_put_frame(&all, row->steps[i].first, row->steps[i].data, row->steps[i].len, 0);
    if (row->chop != BY_FRAME) continue;
    ws_send_bytes(c, all.data, all.len, 0);
    all.len = 0;
  }
  ws_send_bytes(c, all.data, all.len, row->chop == BY_BYTE);
  mp_buf_free(&all);
}

static inline int ws_run_steps(ws_client *c, const ws_case *row) {
  ws_send_steps(c, row);
  for (size_t i = 0; i < WS_EXPECTED && row->expected[i].kind; i++) {
    if (!ws_expect(c, row->id, &row->expected[i])) return 0;
    if (row->expected[i].kind == WS_CLOSED) return ws_finish(c, row->id, row->expected[i].code);
  }
  return ws_finish(c, row->id, 0);
}

/* On a connection of its own. */
static inline void ws_run(const ws_case *row, int port) {
  ws_client c;
  if (!ws_open(&c, port)) printf("  %s: no WebSocket\n", row->id);
  CHECK(ws_run_steps(&c, row));
  ws_end(&c);
}

#define WS_RUN_ALL(rows, port)                                                                     \
  do {                                                                                             \
    for (size_t row_ = 0; row_ < sizeof(rows) / sizeof *(rows); row_++)                            \
      ws_run(&(rows)[row_], port);                                                                 \
  } while (0)

/* ---- a table's gateway ----------------------------------------------------------------------- */

/* Without the limits that an echo server has not: how often, how many, how much. */
static inline int ws_case_gateway(gateway_thread *g, const redis_server *redis) {
  gateway_thread_init(g, redis);
  g->options.messages_per_second = 0;
  g->options.pings_per_second = 0;
  g->options.max_fragments = 0;
  g->options.max_message = (16u << 20) + 1024;
  g->options.max_queue = 40u << 20;
  return gateway_thread_start(g);
}

#endif
