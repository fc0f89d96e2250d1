/* The JSON object that a message is, written. */
#ifndef MP_ROOM_BODY_H
#define MP_ROOM_BODY_H

#include "mem.h"
#include "room.h"

/* Appends the bytes as a JSON string (RFC 8259, section 7); what is not UTF-8 becomes U+FFFD, one
 * for each longest start of a sequence that does not go on (Unicode 15, chapter 3.9). 1, or 0
 * without memory. */
int mp_body_put_string(mp_buf *out, moonpool_bytes text);

/* The same as it is, without quotes and escapes. */
int mp_body_put_utf8(mp_buf *out, moonpool_bytes text);

/* Appends the message's object, keys in the order that moonpool_room.h tells. 1, or 0 without
 * memory. */
int mp_body_put(mp_buf *out, const moonpool_message *message);

#endif
