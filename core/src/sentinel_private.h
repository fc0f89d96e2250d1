/* What the sentinel's files share: sentinel.c (questions and answers), sentinel_reasons.c (none has
 * answered), sentinel_peers.c (which sentinels are known) and sentinel_watch.c (the subscription to
 * +switch-master). Nobody else includes it. */
#ifndef MP_SENTINEL_PRIVATE_H
#define MP_SENTINEL_PRIVATE_H

#include "sentinel.h"
#include "sentinel_probe.h"

enum { MP_MAX_PEERS = 2 * MP_URL_MAX_SENTINELS };

/* A sentinel. */
typedef struct mp_peer {
  mp_url url;        /* owned */
  int is_given;      /* by the client's URL: it is never forgotten */
  unsigned seen;     /* the last round in which it answered or was named */
  unsigned answered; /* the last round in which it answered */
} mp_peer;

struct mp_sentinel {
  mp_locator locator;
  mp_sentinel_config config;
  const moonpool_allocator *allocator;
  moonpool_options options;    /* of the links to sentinels */
  const mp_url *url;           /* the service, and how its master is to be talked to */
  mp_url like;                 /* how sentinels are; its strings are `url`'s */
  mp_peer peers[MP_MAX_PEERS]; /* who answered best is the first */
  size_t peer_count;

  mp_probe probes[MP_MAX_PEERS]; /* of the present round, in the order of the peers */
  size_t probe_count;
  int is_asking;      /* a round is under way */
  int is_again;       /* another one is due after it */
  int is_late;        /* it waits no longer than this for more answers */
  mp_deadline timer;  /* the round's end */
  uv_timer_t checked; /* the next round that nobody asked for */
  mp_lookup *lookups; /* that wait for the round's end, or the next one's */

  mp_url master;   /* that is known; owned; address NULL: none */
  long long epoch; /* of what is known; -1: untold */
  mp_url rival;    /* what only an older configuration names; owned */
  unsigned doubts; /* rounds in a row that brought no other answer */
  uint64_t doubted_at;
  char announced[300]; /* by +switch-master, while that is news */
  uint64_t announced_at;
  uint64_t ended_at;     /* the last round */
  const mp_url *outcome; /* `master` or `rival`; NULL: `status` and `message` */
  int status;
  char message[1100];

  mp_link *watch;     /* NULL: not yet */
  mp_locator watched; /* which sentinel it is to watch */
  unsigned watch_at;
  unsigned links; /* made so far: each has its own jitter */
  int is_closed, holds;
  void (*on_gone)(void *ctx);
  void *gone_ctx;
};

/* ---- sentinel.c ---- */

/* A link to a sentinel, without its events. */
mp_link_config mp_sentinel_link_config(mp_sentinel *s);

/* Asks all sentinels; once more if that is under way, since its answers may be older. */
void mp_sentinel_ask(mp_sentinel *s);

/* libuv has let go of something. */
void mp_sentinel_let_go(void *ctx);

/* ---- sentinel_reasons.c ---- */

/* No sentinel has named the master: sets the outcome, with status and message. */
void mp_sentinel_name_reasons(mp_sentinel *s);

/* ---- sentinel_peers.c ---- */

/* Those of the URL: MOONPOOL_OK or ENOMEM. */
int mp_peers_init(mp_sentinel *s);
void mp_peers_free(mp_sentinel *s);

/* Some sentinel knows this one. */
void mp_peers_see(mp_sentinel *s, moonpool_bytes host, uint16_t port);

/* After a round: forgets those of whom nobody spoke, and puts the best first. */
void mp_peers_sort(mp_sentinel *s, size_t best);

/* ---- sentinel_watch.c ---- */

/* Begins to watch; does nothing when it has begun. */
void mp_watch_start(mp_sentinel *s);

#endif
