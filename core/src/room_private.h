/* What the files of rooms share: room.c (handles, keys), room_publish.c, room_erase.c,
 * room_history.c, room_presence.c and the feeds. Nobody else includes it. */
#ifndef MP_ROOM_PRIVATE_H
#define MP_ROOM_PRIVATE_H

#include "client_private.h"
#include "mem.h"
#include "redis_scripts.h"
#include "room.h"

#define MP_ROOM_USER_MAX 256                  /* bytes of a user's name, and of a key */
#define MP_ROOM_NUMBER_MAX ((int64_t)1 << 53) /* as far as a script of Redis counts exactly */

/* One room in one client, shared by its handles and what they have begun. */
typedef struct mp_room {
  struct mp_room *next; /* in its bucket */
  moonpool_allocator allocator;
  moonpool *client; /* NULL: closed */
  size_t refs;
  uint64_t hash;
  struct mp_publisher *publisher; /* room_publish.c's; NULL: nothing was said yet */
  struct mp_presence *presence;   /* room_presence.c's; NULL: nobody has joined */
  struct mp_source *source;       /* the feeds'; NULL: none */
  size_t len;
  char channel[]; /* "room:" and the name; terminated */
} mp_room;

struct moonpool_room {
  mp_room *room;
  moonpool_room_options options; /* backlog: ours, or NULL */
  moonpool_feed *feeds;
  struct mp_terms *terms; /* room_publish.c's; NULL: nothing was said by it yet */
  int is_watching;        /* presence, for itself */
};

struct mp_rooms {
  moonpool *client;
  mp_room **buckets;
  size_t size, count;                             /* of buckets, a power of 2; of rooms */
  uint64_t random;                                /* state of mp_rooms_random */
  struct mp_publishing *publishing;               /* room_publish.c's; NULL: nothing was said yet */
  moonpool_script *scripts[MP_REDIS_SCRIPTS + 1]; /* by index; NULL: not used yet */
};

/* ---- room.c ---- */

/* The client's rooms, made when they are first needed; NULL without memory. */
mp_rooms *mp_rooms_of(moonpool *client);

/* The room of that (good) name, made if it is not there, with one reference more; NULL without
 * memory. */
mp_room *mp_room_acquire(moonpool *client, moonpool_bytes name);

/* The room of that channel if there is one; no reference. */
mp_room *mp_room_find(moonpool *client, moonpool_bytes channel);

/* Gives back one reference. The last one frees the room: what it has (publisher, presence, source)
 * has been freed by then by its owner. */
void mp_room_release(mp_room *room);

moonpool_bytes mp_room_name_of(const mp_room *room);

/* Appends "{room:NAME}:SUFFIX" to the buffer: 1, or 0 without memory. */
int mp_room_put_key(const mp_room *room, const char *suffix, mp_buf *out);

/* 64 random bits, never 0; seeded from the system. */
uint64_t mp_room_random(mp_room *room);

/* Calls one of our scripts on the command link; as moonpool_script_call, with its guarantees: in
 * order, loaded by itself, executed once. */
int mp_room_call(mp_room *room, const mp_redis_script *script, size_t key_count,
                 const moonpool_bytes *keys, size_t arg_count, const moonpool_bytes *args,
                 uint64_t timeout, moonpool_reply_cb cb, void *ctx);

#endif
