/* Patterns of rooms, as KEYS and PSUBSCRIBE read theirs (https://redis.io/commands/keys): `?` one
 * byte, `*` any bytes, `[abc]` `[a-z]` `[^a]` one byte of a set, `\` takes the next byte as it is.
 */
#ifndef GW_GLOB_H
#define GW_GLOB_H

#include <moonpool.h>

/* Verdicts are those of Redis 7's stringmatchlen, and of lua/moonpool/glob.lua: byte by byte, and
 * no star matches an empty name. At most pattern.len * name.len steps. Can't fail. */
int gw_glob_match(moonpool_bytes pattern, moonpool_bytes name);

/* The pattern of rooms' names that a user wrote: a leading "room:" is dropped, as of names.
 * Borrowed from `text`. */
moonpool_bytes gw_glob_of_rooms(moonpool_bytes text);

#endif
