/* Which rooms are open: a table by name, chained, of rooms that are held. A room that nobody holds
 * any more is closed by the next flush, so that one request after the other finds it open. */
#include "rooms_private.h"

#include "glob.h"
#include "room_list.h"
#include "server.h"

enum { FIRST_SIZE = 16, CLOCK_MS = 1000 };

/* FNV-1a, 64 bits. */
static uint64_t hash_of(moonpool_bytes name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < name.len; i++)
    hash = (hash ^ (unsigned char)name.data[i]) * 0x100000001b3u;
  return hash;
}

static gw_room **place_of(gw_rooms *rooms, uint64_t hash) {
  return &rooms->table[hash & (rooms->size - 1)];
}

static int grow(gw_rooms *rooms) {
  if (rooms->count < rooms->size) return MOONPOOL_OK;
  size_t old_size = rooms->size, size = old_size ? 2 * old_size : FIRST_SIZE;
  gw_room **old = rooms->table;
  gw_room **table = mp_calloc(rooms->gateway->allocator, size * sizeof *table);
  if (!table) return MOONPOOL_ENOMEM;
  rooms->table = table;
  rooms->size = size;
  for (size_t i = 0; i < old_size; i++) {
    for (gw_room *room = old[i], *next; room; room = next) {
      next = room->next;
      gw_room **place = place_of(rooms, room->hash);
      room->next = *place;
      *place = room;
    }
  }
  mp_free(rooms->gateway->allocator, old);
  return MOONPOOL_OK;
}

static gw_room *find(gw_rooms *rooms, uint64_t hash, moonpool_bytes name) {
  if (!rooms->size) return NULL;
  for (gw_room *room = *place_of(rooms, hash); room; room = room->next) {
    moonpool_bytes own = gw_room_name(room);
    if (room->hash == hash && own.len == name.len && !memcmp(own.data, name.data, name.len))
      return room;
  }
  return NULL;
}

/* ---- a room's life --------------------------------------------------------------------------- */

static moonpool_overflow overflow_of(const moonpool_gateway_options *options, moonpool_bytes name) {
  for (size_t i = 0; i < options->overflow_count; i++) {
    const moonpool_overflow_rule *rule = &options->overflow[i];
    moonpool_bytes pattern = {rule->pattern, strlen(rule->pattern)};
    if (gw_glob_match(gw_glob_of_rooms(pattern), name)) return rule->overflow;
  }
  return MOONPOOL_OVERFLOW_GAP;
}

static void free_room(gw_room *room) {
  const moonpool_allocator *allocator = gw_room_allocator(room);
  gw_room_feed_close(room);
  for (int i = 0; i < 2; i++) {
    mp_free(allocator, room->seats[i]);
    gw_chunk_unref(allocator, room->bundles[i].chunk);
    gw_chunk_unref(allocator, room->newest[i]);
  }
  moonpool_room_close(room->handle);
  mp_buf_free(&room->head);
  mp_free(allocator, room);
}

static int put_head(gw_room *room) {
  return gw_json_key(&room->head, "room") && gw_json_string(&room->head, gw_room_name(room));
}

static int open_room(gw_rooms *rooms, moonpool_bytes name, gw_room **out, char *message,
                     size_t size) {
  moonpool_gateway *gateway = rooms->gateway;
  gw_room *room = mp_calloc(gateway->allocator, sizeof *room);
  if (!room) return MOONPOOL_ENOMEM;
  room->rooms = rooms;
  mp_buf_init(&room->head, gateway->allocator);
  int status = moonpool_room_open(&room->handle, gateway->client, name, gateway->options.room,
                                  message, size);
  if (!status && !put_head(room)) status = MOONPOOL_ENOMEM;
  if (status) {
    free_room(room);
    return status;
  }
  room->overflow = (uint8_t)overflow_of(&gateway->options, name);
  *out = room;
  return MOONPOOL_OK;
}

static void enter(gw_rooms *rooms, gw_room *room, uint64_t hash) {
  gw_room **place = place_of(rooms, hash);
  room->hash = hash;
  room->next = *place;
  *place = room;
  rooms->count++;
  rooms->gateway->stats.rooms++;
}

static void unmark(gw_room *room) {
  if (!room->is_dirty) return;
  gw_room **at = &room->rooms->dirty;
  while (*at != room) at = &(*at)->next_dirty;
  *at = room->next_dirty;
  room->is_dirty = 0;
}

