/* Makes tokens, for programs that tell a gateway's users who they are. */
#include "handle.h"

#include "token.h"

static int fail(lua_State *L, int status, const char *message) {
  lua_pushnil(L);
  lua_pushstring(L, message);
  lua_pushstring(L, moonpool_status_name(status));
  return 3;
}

int mp_gateway_sign(lua_State *L) {
  moonpool_bytes secret, claims;
  mp_buf out;
  secret.data = luaL_checklstring(L, 1, &secret.len);
  claims.data = luaL_checklstring(L, 2, &claims.len);
  mp_buf_init(&out, &mp_default_allocator);
  int status = gw_token_sign(&out, secret, claims);
  if (status == MOONPOOL_EARG) return fail(L, status, "a secret has at least 32 bytes");
  if (status) return fail(L, status, moonpool_status_text(status));
  if (out.len > GW_TOKEN_MAX) {
    mp_buf_free(&out);
    return fail(L, MOONPOOL_ETOOBIG, "a token has at most 8192 bytes");
  }
  lua_pushlstring(L, out.data, out.len);
  mp_buf_free(&out);
  return 1;
}
