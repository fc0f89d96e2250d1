/* Rooms: the handles that a program has, and what those of one room and client share, found by
 * name. Each room lives as long as somebody holds a reference: a handle, a feed, work under way. */
#include "room_presence.h"
#include "room_private.h"
#include "room_publish.h"

#include <limits.h>
#include <stdio.h>

#define FIRST_BUCKETS 16u

static const char prefix[] = "room:";
enum { PREFIX_LEN = 5 };

/* ---- the client's rooms ---------------------------------------------------------------------- */

mp_rooms *mp_rooms_of(moonpool *client) {
  if (client->rooms) return client->rooms;
  mp_rooms *rooms = mp_calloc(&client->allocator, sizeof *rooms);
  if (!rooms) return NULL;
  rooms->client = client;
  uv_random(NULL, NULL, &rooms->random, sizeof rooms->random, 0, NULL);
  client->rooms = rooms;
  return rooms;
}

void mp_rooms_flush(mp_rooms *rooms) {
  if (rooms) mp_publishing_flush(rooms->publishing);
}

/* Ends what a room does. Its references are given back as that comes to its end. */
static void end(mp_room *room) {
  room->refs++;
  mp_publisher_close(room->publisher);
  mp_presence_close(room->presence);
  room->client = NULL;
  mp_room_release(room);
}

/* A callback may release rooms: each one is taken out before it is ended. */
void mp_rooms_close(mp_rooms *rooms) {
  if (!rooms) return;
  for (size_t i = 0; i < rooms->size; i++) {
    while (rooms->buckets[i]) {
      mp_room *room = rooms->buckets[i];
      rooms->buckets[i] = room->next;
      rooms->count--;
      end(room);
    }
  }
  mp_publishing_close(rooms->publishing);
}

void mp_rooms_free(mp_rooms *rooms) {
  if (!rooms) return;
  const moonpool_allocator *allocator = &rooms->client->allocator;
  for (int i = 0; i < MP_REDIS_SCRIPTS; i++) moonpool_script_free(rooms->scripts[i]);
  mp_free(allocator, rooms->buckets);
  mp_free(allocator, rooms);
}

/* splitmix64 */
uint64_t mp_room_random(mp_room *room) {
  uint64_t *state = &room->client->rooms->random, z;
  do {
    z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
  } while (z == 0);
  return z;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* FNV-1a */
static uint64_t hash_of(moonpool_bytes name) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < name.len; i++)
    hash = (hash ^ (unsigned char)name.data[i]) * 1099511628211u;
  return hash;
}

static mp_room **bucket_of(mp_rooms *rooms, uint64_t hash) {
  return &rooms->buckets[hash & (rooms->size - 1)];
}

static int grow(mp_rooms *rooms) {
  size_t size = rooms->size ? rooms->size * 2 : FIRST_BUCKETS, old_size = rooms->size;
  mp_room **old = rooms->buckets;
  mp_room **buckets = mp_calloc(&rooms->client->allocator, size * sizeof *buckets);
  if (!buckets) return rooms->size > 0; /* as it is, with longer chains */
  rooms->buckets = buckets;
  rooms->size = size;
  for (size_t i = 0; i < old_size; i++) {
    for (mp_room *room = old[i], *next; room; room = next) {
      mp_room **bucket = bucket_of(rooms, room->hash);
      next = room->next;
      room->next = *bucket;
      *bucket = room;
    }
  }
  mp_free(&rooms->client->allocator, old);
  return 1;
}

static mp_room *find(mp_rooms *rooms, moonpool_bytes name, uint64_t hash) {
  if (!rooms->size) return NULL;
  mp_room *room = *bucket_of(rooms, hash);
  while (room && (room->hash != hash || room->len != PREFIX_LEN + name.len ||
                  memcmp(room->channel + PREFIX_LEN, name.data, name.len) != 0))
    room = room->next;
  return room;
}

