/* A byte stream on libuv: TCP, with TLS or without, or Unix socket. One transport is one attempt at
 * a connection: it opens, carries bytes, ends once, and is freed; a link makes a new one for the
 * next attempt. */
#ifndef MP_TRANSPORT_H
#define MP_TRANSPORT_H

#include "mem.h"
#include "tls.h"
#include "url.h"

typedef struct mp_transport mp_transport;

/* All are called from inside uv_run. After `on_end` nothing more is called. */
typedef struct mp_transport_events {
  void (*on_open)(void *ctx);
  /* `data`, in `scratch`, is borrowed until it returns, or longer, see there; it is never empty. */
  void (*on_read)(void *ctx, const char *data, size_t len);
  /* What was left of a write has been written: mp_transport_is_writing is false again. */
  void (*on_drain)(void *ctx);
  /* Failed to open, lost, or ended by the peer: once at most, and never after mp_transport_free.
   * `message` names the address. */
  void (*on_end)(void *ctx, int status, const char *message);
} mp_transport_events;

/* The buffer that all transports of a client read into: what was read is handed over before the
 * next read is made. Who has not used it up by then sets `reclaim`, which is called once, when it
 * is needed again. */
typedef struct mp_scratch {
  char *data; /* of at least 64 KiB */
  size_t size;
  void (*reclaim)(void *ctx); /* NULL: nobody has borrowed it */
  void *ctx;
} mp_scratch;

/* `scratch` must outlive every transport that was given it. */
typedef struct mp_transport_config {
  uv_loop_t *loop;
  const moonpool_allocator *allocator;
  const mp_transport_events *events;
  void *ctx;
  mp_scratch *scratch;
  mp_tls *tls; /* borrowed; for URLs with TLS */
} mp_transport_config;

/* Starts connecting to `url` (borrowed only during the call): resolves the name anew, tries each
 * address in the order that the resolver gave. `timeout` in ms covers DNS and all attempts, the
 * handshake of TLS included; each address gets its share of what is left, so that a dead first
 * address does not use it up. A server that TLS fails with, or whose certificate is refused, ends
 * the attempt: who answers so is no dead address. Returns MOONPOOL_OK and *transport, or ENOMEM,
 * ENOSUPPORT (no `tls`), EARG (a Unix socket's path that is
 * longer than the system allows; mp_url_parse refuses those); all else that can fail shows as
 * on_end. A `timeout` of 0 means none. */
int mp_transport_open(mp_transport **transport, const mp_transport_config *config,
                      const mp_url *url, uint64_t timeout);

/* When the attempt is to be over, of the loop's clock: what `timeout` says, and what it was put off
 * since the loop was held up. UINT64_MAX: never. */
uint64_t mp_transport_deadline(const mp_transport *transport);

/* After on_open: writes all of `buf`, at once as far as the socket takes it; what is left is kept
 * (the buffers are swapped, `buf` is empty afterwards) and on_drain tells when it is out. Must not
 * be called while mp_transport_is_writing. A failed write shows as on_end later, not here. Returns
 * MOONPOOL_OK, or ENOMEM with `buf` untouched. */
int mp_transport_write(mp_transport *transport, mp_buf *buf);
int mp_transport_is_writing(const mp_transport *transport);

/* Bytes accepted by mp_transport_write that the socket has not taken yet. */
size_t mp_transport_unwritten(const mp_transport *transport);

/* Ends and frees; no event follows. Legal inside every event; memory goes in libuv's close
 * callback. NULL is accepted. `on_gone` (may be NULL) is called with `ctx` when libuv has let go of
 * everything; that takes as long as the resolver, where one of libuv's threads is at a name. */
void mp_transport_free(mp_transport *transport, void (*on_gone)(void *ctx), void *ctx);

#endif
