/* The options of a gateway: one table says what each is and where it goes. */
#include "handle.h"

#include <string.h>

typedef enum option_type {
  OPTION_STRING, /* const char * */
  OPTION_FLAG,   /* int: true or false */
  OPTION_TIME,   /* uint64_t ms, of seconds */
  OPTION_COUNT,  /* size_t */
  OPTION_RATE    /* double: a second */
} option_type;

typedef struct option {
  const char *name;
  size_t offset; /* in moonpool_gateway_options */
  option_type type;
} option;

#define OPTION(type, name, field)                                                                  \
  { name, offsetof(moonpool_gateway_options, field), OPTION_##type }
#define SAME(type, field) OPTION(type, #field, field)

static const option known[] = {OPTION(STRING, "tls_cert", tls_cert_file),
                               OPTION(STRING, "tls_key", tls_key_file),
                               SAME(COUNT, max_connections),
                               SAME(COUNT, max_connections_per_address),
                               SAME(COUNT, max_header),
                               SAME(COUNT, max_headers),
                               SAME(TIME, header_timeout),
                               SAME(TIME, request_timeout),
                               SAME(COUNT, max_rooms),
                               SAME(COUNT, max_members),
                               SAME(COUNT, max_message),
                               SAME(COUNT, max_fragments),
                               SAME(RATE, messages_per_second),
                               SAME(RATE, pings_per_second),
                               SAME(COUNT, max_requests),
                               SAME(COUNT, max_queue),
                               SAME(TIME, ping),
                               SAME(TIME, idle),
                               SAME(TIME, auth_timeout),
                               SAME(TIME, close_timeout),
                               SAME(TIME, typing),
                               SAME(TIME, query_timeout)};

/* Read elsewhere. */
static const char *const others[] = {"redis",    "room",    "secret",       "origins", "proxies",
                                     "overflow", "page",    "authenticate", "join",    "say",
                                     "log",      "metrics", "ready",        NULL};

/* ---- simple ones ----------------------------------------------------------------------------- */

#define TIME_MAX 1e9 /* seconds */

static const char *check_string(lua_State *L, int index, const char *name) {
  if (lua_type(L, index) != LUA_TSTRING || strlen(lua_tostring(L, index)) != lua_rawlen(L, index))
    luaL_error(L, "option '%s' must be a string without NUL bytes", name);
  return lua_tostring(L, index);
}

static double check_number(lua_State *L, const char *name, const char *what, double most) {
  double number = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
  if (!(number >= 0 && number <= most)) luaL_error(L, "option '%s' must be %s", name, what);
  return number;
}

/* The value on top of the stack. */
static void set(lua_State *L, const option *o, moonpool_gateway_options *options) {
  void *at = (char *)options + o->offset;
  switch (o->type) {
  case OPTION_STRING: *(const char **)at = check_string(L, -1, o->name); break;
  case OPTION_FLAG: *(int *)at = lua_toboolean(L, -1); break;
  case OPTION_TIME:
    *(uint64_t *)at = (uint64_t)(check_number(L, o->name, "a time in seconds", TIME_MAX) * 1000);
    break;
  case OPTION_RATE: *(double *)at = check_number(L, o->name, "a number a second", 1e9); break;
  case OPTION_COUNT:
    if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 0)
      luaL_error(L, "option '%s' must be a whole number from 0 on", o->name);
    *(size_t *)at = (size_t)lua_tointeger(L, -1);
  }
}

static int is_other(const char *name) {
  for (const char *const *other = others; *other; other++)
    if (strcmp(*other, name) == 0) return 1;
  return 0;
}

