/* Messages of a room put into Redis by hand, each step or none: what a lost frame, another branch
 * of the history or a forger leaves behind. */
#ifndef MP_FEED_FORGE_H
#define MP_FEED_FORGE_H

#include "feed_fixture.h"

#define A_TAG "-aaaaaaaaaaaaaaaa"
#define B_TAG "-bbbbbbbbbbbbbbbb"
#define NOTHING "0-0-0000000000000000"

/* `steps`: x XADD, h SET head, p PUBLISH. Ids are whole ones; the text is the last number's. */
static inline void forge(fixture *f, const char *steps, const char *prev, const char *id,
                         const char *text) {
  char line[600], entry[64];
  int len = (int)(strrchr(id, '-') - id);
  snprintf(entry, sizeof entry, "%.*s", len, id);
  for (; *steps; steps++) {
    switch (*steps) {
    case 'x':
      snprintf(line, sizeof line, "XADD {room:r}:log %s t %s m {\"text\":\"%s\"}", entry,
               strrchr(id, '-') + 1, text);
      break;
    case 'h': snprintf(line, sizeof line, "SET {room:r}:head %s", id); break;
    case 'p':
      snprintf(line, sizeof line,
               "PUBLISH room:r {\"id\":\"%s\",\"prev\":\"%s\",\"m\":{\"text\":\"%s\"}}", id, prev,
               text);
      break;
    }
    const char *reply = ask(f, line);
    if (*reply == '-') printf("  %s: %s\n", line, reply);
    CHECK(*reply != '-');
  }
}

/* Messages `from` to `to`, of the ids <ms>-<n><tag>. */
static inline void forge_many(fixture *f, const char *steps, int ms, const char *tag, int from,
                              int to) {
  for (int i = from; i <= to; i++) {
    char prev[64], id[64], text[20];
    snprintf(prev, sizeof prev, "%d-%d%s", ms, i - 1, tag);
    snprintf(id, sizeof id, "%d-%d%s", ms, i, tag);
    snprintf(text, sizeof text, "%d", i);
    forge(f, steps, i == 1 ? NOTHING : prev, id, text);
  }
}

/* One client, a room "r" of nobody's, and a feed of it. */
typedef struct scene {
  fixture f;
  moonpool_room *room;
  moonpool_room_options options;
  listener l;
} scene;

static inline void begin_scene(scene *s) {
  memset(s, 0, sizeof *s);
  setup_redis(&s->f);
  ask(&s->f, "FLUSHALL");
  moonpool_room_options_init(&s->options);
  s->options.resync_pause = 1;
}

static inline void open_scene(scene *s, const moonpool_start *start) {
  s->room = open_room(&s->f, "r", &s->options);
  listen_from(&s->f, &s->l, s->room, start);
  RUN_UNTIL(&s->f, s->l.lives);
}

static inline void end_scene(scene *s) {
  moonpool_room_close(s->room);
  teardown(&s->f);
  forget(&s->l);
}

#endif
