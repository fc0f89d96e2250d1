/* Whose X-Forwarded-For is believed, and which address a client has behind them. */
#ifndef GW_PROXIES_H
#define GW_PROXIES_H

#include "gateway.h"

typedef struct gw_proxies gw_proxies;

/* Makes gateway->proxies of its options: addresses ("10.0.0.1", "::1"), blocks ("10.0.0.0/8"), and
 * "unix", who comes through a Unix socket. MOONPOOL_OK; EARG: `message` names an entry that is none
 * of these; ENOMEM. */
int gw_proxies_new(moonpool_gateway *gateway, char *message, size_t size);

/* Frees gateway->proxies, which may be NULL. */
void gw_proxies_free(moonpool_gateway *gateway);

/* The client's address: `peer` (the connection's, without a port; "unix" of a Unix socket), and,
 * when that is a proxy of the list, what X-Forwarded-For (data NULL: absent; several such headers
 * joined by commas) says from its end on, past further proxies of the list, up to what is no
 * address. *address is borrowed from one of the two; an IPv4 address in IPv6 clothes is undressed.
 * Returns 1 when a proxy was believed, else 0. Can't fail. */
int gw_proxies_client(const gw_proxies *proxies, moonpool_bytes peer, moonpool_bytes forwarded_for,
                      moonpool_bytes *address);

#endif
