/* Feeds of a client at a real Redis: what they are told is kept, as text and as it was. */
#ifndef MP_FEED_FIXTURE_H
#define MP_FEED_FIXTURE_H

#include "room_fixture.h"

typedef struct listener {
  fixture *f;
  moonpool_feed *feed;
  /* "L " live, "a " a message of that text, "?ping " a signal, "[trimmed 3] " a gap (from its
   * reason how many are missing, "?" unknown, ">" behind it when it is open), "~ " reconnected,
   * "!EREDIS " an error, ". " ended. */
  char told[4000];
  moonpool_id *ids; /* of messages */
  size_t count, size;
  int lives, gaps, reconnects, errors, ends, signals;
  moonpool_gap gap; /* the last */
  moonpool_id live; /* the last LIVE's */
  char error[300];
  void (*then)(struct listener *l, const moonpool_event *event);
} listener;

static inline void put_told(listener *l, const char *format, const char *text, int len) {
  size_t used = strlen(l->told), size = sizeof l->told - used;
  if (size > 200) snprintf(l->told + used, size, format, len, text);
}

static inline void keep_id(listener *l, const moonpool_id *id) {
  if (l->count == l->size) {
    l->size = l->size ? 2 * l->size : 64;
    l->ids = realloc(l->ids, l->size * sizeof *l->ids);
  }
  l->ids[l->count++] = *id;
}

/* The body's text, or all of it. */
static inline void put_body(listener *l, moonpool_bytes body) {
  static const char begin[] = "\"text\":\"";
  const char *at = memmem(body.data, body.len, begin, sizeof begin - 1);
  const char *end = at ? memchr(at + 8, '"', body.len - (size_t)(at + 8 - body.data)) : NULL;
  if (end)
    put_told(l, "%.*s ", at + 8, (int)(end - at - 8));
  else
    put_told(l, "%.*s ", body.data, body.len < 100 ? (int)body.len : 100);
}

static inline void put_gap(listener *l, const moonpool_gap *gap) {
  char text[80];
  int is_open = !gap->to.ms && !gap->to.seq && !gap->to.tag;
  if (gap->missing < 0)
    snprintf(text, sizeof text, "[%s ?]%s", moonpool_gap_reason_name(gap->reason),
             is_open ? ">" : "");
  else
    snprintf(text, sizeof text, "[%s %lld]%s", moonpool_gap_reason_name(gap->reason),
             (long long)gap->missing, is_open ? ">" : "");
  put_told(l, "%.*s ", text, (int)strlen(text));
}

static inline void on_feed_event(const moonpool_event *event) {
  listener *l = event->ctx;
  const moonpool_room_event *room = event->room;
  CHECK_INT(event->type, MOONPOOL_ROOM);
  CHECK_INT(l->ends, 0);
  if (l->feed) CHECK(room->feed == l->feed);
  CHECK(room->body.data || room->body.len == 0);
  switch (room->type) {
  case MOONPOOL_ROOM_MESSAGE:
    keep_id(l, &room->id);
    put_body(l, room->body);
    break;
  case MOONPOOL_ROOM_SIGNAL:
    l->signals++;
    put_told(l, "?%.*s ", room->body.data, room->body.len < 60 ? (int)room->body.len : 60);
    break;
  case MOONPOOL_ROOM_GAP:
    l->gaps++;
    l->gap = room->gap;
    put_gap(l, &room->gap);
    break;
  case MOONPOOL_ROOM_RECONNECTED:
    l->reconnects++;
    put_told(l, "%.*s ", "~", 1);
    break;
  case MOONPOOL_ROOM_LIVE:
    l->lives++;
    l->live = room->id;
    put_told(l, "%.*s ", "L", 1);
    break;
  case MOONPOOL_ROOM_ERROR:
    l->errors++;
    snprintf(l->error, sizeof l->error, "%s", event->error.message);
    put_told(l, "!%.*s ", moonpool_status_name(event->error.status), 20);
    break;
  case MOONPOOL_ROOM_ENDED:
    l->ends++;
    CHECK_INT(event->error.status, MOONPOOL_ECLOSED);
    put_told(l, "%.*s ", ".", 1);
    break;
  }
  if (l->then) l->then(l, event);
}

