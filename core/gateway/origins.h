/* Which web pages may speak to the gateway: the Origin header (RFC 6454, RFC 6455 10.2) against the
 * option `origins`, and the Host header against names that lead elsewhere (DNS rebinding). */
#ifndef GW_ORIGINS_H
#define GW_ORIGINS_H

#include "gateway.h"

typedef struct gw_origins gw_origins;

/* Makes gateway->origins of its options. MOONPOOL_OK; EARG: an entry is no origin, which `message`
 * names; ENOMEM. */
int gw_origins_new(moonpool_gateway *gateway, char *message, size_t size);

/* Frees gateway->origins, which may be NULL. */
void gw_origins_free(moonpool_gateway *gateway);

/* May a request with these headers (data NULL: absent) be served?
 *   a list           the origin is one of it: scheme, host and port are the same, the port of a
 *                    scheme being known where none is written
 *   "*" in the list  any
 *   no list          the origin's host and port are those of Host; its scheme is https, or, when
 *                    the gateway has no TLS of its own (a proxy may have), http
 * No Origin: no web page, or one that reads its own; let in. A gateway that asks nobody for a token
 * also refuses, unless "*" is in the list, a Host that is neither of the loopback interface nor of
 * the list: a foreign name that was made to lead here. Can't fail. */
int gw_origins_allow(const gw_origins *origins, moonpool_bytes origin, moonpool_bytes host,
                     int is_tls);

#endif
