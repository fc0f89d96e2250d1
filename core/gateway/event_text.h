/* Events of rooms as clients get them: JSON texts of moonpool.v1, as WebSocket frames or as events
 * of a stream. docs/gateway.md has their members. */
#ifndef GW_EVENT_TEXT_H
#define GW_EVENT_TEXT_H

#include "chunk.h"
#include "mem.h"

#include <moonpool_room.h>

enum { GW_OF_SOCKET, GW_OF_STREAM }; /* who gets it */

/* Appends the event's JSON object: 1; 0 with nothing appended: it is none that clients are told;
 * -1: no memory. `head` is ',"room":NAME'. What is no JSON, or not UTF-8, in Redis becomes it. */
int gw_event_put(mp_buf *out, const moonpool_room_event *event, const moonpool_error *error,
                 moonpool_bytes head);

/* Appends a text message of that JSON to the chunk, made for whom. MOONPOOL_OK or ENOMEM. `name`
 * and `id` (len 0: none) are a stream's event's. */
int gw_event_wrap(const moonpool_allocator *allocator, gw_chunk **chunk, unsigned whom,
                  moonpool_bytes json, const char *name, moonpool_bytes id);

/* The stream's event of a room's event: "message", "gap", ... Static. */
const char *gw_event_name(const moonpool_room_event *event);

#endif
