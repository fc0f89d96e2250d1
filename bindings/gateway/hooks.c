/* What a gateway asks Lua: judges, with a ticket that is answered now or later, its log, and more
 * lines for its metrics. */
#include "handle.h"

#include <string.h>

static const char ticket_name[] = "moonpool.gateway.ticket";
static const char *const names[] = {"authenticate", "join", "say", "log", "metrics", "ready"};

/* ---- tickets --------------------------------------------------------------------------------- */

typedef struct ticket {
  moonpool_gateway_ticket *core; /* NULL: answered */
  mp_gateway *gateway;
} ticket;

static moonpool_gateway_ticket *take(ticket *t) {
  moonpool_gateway_ticket *core = t->core;
  t->core = NULL;
  return core;
}

static moonpool_bytes field(lua_State *L, int index, const char *name) {
  moonpool_bytes value = {NULL, 0};
  int type = lua_getfield(L, index, name);
  if (type != LUA_TNIL && type != LUA_TSTRING) luaL_error(L, "'%s' must be a string", name);
  if (type == LUA_TSTRING) value.data = lua_tolstring(L, -1, &value.len);
  return value; /* stays on the stack */
}

static moonpool_bytes *rooms_field(lua_State *L, int index, size_t *count) {
  *count = 0;
  if (lua_getfield(L, index, "rooms") == LUA_TNIL) return NULL;
  if (!lua_istable(L, -1)) luaL_error(L, "'rooms' must be a list of patterns");
  int list = lua_gettop(L);
  *count = lua_rawlen(L, list);
  moonpool_bytes *rooms = lua_newuserdatauv(L, (*count + 1) * sizeof *rooms, 0);
  for (size_t i = 0; i < *count; i++) {
    if (lua_rawgeti(L, list, (lua_Integer)i + 1) != LUA_TSTRING)
      luaL_error(L, "'rooms' must be a list of patterns");
    rooms[i].data = lua_tolstring(L, -1, &rooms[i].len);
    lua_pop(L, 1); /* the list holds it */
  }
  return rooms;
}

/* ticket:allow{ user =, rooms =, expires = (seconds since 1970), text = } → true; false: it was
 * answered already. Of an authentication `user` is needed. */
static int ticket_allow(lua_State *L) {
  ticket *t = luaL_checkudata(L, 1, ticket_name);
  moonpool_gateway_grant grant = {0};
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    grant.user = field(L, 2, "user");
    grant.text = field(L, 2, "text");
    grant.rooms = rooms_field(L, 2, &grant.room_count);
    lua_getfield(L, 2, "expires");
    lua_Number expires = luaL_optnumber(L, -1, 0);
    grant.expires_ms = expires > 0 && expires < 1e15 ? (uint64_t)(expires * 1000) : 0;
  }
  moonpool_gateway_ticket *core = take(t);
  if (core) moonpool_gateway_allow(core, &grant);
  lua_pushboolean(L, core != NULL);
  return 1;
}

static int status_of(const char *code) {
#define X(name, number, text)                                                                      \
  if (strcmp(code, #name) == 0) return number;
  MOONPOOL_STATUS_MAP(X)
#undef X
  return MOONPOOL_EREJECTED;
}

/* ticket:reject(reason[, code]) → true; false: it was answered already. The user sees both. */
static int ticket_reject(lua_State *L) {
  ticket *t = luaL_checkudata(L, 1, ticket_name);
  const char *reason = luaL_checkstring(L, 2), *code = luaL_optstring(L, 3, "EREJECTED");
  moonpool_gateway_ticket *core = take(t);
  if (core) moonpool_gateway_reject(core, status_of(code), reason);
  lua_pushboolean(L, core != NULL);
  return 1;
}

/* Nobody will answer it any more. */
static int ticket_gc(lua_State *L) {
  moonpool_gateway_ticket *core = take(luaL_checkudata(L, 1, ticket_name));
  if (core) moonpool_gateway_reject(core, MOONPOOL_ESCRIPT, "nobody has judged this");
  return 0;
}

void mp_gateway_open_tickets(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"allow", ticket_allow}, {"reject", ticket_reject}, {NULL, NULL}};
  luaL_newmetatable(L, ticket_name);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, ticket_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void push_hook(lua_State *L, const mp_gateway *gateway, mp_gateway_hook hook) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, gateway->hooks);
  lua_rawgeti(L, -1, hook + 1);
  lua_remove(L, -2);
}

static void set_bytes(lua_State *L, const char *name, moonpool_bytes value) {
  if (!value.data) return;
  lua_pushlstring(L, value.data, value.len);
  lua_setfield(L, -2, name);
}

typedef struct question {
  mp_gateway *gateway;
  moonpool_gateway_ticket *ticket; /* NULL: Lua has it */
  const moonpool_gateway_request *request;
} question;

