#include "plain.h"

#include <string.h>

#define STATUS_MAX 64 /* longer ones are left to the reader */
#define DIGITS_MAX 18 /* no overflow to think of */

/* "+OK\r\n"; whether a line feed may be inside depends on the reader's version. */
static const char *take_status(const char *at, const char *end, moonpool_bytes *out) {
  const char *text = at + 1, *stop = end - text > STATUS_MAX ? text + STATUS_MAX : end;
  const char *cr = text < stop ? memchr(text, '\r', (size_t)(stop - text)) : NULL;
  if (!cr || end - cr < 2 || cr[1] != '\n') return NULL;
  if (memchr(text, '\n', (size_t)(cr - text))) return NULL;
  out->data = text;
  out->len = (size_t)(cr - text);
  return cr + 2;
}

/* ":-12\r\n"; what is written in an unusual way, with zeros in front or a plus, is not taken. */
static const char *take_integer(const char *at, const char *end, long long *out) {
  const char *digit = at + 1;
  int is_negative = digit < end && *digit == '-';
  if (is_negative) digit++;
  const char *first = digit, *stop = end - digit > DIGITS_MAX ? digit + DIGITS_MAX : end;
  long long value = 0;
  for (; digit < stop && *digit >= '0' && *digit <= '9'; digit++) value = value * 10 + *digit - '0';
  if (digit == first || end - digit < 2 || digit[0] != '\r' || digit[1] != '\n') return NULL;
  if (*first == '0' && (digit - first > 1 || is_negative)) return NULL;
  *out = is_negative ? -value : value;
  return digit + 2;
}

const char *mp_plain_parse(moonpool_reply *reply, const char *at, const char *end) {
  reply->next = NULL;
  reply->depth = 0;
  switch (at < end ? *at : '\0') {
  case '$':
    if (end - at >= 5 && memcmp(at, "$-1\r\n", 5) == 0) {
      reply->type = MOONPOOL_NIL;
      return at + 5;
    }
    reply->type = MOONPOOL_STRING;
    return mp_bulk_parse(at, end, &reply->u.string);
  case '+': reply->type = MOONPOOL_STATUS; return take_status(at, end, &reply->u.string);
  case ':': reply->type = MOONPOOL_INTEGER; return take_integer(at, end, &reply->u.integer);
  default: return NULL;
  }
}
