/* Whole texts only; a socket's fragments are checked as they come (utf8_stream.h). */
#include "utf8.h"

#include <stdint.h>
#include <string.h>

/* The bytes of the character at `at`, or 0: none that is well-formed lies there (table 3-7 of the
 * Unicode standard). */
static size_t length_at(const unsigned char *at, size_t left) {
  static const struct {
    unsigned char first, last, low, high, len; /* of the first byte; of the second; of all */
  } forms[] = {
      {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
      {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
      {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
  };
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    if (at[0] < forms[i].first || at[0] > forms[i].last) continue;
    if (forms[i].len > left) return 0;
    if (forms[i].len > 1 && (at[1] < forms[i].low || at[1] > forms[i].high)) return 0;
    for (size_t k = 2; k < forms[i].len; k++)
      if ((at[k] & 0xc0) != 0x80) return 0;
    return forms[i].len;
  }
  return 0;
}

int gw_utf8_is_valid(const char *text, size_t len) {
  const unsigned char *at = (const unsigned char *)text, *end = at + len;
  while (at < end) {
    uint64_t eight;
    while ((size_t)(end - at) >= sizeof eight) { /* most text is ASCII */
      memcpy(&eight, at, sizeof eight);
      if (eight & 0x8080808080808080u) break;
      at += sizeof eight;
    }
    if (at == end) break;
    size_t step = length_at(at, (size_t)(end - at));
    if (!step) return 0;
    at += step;
  }
  return 1;
}
