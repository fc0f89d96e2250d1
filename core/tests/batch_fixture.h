/* Batches and what they are told: each call as a line, "0 +2 OK\n", the last with a dot. */
#ifndef MP_BATCH_FIXTURE_H
#define MP_BATCH_FIXTURE_H

#include "client_fixture.h"

typedef struct batch_call {
  fixture *f;
  size_t size; /* the index of the last call */
  int calls, ends, status;
  char text[1000], message[600];                     /* all calls; the last error */
  void (*then)(fixture *f, struct batch_call *call); /* after each call */
} batch_call;

static inline void on_batch(size_t index, const moonpool_reply *reply, const moonpool_error *error,
                            void *ctx) {
  batch_call *c = ctx;
  size_t len = strlen(c->text);
  mp_buf text;
  mp_buf_init(&text, &mp_default_allocator);
  CHECK_INT(c->ends, 0);
  c->calls++;
  c->ends += index == c->size;
  if (reply) put_reply(&text, reply, 0);
  snprintf(c->text + len, sizeof c->text - len, "%zu%s%.*s\n", index, index == c->size ? "." : "",
           (int)text.len, text.data ? text.data : "");
  mp_buf_free(&text);
  if (error) {
    c->status = error->status;
    snprintf(c->message, sizeof c->message, "%s", error->message);
  }
  if (c->then) c->then(c->f, c);
}

/* Lines of commands, "SET a 1\nGET a". */
static inline int batch_add_lines(moonpool_batch *batch, const char *lines) {
  char line[300];
  int status = MOONPOOL_OK;
  while (*lines && status == MOONPOOL_OK) {
    moonpool_bytes argv[32];
    size_t len = strcspn(lines, "\n");
    snprintf(line, sizeof line, "%.*s", (int)len, lines);
    status = moonpool_batch_add(batch, split(line, argv), argv);
    lines += len + (lines[len] == '\n');
  }
  return status;
}

static inline int send_batch_on(fixture *f, moonpool_session *session, moonpool_batch_kind kind,
                                const char *lines, uint64_t timeout, batch_call *c) {
  moonpool_batch *batch = moonpool_batch_new(f->client);
  if (!batch) return MOONPOOL_ENOMEM;
  int status = batch_add_lines(batch, lines);
  c->f = f;
  c->size = moonpool_batch_count(batch);
  if (status == MOONPOOL_OK)
    status = moonpool_batch_send(batch, kind, session, timeout, on_batch, c);
  if (status != MOONPOOL_OK) moonpool_batch_free(batch);
  return status;
}

static inline int send_pipeline(fixture *f, const char *lines, batch_call *c) {
  return send_batch_on(f, NULL, MOONPOOL_PIPELINE, lines, 0, c);
}

static inline int send_transaction(fixture *f, const char *lines, batch_call *c) {
  return send_batch_on(f, NULL, MOONPOOL_TRANSACTION, lines, 0, c);
}

#endif
