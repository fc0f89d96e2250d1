/* A gateway at a real Redis, and guests: WebSockets that speak moonpool.v1 to it, on the same
 * loop. */
#ifndef GW_ROOMS_FIXTURE_H
#define GW_ROOMS_FIXTURE_H

#include "redis_server.h"

static redis_server redis;

#define SET_UP_MORE(f)                                                                             \
  ((f)->client_options.url = redis.url, (f)->options.messages_per_second = 0,                      \
   (f)->deadline += 40000)

#include "gateway_fixture.h"

enum { FRAME = 70000 };

typedef struct guest {
  fixture *f;
  peer *p;
  char text[FRAME]; /* the last frame */
  int numbers;      /* messages whose text is a number */
  int last;         /* the last of these; -1: none */
  int wrong;        /* of these, those that did not follow the one before */
  int gaps;
  char id[80];    /* of the last message */
  char said[200]; /* its text */
} guest;

/* ---- what Redis is told otherwise ------------------------------------------------------------ */

static inline void on_done_reply(const moonpool_reply *reply, const moonpool_error *error,
                                 void *ctx) {
  (void)reply, (void)error;
  (*(int *)ctx)++;
}

/* A command of words without spaces. */
static inline void redis_do(fixture *f, const char *line) {
  char words[300], *word, *rest = words;
  moonpool_bytes argv[16];
  size_t argc = 0;
  int done = 0;
  snprintf(words, sizeof words, "%s", line);
  while ((word = strtok_r(rest, " ", &rest))) argv[argc++] = (moonpool_bytes){word, strlen(word)};
  CHECK_INT(moonpool_command(f->client, argc, argv, 0, on_done_reply, &done), MOONPOOL_OK);
  RUN_UNTIL(f, done);
}

/* ---- guests ---------------------------------------------------------------------------------- */

static inline void guest_ask(guest *g, const char *json) {
  peer_text(g->p, json);
}

/* The string that follows `"key":"` in the last frame; "" when it is not there. */
static inline const char *guest_field(const guest *g, const char *key) {
  static char value[200];
  char begin[60];
  snprintf(begin, sizeof begin, "\"%s\":\"", key);
  const char *at = strstr(g->text, begin);
  value[0] = '\0';
  if (!at) return value;
  at += strlen(begin);
  size_t len = strcspn(at, "\"");
  snprintf(value, sizeof value, "%.*s", (int)(len < 199 ? len : 199), at);
  return value;
}

static inline void note_message(guest *g) {
  snprintf(g->id, sizeof g->id, "%s", guest_field(g, "id"));
  const char *text = guest_field(g, "text");
  snprintf(g->said, sizeof g->said, "%s", text);
  if (*text < '0' || *text > '9') return;
  int number = atoi(text);
  if (g->last >= 0 && number != g->last + 1) g->wrong++;
  g->last = number;
  g->numbers++;
}

static inline void note_frame(guest *g) {
  if (strstr(g->text, "\"op\":\"message\"")) note_message(g);
  if (strstr(g->text, "\"op\":\"gap\"")) g->gaps++;
}

/* The next text frame, if a whole one is there: 1, or 0. Runs nothing. */
static inline int guest_take(guest *g) {
  unsigned opcode;
  const char *data;
  size_t len, used;
  while ((used = first_frame(g->p, &opcode, &data, &len))) {
    snprintf(g->text, sizeof g->text, "%.*s", (int)len, data);
    g->p->len -= used;
    memmove(g->p->heard, g->p->heard + used, g->p->len + 1);
    if (opcode != 1) continue;
    note_frame(g);
    return 1;
  }
  return 0;
}

static inline int guest_has(guest *g, const char *part) {
  while (guest_take(g))
    if (strstr(g->text, part)) return 1;
  return 0;
}

/* Runs until a frame with that part has come; the frames before it are noted. */
#define HEARS(g, part)                                                                             \
  do {                                                                                             \
    int is_there = guest_has((g), (part));                                                         \
    while (!is_there && !(g)->p->is_over && !(g)->f->is_late) {                                    \
      turn((g)->f);                                                                                \
      is_there = guest_has((g), (part));                                                           \
    }                                                                                              \
    if (!is_there) printf("  last heard: %s\n", (g)->text);                                        \
    CHECK(is_there);                                                                               \
  } while (0)

/* Runs until the last message's text begins so: the message may have come before the answer to who
 * said it. */
#define HEARS_TEXT(g, wanted)                                                                      \
  do {                                                                                             \
    while (strncmp((g)->said, (wanted), strlen(wanted)) != 0 && !(g)->p->is_over &&                \
           !(g)->f->is_late)                                                                       \
      if (!guest_take(g)) turn((g)->f);                                                            \
    CHECK_STR((g)->said, (wanted));                                                                \
  } while (0)

/* Asks, and awaits the answer, which has that ref: whether it has `part`, too. */
#define ANSWERS(g, json, ref, part)                                                                \
  do {                                                                                             \
    guest_ask((g), (json));                                                                        \
    HEARS((g), "\"ref\":" #ref);                                                                   \
    if (!strstr((g)->text, (part))) printf("  answer: %s\n", (g)->text);                           \
    CHECK(strstr((g)->text, (part)));                                                              \
  } while (0)

static inline void guest_init(guest *g, fixture *f) {
  memset(g, 0, sizeof *g);
  g->f = f;
  g->last = -1;
}

/* Connects, anew too: what it has heard it knows still. */
static inline void guest_connect(guest *g, const char *user) {
  char hello[200];
  g->p = peer_upgrade(g->f);
  snprintf(hello, sizeof hello, "{\"op\":\"hello\",\"user\":\"%s\",\"ref\":99}", user);
  ANSWERS(g, hello, 99, "\"op\":\"ok\"");
}

static inline void guest_open(guest *g, fixture *f, const char *user) {
  guest_init(g, f);
  guest_connect(g, user);
}

static inline void guest_close(guest *g) {
  if (g->p) peer_close(g->p);
  g->p = NULL;
}

/* ---- somebody else in the room --------------------------------------------------------------- */

typedef struct writer {
  fixture *f;
  moonpool_room *room;
  int said, stored;
} writer;

static inline void on_said(const moonpool_stored *stored, const moonpool_error *error, void *ctx) {
  writer *w = ctx;
  if (!stored) printf("  not stored: %s\n", error->message);
  CHECK(stored);
  w->stored++;
}

static inline void writer_open(writer *w, fixture *f, const char *name,
                               const moonpool_room_options *options) {
  *w = (writer){.f = f};
  CHECK_INT(moonpool_room_open(&w->room, f->client, (moonpool_bytes){name, strlen(name)}, options,
                               NULL, 0),
            MOONPOOL_OK);
}

/* Says the next number, and `more` behind it. */
static inline void writer_say(writer *w, const char *more) {
  char *text = malloc(strlen(more) + 20);
  snprintf(text, strlen(more) + 20, "%d%s", w->said++, more);
  moonpool_message message = {.user = {"writer", 6}, .text = {text, strlen(text)}};
  CHECK_INT(moonpool_room_say(w->room, &message, (moonpool_bytes){"", 0}, UINT64_MAX, on_said, w),
            MOONPOOL_OK);
  free(text);
}

static inline void writer_finish(writer *w) {
  RUN_UNTIL(w->f, w->stored == w->said);
}

#endif
