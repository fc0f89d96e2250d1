/* UTF-8 that comes in parts (RFC 3629): told at the first byte that cannot be. */
#ifndef GW_UTF8_STREAM_H
#define GW_UTF8_STREAM_H

#include <stddef.h>

typedef struct gw_utf8 {
  unsigned char left;      /* bytes that the character under way still needs */
  unsigned char low, high; /* the next one's range */
} gw_utf8;

static inline void gw_utf8_init(gw_utf8 *utf8) {
  utf8->left = 0;
}

/* 0: it is none. Can't fail otherwise. */
int gw_utf8_feed(gw_utf8 *utf8, const char *data, size_t len);

/* Does it end with a whole character? */
static inline int gw_utf8_is_complete(const gw_utf8 *utf8) {
  return !utf8->left;
}

#endif
