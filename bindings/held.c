/* The short strings of a pipeline's replies on their way into its list. Making a string of Lua's
 * needs a protected call; they are held as bytes until one call takes many. */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST 2048u /* longer ones are worth a call of their own */
#define ROOM_FIRST 2048u
#define ROOM_MAX 65536u

/* Before the bytes, which are padded so that the next one is aligned. */
typedef struct held {
  size_t index, len;
} held;

static size_t size_of(size_t len) {
  return sizeof(held) + ((len + sizeof(held) - 1) & ~(sizeof(held) - 1));
}

/* Protected: makes the strings. */
static int put_all(lua_State *L) {
  mp_batch *b = lua_touserdata(L, 1);
  mp_push_ref(L, b->client->runtime, b->results);
  for (const char *at = b->held, *end = at + b->held_len; at < end;) {
    const held *h = (const held *)(const void *)at;
    lua_pushlstring(L, at + sizeof *h, h->len);
    lua_rawseti(L, -2, (lua_Integer)h->index + 1);
    at += size_of(h->len);
  }
  return 0;
}

void mp_batch_put_held(mp_batch *b) {
  if (b->held_len == 0) return;
  size_t index = ((const held *)(const void *)b->held)->index;
  int is_put = mp_protected(b->client->runtime, put_all, b, 0);
  b->held_len = 0;
  if (!is_put) mp_batch_fail(b, index, MOONPOOL_ENOMEM, "no memory for the reply");
}

void mp_batch_drop_held(mp_batch *b) {
  free(b->held);
  b->held = NULL;
  b->held_len = b->held_room = 0;
}

static int make_room(mp_batch *b, size_t size) {
  if (size <= b->held_room - b->held_len) return 1;
  if (b->held_room == ROOM_MAX) {
    mp_batch_put_held(b);
    return 1;
  }
  size_t room = b->held_room ? b->held_room : ROOM_FIRST;
  while (room < ROOM_MAX && room - b->held_len < size) room *= 2;
  char *grown = realloc(b->held, room);
  if (!grown) return 0;
  b->held = grown;
  b->held_room = room;
  return make_room(b, size);
}

int mp_batch_hold(mp_batch *b, size_t index, const moonpool_reply *reply) {
  if (reply->type != MOONPOOL_STRING && reply->type != MOONPOOL_STATUS) return 0;
  held h = {index, reply->u.string.len};
  if (h.len > LONGEST || !make_room(b, size_of(h.len))) return 0;
  memcpy(b->held + b->held_len, &h, sizeof h);
  memcpy(b->held + b->held_len + sizeof h, reply->u.string.data, h.len);
  b->held_len += size_of(h.len);
  return 1;
}
