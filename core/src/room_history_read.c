/* The reads of a room's history. A stream and a sorted set are read page by page from either end,
 * each page from the place where the last one ended, so that what is stored or trimmed meanwhile
 * shifts nothing. A list has only positions, which every new message shifts: it is read from its
 * newest end in one command, and once more, four times as deep, where that was not enough. */
#include "room_history_private.h"

#include <inttypes.h>
#include <stdio.h>

enum { PLACE_SIZE = 48 };

static moonpool_bytes bytes_of(const mp_buf *buf) {
  return (moonpool_bytes){buf->data, buf->len};
}

static moonpool_bytes put_number(char *text, size_t size, uint64_t number) {
  return (moonpool_bytes){text, (size_t)snprintf(text, size, "%" PRIu64, number)};
}

/* ---- collecting ------------------------------------------------------------------------------ */

/* Copies what is ours, as long as it is wanted: 0 without memory. */
static int collect(mp_history *h, const moonpool_entry *entry) {
  moonpool_entry *to = (moonpool_entry *)(void *)mp_buf_reserve(&h->entries, sizeof *to);
  if (!to) return 0;
  if (mp_buf_append(&h->bodies, entry->body.data, entry->body.len) != MOONPOOL_OK) return 0;
  *to = (moonpool_entry){entry->id, {NULL, entry->body.len}};
  h->entries.len += sizeof *to;
  h->count++;
  return 1;
}

static int is_within(const mp_history *h, const moonpool_id *id) {
  return mp_room_compare(id, &h->oldest) >= 0 && mp_room_compare(id, &h->newest) <= 0;
}

/* Goes on behind that place: 0 when there is none behind it. */
static int step_over(mp_history *h, const moonpool_id *place) {
  if (h->is_forward) {
    h->oldest = (moonpool_id){place->ms, place->seq + 1, 0};
    if (h->oldest.seq == 0) h->oldest.ms++;
    if (h->oldest.seq == 0 && h->oldest.ms == 0) return 0;
  } else {
    if (place->seq == 0 && place->ms == 0) return 0;
    h->newest = (moonpool_id){place->seq ? place->ms : place->ms - 1, place->seq - 1, 0};
  }
  return mp_room_compare(&h->oldest, &h->newest) <= 0;
}

static size_t left_in_page(const mp_history *h) {
  size_t left = h->wanted - h->count;
  return left < h->page ? left : h->page;
}

/* ---- what every read begins and ends with ---------------------------------------------------- */

static void on_page(const moonpool_reply *reply, const moonpool_error *error, void *ctx);

typedef enum progress { MORE, DONE, NO_MEMORY } progress;

/* ---- streams --------------------------------------------------------------------------------- */

static void ask_stream(mp_history *h) {
  char oldest[PLACE_SIZE], newest[PLACE_SIZE], count[24];
  moonpool_bytes from = {oldest, 0}, to = {newest, 0};
  from.len =
      (size_t)snprintf(oldest, sizeof oldest, "%" PRIu64 "-%" PRIu64, h->oldest.ms, h->oldest.seq);
  to.len =
      (size_t)snprintf(newest, sizeof newest, "%" PRIu64 "-%" PRIu64, h->newest.ms, h->newest.seq);
  h->asked_for = left_in_page(h);
  moonpool_bytes argv[] = {{"XREVRANGE", 9},
                           bytes_of(&h->log),
                           to,
                           from,
                           {"COUNT", 5},
                           put_number(count, sizeof count, h->asked_for)};
  if (h->is_forward) {
    argv[0] = (moonpool_bytes){"XRANGE", 6};
    argv[2] = from;
    argv[3] = to;
  }
  mp_history_ask(h, 6, argv, on_page);
}

