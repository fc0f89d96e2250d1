#include "glob.h"

#include <string.h>

/* Matches one byte with the set that starts after "[" at *at; *at becomes the place after the set.
 * An unfinished set ends with the pattern. */
static int match_set(const char **at, const char *end, unsigned char byte) {
  const char *p = *at;
  int is_negated = p < end && *p == '^', is_found = 0;
  if (is_negated) p++;
  for (; p < end && *p != ']'; p++) {
    if (*p == '\\' && end - p >= 2) {
      p++;
      is_found |= (unsigned char)*p == byte;
    } else if (end - p >= 3 && p[1] == '-') {
      unsigned char low = (unsigned char)p[0], high = (unsigned char)p[2];
      is_found |= low <= high ? byte >= low && byte <= high : byte >= high && byte <= low;
      p += 2;
    } else {
      is_found |= (unsigned char)*p == byte;
    }
  }
  *at = p < end ? p + 1 : end;
  return is_found != is_negated;
}

/* Matches the one byte that the pattern has at *at, which is no star; *at moves behind it. */
static int match_one(const char **at, const char *end, char byte) {
  char wanted = *(*at)++;
  if (wanted == '?') return 1;
  if (wanted == '[') return match_set(at, end, (unsigned char)byte);
  if (wanted == '\\' && *at < end) wanted = *(*at)++;
  return wanted == byte;
}

/* Only the last star can need another try: what was matched before it stays right. */
int gw_glob_match(moonpool_bytes pattern, moonpool_bytes name) {
  if (name.len == 0) return pattern.len == 0;
  const char *at = pattern.data, *end = at + pattern.len;
  const char *byte = name.data, *last = byte + name.len;
  const char *star = NULL, *retry = NULL;
  while (byte < last) {
    if (at < end && *at == '*') {
      star = ++at;
      retry = byte;
    } else if (at < end && match_one(&at, end, *byte)) {
      byte++;
    } else if (star) {
      at = star;
      byte = ++retry;
    } else {
      return 0;
    }
  }
  while (at < end && *at == '*') at++;
  return at == end;
}

moonpool_bytes gw_glob_of_rooms(moonpool_bytes text) {
  if (text.len < 5 || memcmp(text.data, "room:", 5) != 0) return text;
  return (moonpool_bytes){text.data + 5, text.len - 5};
}
