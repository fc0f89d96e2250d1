/* The one reply that a subscriber gets by the million, taken apart where it lies: a push "message",
 * "pmessage" or "smessage" whose bytes are all there. What it finds is what hiredis's reader would
 * give. */
#ifndef MP_MESSAGE_H
#define MP_MESSAGE_H

#include <moonpool.h>

/* The reply's nodes: the list and its up to four elements. */
typedef struct mp_message_reply {
  moonpool_reply nodes[5];
  int has_pushes; /* RESP3's ">" is known */
} mp_message_reply;

void mp_message_init(mp_message_reply *reply, int has_pushes);

/* Could a message begin here? Looks at its first bytes only. */
int mp_message_begins(const char *at, size_t len);

/* Where the message ends that begins at `at`, its parts in *reply, borrowed from there; NULL when
 * it is something else, or not whole before `end`. */
const char *mp_message_parse(mp_message_reply *reply, const char *at, const char *end);

#endif