mp_room *mp_room_find(moonpool *client, moonpool_bytes channel) {
  if (!client->rooms || channel.len <= PREFIX_LEN) return NULL;
  if (memcmp(channel.data, prefix, PREFIX_LEN) != 0) return NULL;
  moonpool_bytes name = {channel.data + PREFIX_LEN, channel.len - PREFIX_LEN};
  return find(client->rooms, name, hash_of(name));
}

mp_room *mp_room_acquire(moonpool *client, moonpool_bytes name) {
  mp_rooms *rooms = mp_rooms_of(client);
  uint64_t hash = hash_of(name);
  if (!rooms) return NULL;
  mp_room *room = find(rooms, name, hash);
  if (room) {
    room->refs++;
    return room;
  }
  if (rooms->count >= rooms->size && !grow(rooms)) return NULL;
  room = mp_calloc(&client->allocator, sizeof *room + PREFIX_LEN + name.len + 1);
  if (!room) return NULL;
  room->allocator = client->allocator;
  room->client = client;
  room->refs = 1;
  room->hash = hash;
  room->len = PREFIX_LEN + name.len;
  memcpy(room->channel, prefix, PREFIX_LEN);
  memcpy(room->channel + PREFIX_LEN, name.data, name.len);
  room->next = *bucket_of(rooms, hash);
  *bucket_of(rooms, hash) = room;
  rooms->count++;
  return room;
}

static void take_out(mp_rooms *rooms, mp_room *room) {
  mp_room **at = bucket_of(rooms, room->hash);
  while (*at != room) at = &(*at)->next;
  *at = room->next;
  rooms->count--;
}

void mp_room_release(mp_room *room) {
  if (--room->refs > 0) return;
  if (room->client) take_out(room->client->rooms, room);
  mp_publisher_free(room->publisher);
  moonpool_allocator allocator = room->allocator;
  mp_free(&allocator, room);
}

/* ---- names, keys, calls ---------------------------------------------------------------------- */

moonpool_bytes mp_room_name_of(const mp_room *room) {
  return (moonpool_bytes){room->channel + PREFIX_LEN, room->len - PREFIX_LEN};
}

int mp_room_put_key(const mp_room *room, const char *suffix, mp_buf *out) {
  size_t len = strlen(suffix);
  char *at = mp_buf_reserve(out, room->len + len + 3);
  if (!at) return 0;
  *at++ = '{';
  memcpy(at, room->channel, room->len);
  at += room->len;
  *at++ = '}';
  *at++ = ':';
  memcpy(at, suffix, len);
  out->len += room->len + len + 3;
  return 1;
}

int mp_room_call(mp_room *room, const mp_redis_script *script, size_t key_count,
                 const moonpool_bytes *keys, size_t arg_count, const moonpool_bytes *args,
                 uint64_t timeout, moonpool_reply_cb cb, void *ctx) {
  moonpool *client = room->client;
  if (!client || client->is_closed) return MOONPOOL_ECLOSED;
  moonpool_script **handle = &client->rooms->scripts[script->index];
  if (!*handle) {
    int status = mp_client_make_scripts(client);
    if (status != MOONPOOL_OK) return status;
    moonpool_bytes source = {script->source, script->len};
    *handle = mp_scripts_know(client->scripts, source, script->sha);
    if (!*handle) return MOONPOOL_ENOMEM;
  }
  return moonpool_script_call(*handle, key_count, keys, arg_count, args, timeout, cb, ctx);
}

/* ---- handles --------------------------------------------------------------------------------- */

void moonpool_room_options_init(moonpool_room_options *options) {
  *options = (moonpool_room_options){.history = MOONPOOL_HISTORY_ANY,
                                     .keep = -1,
                                     .keep_ms = -1,
                                     .max_message = 65536,
                                     .key_ttl = 300000,
                                     .replicas_timeout = 1000,
                                     .max_pending = 100000,
                                     .max_pending_bytes = (size_t)64 << 20,
                                     .lease = 9000,
                                     .page = 500,
                                     .max_buffer = 10000,
                                     .max_buffer_bytes = (size_t)16 << 20,
                                     .check = 30000,
                                     .check_grace = 2000,
                                     .resync_pause = 20};
}

