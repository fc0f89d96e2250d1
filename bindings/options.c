/* The options of connect: one table says what each is and where it goes. */
#include "handles.h"

#include <limits.h>
#include <string.h>

typedef enum option_type {
  OPTION_STRING,   /* const char *; lives as long as the table of options */
  OPTION_FLAG,     /* int: true or false */
  OPTION_TIME,     /* uint64_t ms, of seconds */
  OPTION_COUNT,    /* size_t */
  OPTION_UNSIGNED, /* unsigned */
  OPTION_CLIENT    /* size_t of the mp_client */
} option_type;

typedef struct option {
  const char *name;
  size_t offset; /* in moonpool_options */
  option_type type;
} option;

#define OPTION(type, field)                                                                        \
  { #field, offsetof(moonpool_options, field), OPTION_##type }
#define CLIENT(field)                                                                              \
  { #field, offsetof(mp_client, field), OPTION_CLIENT }

static const option known[] = {OPTION(STRING, url),
                               OPTION(STRING, name),
                               OPTION(STRING, sentinel_username),
                               OPTION(STRING, sentinel_password),
                               OPTION(TIME, connect_timeout),
                               OPTION(TIME, command_timeout),
                               OPTION(TIME, heartbeat),
                               OPTION(TIME, canary),
                               OPTION(TIME, backoff_min),
                               OPTION(TIME, backoff_max),
                               OPTION(COUNT, max_queue),
                               OPTION(COUNT, max_queue_bytes),
                               OPTION(COUNT, max_reply_bytes),
                               OPTION(COUNT, max_reply_elements),
                               OPTION(UNSIGNED, max_reply_depth),
                               OPTION(COUNT, max_name),
                               OPTION(COUNT, subscribe_batch),
                               OPTION(COUNT, subscribe_window),
                               OPTION(COUNT, pool_size),
                               OPTION(COUNT, pool_queue),
                               OPTION(TIME, pool_idle),
                               OPTION(STRING, tls_ca_file),
                               OPTION(STRING, tls_ca_dir),
                               OPTION(STRING, tls_cert_file),
                               OPTION(STRING, tls_key_file),
                               OPTION(STRING, tls_server_name),
                               OPTION(FLAG, tls_verify),
                               CLIENT(max_retries),
                               CLIENT(max_mailbox),
                               CLIENT(max_mailbox_bytes)};

#define TIME_MAX 1e9 /* seconds */

uint64_t mp_check_time_option(lua_State *L, const char *name) {
  if (lua_type(L, -1) != LUA_TNUMBER || !(lua_tonumber(L, -1) >= 0) ||
      lua_tonumber(L, -1) > TIME_MAX)
    luaL_error(L, "option '%s' must be a time in seconds", name);
  return mp_check_seconds(L, -1);
}

size_t mp_check_count_option(lua_State *L, const char *name, size_t max) {
  if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 0)
    luaL_error(L, "option '%s' must be a whole number from 0 on", name);
  if ((lua_Unsigned)lua_tointeger(L, -1) > max) luaL_error(L, "option '%s' is too large", name);
  return (size_t)lua_tointeger(L, -1);
}

const char *mp_check_string_option(lua_State *L, const char *name) {
  if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "option '%s' must be a string", name);
  if (strlen(lua_tostring(L, -1)) != lua_rawlen(L, -1))
    luaL_error(L, "option '%s' must not hold a NUL byte", name);
  return lua_tostring(L, -1);
}

/* The value on top of the stack. */
static void set(lua_State *L, const option *o, moonpool_options *options, mp_client *client) {
  char *at = (o->type == OPTION_CLIENT ? (char *)client : (char *)options) + o->offset;
  switch (o->type) {
  case OPTION_STRING: *(const char **)at = mp_check_string_option(L, o->name); break;
  case OPTION_FLAG:
    if (!lua_isboolean(L, -1)) luaL_error(L, "option '%s' must be true or false", o->name);
    *(int *)at = lua_toboolean(L, -1);
    break;
  case OPTION_TIME: *(uint64_t *)at = mp_check_time_option(L, o->name); break;
  case OPTION_UNSIGNED:
    *(unsigned *)at = (unsigned)mp_check_count_option(L, o->name, UINT_MAX);
    break;
  case OPTION_COUNT:
  case OPTION_CLIENT: *(size_t *)at = mp_check_count_option(L, o->name, SIZE_MAX); break;
  }
}

/* One option: its name at -2, its value at -1. */
static void set_named(lua_State *L, moonpool_options *options, mp_client *client) {
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(name, known[i].name) == 0) {
      set(L, &known[i], options, client);
      return;
    }
  luaL_error(L, "unknown option '%s'", name);
}

void mp_check_options(lua_State *L, int index, moonpool_options *options, mp_client *client) {
  moonpool_options_init(options);
  if (lua_isnoneornil(L, index)) return;
  if (lua_type(L, index) == LUA_TSTRING) {
    options->url = lua_tostring(L, index);
    luaL_argcheck(L, strlen(options->url) == lua_rawlen(L, index), index, "URL with a NUL byte");
    return;
  }
  luaL_argexpected(L, lua_istable(L, index), index, "URL or table of options");
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) set_named(L, options, client);
}
