/* What the client's files share: client.c (start and end), ready.c, command.c, batch.c,
 * session.c and seeing.c. Nobody else includes it. */
#ifndef MP_CLIENT_PRIVATE_H
#define MP_CLIENT_PRIVATE_H

#include "canary.h"
#include "feed.h"
#include "hub.h"
#include "link.h"
#include "pool.h"
#include "room.h"
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
  char *name;
  mp_scratch scratch;
  mp_link *link;
  mp_hub *hub;
  mp_pool *pool;
  mp_scripts *scripts;   /* NULL: none was prepared */
  mp_rooms *rooms;       /* NULL: none was opened */
  mp_feeds *feeds;       /* likewise */
  mp_canary *canary;     /* NULL: none is asked for */
  mp_sentinel *sentinel; /* of a URL with a service; else NULL */
  uv_idle_t gathered;
  uv_timer_t told; /* tells who asks late whether the link is ready */
  mp_waiter *waiters;
  unsigned round;        /* counts the tellings */
  moonpool_batch *empty; /* batches without commands, to be completed; oldest first */
  moonpool_session *sessions;
  uint64_t commands;
  int is_closed, holds;
  moonpool_state_cb on_state; /* NULL: nobody */
  void *state_ctx;
  moonpool_drain_cb drain; /* NULL: the listeners are called */
  void *drain_ctx;
  moonpool_close_cb on_gone;
  void *gone_ctx;
};

struct moonpool_session {
  mp_want want; /* first: the pool knows the session by it */
  moonpool *client;
  moonpool_session *next, *prev; /* of the client's, once it has a link */
  moonpool_session_cb cb;
  void *ctx;
  int is_closing;
  mp_pooled *pooled;           /* NULL: lost */
  int blocking;                /* commands on their way that may block */
  uint64_t watches, unwatched; /* WATCHes sent; of these, those that an EXEC or UNWATCH has ended */
};

/* ---- client.c ---- */

/* What was gathered is to be written before the loop polls. */
void mp_client_mark_dirty(moonpool *client);

/* Gives back one of `holds`, which keep the client's memory: a moonpool as ctx. */
void mp_client_let_go(void *ctx);

/* MOONPOOL_OK: client->scripts is there. */
int mp_client_make_scripts(moonpool *client);

/* ---- ready.c ---- */

/* Tells those whose deadline is not after `until`; they are in the order of their deadlines. Who
 * begins to wait meanwhile waits for the next time; a close meanwhile has told the others. */
void mp_client_tell_waiters(moonpool *client, uint64_t until, const moonpool_error *error);

/* ---- command.c ---- */

/* What moonpool_command's `timeout` means. */
uint64_t mp_client_timeout(const moonpool *client, uint64_t timeout);

/* ---- batch.c ---- */

/* As moonpool_command, for one that may block: on the session's link, or, with NULL, on one of the
 * pool. */
int mp_client_command_blocking(moonpool *client, moonpool_session *session, size_t argc,
                               const moonpool_bytes *argv, uint64_t timeout, moonpool_reply_cb cb,
                               void *ctx);

/* Completes the batches that had no commands. */
void mp_client_end_empty(moonpool *client, const moonpool_error *error);

/* ---- seeing.c ---- */

/* A link's on_state. */
void mp_client_tell_state(moonpool *client, moonpool_role role, moonpool_state state,
                          const char *address, const moonpool_error *error);

/* ---- session.c ---- */

/* After the client's last callback. */
void mp_client_free_sessions(moonpool *client);

#endif
