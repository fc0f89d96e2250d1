/* Who is in a room, and what is heard of their coming and going. */
#ifndef MP_PRESENCE_FIXTURE_H
#define MP_PRESENCE_FIXTURE_H

#include "room_fixture.h"

/* ---- signals --------------------------------------------------------------------------------- */

/* What is heard on "room:x": "+ann -bob ". */
typedef struct ear {
  fixture *f;
  moonpool_subscription *subscription;
  int is_confirmed, heard;
  char text[2000];
} ear;

static inline void on_heard_signal(const moonpool_event *event) {
  static const char join[] = "{\"type\":\"join\",\"user\":\"",
                    leave[] = "{\"type\":\"leave\",\"user\":\"";
  ear *e = event->ctx;
  if (event->type != MOONPOOL_MESSAGE) return;
  moonpool_bytes said = event->payload;
  int is_join = said.len > sizeof join && !memcmp(said.data, join, sizeof join - 1);
  size_t head = is_join ? sizeof join - 1 : sizeof leave - 1, len = strlen(e->text);
  CHECK(is_join || (said.len > sizeof leave && !memcmp(said.data, leave, sizeof leave - 1)));
  e->heard++;
  snprintf(e->text + len, sizeof e->text - len, "%c%.*s ", is_join ? '+' : '-',
           (int)(said.len - head - 2), said.data + head);
}

static inline void on_ear(moonpool_subscription *subscription, long long count,
                          const moonpool_error *error, void *ctx) {
  (void)subscription, (void)count;
  CHECK(!error || error->status == MOONPOOL_ECLOSED);
  ((ear *)ctx)->is_confirmed = 1;
}

static inline void listen_to(fixture *f, ear *e) {
  moonpool_bytes channel = BYTES("room:x");
  *e = (ear){.f = f};
  CHECK_INT(moonpool_subscribe(f->client, MOONPOOL_CHANNEL, &channel, 1, on_heard_signal, on_ear, e,
                               &e->subscription),
            MOONPOOL_OK);
  RUN_UNTIL(f, e->is_confirmed);
}

/* Runs until that is what was heard. */
#define RUN_UNTIL_HEARD(e, wanted)                                                                 \
  do {                                                                                             \
    while (strcmp((e)->text, (wanted)) && !(e)->f->is_late) uv_run(&(e)->f->loop, UV_RUN_ONCE);    \
    CHECK_STR((e)->text, (wanted));                                                                \
    (e)->text[0] = '\0';                                                                           \
  } while (0)

/* ---- joins, parts, who ----------------------------------------------------------------------- */

typedef struct outcome {
  fixture *f;
  int count, status;
  char message[300];
  void (*then)(struct outcome *o);
} outcome;

static inline void on_done(const moonpool_error *error, void *ctx) {
  outcome *o = ctx;
  o->count++;
  o->status = error ? error->status : MOONPOOL_OK;
  snprintf(o->message, sizeof o->message, "%s", error ? error->message : "");
  if (o->then) o->then(o);
}

static inline const char *join(fixture *f, moonpool_room *room, const char *user) {
  static outcome o;
  o = (outcome){.f = f};
  CHECK_INT(moonpool_room_join(room, BYTES(user), 0, on_done, &o), MOONPOOL_OK);
  RUN_UNTIL(f, o.count);
  return o.message;
}

static inline const char *part(fixture *f, moonpool_room *room, const char *user) {
  static outcome o;
  o = (outcome){.f = f};
  CHECK_INT(moonpool_room_part(room, BYTES(user), 0, on_done, &o), MOONPOOL_OK);
  RUN_UNTIL(f, o.count);
  return o.message;
}

/* One page: "ann:1 bob:2 ", names and places. */
typedef struct page {
  int count, status;
  size_t members;
  uint64_t cursor, oldest, youngest;
  char text[2000], message[300];
} page;

static inline void on_who(const moonpool_member *members, size_t count, uint64_t cursor,
                          const moonpool_error *error, void *ctx) {
  page *p = ctx;
  size_t len = 0;
  p->count++;
  p->status = error ? error->status : MOONPOOL_OK;
  snprintf(p->message, sizeof p->message, "%s", error ? error->message : "");
  p->members = count;
  p->cursor = cursor;
  p->text[0] = '\0';
  for (size_t i = 0; i < count; i++) {
    if (i == 0) p->oldest = members[i].since_ms;
    p->youngest = members[i].since_ms;
    if (len < sizeof p->text - 600)
      len +=
          (size_t)snprintf(p->text + len, sizeof p->text - len, "%.*s:%d ",
                           (int)members[i].user.len, members[i].user.data, (int)members[i].places);
  }
}

static inline const page *page_of(fixture *f, moonpool_room *room, uint64_t cursor, size_t limit) {
  static page p;
  p = (page){0};
  CHECK_INT(moonpool_room_who(room, cursor, limit, 0, on_who, &p), MOONPOOL_OK);
  RUN_UNTIL(f, p.count);
  return &p;
}

static inline const char *who(fixture *f, moonpool_room *room) {
  const page *p = page_of(f, room, 0, 0);
  return p->status ? p->message : p->text;
}

typedef struct number {
  int count, status;
  uint64_t value;
} number;

static inline void on_count(uint64_t count, const moonpool_error *error, void *ctx) {
  number *n = ctx;
  n->count++;
  n->status = error ? error->status : MOONPOOL_OK;
  n->value = count;
}

static inline long long count_of(fixture *f, moonpool_room *room) {
  number n = {0};
  CHECK_INT(moonpool_room_count(room, 0, on_count, &n), MOONPOOL_OK);
  RUN_UNTIL(f, n.count);
  return n.status ? n.status : (long long)n.value;
}

static inline moonpool_room *open_leased(fixture *f, uint64_t lease) {
  moonpool_room_options options;
  moonpool_room_options_init(&options);
  options.lease = lease;
  return open_room(f, "x", &options);
}

#endif
