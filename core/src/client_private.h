/* What the client's files share: client.c (start and end), ready.c, command.c, batch.c and
 * seeing.c. Nobody else includes it. */
#ifndef MP_CLIENT_PRIVATE_H
#define MP_CLIENT_PRIVATE_H

#include "canary.h"
#include "hub.h"
#include "link.h"
#include "script.h"
#include "sentinel.h"
#include "url.h"

typedef struct mp_waiter {
  struct mp_waiter *next;
  unsigned round;    /* told in a later one */
  uint64_t deadline; /* until when it waits for a trouble to pass; of the loop's clock, ms */
  moonpool_ready_cb cb;
  void *ctx;
} mp_waiter;

struct moonpool {
  moonpool_options options;
  moonpool_allocator allocator;
  uv_loop_t *loop;
  mp_url url;
  mp_tls *tls; /* NULL: none is wanted */
  char *name, *scratch;
  mp_link *link;
  mp_hub *hub;
  mp_scripts *scripts;   /* NULL: none was prepared */
  mp_canary *canary;     /* NULL: none is asked for */
  mp_sentinel *sentinel; /* of a URL with a service; else NULL */
  uv_idle_t gathered;
  uv_timer_t told; /* tells who asks late whether the link is ready */
  mp_waiter *waiters;
  unsigned round;        /* counts the tellings */
  moonpool_batch *empty; /* batches without commands, to be completed; oldest first */
  uint64_t commands;
  int is_closed, holds;
  moonpool_close_cb on_gone;
  void *gone_ctx;
};

/* ---- client.c ---- */

/* What was gathered is to be written before the loop polls. */
void mp_client_mark_dirty(moonpool *client);

/* ---- ready.c ---- */

/* Tells those whose deadline is not after `until`; they are in the order of their deadlines. Who
 * begins to wait meanwhile waits for the next time; a close meanwhile has told the others. */
void mp_client_tell_waiters(moonpool *client, uint64_t until, const moonpool_error *error);

/* ---- command.c ---- */

/* What moonpool_command's `timeout` means. */
uint64_t mp_client_timeout(const moonpool *client, uint64_t timeout);

/* ---- batch.c ---- */

/* As moonpool_command, for one that may block. */
int mp_client_command_blocking(moonpool *client, size_t argc, const moonpool_bytes *argv,
                               uint64_t timeout, moonpool_reply_cb cb, void *ctx);

/* Completes the batches that had no commands. */
void mp_client_end_empty(moonpool *client, const moonpool_error *error);

#endif
