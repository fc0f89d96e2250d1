#include "identity.h"

#include "glob.h"
#include "mem.h"
#include "utf8.h"

const char *gw_identity_user_fault(moonpool_bytes user) {
  if (!user.data || user.len == 0) return "is empty";
  if (user.len > GW_USER_MAX) return "has more than 256 bytes";
  if (!gw_utf8_is_valid(user.data, user.len)) return "is not UTF-8";
  for (size_t i = 0; i < user.len; i++) {
    unsigned char c = (unsigned char)user.data[i], next = 0;
    if (c == 0xc2) next = (unsigned char)user.data[i + 1]; /* C1: C2 80 to C2 9F */
    if (c < 0x20 || c == 0x7f || (next >= 0x80 && next <= 0x9f)) return "has a control character";
  }
  return NULL;
}

/* Where the next bytes go. */
static moonpool_bytes keep(char **to, moonpool_bytes bytes) {
  moonpool_bytes kept = {*to, bytes.len};
  if (bytes.len) memcpy(*to, bytes.data, bytes.len);
  *to += bytes.len;
  return kept;
}

int gw_identity_init(gw_identity *identity, const moonpool_allocator *allocator,
                     moonpool_bytes user, const moonpool_bytes *rooms, size_t room_count,
                     uint64_t expires_ms) {
  size_t size = room_count * sizeof *rooms + user.len + 1;
  for (size_t i = 0; i < room_count; i++) size += rooms[i].len;
  *identity = (gw_identity){0};
  char *to = mp_alloc(allocator, size);
  if (!to) return MOONPOOL_ENOMEM;
  identity->rooms = (moonpool_bytes *)(void *)to;
  identity->room_count = room_count;
  identity->expires_ms = expires_ms;
  to += room_count * sizeof *rooms;
  identity->user = keep(&to, user);
  for (size_t i = 0; i < room_count; i++)
    identity->rooms[i] = keep(&to, gw_glob_of_rooms(rooms[i]));
  return MOONPOOL_OK;
}

int gw_identity_init_anyone(gw_identity *identity, const moonpool_allocator *allocator,
                            moonpool_bytes user) {
  const moonpool_bytes everywhere = {"*", 1};
  return gw_identity_init(identity, allocator, user, &everywhere, 1, 0);
}

int gw_identity_may(const gw_identity *identity, moonpool_bytes room) {
  for (size_t i = 0; i < identity->room_count; i++)
    if (gw_glob_match(identity->rooms[i], room)) return 1;
  return 0;
}

void gw_identity_free(gw_identity *identity, const moonpool_allocator *allocator) {
  if (!identity) return;
  mp_free(allocator, identity->rooms);
  *identity = (gw_identity){0};
}
