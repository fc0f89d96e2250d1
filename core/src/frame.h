/* What a room's channel carries: the frame of a stored message, taken apart where it lies. Anything
 * that is not exactly one is a signal: it may come from whoever may publish. */
#ifndef MP_FRAME_H
#define MP_FRAME_H

#include <moonpool_room.h>

/* {"id":"<id>","prev":"<prev>","m":<object>}, or without prev where the room has no stream. All of
 * it is borrowed from the payload. */
typedef struct mp_frame {
  moonpool_id id;
  moonpool_bytes id_text;
  moonpool_bytes prev; /* data NULL: none; well formed, or equal to what was expected */
  moonpool_bytes body;
} mp_frame;

/* Takes the payload apart: 0 when it is no frame, 1 when it is one, 2 when its `prev` equals
 * `expected` (data NULL: none is) byte for byte, which is then not looked at any further. */
int mp_frame_parse(mp_frame *frame, moonpool_bytes payload, moonpool_bytes expected);

#endif
