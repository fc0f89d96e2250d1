/* Which rooms there are, for clients that ask. */
#ifndef GW_ROOM_LIST_H
#define GW_ROOM_LIST_H

#include "gateway.h"

typedef struct gw_room_list gw_room_list;

/* NULL without memory. Requests that wait for it hold the gateway. */
gw_room_list *gw_room_list_new(moonpool_gateway *gateway);
void gw_room_list_free(gw_room_list *list);

#endif
