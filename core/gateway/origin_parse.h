/* Origins and Host headers, taken apart where they lie. */
#ifndef GW_ORIGIN_PARSE_H
#define GW_ORIGIN_PARSE_H

#include <moonpool.h>

typedef struct gw_origin {
  moonpool_bytes scheme; /* of a Host: data NULL */
  moonpool_bytes host;   /* an IPv6 address with its brackets */
  unsigned port;         /* 0: none is written, and the scheme has none of its own */
} gw_origin;

/* "https://example.org:8443", and nothing behind it. 1, or 0: it is no such thing. */
int gw_origin_parse(moonpool_bytes text, gw_origin *origin);

/* "example.org:8443", of a Host header. Likewise. */
int gw_origin_parse_host(moonpool_bytes text, gw_origin *host);

/* 80, 443, or 0: none that we know. */
unsigned gw_origin_port_of(moonpool_bytes scheme);

/* Compares bytes, A to Z as a to z. */
int gw_origin_equal(moonpool_bytes a, moonpool_bytes b);

/* Does the host name the loopback interface: localhost and what is below it (RFC 6761, 6.3),
 * 127.0.0.0/8, [::1]? */
int gw_origin_is_loopback(moonpool_bytes host);

#endif
