/* The client handle: connecting, commands, its state and end. Every Redis command is a method, made
 * when first used. */
#include "handles.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char client_name[] = "moonpool.client";

#define ARGS_MAX 64      /* on the C stack; more go into a userdata */
#define COMMAND_NAME 128 /* longest method name that is taken for a command */

mp_client *mp_check_client(lua_State *L, int index) {
  return luaL_checkudata(L, index, client_name);
}

void mp_push_client(lua_State *L, mp_client *client) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, client->runtime->clients);
  lua_rawgetp(L, -1, client);
  lua_remove(L, -2);
}

/* ---- connecting ------------------------------------------------------------------------------ */

/* An option that is a number: milliseconds for a time in seconds, else a count. */
typedef struct number_option {
  const char *name;
  size_t offset;
  char type; /* 't' time (uint64_t ms), 'n' size_t, 'u' unsigned, 'm' size_t of the mp_client */
} number_option;

#define CORE(field) offsetof(moonpool_options, field)
static const number_option number_options[] = {
    {"connect_timeout", CORE(connect_timeout), 't'},
    {"command_timeout", CORE(command_timeout), 't'},
    {"heartbeat", CORE(heartbeat), 't'},
    {"backoff_min", CORE(backoff_min), 't'},
    {"backoff_max", CORE(backoff_max), 't'},
    {"max_queue", CORE(max_queue), 'n'},
    {"max_queue_bytes", CORE(max_queue_bytes), 'n'},
    {"max_reply_bytes", CORE(max_reply_bytes), 'n'},
    {"max_reply_elements", CORE(max_reply_elements), 'n'},
    {"max_reply_depth", CORE(max_reply_depth), 'u'},
    {"max_name", CORE(max_name), 'n'},
    {"subscribe_batch", CORE(subscribe_batch), 'n'},
    {"subscribe_window", CORE(subscribe_window), 'n'},
    {"max_mailbox", offsetof(mp_client, max_mailbox), 'm'},
    {"max_mailbox_bytes", offsetof(mp_client, max_mailbox_bytes), 'm'},
    {NULL, 0, 0}};

static void set_number(lua_State *L, const number_option *o, moonpool_options *options,
                       mp_client *client) {
  char *base = o->type == 'm' ? (char *)client : (char *)options;
  if (o->type == 't') {
    if (lua_type(L, -1) != LUA_TNUMBER || !(lua_tonumber(L, -1) >= 0) || lua_tonumber(L, -1) > 1e9)
      luaL_error(L, "option '%s' must be a time in seconds", o->name);
    *(uint64_t *)(base + o->offset) = mp_check_seconds(L, -1);
    return;
  }
  if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 0)
    luaL_error(L, "option '%s' must be a whole number from 0 on", o->name);
  if (o->type == 'u')
    *(unsigned *)(base + o->offset) = (unsigned)lua_tointeger(L, -1);
  else
    *(size_t *)(base + o->offset) = (size_t)lua_tointeger(L, -1);
}

/* One option: name at -2, value at -1. Strings live as long as the options table. */
static void set_option(lua_State *L, moonpool_options *options, mp_client *client) {
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
  int is_url = strcmp(name, "url") == 0;
  if (is_url || strcmp(name, "name") == 0) {
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "option '%s' must be a string", name);
    *(is_url ? &options->url : &options->name) = lua_tostring(L, -1);
    return;
  }
  for (const number_option *o = number_options; o->name; o++)
    if (strcmp(name, o->name) == 0) {
      set_number(L, o, options, client);
      return;
    }
  luaL_error(L, "unknown option '%s'", name);
}

/* Takes the argument of connect: a URL, a table of options, or nothing. */
static void check_options(lua_State *L, moonpool_options *options, mp_client *client) {
  moonpool_options_init(options);
  if (lua_isnoneornil(L, 1)) return;
  if (lua_type(L, 1) == LUA_TSTRING) {
    options->url = lua_tostring(L, 1);
    return;
  }
  luaL_argexpected(L, lua_istable(L, 1), 1, "URL or table of options");
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) set_option(L, options, client);
}

static mp_client *new_client(lua_State *L, mp_runtime *rt) {
  mp_client *client = lua_newuserdatauv(L, sizeof *client, 0);
  *client = (mp_client){.runtime = rt,
                        .ref = LUA_NOREF,
                        .max_mailbox = 100000,
                        .max_mailbox_bytes = (size_t)64 << 20};
  luaL_setmetatable(L, client_name);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->clients);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, client);
  lua_pop(L, 1);
  return client;
}

