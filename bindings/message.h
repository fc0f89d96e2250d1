/* A room's message as Lua has it, and the fields of its JSON that most programs read. */
#ifndef MP_MESSAGE_H
#define MP_MESSAGE_H

#include "runtime.h"

#include <moonpool_room.h>

/* The members of a body that have a meaning of their own. */
typedef enum mp_field {
  MP_FIELD_TYPE,
  MP_FIELD_USER,
  MP_FIELD_TEXT,
  MP_FIELD_TO,
  MP_FIELD_TARGET,
  MP_FIELD_BOT,
  MP_FIELDS
} mp_field;

typedef enum mp_span_kind {
  MP_SPAN_ABSENT,
  MP_SPAN_PLAIN,   /* a string, as it lies there */
  MP_SPAN_ESCAPED, /* a string with escapes */
  MP_SPAN_TRUE,
  MP_SPAN_OTHER /* neither a string nor true */
} mp_span_kind;

/* Where a member's value lies in the body; of strings, between the quotes. */
typedef struct mp_span {
  uint32_t at;
  unsigned len : 29, kind : 3;
} mp_span;

/* ---- message_scan.c ---- */

/* Reads the members of a flat JSON object: 1, or 0 for what is no JSON object, or one whose
 * reading is better left to the JSON library (nested, with fractions, with escaped keys). The last
 * one of equal keys counts. Bodies are shorter than 512 MiB. */
int mp_scan_body(const char *body, size_t len, mp_span fields[MP_FIELDS]);

/* Likewise for exactly {"user":"...","text":"..."} without an escape, of which nothing is checked
 * but this form: `mp_scan_is_plain` tells whether it is JSON. Absent fields are not set. */
int mp_scan_shape(const char *body, size_t len, mp_span fields[MP_FIELDS]);

/* Is it UTF-8 without control characters (C0)? */
int mp_scan_is_plain(const char *text, size_t len);

/* Pushes the bytes as UTF-8: each longest start of a sequence that does not go on is replaced by
 * one U+FFFD, as Unicode recommends (chapter 3.9). */
void mp_push_utf8(lua_State *L, const char *text, size_t len);

/* Pushes the string that the body has in an MP_SPAN_PLAIN or MP_SPAN_ESCAPED. */
void mp_scan_push(lua_State *L, const char *body, mp_span span);

/* ---- message.c ---- */

/* What a message is to a program's handlers. */
typedef enum mp_message_class {
  MP_CLASS_MESSAGE, /* a message, an action, or of a type of the program's own */
  MP_CLASS_JOIN,
  MP_CLASS_LEAVE,
  MP_CLASS_RENAME,
  MP_CLASS_TYPING,
  MP_CLASS_DELETE,
  MP_CLASS_CLEAR,
  MP_CLASS_SIGNAL, /* not stored, and none of the above */
  MP_CLASSES
} mp_message_class;

/* Pushes a message, copied; `id` NULL: it is not stored. Returns its class. It may raise. */
mp_message_class mp_message_push(lua_State *L, mp_runtime *rt, moonpool_bytes room,
                                 const moonpool_id *id, moonpool_bytes body);

/* Adds message, which makes one, to the table of functions on top of L. */
void mp_set_message_functions(lua_State *L, int runtime_index);

#endif
