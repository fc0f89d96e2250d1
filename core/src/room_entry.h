/* Entries of a room's history as Redis hands them out, told from those that are none of ours. What
 * is read borrows. */
#ifndef MP_ROOM_ENTRY_H
#define MP_ROOM_ENTRY_H

#include <moonpool_room.h>

/* An entry of a stream (XRANGE): 1 and *entry, or 0: none of ours. *place is its "<ms>-<seq>" in
 * any case that has one, with tag 0; else as it was. */
int mp_room_read_stream_entry(const moonpool_reply *reply, moonpool_entry *entry,
                              moonpool_id *place);

/* A member of a list or sorted set, {"id":"...","m":{...}}: 1 and *entry, or 0. */
int mp_room_read_member(moonpool_bytes member, moonpool_entry *entry);

/* "<ms>-<seq>": MOONPOOL_OK and *place (its tag is 0), or EARG. */
int mp_room_read_place(moonpool_bytes text, moonpool_id *place);

/* By ms and seq: below 0, 0, or above it. */
static inline int mp_room_compare(const moonpool_id *a, const moonpool_id *b) {
  if (a->ms != b->ms) return a->ms < b->ms ? -1 : 1;
  return a->seq < b->seq ? -1 : a->seq > b->seq;
}

#endif