static int push_connected(lua_State *L, void *ctx) {
  mp_push_client(L, ctx);
  return 1;
}

static void on_first_ready(moonpool *core, const moonpool_error *error, void *ctx) {
  mp_waiter *w = ctx;
  mp_client *client = w->owner;
  (void)core;
  if (!error) {
    mp_wake_push(w, push_connected, client);
    return;
  }
  moonpool *lost = client->core;
  client->core = NULL;
  moonpool_close(lost, NULL, NULL);
  mp_wake_error(w, error);
}

/* moonpool.connect(url | options) → client, or nil, message, code */
static int connect_client(lua_State *L) {
  mp_runtime *rt = mp_runtime_of(L);
  char message[256];
  moonpool_options options;
  lua_settop(L, 1);
  mp_client *client = new_client(L, rt); /* stays on the stack until the wait is over */
  check_options(L, &options, client);
  mp_waiter *w = mp_wait_begin(L, rt);
  int status = moonpool_open(&client->core, &rt->loop, &options, message, sizeof message);
  if (status != MOONPOOL_OK) return mp_fail(L, status, message[0] ? message : NULL);
  moonpool_set_drain(client->core, mp_on_drain, client);
  w->owner = client;
  moonpool_ready(client->core, on_first_ready, w);
  return mp_wait(L, w);
}

/* ---- commands -------------------------------------------------------------------------------- */

static int push_reply(lua_State *L, void *ctx) {
  mp_push_reply(L, ctx);
  return 1;
}

/* What needs no memory of Lua's is pushed at once; the rest inside the task. */
static void on_reply(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_waiter *w = ctx;
  if (error)
    mp_wake_error(w, error);
  else if (reply->type == MOONPOOL_INTEGER) {
    lua_pushinteger(w->L, reply->u.integer);
    mp_wake_now(w, 1);
  } else if (reply->type == MOONPOOL_NIL) {
    lua_pushnil(w->L);
    mp_wake_now(w, 1);
  } else {
    mp_wake_inside(w, push_reply, (void *)reply);
  }
}

/* The argument at `index` as bytes that live on the stack: strings as they are, integers in
 * decimal, floats in the shortest form that reads back the same. */
static moonpool_bytes check_argument(lua_State *L, int index, const char *command, int position) {
  moonpool_bytes bytes;
  int type = lua_type(L, index);
  if (type == LUA_TNUMBER && !lua_isinteger(L, index)) {
    char text[40];
    lua_Number number = lua_tonumber(L, index);
    for (int digits = 15; digits <= 17; digits++) {
      snprintf(text, sizeof text, "%.*g", digits, number);
      if (lua_stringtonumber(L, text) == 0) break; /* inf, nan */
      int is_same = lua_tonumber(L, -1) == number;
      lua_pop(L, 1);
      if (is_same) break;
    }
    lua_pushstring(L, text);
    lua_replace(L, index);
  } else if (type != LUA_TSTRING && type != LUA_TNUMBER) {
    luaL_error(L, "%s: argument %d must be a string or a number, not %s", command, position,
               luaL_typename(L, index));
  }
  bytes.data = lua_tolstring(L, index, &bytes.len);
  return bytes;
}

static int refuse(lua_State *L, int status, size_t argc, const moonpool_bytes *argv) {
  const char *hint = status == MOONPOOL_ENOSUPPORT ? moonpool_command_hint(argc, argv) : NULL;
  if (!hint) return mp_fail(L, status, NULL);
  lua_pushlstring(L, argv[0].data, argv[0].len);
  lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), hint);
  return mp_fail(L, status, lua_tostring(L, -1));
}

