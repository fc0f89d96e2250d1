/* The rooms of one client: what its handles of one room share, found by name. */
#ifndef MP_ROOM_H
#define MP_ROOM_H

#include <moonpool_room.h>

typedef struct mp_rooms mp_rooms;

/* Sends what has gathered; before the loop polls. NULL is accepted. */
void mp_rooms_flush(mp_rooms *rooms);

/* Ends what the rooms do; to be called before the links are closed. NULL is accepted. */
void mp_rooms_close(mp_rooms *rooms);

/* After the client's last callback. NULL is accepted. */
void mp_rooms_free(mp_rooms *rooms);

#endif
