/* Rooms of a client at a real Redis. Who includes it names the server that RUN_TESTS_WITH_REDIS
 * starts: `static redis_server redis;` before the first use of setup_redis. */
#ifndef MP_ROOM_FIXTURE_H
#define MP_ROOM_FIXTURE_H

#include "client_fixture.h"
#include "redis_server.h"

#include <moonpool_room.h>

#define BYTES(text) ((moonpool_bytes){text, strlen(text)})

static redis_server redis;

static inline void setup_redis(fixture *f) {
  setup_alone(f);
  f->options.url = redis.url;
  CHECK_INT(open_client(f), MOONPOOL_OK);
  RUN_UNTIL(f, state_of(f) == MOONPOOL_READY);
}

/* One more, next to the first. */
static inline void setup_another(fixture *f) {
  setup_redis(f);
  f->fds = -1;
}

/* Redis's reply as put_reply writes it. Valid until the next one. */
static inline const char *ask(fixture *f, const char *line) {
  static call c;
  c = (call){0};
  CHECK_INT(command(f, line, &c), MOONPOOL_OK);
  RUN_UNTIL(f, c.count);
  return c.text;
}

/* The same of words that may hold spaces. */
static inline const char *ask_words(fixture *f, size_t argc, const moonpool_bytes *argv) {
  static call c;
  c = (call){.f = f};
  CHECK_INT(moonpool_command(f->client, argc, argv, 0, on_reply, &c), MOONPOOL_OK);
  RUN_UNTIL(f, c.count);
  return c.text;
}

static inline moonpool_room *open_room(fixture *f, const char *name,
                                       const moonpool_room_options *options) {
  moonpool_room *room;
  char message[200];
  CHECK_INT(moonpool_room_open(&room, f->client, BYTES(name), options, message, sizeof message),
            MOONPOOL_OK);
  CHECK_STR(message, "");
  return room;
}

/* What was told of one message said. */
typedef struct said {
  int count, status, is_repeat, is_stored;
  moonpool_id id;
  char id_text[MOONPOOL_ID_SIZE], message[400];
  long long receivers;
  unsigned replicas;
} said;

static inline void on_stored(const moonpool_stored *stored, const moonpool_error *error,
                             void *ctx) {
  said *s = ctx;
  s->count++;
  s->status = error ? error->status : MOONPOOL_OK;
  snprintf(s->message, sizeof s->message, "%s", error ? error->message : "");
  s->is_stored = stored != NULL;
  CHECK(stored || error);
  if (!stored) return;
  s->id = stored->id;
  s->is_repeat = stored->is_repeat;
  s->receivers = stored->receivers;
  s->replicas = stored->replicas;
  snprintf(s->id_text, sizeof s->id_text, "%s", stored->id_text);
}

/* `key` NULL: none; "": one is made. */
static inline int say_for(moonpool_room *room, const char *user, const char *text, const char *key,
                          uint64_t timeout, said *s) {
  moonpool_message message = {.user = BYTES(user), .text = BYTES(text)};
  moonpool_bytes k = {key, key ? strlen(key) : 0};
  return moonpool_room_say(room, &message, k, timeout, on_stored, s);
}

static inline void say(moonpool_room *room, const char *text, said *s) {
  CHECK_INT(say_for(room, "ann", text, "", 0, s), MOONPOOL_OK);
}

/* Says one and waits for it. Valid until the next one. */
static inline said *said_now(fixture *f, moonpool_room *room, const char *text, const char *key) {
  static said s;
  s = (said){0};
  CHECK_INT(say_for(room, "ann", text, key, 0, &s), MOONPOOL_OK);
  RUN_UNTIL(f, s.count);
  return &s;
}

/* In an empty Redis. */
static inline void begin(fixture *f) {
  setup_redis(f);
  ask(f, "FLUSHALL");
}

#endif