static inline void listen_from(fixture *f, listener *l, moonpool_room *room,
                               const moonpool_start *start) {
  l->f = f;
  CHECK_INT(moonpool_feed_open(&l->feed, room, start, on_feed_event, l), MOONPOOL_OK);
}

static inline void listen_live(fixture *f, listener *l, moonpool_room *room) {
  listen_from(f, l, room, NULL);
  RUN_UNTIL(f, l->lives);
}

static inline moonpool_start start_last(size_t n) {
  return (moonpool_start){.kind = MOONPOOL_START_LAST, .last = n};
}

static inline moonpool_start start_after(const moonpool_id *id) {
  return (moonpool_start){.kind = MOONPOOL_START_AFTER, .after = *id};
}

static inline void forget(listener *l) {
  free(l->ids);
  l->ids = NULL;
  l->count = l->size = 0;
}

static inline moonpool_feed_stats feed_stats(const listener *l) {
  moonpool_feed_stats stats;
  moonpool_feed_get_stats(l->feed, &stats);
  return stats;
}

/* Says "1", "2" ... and waits until all are stored. */
static inline void say_numbers(fixture *f, moonpool_room *room, int from, int to) {
  static said all[5000];
  memset(all, 0, sizeof all);
  for (int i = from; i <= to; i++) {
    char text[20];
    snprintf(text, sizeof text, "%d", i);
    say(room, text, &all[i - from]);
  }
  for (int i = from; i <= to; i++) {
    RUN_UNTIL(f, all[i - from].count);
    CHECK_INT(all[i - from].status, MOONPOOL_OK);
  }
}

/* Closes every link of that type ("normal", "pubsub") but those of `f`; returns how many. */
static inline void kill_links(fixture *f, const char *type) {
  char line[60];
  snprintf(line, sizeof line, "CLIENT KILL TYPE %s SKIPME yes", type);
  ask(f, line);
}

/* ---- the log, as it is ----------------------------------------------------------------------- */

/* The log's ids, to be freed. */
static inline moonpool_id *read_log(fixture *f, const char *name, size_t *count);

typedef struct log_read {
  moonpool_id *ids;
  size_t count;
  int done;
} log_read;

static inline void on_log(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  log_read *read = ctx;
  read->done = 1;
  if (error) return;
  read->ids = calloc(reply->u.list.count + 1, sizeof *read->ids);
  for (const moonpool_reply *e = reply->u.list.first; e; e = e->next) {
    const moonpool_reply *key = e->u.list.first, *tag = key->next->u.list.first->next;
    char text[100];
    snprintf(text, sizeof text, "%.*s-%.*s", (int)key->u.string.len, key->u.string.data,
             (int)tag->u.string.len, tag->u.string.data);
    CHECK_INT(moonpool_id_parse(BYTES(text), &read->ids[read->count]), MOONPOOL_OK);
    read->count++;
  }
}

static inline moonpool_id *read_log(fixture *f, const char *name, size_t *count) {
  char key[100];
  log_read read = {0};
  snprintf(key, sizeof key, "{room:%s}:log", name);
  moonpool_bytes argv[] = {{"XRANGE", 6}, BYTES(key), {"-", 1}, {"+", 1}};
  CHECK_INT(moonpool_command(f->client, 4, argv, 0, on_log, &read), MOONPOOL_OK);
  RUN_UNTIL(f, read.done);
  *count = read.count;
  return read.ids;
}

static inline int is_same_id(const moonpool_id *a, const moonpool_id *b) {
  return a->ms == b->ms && a->seq == b->seq && a->tag == b->tag;
}

/* Has the listener got all of the log, from its entry number `from` on, and nothing else? */
static inline void check_log(fixture *f, const listener *l, const char *name, size_t from) {
  size_t count, wrong = 0;
  moonpool_id *ids = read_log(f, name, &count);
  CHECK_INT((long long)l->count, (long long)(count - from));
  for (size_t i = 0; i < l->count && from + i < count; i++)
    wrong += !is_same_id(&l->ids[i], &ids[from + i]);
  CHECK_INT((long long)wrong, 0);
  free(ids);
}

#endif
