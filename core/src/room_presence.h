/* Presence as room.c sees it: the ends of handles and of the client. */
#ifndef MP_ROOM_PRESENCE_H
#define MP_ROOM_PRESENCE_H

#include "room.h"

typedef struct mp_presence mp_presence;

/* Who joined by the handle leaves. The presence may be NULL. */
void mp_presence_leave(mp_presence *p, moonpool_room *handle);

/* The client is being closed: what waits is completed with ECLOSED. NULL is accepted. */
void mp_presence_close(mp_presence *p);

#endif
