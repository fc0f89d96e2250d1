/* What the files of moonpool.gateway.core share: core.c (the module), gateway.c (the handle),
 * options.c and hooks.c (what Lua is asked). */
#ifndef MP_GATEWAY_HANDLE_H
#define MP_GATEWAY_HANDLE_H

#include "bridge.h"

#include <moonpool_gateway.h>

typedef enum mp_gateway_hook {
  MP_HOOK_AUTHENTICATE, /* the judges, by verb */
  MP_HOOK_JOIN,
  MP_HOOK_SAY,
  MP_HOOK_LOG,
  MP_HOOK_METRICS,
  MP_HOOK_READY,
  MP_HOOK_COUNT
} mp_gateway_hook;

/* Of malloc: it outlives the userdata that points to it until the gateway and its client are gone.
 */
typedef struct mp_gateway {
  const mp_bridge *bridge;
  moonpool *client;
  moonpool_gateway *core; /* NULL: closed */
  int anchor;             /* in the registry: the userdata, while it is open */
  int hooks;              /* likewise: a table of functions by number */
  int keeps_running;
  int on_drained, on_closed; /* in the registry: functions, or LUA_NOREF */
  unsigned tickets;          /* that Lua has */
  unsigned char has_hook[MP_HOOK_COUNT];
} mp_gateway;

/* What Lua has said of a gateway. What it points to lies in the options' table, or in userdata that
 * are on the stack. */
typedef struct mp_gateway_settings {
  moonpool_options client;
  moonpool_gateway_options gateway;
  moonpool_room_options room;
} mp_gateway_settings;

/* ---- token.c ---- */

/* sign(secret, claims) -> a token with the claims, a JSON object's text; or nil, message, code */
int mp_gateway_sign(lua_State *L);

/* ---- options.c ---- */

/* Reads the table at `index`; raises for what is unknown or will not do. Pushes what it needs to
 * keep alive. `bridge` reads the client's and the rooms' part. */
void mp_gateway_check_options(lua_State *L, int index, const mp_bridge *bridge,
                              mp_gateway_settings *settings);

/* ---- hooks.c ---- */

/* Takes the functions authenticate, join, say, log, metrics and ready of the table at `index`, and
 * sets the options' callbacks for those that there are. */
void mp_gateway_set_hooks(lua_State *L, int index, mp_gateway *gateway,
                          moonpool_gateway_options *options);

/* The client's first connection: the hook `ready`. */
void mp_gateway_on_ready(moonpool *client, const moonpool_error *error, void *ctx);

/* Calls a function of the registry without arguments, once, and gives it back. */
void mp_gateway_call(mp_gateway *gateway, int *function);

/* The tickets' metatable. */
void mp_gateway_open_tickets(lua_State *L);

/* ---- gateway.c ---- */

void mp_gateway_open_handles(lua_State *L, const mp_bridge *bridge);

#endif