static int ask(lua_State *L) {
  question *q = lua_touserdata(L, 1);
  const moonpool_gateway_request *request = q->request;
  push_hook(L, q->gateway, (mp_gateway_hook)request->verb);
  ticket *t = lua_newuserdatauv(L, sizeof *t, 0);
  *t = (ticket){NULL, q->gateway};
  luaL_setmetatable(L, ticket_name);
  lua_createtable(L, 0, 7);
  set_bytes(L, "address", request->address);
  set_bytes(L, "user", request->user);
  set_bytes(L, "room", request->room);
  set_bytes(L, "text", request->text);
  set_bytes(L, "type", request->type);
  set_bytes(L, "token", request->token);
  set_bytes(L, "origin", request->origin);
  t->core = q->ticket;
  q->ticket = NULL;
  lua_call(L, 2, 0);
  return 0;
}

static void on_judge(moonpool_gateway_ticket *ticket, const moonpool_gateway_request *request,
                     void *ctx) {
  mp_gateway *gateway = ctx;
  question q = {gateway, ticket, request};
  lua_State *L;
  gateway->bridge->protect(gateway->bridge->runtime, ask, &q, 0, &L);
  if (q.ticket) moonpool_gateway_reject(q.ticket, MOONPOOL_ESCRIPT, "it could not be judged");
}

typedef struct line {
  mp_gateway *gateway;
  const char *level, *event, *fields;
} line;

static int tell(lua_State *L) {
  const line *l = lua_touserdata(L, 1);
  push_hook(L, l->gateway, MP_HOOK_LOG);
  lua_pushstring(L, l->level);
  lua_pushstring(L, l->event);
  lua_pushstring(L, l->fields);
  lua_call(L, 3, 0);
  return 0;
}

static void on_log(const char *level, const char *event, const char *fields, void *ctx) {
  mp_gateway *gateway = ctx;
  line l = {gateway, level, event, fields};
  lua_State *L;
  gateway->bridge->protect(gateway->bridge->runtime, tell, &l, 0, &L);
}

static int measure(lua_State *L) {
  push_hook(L, lua_touserdata(L, 1), MP_HOOK_METRICS);
  lua_call(L, 0, 1);
  return 1;
}

static void on_metrics(void (*append)(void *to, const char *text, size_t len), void *to,
                       void *ctx) {
  mp_gateway *gateway = ctx;
  lua_State *L;
  if (!gateway->bridge->protect(gateway->bridge->runtime, measure, gateway, 1, &L)) return;
  size_t len;
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
  if (text) append(to, text, len);
  lua_pop(L, 1);
}

typedef struct readiness {
  mp_gateway *gateway;
  const moonpool_error *error;
} readiness;

static int tell_ready(lua_State *L) {
  const readiness *r = lua_touserdata(L, 1);
  push_hook(L, r->gateway, MP_HOOK_READY);
  if (r->error) {
    lua_pushstring(L, r->error->message);
    lua_pushstring(L, moonpool_status_name(r->error->status));
  }
  lua_call(L, r->error ? 2 : 0, 0);
  return 0;
}

void mp_gateway_on_ready(moonpool *client, const moonpool_error *error, void *ctx) {
  mp_gateway *gateway = ctx;
  readiness r = {gateway, error};
  lua_State *L;
  (void)client;
  if (gateway->core && gateway->has_hook[MP_HOOK_READY])
    gateway->bridge->protect(gateway->bridge->runtime, tell_ready, &r, 0, &L);
}

static int call(lua_State *L) {
  int *function = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, *function);
  luaL_unref(L, LUA_REGISTRYINDEX, *function);
  *function = LUA_NOREF;
  lua_call(L, 0, 0);
  return 0;
}

void mp_gateway_call(mp_gateway *gateway, int *function) {
  lua_State *L;
  if (*function != LUA_NOREF)
    gateway->bridge->protect(gateway->bridge->runtime, call, function, 0, &L);
}

/* ---- all of them ----------------------------------------------------------------------------- */

void mp_gateway_set_hooks(lua_State *L, int index, mp_gateway *gateway,
                          moonpool_gateway_options *options) {
  lua_createtable(L, MP_HOOK_COUNT, 0);
  for (int i = 0; i < MP_HOOK_COUNT; i++) {
    int type = lua_getfield(L, index, names[i]);
    if (type != LUA_TNIL && type != LUA_TFUNCTION)
      luaL_error(L, "option '%s' must be a function", names[i]);
    gateway->has_hook[i] = type == LUA_TFUNCTION;
    lua_rawseti(L, -2, i + 1);
  }
  gateway->hooks = luaL_ref(L, LUA_REGISTRYINDEX);
  for (int verb = 0; verb < 3; verb++)
    if (gateway->has_hook[verb]) options->judges[verb] = on_judge;
  if (gateway->has_hook[MP_HOOK_LOG]) options->log = on_log;
  if (gateway->has_hook[MP_HOOK_METRICS]) options->metrics = on_metrics;
  options->ctx = gateway;
}
