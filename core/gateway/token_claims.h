/* What stands in a token whose signature is right. */
#ifndef GW_TOKEN_CLAIMS_H
#define GW_TOKEN_CLAIMS_H

#include "identity.h"

/* The header's and the claims' JSON text: results as gw_token_check's. */
int gw_token_read_header(moonpool_bytes json, const char **reason);
int gw_token_read_claims(const moonpool_allocator *allocator, moonpool_bytes json, uint64_t now_ms,
                         gw_identity *identity, const char **reason);

#endif