/* The first thing that is wrong with the options, or NULL. */
static const char *complaint_about(const moonpool_room_options *o) {
  if (o->history < MOONPOOL_HISTORY_ANY || o->history > MOONPOOL_HISTORY_SORTED)
    return "history: there is no such kind";
  if (o->keep < -1 || o->keep > MP_ROOM_NUMBER_MAX)
    return "keep: a number of messages up to 2^53 is needed, or 0 or -1";
  if (o->keep_ms < -1 || o->keep_ms > MP_ROOM_NUMBER_MAX)
    return "keep_ms: a number of milliseconds up to 2^53 is needed, or 0 or -1";
  if (o->backlog && !*o->backlog) return "backlog: a key is needed, not nothing";
  if (o->max_message == 0) return "max_message: at least 1 is needed";
  if (o->key_ttl == 0 || o->key_ttl > MP_ROOM_NUMBER_MAX)
    return "key_ttl: from 1 to 2^53 milliseconds are needed";
  if (o->lease < 30 || o->lease > 86400000) return "lease: from 30 ms to a day is needed";
  if (o->page == 0 || o->page > INT_MAX) return "page: from 1 to 2147483647 is needed";
  if (o->replicas && (o->replicas_timeout == 0 || o->replicas_timeout > MP_ROOM_NUMBER_MAX))
    return "replicas_timeout: from 1 to 2^53 milliseconds are needed";
  return NULL;
}

static int new_handle(moonpool_room **out, moonpool *client, moonpool_bytes name,
                      const moonpool_room_options *options) {
  const moonpool_allocator *allocator = &client->allocator;
  moonpool_room *handle = mp_calloc(allocator, sizeof *handle);
  if (!handle) return MOONPOOL_ENOMEM;
  handle->options = *options;
  if (options->backlog) {
    handle->options.backlog = mp_strndup(allocator, options->backlog, strlen(options->backlog));
    if (!handle->options.backlog) goto fail;
  }
  handle->room = mp_room_acquire(client, name);
  if (!handle->room) goto fail;
  *out = handle;
  return MOONPOOL_OK;

fail:
  mp_free(allocator, (void *)(uintptr_t)handle->options.backlog);
  mp_free(allocator, handle);
  return MOONPOOL_ENOMEM;
}

int moonpool_room_open(moonpool_room **room, moonpool *client, moonpool_bytes name,
                       const moonpool_room_options *options, char *message, size_t size) {
  moonpool_room_options defaults;
  moonpool_bytes good;
  *room = NULL;
  if (message && size) message[0] = '\0';
  if (client->is_closed) return MOONPOOL_ECLOSED;
  int status = moonpool_room_name(name, &good, message, size);
  if (status != MOONPOOL_OK) return status;
  if (!options) {
    moonpool_room_options_init(&defaults);
    options = &defaults;
  }
  const char *complaint = complaint_about(options);
  if (complaint) {
    if (message) snprintf(message, size, "%s", complaint);
    return MOONPOOL_EARG;
  }
  return new_handle(room, client, good, options);
}

void moonpool_room_close(moonpool_room *handle) {
  if (!handle) return;
  mp_room *room = handle->room;
  moonpool_allocator allocator = room->allocator;
  mp_feeds_close_of(handle);
  mp_presence_leave(room->presence, handle);
  mp_terms_release(handle->terms, &allocator);
  mp_free(&allocator, (void *)(uintptr_t)handle->options.backlog);
  mp_free(&allocator, handle);
  mp_room_release(room);
}

moonpool_bytes moonpool_room_get_name(const moonpool_room *handle) {
  return mp_room_name_of(handle->room);
}

moonpool_bytes moonpool_room_get_channel(const moonpool_room *handle) {
  return (moonpool_bytes){handle->room->channel, handle->room->len};
}
