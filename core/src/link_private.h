/* What the link's files share: link.c (its life, requests, writing), link_attempt.c, link_read.c,
 * link_loss.c and link_heartbeat.c. Nobody else includes it. */
#ifndef MP_LINK_PRIVATE_H
#define MP_LINK_PRIVATE_H

#include "handshake.h"
#include "link.h"
#include "requests.h"
#include "trouble.h"

#define MP_LINK_MESSAGE 1200u /* bytes of an error's; that of a lookup names every sentinel */

struct mp_link {
  mp_link_config config;
  moonpool_state state;
  const mp_url *url; /* config.url, or `located` */
  mp_url located;    /* owned */
  mp_lookup lookup;
  int is_looking;
  uint64_t looked_since;
  mp_transport *transport;
  mp_resp *resp;
  mp_handshake handshake;
  mp_requests requests;
  uv_timer_t timer;     /* WAITING: the next attempt */
  mp_deadline deadline; /* CONNECTING: the handshake's end; READY: the next heartbeat */
  uint64_t random, ready_since, last_read;
  unsigned lost_in;     /* the locator's round when the last connection ended */
  uint64_t retry_at;    /* of the loop's clock: WAITING: when the next attempt begins */
  unsigned down_traits; /* of what the last handshake was refused with: mp_trouble_trait */
  unsigned attempts;
  int is_closed, was_ever_ready;
  int has_no_setinfo; /* the server does not know it: it is not asked again */
  int is_moving;      /* the next attempt is due at once */
  const mp_trouble
      *leaving; /* why: nothing new is written; when all is answered, it connects anew */
  uint64_t left_at, leave_pause;
  char last_error[MP_LINK_MESSAGE]; /* of the last attempt or connection */
  int blocking;                     /* as mp_link_count_blocking says */
  int is_shake_due;         /* the handshake's next command waits until the last one is written */
  int has_read, has_pinged; /* since the last heartbeat */
  int holds;                /* handles and transports that libuv still has */
  void (*on_gone)(void *ctx);
  void *gone_ctx;
  mp_link_stats stats;
};

/* ---- link.c ---- */

/* A handle or a transport of the link is gone. */
void mp_link_let_go(void *link);

/* Ends the present attempt or connection, without a word. */
void mp_link_drop_transport(mp_link *link);

/* Tells whoever watches the client's links of the link's state; with an error: why it is lost. */
void mp_link_tell_state(const mp_link *link, const moonpool_error *error);

/* ---- link_attempt.c ---- */

/* Begins an attempt: where the server is, its transport, the handshake. */
void mp_link_attempt(mp_link *link);

/* Takes a reply to the handshake. */
void mp_link_shake(mp_link *link, const moonpool_reply *reply);

/* The handshake has taken too long. */
void mp_link_miss_handshake(mp_link *link);

/* ---- link_read.c ---- */

/* As mp_transport_events says. */
void mp_link_on_read(void *link, const char *data, size_t len);

/* ---- link_loss.c ---- */

/* The attempt failed or the connection is lost: what was in flight fails, and the next attempt's
 * time is set. `reason` is the whole message. */
void mp_link_go_down(mp_link *link, int status, const char *reason);

/* This server refuses what another may do: the link will connect anew, as soon as it may. */
void mp_link_leave_soon(mp_link *link, const mp_trouble *why);

/* Does so when nothing is in flight any more. */
void mp_link_leave_if_answered(mp_link *link);

/* ---- link_heartbeat.c ---- */

/* The link is ready: asks after its peer from now on. */
void mp_link_start_heartbeat(mp_link *link);

/* It is time to do so. */
void mp_link_beat(mp_link *link);

#endif