static progress take_stream(mp_history *h, const moonpool_reply *reply) {
  moonpool_id place = {0, 0, 0};
  int is_placed = 0;
  for (const moonpool_reply *e = reply->u.list.first; e; e = e->next) {
    moonpool_entry entry;
    if (mp_room_read_stream_entry(e, &entry, &place) && !collect(h, &entry)) return NO_MEMORY;
    is_placed = 1;
  }
  if (h->count >= h->wanted || reply->u.list.count < h->asked_for || !is_placed) return DONE;
  return step_over(h, &place) ? MORE : DONE;
}

/* ---- sorted sets ----------------------------------------------------------------------------- */

/* From the score at which the last page ended, and past what was seen there. */
static void ask_sorted(mp_history *h) {
  char oldest[24], newest[24], count[24];
  moonpool_bytes from = put_number(oldest, sizeof oldest, h->oldest.ms);
  moonpool_bytes to = put_number(newest, sizeof newest, h->newest.ms);
  if (h->at_edge) *(h->is_forward ? &from : &to) = (moonpool_bytes){h->edge, strlen(h->edge)};
  h->asked_for = left_in_page(h) + h->at_edge;
  moonpool_bytes argv[] = {{"ZREVRANGEBYSCORE", 16},
                           bytes_of(&h->backlog),
                           to,
                           from,
                           {"WITHSCORES", 10},
                           {"LIMIT", 5},
                           {"0", 1},
                           put_number(count, sizeof count, h->asked_for)};
  if (h->is_forward) {
    argv[0] = (moonpool_bytes){"ZRANGEBYSCORE", 13};
    argv[2] = from;
    argv[3] = to;
  }
  mp_history_ask(h, 8, argv, on_page);
}

/* RESP2 has scores as strings. */
static int read_score(const moonpool_reply *reply, char *text, size_t size) {
  if (reply && reply->type == MOONPOOL_STRING)
    return snprintf(text, size, "%.*s", (int)reply->u.string.len, reply->u.string.data) > 0;
  if (reply && reply->type == MOONPOOL_DOUBLE)
    return snprintf(text, size, "%.17g", reply->u.number) > 0;
  return 0;
}

/* Ours have the time of their id as score: by it they are found. */
static int take_scored(mp_history *h, const moonpool_reply *member, const char *score) {
  char ms[24];
  moonpool_entry entry;
  if (member->type != MOONPOOL_STRING) return 1;
  if (!mp_room_read_member(member->u.string, &entry) || !is_within(h, &entry.id)) return 1;
  snprintf(ms, sizeof ms, "%" PRIu64, entry.id.ms);
  if (strcmp(ms, score) != 0) return 1;
  if (!collect(h, &entry)) return 0;
  step_over(h, &entry.id);
  return 1;
}

