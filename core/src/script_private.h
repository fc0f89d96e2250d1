/* What script.c (scripts and their handles) and script_call.c (their calls) share. Nobody else
 * includes it. */
#ifndef MP_SCRIPT_PRIVATE_H
#define MP_SCRIPT_PRIVATE_H

#include "script.h"

#define MP_SHA_LEN 40

/* One call, from its acceptance until its place in the link's queue is gone. */
typedef struct mp_script_call {
  struct mp_script_call *next; /* held, or spare */
  moonpool_script *script;
  moonpool_reply_cb cb; /* NULL: nobody is told (any more) */
  void *ctx;
  uint64_t deadline; /* of the loop's clock, ms; UINT64_MAX: none */
  int is_eval;       /* sent with its source */
  size_t argc;
  mp_buf words; /* the encoded words behind the SHA1: number of keys, keys, arguments */
} mp_script_call;

struct moonpool_script {
  moonpool_script *next; /* in its bucket */
  moonpool_allocator allocator;
  mp_scripts *owner; /* NULL: the client is closed */
  size_t refs;       /* handles, and calls under way */
  uint64_t hash;     /* of the source */
  uint64_t loaded;   /* the generation in which it was loaded last */
  size_t pending;    /* calls in the link's queue */
  /* The call that was sent as EVAL because Redis had forgotten the script; NULL: none. As long as
   * it is not answered, calls that were sent before it come back one by one, to be sent again
   * behind it, so that new ones are held. */
  mp_script_call *resent;
  mp_script_call *held, *held_last;
  int is_withdrawing;  /* calls are taken back from the link, to be held */
  int raises_noscript; /* the script itself: no reason to send anything again */
  char sha[MP_SHA_LEN + 1];
  size_t len;
  char source[];
};

typedef struct mp_preparation {
  struct mp_preparation *next;
  mp_scripts *owner;
  moonpool_script *script;
  moonpool_script_cb cb;
  void *ctx;
} mp_preparation;

#define MP_SCRIPT_BUCKETS 64

struct mp_scripts {
  mp_scripts_config config;
  moonpool_script *buckets[MP_SCRIPT_BUCKETS];
  uint64_t generation;    /* counts connections of the link that became ready */
  mp_preparation *shared; /* of scripts that are loaded already; to be told */
  mp_script_call *spare;
  size_t spare_count, held_count, held_bytes;
  uint64_t commands;
  uv_timer_t timer; /* `shared`, and the deadlines of held calls */
  uint64_t due;     /* when it fires, by the loop's clock; UINT64_MAX: it is not set */
  int is_closed;
  void (*on_gone)(void *ctx);
  void *gone_ctx;
};

/* ---- script.c ---- */

/* ms as moonpool_command takes them; UINT64_MAX: none. */
uint64_t mp_scripts_timeout(const mp_scripts *scripts, uint64_t timeout);

/* Has the timer look what is due at that time of the loop's clock, or earlier; 0: now. */
void mp_scripts_wake(mp_scripts *scripts, uint64_t due);

/* Gives back one reference; the last one frees the script. */
void mp_script_release(moonpool_script *script);

/* ---- script_call.c ---- */

/* Fails the held calls whose deadline has passed; the earliest deadline of the others. The scripts
 * may be closed afterwards. */
uint64_t mp_script_calls_expire(mp_scripts *scripts);

/* Completes a script's held calls. */
void mp_script_calls_fail(moonpool_script *script, const moonpool_error *error);

void mp_script_calls_free_spare(mp_scripts *scripts);

#endif
