/* Tokens: JSON Web Tokens (RFC 7519) in the compact form (RFC 7515), signed by HMAC SHA-256 (HS256
 * of RFC 7518) and by nothing else, whatever their header says. */
#ifndef GW_TOKEN_H
#define GW_TOKEN_H

#include "identity.h"
#include "mem.h"

enum {
  GW_SECRET_MIN = 32,     /* bytes (RFC 7518, 3.2) */
  GW_TOKEN_MAX = 8192,    /* bytes of a token */
  GW_TOKEN_LEEWAY = 5000, /* ms that the issuer's clock may be ahead of ours, for nbf */
  GW_TOKEN_ROOMS = 256    /* patterns in one token */
};

/* Who the token says that it is. Its claims:
 *   sub    needed: the user's name, 1 to 256 bytes without control characters
 *   exp    needed: seconds of the wall clock; from then on it is refused
 *   rooms  a list of patterns of rooms; without it, none
 *   nbf    seconds; before then it is refused
 *   aud    when there, it is, or holds, "moonpool"
 * Others are ignored. The header's alg must be HS256, and its crit absent; no key comes twice.
 *
 * MOONPOOL_OK with *identity, to be freed; EAUTH with *reason, a static text that follows "the
 * token"; ENOMEM. Nothing but the signature is looked at before the signature is found right. */
int gw_token_check(const moonpool_allocator *allocator, moonpool_bytes secret, moonpool_bytes token,
                   uint64_t now_ms, gw_identity *identity, const char **reason);

/* Appends a token with the claims, a JSON object's text. MOONPOOL_OK, EARG (the secret is too
 * short), ENOMEM. */
int gw_token_sign(mp_buf *out, moonpool_bytes secret, moonpool_bytes claims);

#endif
