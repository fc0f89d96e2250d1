/* What moonpool.core hands to moonpool's other C modules of the same Lua state: its loop, and the
 * ways into Lua. Nothing else crosses between two modules, each of which has a core of its own. The
 * registry has it, a userdata, under MP_BRIDGE_KEY, as long as the state lives. */
#ifndef MP_BRIDGE_H
#define MP_BRIDGE_H

#include "compat.h"

#include <moonpool_room.h>

#define MP_BRIDGE_KEY "moonpool.bridge"

typedef struct mp_bridge {
  const char *version; /* MOONPOOL_VERSION; the rest is as this header says only if it is equal */
  void *runtime;
  uv_loop_t *loop;

  /* Calls `function` protected, with `ctx` as its light userdata argument, on the state that runs
   * the loop; what it raises goes to the error hook. `results` values stay on *state. 1, or 0 after
   * an error, and when the state is ending. */
  int (*protect)(void *runtime, lua_CFunction function, void *ctx, int results, lua_State **state);

  /* Keeps moonpool.run going, by 1, or no longer, by -1. */
  void (*keep_running)(void *runtime, int by);

  /* The options of connect, and of a room, at `index`: raise for what will not do. Strings live as
   * long as the argument. */
  void (*check_options)(lua_State *L, int index, moonpool_options *options);
  void (*check_room_options)(lua_State *L, int index, moonpool_room_options *options);
} mp_bridge;

#endif
