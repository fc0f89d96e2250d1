/* RESP, both ways: replies parsed by hiredis's reader into an arena (resp.c, the only file that
 * knows that reader and the differences between its versions), commands encoded into a buffer
 * (resp_encode.c). */
#ifndef MP_RESP_H
#define MP_RESP_H

#include "mem.h"

typedef struct mp_resp mp_resp;

/* 0 means: no such limit. */
typedef struct mp_resp_limits {
  size_t bytes;
  size_t elements;
  unsigned depth;
} mp_resp_limits;

/* NULL when out of memory. */
mp_resp *mp_resp_new(const moonpool_allocator *allocator, const mp_resp_limits *limits);
void mp_resp_free(mp_resp *resp);

/* Bytes from the network, borrowed until mp_resp_next has returned 0 or mp_resp_keep was called.
 * What was fed before must be used up or kept; what was kept comes before. */
void mp_resp_feed(mp_resp *resp, const char *data, size_t len);

/* The next reply: 1 and *reply, which lives until the next call; 0 when more bytes are needed; or a
 * status below 0, for good, after which mp_resp_message says what was wrong. */
int mp_resp_next(mp_resp *resp, const moonpool_reply **reply);

/* Is some of what was fed, and was not copied, still to be parsed? */
int mp_resp_is_lent(const mp_resp *resp);

/* Copies what was fed and not yet parsed, so that the caller's buffer may go: whole replies too,
 * where nobody has asked for them, up to a megabyte more than limits.bytes. As mp_resp_next, 0 or a
 * status below 0. */
int mp_resp_keep(mp_resp *resp);

const char *mp_resp_message(const mp_resp *resp);

/* RESP version of this build, and the version of hiredis it was built with. */
int mp_resp_version(void);
const char *mp_resp_hiredis_version(void);

/* Bytes that mp_resp_encode would append. */
size_t mp_resp_encoded_size(size_t argc, const moonpool_bytes *argv);

/* Appends one command: MOONPOOL_OK, or ENOMEM with `out` unchanged. */
int mp_resp_encode(mp_buf *out, size_t argc, const moonpool_bytes *argv);

/* Likewise where the caller has reserved mp_resp_encoded_size. Can't fail. */
void mp_resp_put_command(mp_buf *out, size_t argc, const moonpool_bytes *argv);

/* Appends the header of a command with `argc` arguments, and one argument. The caller has reserved
 * MP_RESP_HEADER bytes for each call, and the argument's length. */
#define MP_RESP_HEADER 26
void mp_resp_put_header(mp_buf *out, size_t argc);
void mp_resp_put(mp_buf *out, const char *data, size_t len);

#endif
