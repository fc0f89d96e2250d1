/* JSON, written: appended to a buffer piece by piece. Each returns 1, or 0 without memory; so a
 * whole object is one chain of &&. */
#ifndef GW_JSON_TEXT_H
#define GW_JSON_TEXT_H

#include "mem.h"

#include <moonpool_room.h>

int gw_json_raw(mp_buf *out, const char *text);
int gw_json_bytes(mp_buf *out, moonpool_bytes text); /* as they are: JSON already */

/* A string with its quotes; what is not UTF-8 becomes U+FFFD. */
int gw_json_string(mp_buf *out, moonpool_bytes text);
int gw_json_number(mp_buf *out, int64_t number);
int gw_json_id(mp_buf *out, const moonpool_id *id);

/* Appends ',"key":' before a value; `key` is as it is. */
int gw_json_key(mp_buf *out, const char *key);

/* Is the text one JSON object in UTF-8? */
int gw_json_is_object(moonpool_bytes text);

#endif
