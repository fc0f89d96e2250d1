/* One connection to Redis that outlives its sockets: handshake, pipelined requests with a deadline
 * each, PONG by deadline, reconnects with backoff. It knows RESP and the transport, but not what
 * the bytes are for: commands and subscriptions are its owner's. */
#ifndef MP_LINK_H
#define MP_LINK_H

#include "locator.h"
#include "mem.h"
#include "requests.h"
#include "resp.h"
#include "transport.h"
#include "url.h"

typedef struct mp_link mp_link;

typedef struct mp_link_events {
  /* The link became ready: the owner may write what it has to say first. */
  void (*on_ready)(void *ctx);
  /* An attempt failed, or a ready link was lost (`was_ready`); the next attempt is already due.
   * Requests that were sent have failed by then. */
  void (*on_down)(void *ctx, int was_ready, const moonpool_error *error);
  /* Replies may be there: take them with mp_link_next until it returns 0. */
  void (*on_readable)(void *ctx);
  /* There is something to write: call mp_link_flush before the loop polls. */
  void (*on_dirty)(void *ctx);
} mp_link_events;

typedef struct mp_link_config {
  uv_loop_t *loop;
  const moonpool_allocator *allocator;
  const moonpool_options *options; /* borrowed for the link's life */
  const mp_url *url;               /* likewise */
  mp_locator *locator; /* says before each attempt which server it is; NULL: `url`. Outlives it */
  mp_scratch *scratch; /* as in mp_transport_config */
  mp_tls *tls;         /* likewise */
  int is_subscriber;   /* no SELECT; what was not sent when the link is lost is dropped, not kept */
  int is_pooled;       /* its requests belong to one connection: all fail when that is lost */
  const mp_link_events *events;
  void *ctx;
  uint64_t seed; /* of the jitter */
  /* Is told of each change of state; `error` is NULL unless the link is WAITING. NULL: nobody is.
   */
  void (*on_state)(moonpool *client, moonpool_role role, moonpool_state state, const char *address,
                   const moonpool_error *error);
  moonpool *client;
} mp_link_config;

/* NULL when out of memory or libuv refuses a timer. */
mp_link *mp_link_new(const mp_link_config *config);

/* Starts the first attempt; does nothing when it has been called before. */
void mp_link_start(mp_link *link);

/* Completes every request with ECLOSED, ends the connection; `on_gone` is called when libuv has let
 * go of the handles and the link's memory is free. */
void mp_link_close(mp_link *link, void (*on_gone)(void *ctx), void *ctx);

moonpool_state mp_link_state(const mp_link *link);

/* Did the last handshake fail for a reason that passes by itself, such as LOADING? *retry_at: when
 * the next one begins, of the loop's clock. */
int mp_link_is_passing(const mp_link *link, uint64_t *retry_at);
/* The server that it is or was last connected to, or is connecting to, as errors name it; before
 * the locator's first answer that of config.url. Valid until the next attempt. */
const char *mp_link_address(const mp_link *link);

/* The locator's server is now that of `address`: a link that is connected elsewhere, connecting
 * there or waiting to, leaves it and looks it up at once. Does nothing on a link without one. */
void mp_link_move(mp_link *link, const char *address);

/* What ended the last connection or attempt, as errors say it; "" before. Valid until the next. */
const char *mp_link_last_error(const mp_link *link);

/* Has the server refused what another one would do? A pooled link stays until its owner ends it. */
int mp_link_is_leaving(const mp_link *link);

/* Tells everyone who waits for a reply now; what they asked for goes on. */
void mp_link_unhear(mp_link *link, const moonpool_error *error);

/* Room for a request of `size` bytes that counts as `count` commands: the buffer to encode it into,
 * or NULL with *status EQUEUE, ECLOSED or ENOMEM. mp_link_commit must follow at once. */
mp_buf *mp_link_begin(mp_link *link, size_t count, size_t size, int *status);

/* Accepts what was encoded since mp_link_begin as one request. Can't fail. */
void mp_link_commit(mp_link *link, const mp_request_info *info);

/* Before all that waits: a command whose reply nobody is told. Legal inside on_ready only. ENOMEM:
 * nothing was done. */
int mp_link_say_first(mp_link *link, size_t argc, const moonpool_bytes *argv);

/* As mp_requests_withdraw. */
void mp_link_withdraw(mp_link *link, moonpool_reply_cb late,
                      int (*is_meant)(const void *ctx, const void *what), const void *what);

/* Are there too many commands or bytes when these come on top? */
int mp_link_is_full(const mp_link *link, size_t count, size_t bytes);

/* As mp_link_begin for what was accepted before: there is always room for it. */
mp_buf *mp_link_begin_again(mp_link *link, size_t size, int *status);

/* Writes what has been committed, if the link is ready and the last write is out. */
void mp_link_flush(mp_link *link);

/* Hands replies to the requests that wait for them until a push is met: 1 and *push, borrowed until
 * the next call; or until one was answered with an error: 2; 0 when there is nothing more. Legal
 * inside on_readable only. */
int mp_link_next(mp_link *link, const moonpool_reply **push);

/* The context of the request that Redis is answering, if it expects confirmations, else NULL. */
void *mp_link_expected(const mp_link *link);

/* Counts one confirmation of that request; the last one completes it. */
void mp_link_confirm(mp_link *link);

/* While a blocking command is on its way, Redis may be silent as long as it likes: nothing is asked
 * by heartbeat. `change` is 1 for each that begins, -1 for each that ends. */
void mp_link_count_blocking(mp_link *link, int change);

/* Ends the present connection as broken by the peer; the link goes on with a new one. */
void mp_link_fail(mp_link *link, int status, const char *message);

typedef struct mp_link_stats {
  uint64_t writes, bytes_in, bytes_out, reconnects;
  size_t queued;    /* commands that wait for their replies */
  size_t in_flight; /* of these, those that were written */
} mp_link_stats;
void mp_link_get_stats(const mp_link *link, mp_link_stats *stats);

#endif
