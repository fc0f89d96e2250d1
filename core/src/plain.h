/* The replies that most commands have, taken apart where they lie: a bulk string, a status, an
 * integer or null, on its own, whose bytes are all there. What it finds is what hiredis's reader
 * would give. */
#ifndef MP_PLAIN_H
#define MP_PLAIN_H

#include <moonpool.h>

/* A whole bulk string "$<length>\r\n<bytes>\r\n" at `at`: where it ends, its bytes in *out,
 * borrowed from there; else NULL. Lengths over eight digits, and with zeros in front, are left to
 * the reader.
 */
const char *mp_bulk_parse(const char *at, const char *end, moonpool_bytes *out);

/* Could a plain reply begin with this byte? */
int mp_plain_begins(char first);

/* Where the plain reply ends that begins at `at`, in *reply, borrowed from there; NULL when it is
 * something else, unusual, or not whole before `end`. */
const char *mp_plain_parse(moonpool_reply *reply, const char *at, const char *end);

#endif
