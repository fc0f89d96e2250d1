/* Which replies are maps: RESP3 says so, in RESP2 (and in RESP3 for some commands) a map is a flat
 * list of keys and values, and only who knows the command can tell. */
#ifndef MP_SHAPE_H
#define MP_SHAPE_H

#include "compat.h"

#include <moonpool.h>

/* How a reply of a command is to be read where it is a list. Static. */
typedef struct mp_shape mp_shape;

/* Can a reply to the command of that name (upper case) have a shape? Cheap: asked once a method. */
int mp_shape_may_be_of(const char *name, size_t len);

/* The shape of the replies to this command, in any case; NULL: they are what they are. */
const mp_shape *mp_shape_of(size_t argc, const moonpool_bytes *argv);

/* As mp_push_reply for a reply of that shape. `shape` may be NULL. */
void mp_push_shaped(lua_State *L, const moonpool_reply *reply, const mp_shape *shape);

#endif
