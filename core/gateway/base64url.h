/* Base64 for URLs without padding (RFC 4648, 5; RFC 7515, 2). */
#ifndef GW_BASE64URL_H
#define GW_BASE64URL_H

#include "mem.h"

/* Appends the bytes that `text` stands for: MOONPOOL_OK, ENOMEM, or EARG: a byte that is not of the
 * alphabet (padding and line ends too), a length that none has, or bits behind the last byte that
 * are not 0, so that no two texts stand for the same bytes. */
int gw_base64url_decode(mp_buf *out, moonpool_bytes text);

/* Appends the text of the bytes: MOONPOOL_OK or ENOMEM. */
int gw_base64url_encode(mp_buf *out, moonpool_bytes bytes);

#endif