/* Sends the command whose words are argv[0] and the arguments from index `first` on. */
static int send_command(lua_State *L, moonpool_bytes word, int first) {
  mp_client *client = mp_check_client(L, 1);
  size_t argc = (size_t)(lua_gettop(L) - first + 2);
  moonpool_bytes on_stack[ARGS_MAX], *argv = on_stack;
  int last = lua_gettop(L);
  if (argc > ARGS_MAX) argv = lua_newuserdatauv(L, argc * sizeof *argv, 0);
  argv[0] = word;
  for (int i = first; i <= last; i++)
    argv[i - first + 1] = check_argument(L, i, word.data, i - first + 1);
  if (!client->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  mp_waiter *w = mp_wait_begin(L, client->runtime);
  int status = moonpool_command(client->core, argc, argv, 0, on_reply, w);
  if (status != MOONPOOL_OK) return refuse(L, status, argc, argv);
  return mp_wait(L, w);
}

/* client:NAME(...) → value, or nil, message, code. The second upvalue is the command's name. */
static int command(lua_State *L) {
  moonpool_bytes word;
  word.data = lua_tolstring(L, lua_upvalueindex(2), &word.len);
  return send_command(L, word, 2);
}

/* client:call("NAME", ...), likewise */
static int call(lua_State *L) {
  moonpool_bytes word;
  mp_check_client(L, 1);
  word.data = luaL_checklstring(L, 2, &word.len);
  return send_command(L, word, 3);
}

/* The method for a command that was not used before: kept in the table of methods. */
static int push_new_command(lua_State *L) {
  size_t len;
  char upper[COMMAND_NAME];
  const char *name = lua_tolstring(L, 2, &len);
  if (len == 0 || len >= sizeof upper) return 0;
  for (size_t i = 0; i < len; i++) {
    if (!isalnum((unsigned char)name[i]) && name[i] != '.' && name[i] != '_') return 0;
    upper[i] = (char)toupper((unsigned char)name[i]);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushlstring(L, upper, len);
  lua_pushcclosure(L, command, 2);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, lua_upvalueindex(2));
  return 1;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static int index_client(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) return 1;
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  if (strcmp(lua_tostring(L, 2), "address") != 0) return push_new_command(L);
  mp_client *client = mp_check_client(L, 1);
  if (!client->core) return 0;
  lua_pushstring(L, moonpool_address(client->core));
  return 1;
}

/* client:state() → "connecting", "ready", "waiting" (for the next attempt) or "closed" */
static int state(lua_State *L) {
  static const char *const names[] = {"idle", "connecting", "ready", "waiting", "closed"};
  mp_client *client = mp_check_client(L, 1);
  lua_pushstring(L, names[client->core ? moonpool_get_state(client->core) : MOONPOOL_CLOSED]);
  return 1;
}

static void set_count(lua_State *L, const char *name, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

/* client:stats() → table of counters since connect, or nil, message, code when closed */
static int stats(lua_State *L) {
  mp_client *client = mp_check_client(L, 1);
  moonpool_stats s;
  if (!client->core) return mp_fail(L, MOONPOOL_ECLOSED, NULL);
  moonpool_get_stats(client->core, &s);
  lua_createtable(L, 0, 12);
  set_count(L, "messages", s.messages);
  set_count(L, "commands", s.commands);
  set_count(L, "writes", s.writes);
  set_count(L, "reconnects", s.reconnects);
  set_count(L, "bytes_in", s.bytes_in);
  set_count(L, "bytes_out", s.bytes_out);
  set_count(L, "queued", s.queued);
  set_count(L, "wanted", s.wanted);
  set_count(L, "confirmed", s.confirmed);
  set_count(L, "subscriptions", client->subscriptions);
  set_count(L, "gaps", client->gaps);
  set_count(L, "failures", client->failures);
  return 1;
}

/* client:close() → true. What is pending completes with ECLOSED. */
static int close_client(lua_State *L) {
  mp_client *client = mp_check_client(L, 1);
  moonpool *core = client->core;
  client->core = NULL;
  moonpool_close(core, NULL, NULL);
  lua_pushboolean(L, 1);
  return 1;
}

/* A client that is collected has nobody who waits for it, unless the whole state ends: then what
 * still waits must not run any more. */
static int gc(lua_State *L) {
  mp_client *client = mp_check_client(L, 1);
  int before = client->runtime->is_closing;
  client->runtime->is_closing = 1;
  close_client(L);
  client->runtime->is_closing = before;
  return 0;
}

static int tostring_client(lua_State *L) {
  mp_client *client = mp_check_client(L, 1);
  lua_pushfstring(L, "%s (%s): %p", client_name,
                  client->core ? moonpool_address(client->core) : "closed", client);
  return 1;
}

static const luaL_Reg methods[] = {
    {"call", call}, {"state", state}, {"stats", stats}, {"close", close_client}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"connect", connect_client}, {NULL, NULL}};

void mp_open_client(lua_State *L, int runtime_index) {
  luaL_newmetatable(L, client_name);
  lua_pushvalue(L, runtime_index);
  lua_newtable(L);
  mp_set_functions(L, methods, runtime_index);
  mp_set_subscribe_methods(L, runtime_index);
  lua_pushcclosure(L, index_client, 2);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, close_client);
  lua_setfield(L, -2, "__close");
  lua_pushcfunction(L, tostring_client);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  mp_set_functions(L, functions, runtime_index);
}
