#include "token_claims.h"

#include <jansson.h>

#include "token.h"

static int refuse(const char **reason, const char *text) {
  *reason = text;
  return MOONPOOL_EAUTH;
}

/* An object, or NULL. A key that comes twice makes it none: readers that take the first and readers
 * that take the last would see two tokens. */
static json_t *read_object(moonpool_bytes json) {
  json_t *object = json_loadb(json.data ? json.data : "", json.len, JSON_REJECT_DUPLICATES, NULL);
  if (json_is_object(object)) return object;
  json_decref(object);
  return NULL;
}

static moonpool_bytes bytes_of(const json_t *string) {
  return (moonpool_bytes){json_string_value(string), json_string_length(string)};
}

static int is_text(const json_t *value, const char *wanted) {
  return json_is_string(value) && !strcmp(json_string_value(value), wanted);
}

int gw_token_read_header(moonpool_bytes json, const char **reason) {
  json_t *header = read_object(json);
  int status = MOONPOOL_OK;
  if (!header)
    status = refuse(reason, "has a header that is no JSON object");
  else if (!is_text(json_object_get(header, "alg"), "HS256"))
    status = refuse(reason, "has another algorithm than HS256");
  else if (json_object_get(header, "crit")) /* RFC 7515, 4.1.11 */
    status = refuse(reason, "has extensions (crit)");
  json_decref(header);
  return status;
}

/* Seconds, with or without a fraction, as milliseconds: 1, or 0: no such time. */
static int read_time(const json_t *value, uint64_t *ms) {
  double seconds = json_is_number(value) ? json_number_value(value) : -1;
  if (!(seconds >= 0 && seconds <= 9007199254740.0)) return 0;
  *ms = (uint64_t)(seconds * 1000);
  return 1;
}

static int check_times(const json_t *claims, uint64_t now_ms, uint64_t *expires_ms,
                       const char **reason) {
  const json_t *not_before = json_object_get(claims, "nbf");
  const json_t *expires = json_object_get(claims, "exp");
  uint64_t begins_ms = 0;
  if (!expires) return refuse(reason, "never expires: it has no exp");
  if (!read_time(expires, expires_ms)) return refuse(reason, "has an exp that is no time");
  if (*expires_ms <= now_ms) return refuse(reason, "has expired");
  if (!not_before) return MOONPOOL_OK;
  if (!read_time(not_before, &begins_ms)) return refuse(reason, "has an nbf that is no time");
  return begins_ms > now_ms + GW_TOKEN_LEEWAY ? refuse(reason, "is not valid yet") : MOONPOOL_OK;
}

/* RFC 7519, 4.1.3: who is not named must refuse. */
static int is_for_us(const json_t *audience) {
  size_t i;
  json_t *one;
  if (!audience || is_text(audience, "moonpool")) return 1;
  json_array_foreach(audience, i, one) if (is_text(one, "moonpool")) return 1;
  return 0;
}

/* The patterns go to `rooms`, borrowed from the claims. */
static int read_rooms(const json_t *list, moonpool_bytes rooms[GW_TOKEN_ROOMS],
                      const char **reason) {
  size_t i;
  json_t *one;
  if (!list) return MOONPOOL_OK;
  if (!json_is_array(list)) return refuse(reason, "has rooms that are no list");
  if (json_array_size(list) > GW_TOKEN_ROOMS) return refuse(reason, "has more than 256 rooms");
  json_array_foreach(list, i, one) {
    if (!json_is_string(one)) return refuse(reason, "has rooms that are no texts");
    rooms[i] = bytes_of(one);
  }
  return MOONPOOL_OK;
}

static int check_user(const json_t *user, const char **reason) {
  if (!user) return refuse(reason, "names no user: it has no sub");
  if (!json_is_string(user)) return refuse(reason, "has a sub that is no text");
  if (gw_identity_user_fault(bytes_of(user)))
    return refuse(reason,
                  "has a sub that is no user's name: 1 to 256 bytes, no control characters");
  return MOONPOOL_OK;
}

int gw_token_read_claims(const moonpool_allocator *allocator, moonpool_bytes json, uint64_t now_ms,
                         gw_identity *identity, const char **reason) {
  moonpool_bytes rooms[GW_TOKEN_ROOMS];
  uint64_t expires_ms = 0;
  json_t *claims = read_object(json);
  if (!claims) return refuse(reason, "has claims that are no JSON object");
  const json_t *user = json_object_get(claims, "sub"), *list = json_object_get(claims, "rooms");
  int status = check_user(user, reason);
  if (!status) status = check_times(claims, now_ms, &expires_ms, reason);
  if (!status && !is_for_us(json_object_get(claims, "aud")))
    status = refuse(reason, "is for another audience (aud)");
  if (!status) status = read_rooms(list, rooms, reason);
  if (!status)
    status = gw_identity_init(identity, allocator, bytes_of(user), rooms, json_array_size(list),
                              expires_ms);
  json_decref(claims);
  return status;
}
