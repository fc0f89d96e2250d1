/* Checks tokens, and makes them. The claims are read in token_claims.c. */
#include "token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base64url.h"
#include "token_claims.h"

enum { MAC_LEN = 32 };

static int sign(moonpool_bytes secret, moonpool_bytes text, unsigned char mac[MAC_LEN]) {
  unsigned len = 0;
  return HMAC(EVP_sha256(), secret.data, (int)secret.len, (const unsigned char *)text.data,
              text.len, mac, &len) &&
         len == MAC_LEN;
}

/* Cuts off what lies before the first dot of *rest; 0: there is no dot. */
static int cut(moonpool_bytes *rest, moonpool_bytes *part) {
  const char *dot = rest->len ? memchr(rest->data, '.', rest->len) : NULL;
  if (!dot) return 0;
  *part = (moonpool_bytes){rest->data, (size_t)(dot - rest->data)};
  rest->len -= part->len + 1;
  rest->data = dot + 1;
  return 1;
}

static int refuse(const char **reason, const char *text) {
  *reason = text;
  return MOONPOOL_EAUTH;
}

/* The comparison takes as long wherever the first difference lies. */
static int check_signature(mp_buf *buf, moonpool_bytes secret, moonpool_bytes signed_part,
                           moonpool_bytes signature, const char **reason) {
  unsigned char mac[MAC_LEN];
  int status = gw_base64url_decode(buf, signature);
  if (status == MOONPOOL_ENOMEM) return status;
  if (status || buf->len != MAC_LEN || !sign(secret, signed_part, mac) ||
      CRYPTO_memcmp(mac, buf->data, MAC_LEN) != 0)
    return refuse(reason, "is not signed by HS256 with this gateway's secret");
  return MOONPOOL_OK;
}

static int decode(mp_buf *buf, moonpool_bytes text, const char **reason) {
  buf->len = 0;
  int status = gw_base64url_decode(buf, text);
  return status == MOONPOOL_EARG ? refuse(reason, "is not base64url") : status;
}

static int check_parts(mp_buf *buf, moonpool_bytes secret, moonpool_bytes token, uint64_t now_ms,
                       gw_identity *identity, const char **reason) {
  moonpool_bytes rest = token, header, claims;
  if (!cut(&rest, &header) || !cut(&rest, &claims)) return refuse(reason, "is no JWT");
  moonpool_bytes signed_part = {token.data, header.len + 1 + claims.len};
  int status = check_signature(buf, secret, signed_part, rest, reason);
  if (!status) status = decode(buf, header, reason);
  if (!status) status = gw_token_read_header((moonpool_bytes){buf->data, buf->len}, reason);
  if (!status) status = decode(buf, claims, reason);
  if (!status)
    status = gw_token_read_claims(buf->allocator, (moonpool_bytes){buf->data, buf->len}, now_ms,
                                  identity, reason);
  return status;
}

int gw_token_check(const moonpool_allocator *allocator, moonpool_bytes secret, moonpool_bytes token,
                   uint64_t now_ms, gw_identity *identity, const char **reason) {
  mp_buf buf;
  *identity = (gw_identity){0};
  if (token.len > GW_TOKEN_MAX) return refuse(reason, "is too long");
  if (secret.len < GW_SECRET_MIN) return refuse(reason, "meets a gateway without a secret");
  mp_buf_init(&buf, allocator);
  int status = check_parts(&buf, secret, token, now_ms, identity, reason);
  mp_buf_free(&buf);
  return status;
}

int gw_token_sign(mp_buf *out, moonpool_bytes secret, moonpool_bytes claims) {
  static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
  unsigned char mac[MAC_LEN];
  size_t start = out->len;
  if (secret.len < GW_SECRET_MIN) return MOONPOOL_EARG;
  int status = gw_base64url_encode(out, (moonpool_bytes){header, sizeof header - 1});
  if (!status) status = mp_buf_append(out, ".", 1);
  if (!status) status = gw_base64url_encode(out, claims);
  moonpool_bytes text = {out->data + start, out->len - start};
  if (!status && !sign(secret, text, mac)) status = MOONPOOL_ENOMEM;
  if (!status) status = mp_buf_append(out, ".", 1);
  if (!status) status = gw_base64url_encode(out, (moonpool_bytes){(const char *)mac, MAC_LEN});
  if (status) out->len = start;
  return status;
}