static void close_room(gw_room *room) {
  gw_rooms *rooms = room->rooms;
  gw_room **at = place_of(rooms, room->hash);
  unmark(room);
  while (*at != room) at = &(*at)->next;
  *at = room->next;
  rooms->count--;
  rooms->gateway->stats.rooms--;
  free_room(room);
}

static int refuse_more(const gw_rooms *rooms, char *message, size_t size) {
  size_t most = rooms->gateway->options.max_members;
  if (!most || rooms->count < most) return MOONPOOL_OK;
  if (message) snprintf(message, size, "%zu rooms are open in this gateway, the most", most);
  return MOONPOOL_EQUEUE;
}

int gw_room_hold(moonpool_gateway *gateway, moonpool_bytes name, gw_room **out, char *message,
                 size_t size) {
  gw_rooms *rooms = gateway->rooms;
  int status = moonpool_room_name(name, &name, message, size);
  if (status) return status;
  uint64_t hash = hash_of(name);
  gw_room *room = find(rooms, hash, name);
  if (!room) {
    status = refuse_more(rooms, message, size);
    if (!status) status = grow(rooms);
    if (!status) status = open_room(rooms, name, &room, message, size);
    if (status) return status;
    enter(rooms, room, hash);
  }
  room->holds++;
  *out = room;
  return MOONPOOL_OK;
}

void gw_room_release(gw_room *room) {
  if (--room->holds > 0) return;
  if (room->rooms->is_stopped)
    close_room(room);
  else
    gw_room_mark(room);
}

void gw_room_mark(gw_room *room) {
  gw_rooms *rooms = room->rooms;
  if (room->is_dirty || rooms->is_stopped) return;
  room->is_dirty = 1;
  room->next_dirty = rooms->dirty;
  rooms->dirty = room;
  gw_server_wake(rooms->gateway->server);
}

moonpool_room *gw_room_handle(const gw_room *room) {
  return room->handle;
}

moonpool_bytes gw_room_name(const gw_room *room) {
  return moonpool_room_get_name(room->handle);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void on_clock(uv_timer_t *clock) {
  gw_sessions_check(clock->data);
}

int gw_rooms_new(moonpool_gateway *gateway) {
  gw_rooms *rooms = mp_calloc(gateway->allocator, sizeof *rooms);
  gw_room_list *list = gw_room_list_new(gateway);
  if (!rooms || !list) {
    gw_room_list_free(list);
    mp_free(gateway->allocator, rooms);
    return MOONPOOL_ENOMEM;
  }
  rooms->gateway = gateway;
  rooms->list = list;
  gateway->rooms = rooms;
  uv_timer_init(gateway->loop, &rooms->clock);
  rooms->clock.data = gateway;
  uv_timer_start(&rooms->clock, on_clock, CLOCK_MS, CLOCK_MS);
  uv_unref((uv_handle_t *)&rooms->clock);
  gw_hold(gateway);
  return MOONPOOL_OK;
}

static void on_clock_closed(uv_handle_t *handle) {
  gw_release(handle->data);
}

void gw_rooms_stop(moonpool_gateway *gateway) {
  gw_rooms *rooms = gateway->rooms;
  if (!rooms) return;
  uv_close((uv_handle_t *)&rooms->clock, on_clock_closed);
  for (size_t i = 0; i < rooms->size; i++) {
    for (gw_room *room = rooms->table[i], *next; room; room = next) {
      next = room->next;
      gw_room_feed_close(room);
      if (room->holds == 0) close_room(room);
    }
  }
  rooms->is_stopped = 1;
}

void gw_rooms_free(moonpool_gateway *gateway) {
  gw_rooms *rooms = gateway->rooms;
  if (!rooms) return;
  for (size_t i = 0; i < rooms->size; i++)
    while (rooms->table[i]) close_room(rooms->table[i]);
  gw_room_list_free(rooms->list);
  mp_free(gateway->allocator, rooms->table);
  mp_free(gateway->allocator, rooms);
  gateway->rooms = NULL;
}

void gw_rooms_flush(moonpool_gateway *gateway) {
  gw_rooms *rooms = gateway->rooms;
  while (rooms && rooms->dirty) {
    gw_room *room = rooms->dirty;
    rooms->dirty = room->next_dirty;
    room->is_dirty = 0;
    gw_room_flush(room);
    room->holds++;
    if (room->is_live) gw_members_of_live(room);
    room->holds--;
    if (room->holds == 0 && !room->is_dirty) close_room(room);
  }
}
