/* What other files will bring. */
#ifndef GW_STAND_IN_H
#define GW_STAND_IN_H

#include "gateway.h"

int gw_rooms_new(moonpool_gateway *gateway);
void gw_rooms_free(moonpool_gateway *gateway);

#endif
