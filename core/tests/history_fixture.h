/* What rooms answer when they are asked for their history. */
#ifndef MP_HISTORY_FIXTURE_H
#define MP_HISTORY_FIXTURE_H

#include "room_fixture.h"

#define TAG "9f3a7c1e00000001"

/* One answer: the bodies with a space between, and the first and last id. */
typedef struct story {
  fixture *f;
  int count, status;
  size_t entries;
  moonpool_id first, last;
  char text[4000], message[300];
  void (*then)(struct story *story);
} story;

static inline void on_history(const moonpool_entry *entries, size_t count,
                              const moonpool_error *error, void *ctx) {
  story *s = ctx;
  size_t len = 0;
  s->count++;
  s->status = error ? error->status : MOONPOOL_OK;
  snprintf(s->message, sizeof s->message, "%s", error ? error->message : "");
  s->entries = count;
  s->text[0] = '\0';
  if (count) s->first = entries[0].id, s->last = entries[count - 1].id;
  for (size_t i = 0; i < count && len < sizeof s->text - 1; i++)
    len += (size_t)snprintf(s->text + len, sizeof s->text - len, "%s%.*s", i ? " " : "",
                            (int)entries[i].body.len, entries[i].body.data);
  if (s->then) s->then(s);
}

/* Valid until the next one. */
static inline const story *history(fixture *f, moonpool_room *room,
                                   const moonpool_history_query *query) {
  static story s;
  s = (story){.f = f};
  CHECK_INT(moonpool_room_history(room, query, 0, on_history, &s), MOONPOOL_OK);
  RUN_UNTIL(f, s.count);
  return &s;
}

#endif
