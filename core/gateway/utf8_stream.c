#include "utf8_stream.h"

#include <stdint.h>
#include <string.h>

/* How many bytes follow a first one, and what the second may be (Unicode, table 3-7); 0: it cannot
 * be a first one. */
static int begin(gw_utf8 *u, unsigned char c) {
  u->low = 0x80, u->high = 0xbf;
  if (c < 0xc2 || c > 0xf4) return 0;
  u->left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
  if (c == 0xe0) u->low = 0xa0;
  if (c == 0xed) u->high = 0x9f;
  if (c == 0xf0) u->low = 0x90;
  if (c == 0xf4) u->high = 0x8f;
  return 1;
}

static const char *skip_ascii(const char *at, const char *end) {
  uint64_t word;
  while (end - at >= (ptrdiff_t)sizeof word) {
    memcpy(&word, at, sizeof word);
    if (word & UINT64_C(0x8080808080808080)) break;
    at += sizeof word;
  }
  while (at < end && (unsigned char)*at < 0x80) at++;
  return at;
}

int gw_utf8_feed(gw_utf8 *u, const char *data, size_t len) {
  const char *at = data, *end = data + len;
  while (at < end) {
    unsigned char c = (unsigned char)*at;
    if (u->left) {
      if (c < u->low || c > u->high) return 0;
      u->left--, u->low = 0x80, u->high = 0xbf;
      at++;
    } else if (c < 0x80) {
      at = skip_ascii(at, end);
    } else {
      if (!begin(u, c)) return 0;
      at++;
    }
  }
  return 1;
}
