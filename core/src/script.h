/* Prepared scripts of one client: those that Redis has loaded, by source, and their calls on the
 * client's command link. A script is shared by its handles and its calls; the handles may outlive
 * the client. */
#ifndef MP_SCRIPT_H
#define MP_SCRIPT_H

#include "link.h"

typedef struct mp_scripts mp_scripts;

typedef struct mp_scripts_config {
  uv_loop_t *loop;
  const moonpool_allocator *allocator;
  const moonpool_options *options; /* borrowed until mp_scripts_close, as is the link */
  mp_link *link;
} mp_scripts_config;

/* NULL when out of memory. */
mp_scripts *mp_scripts_new(const mp_scripts_config *config);

/* The link, which is a new connection, has become ready: the server behind it may know none of the
 * scripts. To be called before anything else is sent. NULL is accepted. */
void mp_scripts_ready(mp_scripts *scripts);

/* Completes what waits with ECLOSED; the handles are left to their owners. The link was closed just
 * before. `on_gone` is called once libuv has let go of the timer. */
void mp_scripts_close(mp_scripts *scripts, void (*on_gone)(void *ctx), void *ctx);

/* As moonpool_prepare. */
int mp_scripts_prepare(mp_scripts *scripts, moonpool_bytes source, uint64_t timeout,
                       moonpool_script_cb cb, void *ctx);

/* A handle for a script whose SHA1 is known, without asking Redis: its first call on a connection
 * brings it along. NULL without memory. */
moonpool_script *mp_scripts_know(mp_scripts *scripts, moonpool_bytes source, const char *sha);

typedef struct mp_scripts_stats {
  uint64_t commands; /* accepted calls and preparations */
  size_t queued;     /* calls that wait before the link's queue */
} mp_scripts_stats;

/* NULL is accepted: zeros. */
void mp_scripts_get_stats(const mp_scripts *scripts, mp_scripts_stats *stats);

#endif