static progress take_sorted(mp_history *h, const moonpool_reply *reply) {
  size_t seen = 0;
  h->at_edge = 0;
  for (const moonpool_reply *e = reply->u.list.first; e; e = e->next) {
    char score[sizeof h->edge];
    const moonpool_reply *member = e, *number = e->next;
    if (e->type == MOONPOOL_ARRAY) { /* RESP3: pairs */
      if (e->u.list.count != 2) return DONE;
      member = e->u.list.first;
      number = member->next;
    } else {
      e = number;
    }
    if (!number || !read_score(number, score, sizeof score)) return DONE;
    seen++;
    if (strcmp(score, h->edge) != 0) h->at_edge = 0;
    memcpy(h->edge, score, sizeof score);
    h->at_edge++;
    if (h->count < h->wanted && !take_scored(h, member, score)) return NO_MEMORY;
  }
  return h->count >= h->wanted || seen < h->asked_for ? DONE : MORE;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* The number of entries to read, from the newest: no more than are kept or looked through. */
static size_t cut_depth(const mp_history *h, size_t depth) {
  if (depth > MP_ROOM_LIST_MAX) depth = MP_ROOM_LIST_MAX;
  return h->keep && h->keep < depth ? (size_t)h->keep : depth;
}

static void ask_list(mp_history *h, size_t depth) {
  char stop[24];
  h->asked_for = cut_depth(h, depth);
  moonpool_bytes argv[] = {{"LRANGE", 6},
                           bytes_of(&h->backlog),
                           {"0", 1},
                           put_number(stop, sizeof stop, h->asked_for - 1)};
  mp_history_ask(h, 4, argv, on_page);
}

/* Does the read reach back to where nothing is asked for, or nothing is left? */
static int is_deep_enough(const mp_history *h, size_t count, const moonpool_id *last) {
  if (!h->is_forward && h->count >= h->wanted) return 1;
  if (count < h->asked_for || h->asked_for == h->keep) return 1;
  return last && mp_room_compare(last, &h->oldest) < 0;
}

/* Of those that were collected, newest first, the oldest ones are wanted: the last of them. */
static void drop_newest(mp_history *h) {
  const moonpool_entry *entries = (const moonpool_entry *)(const void *)h->entries.data;
  size_t over = h->count > h->wanted ? h->count - h->wanted : 0, bytes = 0;
  h->is_forward = 0;
  if (!over) return;
  for (size_t i = 0; i < over; i++) bytes += entries[i].body.len;
  h->count -= over;
  memmove(h->entries.data, entries + over, h->count * sizeof *entries);
  h->bodies.len -= bytes;
  memmove(h->bodies.data, h->bodies.data + bytes, h->bodies.len);
}

static progress take_list(mp_history *h, const moonpool_reply *reply) {
  moonpool_entry entry;
  int is_any_ours = 0;
  h->count = h->entries.len = h->bodies.len = 0;
  for (const moonpool_reply *e = reply->u.list.first; e; e = e->next) {
    if (!h->is_forward && h->count >= h->wanted) break;
    if (e->type != MOONPOOL_STRING || !mp_room_read_member(e->u.string, &entry)) continue;
    is_any_ours = 1;
    if (is_within(h, &entry.id) && !collect(h, &entry)) return NO_MEMORY;
  }
  if (!is_deep_enough(h, reply->u.list.count, is_any_ours ? &entry.id : NULL)) return MORE;
  if (h->is_forward) drop_newest(h);
  return DONE;
}

/* ---- one after the other --------------------------------------------------------------------- */

static void go_on(mp_history *h) {
  char reason[100];
  if (h->kind == MOONPOOL_HISTORY_STREAM) {
    ask_stream(h);
  } else if (h->kind == MOONPOOL_HISTORY_SORTED) {
    ask_sorted(h);
  } else if (h->asked_for < MP_ROOM_LIST_MAX) {
    ask_list(h, h->asked_for * 4);
  } else {
    snprintf(reason, sizeof reason, "this is further back than the newest %u entries of its list",
             MP_ROOM_LIST_MAX);
    mp_history_fail(h, MOONPOOL_ETOOBIG, reason);
  }
}

static void on_page(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_history *h = ctx;
  progress progress;
  if (error) {
    mp_history_end(h, error);
    return;
  }
  if (reply->type != MOONPOOL_ARRAY) {
    mp_history_fail(h, MOONPOOL_EPROTO, "a read of its history was not answered with a list");
    return;
  }
  if (h->kind == MOONPOOL_HISTORY_STREAM)
    progress = take_stream(h, reply);
  else
    progress = h->kind == MOONPOOL_HISTORY_LIST ? take_list(h, reply) : take_sorted(h, reply);
  if (progress == NO_MEMORY)
    mp_history_fail(h, MOONPOOL_ENOMEM, NULL);
  else if (progress == DONE)
    mp_history_end(h, NULL);
  else
    go_on(h);
}

void mp_history_read(mp_history *h) {
  size_t depth = h->wanted;
  if (h->is_asked_by_place && depth < h->page) depth = h->page;
  if (h->kind == MOONPOOL_HISTORY_LIST)
    ask_list(h, depth);
  else
    go_on(h);
}
