/* What a client shows of itself: its state, its figures, its subscriptions. */
#include "handles.h"

/* By moonpool_state, moonpool_kind and moonpool_role. */
static const char *const state_names[] = {"idle", "connecting", "ready", "waiting", "closed"};
static const char *const kind_names[] = {"channel", "pattern", "shard"};
static const char *const link_names[] = {"commands", "subscriptions", "pool"};

/* client:state() → "connecting", "ready", "waiting" (for the next attempt) or "closed" */
static int state(lua_State *L) {
  mp_client *client = mp_check_client(L, 1);
  lua_pushstring(L, state_names[client->core ? moonpool_get_state(client->core) : MOONPOOL_CLOSED]);
  return 1;
}

/* client:address() → of the server, as errors name it; nil when closed */
static int address(lua_State *L) {
  mp_client *client = mp_check_client(L, 1);
  lua_pushstring(L, client->core ? moonpool_address(client->core) : NULL);
  return 1;
}

static void set_count(lua_State *L, const char *name, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

static void set_seconds(lua_State *L, const char *name, uint64_t ms) {
  lua_pushnumber(L, (lua_Number)ms / 1000);
  lua_setfield(L, -2, name);
}

/* client:stats() → table of counters since connect, or nil, message, code when closed */
static int stats(lua_State *L) {
  mp_client *client = mp_check_client(L, 1);
  moonpool_stats s;
  if (!client->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  moonpool_get_stats(client->core, &s);
  lua_createtable(L, 0, 26);
  set_count(L, "messages", s.messages);
  set_count(L, "commands", s.commands);
  set_count(L, "writes", s.writes);
  set_count(L, "reconnects", s.reconnects);
  set_count(L, "bytes_in", s.bytes_in);
  set_count(L, "bytes_out", s.bytes_out);
  set_count(L, "links", s.links);
  set_count(L, "queued", s.queued);
  set_count(L, "in_flight", s.in_flight);
  set_count(L, "wanted", s.wanted);
  set_count(L, "confirmed", s.confirmed);
  set_count(L, "subscriptions", client->subscriptions);
  set_count(L, "pool_links", s.pool_links);
  set_count(L, "pool_busy", s.pool_busy);
  set_count(L, "pool_waiting", s.pool_waiting);
  set_count(L, "pool_uses", s.pool_uses);
  set_seconds(L, "pool_waited", s.pool_waited);
  set_seconds(L, "pool_waited_most", s.pool_waited_most);
  set_count(L, "gaps", client->gaps);
  set_count(L, "unknown_gaps", s.gaps);
  set_count(L, "canary_losses", s.canary_losses);
  set_count(L, "failures", client->failures);
  set_count(L, "retries", client->retried);
  if (*moonpool_last_error(client->core)) {
    lua_pushstring(L, moonpool_last_error(client->core));
    lua_setfield(L, -2, "last_error");
  }
  lua_pushstring(L, moonpool_canary_error(client->core));
  lua_setfield(L, -2, "canary_error");
  return 1;
}

/* ---- subscriptions --------------------------------------------------------------------------- */

static void set_flag(lua_State *L, const char *name, int is_set) {
  lua_pushboolean(L, is_set);
  lua_setfield(L, -2, name);
}

/* Appends to the list on top of the stack. */
static void add_name(const moonpool_name *name, void *ctx) {
  lua_State *L = ctx;
  lua_createtable(L, 0, 5);
  lua_pushlstring(L, name->name.data, name->name.len);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, kind_names[name->kind]);
  lua_setfield(L, -2, "kind");
  set_count(L, "listeners", name->listeners);
  set_flag(L, "wanted", name->listeners > 0);
  set_flag(L, "confirmed", name->is_confirmed);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* client:subscriptions() → list of { name =, kind =, listeners =, wanted =, confirmed = } */
static int subscriptions(lua_State *L) {
  mp_client *client = mp_check_client(L, 1);
  lua_settop(L, 1);
  lua_newtable(L);
  if (client->core) moonpool_each_name(client->core, add_name, L);
  return 1;
}

/* ---- states of links ------------------------------------------------------------------------- */

typedef struct change {
  mp_client *client;
  const moonpool_state_event *event;
} change;

/* Protected: calls the function with the event as a table. */
static int tell(lua_State *L) {
  const change *c = lua_touserdata(L, 1);
  const moonpool_state_event *event = c->event;
  mp_push_client(L, c->client);
  if (lua_isnil(L, -1)) return 0; /* it is being collected */
  lua_getiuservalue(L, -1, 1);
  lua_createtable(L, 0, 6);
  lua_pushliteral(L, "state");
  lua_setfield(L, -2, "event");
  lua_pushstring(L, link_names[event->role]);
  lua_setfield(L, -2, "link");
  lua_pushstring(L, state_names[event->state]);
  lua_setfield(L, -2, "state");
  lua_pushstring(L, event->address);
  lua_setfield(L, -2, "address");
  if (event->error.message) {
    lua_pushstring(L, event->error.message);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, moonpool_status_name(event->error.status));
    lua_setfield(L, -2, "code");
  }
  lua_call(L, 1, 0);
  return 0;
}

static void on_state(moonpool *core, const moonpool_state_event *event, void *ctx) {
  mp_client *client = ctx;
  (void)core;
  change c = {client, event};
  mp_protected(client->runtime, tell, &c, 0);
}

/* on_state(client, fn or nil) → client, or nil, message, code. `fn` is called in the middle of what
 * changes the state: it must do nothing but take note. */
static int set_on_state(lua_State *L) {
  mp_client *client = mp_check_client(L, 1);
  lua_settop(L, 2);
  if (!client->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  moonpool_on_state(client->core, lua_isnil(L, 2) ? NULL : on_state, client);
  lua_setiuservalue(L, 1, 1);
  return 1;
}

static const luaL_Reg methods[] = {{"state", state},
                                   {"address", address},
                                   {"stats", stats},
                                   {"subscriptions", subscriptions},
                                   {NULL, NULL}};
static const luaL_Reg functions[] = {{"on_state", set_on_state}, {NULL, NULL}};

void mp_set_seeing_methods(lua_State *L, int runtime_index) {
  mp_set_functions(L, methods, runtime_index);
}

void mp_open_seeing(lua_State *L, int runtime_index) {
  mp_set_functions(L, functions, runtime_index);
}
