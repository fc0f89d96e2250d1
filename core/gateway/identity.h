/* Who a client is, and where it may go. */
#ifndef GW_IDENTITY_H
#define GW_IDENTITY_H

#include <moonpool.h>

enum { GW_USER_MAX = 256 }; /* bytes of a user's name */

/* All zero: nobody, who may go nowhere. */
typedef struct gw_identity {
  moonpool_bytes user;
  moonpool_bytes *rooms; /* patterns of names, without "room:"; begins the block that holds all */
  size_t room_count;
  uint64_t expires_ms; /* of the wall clock; 0: never */
} gw_identity;

/* What is wrong with a user's name (it is empty, too long, not UTF-8, has a control character), as
 * a text that follows the name of the field; NULL: nothing. Can't fail. */
const char *gw_identity_user_fault(moonpool_bytes user);

/* Copies who it is; what was in `identity` is not freed. Patterns may begin with "room:".
 * MOONPOOL_OK, or ENOMEM with *identity all zero. */
int gw_identity_init(gw_identity *identity, const moonpool_allocator *allocator,
                     moonpool_bytes user, const moonpool_bytes *rooms, size_t room_count,
                     uint64_t expires_ms);

/* Of no token: anybody, everywhere, for good. Results as above. */
int gw_identity_init_anyone(gw_identity *identity, const moonpool_allocator *allocator,
                            moonpool_bytes user);

/* May it enter the room (a name without "room:")? Whether the identity has expired is not asked. */
int gw_identity_may(const gw_identity *identity, moonpool_bytes room);

/* Frees what it holds and makes it nobody; the struct is the caller's. NULL is accepted. */
void gw_identity_free(gw_identity *identity, const moonpool_allocator *allocator);

#endif