static void set_named(lua_State *L, moonpool_gateway_options *options) {
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(name, known[i].name) == 0) {
      set(L, &known[i], options);
      return;
    }
  if (!is_other(name)) luaL_error(L, "unknown option '%s'", name);
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* Pushes an array of the list's strings, which lie in the list; NULL and nothing when it is nil. */
static const char *const *read_list(lua_State *L, int index, const char *name, size_t *count) {
  if (lua_getfield(L, index, name) == LUA_TNIL) {
    *count = 0;
    lua_pop(L, 1);
    return NULL;
  }
  if (!lua_istable(L, -1)) luaL_error(L, "option '%s' must be a list of strings", name);
  *count = lua_rawlen(L, -1);
  const char **list = lua_newuserdatauv(L, (*count + 1) * sizeof *list, 0);
  for (size_t i = 0; i < *count; i++) {
    lua_rawgeti(L, -2, (lua_Integer)i + 1);
    list[i] = check_string(L, -1, name);
    lua_pop(L, 1);
  }
  return list;
}

static moonpool_overflow check_overflow(lua_State *L, int index) {
  static const char *const names[] = {"gap", "conflate", "disconnect", NULL};
  const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
  for (int i = 0; names[i]; i++)
    if (strcmp(name, names[i]) == 0) return (moonpool_overflow)i;
  luaL_error(L, "option 'overflow' must name \"gap\", \"conflate\" or \"disconnect\"");
  return MOONPOOL_OVERFLOW_GAP;
}

/* overflow = { { "news:*", "conflate" }, ... }, or one name for all rooms. */
static void read_overflow(lua_State *L, int index, moonpool_gateway_options *options) {
  int type = lua_getfield(L, index, "overflow");
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  size_t count = type == LUA_TTABLE ? lua_rawlen(L, -1) : 1;
  moonpool_overflow_rule *rules = lua_newuserdatauv(L, (count + 1) * sizeof *rules, 0);
  if (type != LUA_TTABLE) rules[0] = (moonpool_overflow_rule){"*", check_overflow(L, -2)};
  for (size_t i = 0; type == LUA_TTABLE && i < count; i++) {
    if (lua_rawgeti(L, -2, (lua_Integer)i + 1) != LUA_TTABLE)
      luaL_error(L, "option 'overflow' must be a list of { pattern, overflow }");
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    rules[i] = (moonpool_overflow_rule){check_string(L, -2, "overflow"), check_overflow(L, -1)};
    lua_pop(L, 3);
  }
  options->overflow = rules;
  options->overflow_count = count;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void read_secret(lua_State *L, int index, moonpool_gateway_options *options) {
  int type = lua_getfield(L, index, "secret");
  if (type != LUA_TNIL && type != LUA_TSTRING) luaL_error(L, "option 'secret' must be a string");
  if (type == LUA_TSTRING) options->secret.data = lua_tolstring(L, -1, &options->secret.len);
  lua_pop(L, 1); /* the table holds it */
}

static void read_page(lua_State *L, int index, moonpool_gateway_options *options) {
  int type = lua_getfield(L, index, "page");
  if (type != LUA_TNIL && type != LUA_TBOOLEAN)
    luaL_error(L, "option 'page' must be true or false");
  options->is_page_off = type == LUA_TBOOLEAN && !lua_toboolean(L, -1);
  lua_pop(L, 1);
}

void mp_gateway_check_options(lua_State *L, int index, const mp_bridge *bridge,
                              mp_gateway_settings *settings) {
  moonpool_gateway_options *options = &settings->gateway;
  luaL_checktype(L, index, LUA_TTABLE);
  luaL_checkstack(L, 20, NULL);
  moonpool_gateway_options_init(options);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) set_named(L, options);
  lua_getfield(L, index, "redis");
  bridge->check_options(L, lua_gettop(L), &settings->client);
  lua_getfield(L, index, "room");
  bridge->check_room_options(L, lua_gettop(L), &settings->room);
  options->room = &settings->room;
  options->origins = read_list(L, index, "origins", &options->origin_count);
  options->proxies = read_list(L, index, "proxies", &options->proxy_count);
  read_overflow(L, index, options);
  read_secret(L, index, options);
  read_page(L, index, options);
}
