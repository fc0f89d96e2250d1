/* How many connections each address has: kept only where max_connections_per_address is set. */
#ifndef GW_ADDRESSES_H
#define GW_ADDRESSES_H

#include "conn.h"

struct gw_addresses;

/* Makes server->addresses if they are wanted. MOONPOOL_OK or ENOMEM. */
int gw_addresses_new(struct gw_server *server);
void gw_addresses_free(struct gw_server *server);

/* Counts the connection by its address, once: 0 when that has too many already, or there is no
 * memory to tell. */
int gw_addresses_enter(gw_conn *conn);
void gw_addresses_leave(gw_conn *conn);

#endif
