/* The replies that most commands have, taken apart where they lie: a bulk string, a status, an
 * integer or null, on its own, whose bytes are all there. What it finds is what hiredis's reader
 * would give. */
#ifndef MP_PLAIN_H
#define MP_PLAIN_H

#include <moonpool.h>

/* A whole bulk string "$<length>\r\n<bytes>\r\n" at `at`: where it ends, its bytes in *out,
 * borrowed from there; else NULL. Lengths over eight digits, and with zeros in front, are left to
 * the reader. Inline, as a message has two. */
static inline const char *mp_bulk_parse(const char *at, const char *end, moonpool_bytes *out) {
  size_t len = 0;
  if (end - at < 6 || at[0] != '$' || (at[1] == '0' && at[2] != '\r')) return NULL;
  const char *digit = at + 1, *stop = end - at > 10 ? at + 9 : end - 2;
  for (; digit < stop && *digit >= '0' && *digit <= '9'; digit++)
    len = len * 10 + (size_t)(*digit - '0');
  if (digit == at + 1 || digit[0] != '\r' || digit[1] != '\n') return NULL;
  const char *data = digit + 2;
  if ((size_t)(end - data) < len + 2 || data[len] != '\r' || data[len + 1] != '\n') return NULL;
  out->data = data;
  out->len = len;
  return data + len + 2;
}

/* Could a plain reply begin with this byte? */
static inline int mp_plain_begins(char first) {
  return first == '$' || first == '+' || first == ':';
}

/* Where the plain reply ends that begins at `at`, in *reply, borrowed from there; NULL when it is
 * something else, unusual, or not whole before `end`. */
const char *mp_plain_parse(moonpool_reply *reply, const char *at, const char *end);

#endif
