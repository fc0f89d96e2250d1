/* Tokens as they come, and header and claims as if they were signed: a line each. Patterns of rooms
 * and names of users come out of them. */
#include "base64url.h"
#include "identity.h"
#include "token.h"
#include "token_claims.h"

enum { NOW = 1700000000 };

static void check_identity(gw_identity *identity) {
  static const char *const rooms[] = {"a", "team-1", "\xc3\xa4"};
  if (gw_identity_user_fault(identity->user)) abort();
  for (size_t i = 0; i < 3; i++)
    (void)gw_identity_may(identity, (moonpool_bytes){rooms[i], strlen(rooms[i])});
  if (gw_identity_may(identity, (moonpool_bytes){NULL, 0}) && identity->room_count == 0) abort();
  gw_identity_free(identity, &mp_default_allocator);
}

static void check_base64url(moonpool_bytes text) {
  mp_buf bytes, back;
  mp_buf_init(&bytes, &mp_default_allocator);
  mp_buf_init(&back, &mp_default_allocator);
  if (gw_base64url_decode(&bytes, text) == MOONPOOL_OK) {
    if (gw_base64url_encode(&back, (moonpool_bytes){bytes.data, bytes.len})) abort();
    if (back.len != text.len || (text.len && memcmp(back.data, text.data, text.len) != 0)) abort();
  }
  mp_buf_free(&bytes);
  mp_buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  static const moonpool_bytes secret = {"0123456789abcdef0123456789abcdef", 32};
  moonpool_bytes all = {(const char *)data, len};
  const char *line = len ? memchr(data, '\n', len) : NULL, *reason = NULL;
  moonpool_bytes header = {all.data, line ? (size_t)(line - all.data) : len}, claims = {"", 0};
  gw_identity identity;
  if (line) claims = (moonpool_bytes){line + 1, len - header.len - 1};
  if (gw_token_check(&mp_default_allocator, secret, all, NOW * 1000ull, &identity, &reason) ==
      MOONPOOL_OK)
    check_identity(&identity);
  (void)gw_token_read_header(header, &reason);
  identity = (gw_identity){0};
  if (gw_token_read_claims(&mp_default_allocator, claims, NOW * 1000ull, &identity, &reason) ==
      MOONPOOL_OK)
    check_identity(&identity);
  check_base64url(header);
  return 0;
}
