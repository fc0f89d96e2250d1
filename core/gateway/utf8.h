/* UTF-8 (RFC 3629): no surrogates, nothing past U+10FFFF, no longer form than needed. */
#ifndef GW_UTF8_H
#define GW_UTF8_H

#include <stddef.h>

/* Is all of it well-formed? Empty text is. Can't fail. */
int gw_utf8_is_valid(const char *text, size_t len);

#endif
