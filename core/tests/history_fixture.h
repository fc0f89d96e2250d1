/* What rooms answer when they are asked for their history. */
#ifndef MP_HISTORY_FIXTURE_H
#define MP_HISTORY_FIXTURE_H

#include <inttypes.h>

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

typedef moonpool_history_query query;

/* ---- making histories ------------------------------------------------------------------------ */

/* A message {"n":N} at that time, as the room's kind has it. */
static inline void say_as(fixture *f, const char *kind, uint64_t ms, uint64_t seq,
                          const char *body) {
  char id[80], member[400], score[24];
  snprintf(score, sizeof score, "%" PRIu64, ms);
  if (!strcmp(kind, "stream")) {
    snprintf(id, sizeof id, "%" PRIu64 "-%" PRIu64, ms, seq);
    moonpool_bytes argv[] = {
        BYTES("XADD"), BYTES("{room:x}:log"), BYTES(id), BYTES("t"), BYTES(TAG), BYTES("m"),
        BYTES(body)};
    ask_words(f, 7, argv);
    return;
  }
  snprintf(member, sizeof member, "{\"id\":\"%" PRIu64 "-%0*" PRIu64 "-" TAG "\",\"m\":%s}", ms, 12,
           seq, body);
  if (!strcmp(kind, "list"))
    ask_words(f, 3, (moonpool_bytes[]){BYTES("LPUSH"), BYTES("{room:x}:backlog"), BYTES(member)});
  else
    ask_words(
        f, 4,
        (moonpool_bytes[]){BYTES("ZADD"), BYTES("{room:x}:backlog"), BYTES(score), BYTES(member)});
}

static inline void configure_as(fixture *f, const char *kind, long long keep, long long keep_ms) {
  char config[100];
  snprintf(config, sizeof config, "%s %lld %lld " TAG, kind, keep, keep_ms);
  ask_words(f, 3, (moonpool_bytes[]){BYTES("SET"), BYTES("{room:x}:config"), BYTES(config)});
}

/* Messages 1 to `count`, three in each ms from 1000 on. */
static inline void fill(fixture *f, const char *kind, int count, long long keep) {
  char body[40];
  ask(f, "FLUSHALL");
  configure_as(f, kind, keep, 0);
  for (int n = 1; n <= count; n++) {
    snprintf(body, sizeof body, "{\"n\":%d}", n);
    say_as(f, kind, 1000 + (uint64_t)(n - 1) / 3, (uint64_t)n, body);
  }
}

/* The numbers of the messages: "1 2 3", or "4-60" for a run of more than three. */
static inline const char *numbers(const story *s) {
  static char text[1000];
  int n, from = 0, last = 0;
  size_t len = 0;
  text[0] = '\0';
  if (s->status) return s->message;
  for (const char *at = s->text; (at = strstr(at, "\"n\":")); at++) {
    n = atoi(at + 4);
    if (from && n == last + 1) {
      last = n;
      continue;
    }
    if (from) len += (size_t)snprintf(text + len, sizeof text - len, "%d-%d ", from, last);
    from = last = n;
  }
  if (from) snprintf(text + len, sizeof text - len, "%d-%d", from, last);
  return text;
}

static inline moonpool_id id_of(int n) {
  return (moonpool_id){1000 + (uint64_t)(n - 1) / 3, (uint64_t)n, 0x9f3a7c1e00000001u};
}

static const char *const kinds[] = {"stream", "list", "sorted"};
enum { KINDS = 3 };

/* Small pages, so that many are needed. */
static inline moonpool_room *open_paged(fixture *f, size_t page) {
  moonpool_room_options options;
  moonpool_room_options_init(&options);
  options.page = page;
  return open_room(f, "x", &options);
}

#endif
