/* The users that are in a room by one client: found by name, with their places by each handle, and
 * in a queue when Redis is to be told of them. */
#include "room_presence_private.h"

#define FIRST_BUCKETS 8u

/* ---- users ----------------------------------------------------------------------------------- */

/* FNV-1a */
static uint64_t hash_of(moonpool_bytes name) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < name.len; i++)
    hash = (hash ^ (unsigned char)name.data[i]) * 1099511628211u;
  return hash;
}

static mp_user **bucket_of(mp_presence *p, uint64_t hash) {
  return &p->buckets[hash & (p->size - 1)];
}

mp_user *mp_presence_find_user(mp_presence *p, moonpool_bytes name) {
  uint64_t hash = hash_of(name);
  mp_user *user = p->size ? *bucket_of(p, hash) : NULL;
  while (user && (user->hash != hash || user->len != name.len ||
                  memcmp(user->name, name.data, name.len) != 0))
    user = user->next;
  return user;
}

static int grow(mp_presence *p) {
  size_t size = p->size ? p->size * 2 : FIRST_BUCKETS, old_size = p->size;
  mp_user **old = p->buckets, **buckets = mp_calloc(&p->allocator, size * sizeof *buckets);
  if (!buckets) return p->size > 0; /* as it is, with longer chains */
  p->buckets = buckets;
  p->size = size;
  for (size_t i = 0; i < old_size; i++) {
    for (mp_user *user = old[i], *next; user; user = next) {
      mp_user **bucket = bucket_of(p, user->hash);
      next = user->next;
      user->next = *bucket;
      *bucket = user;
    }
  }
  mp_free(&p->allocator, old);
  return 1;
}

mp_user *mp_presence_add_user(mp_presence *p, moonpool_bytes name) {
  if (p->count >= p->size && !grow(p)) return NULL;
  mp_user *user = mp_calloc(&p->allocator, sizeof *user + name.len);
  if (!user) return NULL;
  user->hash = hash_of(name);
  user->len = name.len;
  memcpy(user->name, name.data, name.len);
  mp_user **bucket = bucket_of(p, user->hash);
  user->next = *bucket;
  *bucket = user;
  p->count++;
  return user;
}

void mp_presence_drop_user(mp_presence *p, mp_user *user) {
  if (user->places || user->is_queued || user->is_being_told || user->waiting || user->sent) return;
  mp_user **at = bucket_of(p, user->hash);
  while (*at != user) at = &(*at)->next;
  *at = user->next;
  p->count--;
  mp_free(&p->allocator, user);
}

void mp_presence_queue(mp_presence *p, mp_user *user) {
  if (user->is_queued) return;
  user->is_queued = 1;
  user->queue = NULL;
  if (p->changed)
    p->last_changed->queue = user;
  else
    p->changed = user;
  p->last_changed = user;
}

/* ---- places ---------------------------------------------------------------------------------- */

mp_share **mp_presence_share_of(mp_user *user, const moonpool_room *handle) {
  mp_share **at = &user->shares;
  while (*at && (*at)->handle != handle) at = &(*at)->next;
  return at;
}

int mp_presence_add_place(mp_presence *p, mp_user *user, const moonpool_room *handle) {
  mp_share **at = mp_presence_share_of(user, handle);
  if (!*at) {
    mp_share *share = mp_alloc(&p->allocator, sizeof *share);
    if (!share) return 0;
    *share = (mp_share){NULL, handle, 0};
    *at = share;
  }
  (*at)->places++;
  user->places++;
  mp_presence_queue(p, user);
  return 1;
}

int mp_presence_take_places(mp_presence *p, mp_user *user, const moonpool_room *handle,
                            uint64_t places) {
  mp_share **at = mp_presence_share_of(user, handle), *share = *at;
  if (!share || share->places < places) return 0;
  share->places -= places;
  user->places -= places;
  if (share->places == 0) {
    *at = share->next;
    mp_free(&p->allocator, share);
  }
  mp_presence_queue(p, user);
  return 1;
}

void mp_presence_free_users(mp_presence *p) {
  for (size_t i = 0; i < p->size; i++) {
    for (mp_user *user = p->buckets[i], *next; user; user = next) {
      next = user->next;
      while (user->shares) {
        mp_share *share = user->shares;
        user->shares = share->next;
        mp_free(&p->allocator, share);
      }
      mp_free(&p->allocator, user);
    }
  }
  mp_free(&p->allocator, p->buckets);
  p->buckets = NULL;
  p->size = p->count = 0;
  p->changed = p->last_changed = p->told = NULL;
}
