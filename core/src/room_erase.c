/* What is done to a whole room: what it keeps is changed, or all of it is removed. */
#include "room_publish.h"

#include <inttypes.h>
#include <stdio.h>

/* One of either on its way. It holds the room. */
typedef struct erasing {
  mp_room *room;
  moonpool_done_cb cb;
  void *ctx;
  uint64_t deadline;                             /* of the loop's clock, ms; UINT64_MAX: none */
  char cursor[24];                               /* where SCAN goes on */
  char pattern[2 * MOONPOOL_ROOM_NAME_MAX + 16]; /* of the room's keys */
} erasing;

static erasing *new_erasing(mp_room *room, uint64_t timeout, moonpool_done_cb cb, void *ctx) {
  erasing *e = mp_calloc(&room->allocator, sizeof *e);
  if (!e) return NULL;
  uint64_t now = uv_now(room->client->loop);
  timeout = mp_client_timeout(room->client, timeout);
  e->room = room;
  e->cb = cb;
  e->ctx = ctx;
  e->deadline = timeout < UINT64_MAX - now ? now + timeout : UINT64_MAX;
  room->refs++;
  return e;
}

static void free_erasing(erasing *e) {
  mp_room *room = e->room;
  mp_free(&room->allocator, e);
  mp_room_release(room);
}

static void end(erasing *e, const moonpool_error *error) {
  moonpool_done_cb cb = e->cb;
  void *ctx = e->ctx;
  char message[MOONPOOL_ROOM_NAME_MAX + 300];
  moonpool_error named = {MOONPOOL_OK, message};
  if (error) {
    named.status = error->status;
    snprintf(message, sizeof message, "%s: %s", e->room->channel, error->message);
  }
  free_erasing(e);
  if (cb) cb(error ? &named : NULL, ctx);
}

static void fail(erasing *e, int status) {
  moonpool_error error = {(moonpool_status)status, moonpool_status_text(status)};
  end(e, &error);
}

/* ---- configuring ----------------------------------------------------------------------------- */

/* Our own words begin with "ROOM ". */
static void on_configured(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  moonpool_error own;
  if (error && reply && reply->u.string.len > 5 && !memcmp(reply->u.string.data, "ROOM ", 5)) {
    own = (moonpool_error){MOONPOOL_EARG, "its configuration is none"};
    error = &own;
  }
  end(ctx, error);
}

static moonpool_bytes number_text(char text[24], int64_t number) {
  if (number < 0) return (moonpool_bytes){"", 0};
  return (moonpool_bytes){text, (size_t)snprintf(text, 24, "%" PRId64, number)};
}

int moonpool_room_configure(moonpool_room *handle, int64_t keep, int64_t keep_ms, uint64_t timeout,
                            moonpool_done_cb cb, void *ctx) {
  mp_room *room = handle->room;
  char numbers[2][24], birth[17];
  mp_buf key;
  if (keep < -1 || keep > MP_ROOM_NUMBER_MAX) return MOONPOOL_EARG;
  if (keep_ms < -1 || keep_ms > MP_ROOM_NUMBER_MAX) return MOONPOOL_EARG;
  if (!room->client || room->client->is_closed) return MOONPOOL_ECLOSED;
  mp_buf_init(&key, &room->allocator);
  erasing *e = new_erasing(room, timeout, cb, ctx);
  int status = e && mp_room_put_key(room, "config", &key) ? MOONPOOL_OK : MOONPOOL_ENOMEM;
  if (status == MOONPOOL_OK) {
    snprintf(birth, sizeof birth, "%016" PRIx64, mp_room_random(room));
    moonpool_bytes keys[] = {{key.data, key.len}};
    moonpool_bytes args[] = {
        number_text(numbers[0], keep), number_text(numbers[1], keep_ms), {birth, 16}};
    status = mp_room_call(room, &mp_redis_configure, 1, keys, 3, args, timeout, on_configured, e);
  }
  mp_buf_free(&key);
  if (status != MOONPOOL_OK && e) free_erasing(e);
  if (status != MOONPOOL_OK) return status;
  if (keep >= 0) handle->options.keep = keep;
  if (keep_ms >= 0) handle->options.keep_ms = keep_ms;
  mp_terms_release(handle->terms, &room->allocator);
  handle->terms = NULL; /* made anew of the options */
  return MOONPOOL_OK;
}

/* ---- destroying ------------------------------------------------------------------------------ */

enum { FIXED_KEYS = 7 };
static const char *const suffixes[FIXED_KEYS] = {"log", "head",   "config", "backlog",
                                                 "who", "places", "leases"};

/* "{room:NAME}:*", with what means something in patterns escaped. */
static void write_pattern(const mp_room *room, char *out) {
  *out++ = '{';
  for (size_t i = 0; i < room->len; i++) {
    if (strchr("*?[]\\^", room->channel[i])) *out++ = '\\';
    *out++ = room->channel[i];
  }
  memcpy(out, "}:*", 4);
}

static void on_scanned(const moonpool_reply *reply, const moonpool_error *error, void *ctx);

static uint64_t time_left(const erasing *e) {
  uint64_t now = uv_now(e->room->client->loop);
  if (e->deadline == UINT64_MAX) return UINT64_MAX;
  return e->deadline > now ? e->deadline - now : 1;
}

/* The rest of the room's keys: those of idempotency, whose names nobody keeps. */
static void scan(erasing *e) {
  moonpool *client = e->room->client;
  moonpool_bytes argv[] = {{"SCAN", 4},  {e->cursor, strlen(e->cursor)},
                           {"MATCH", 5}, {e->pattern, strlen(e->pattern)},
                           {"COUNT", 5}, {"1000", 4}};
  int status = MOONPOOL_ECLOSED;
  if (client && !client->is_closed)
    status = moonpool_command(client, 6, argv, time_left(e), on_scanned, e);
  if (status != MOONPOOL_OK) fail(e, status);
}

static void go_on(erasing *e) {
  if (!strcmp(e->cursor, "0"))
    end(e, NULL);
  else
    scan(e);
}

static void on_unlinked(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  (void)reply;
  if (error)
    end(ctx, error);
  else
    go_on(ctx);
}

/* The script has removed all others: if they are there, they are of the room's next life. */
static int is_of_this_life(const erasing *e, moonpool_bytes key) {
  size_t prefix = e->room->len + 3; /* "{room:NAME}:" */
  if (key.len < prefix) return 0;
  moonpool_bytes rest = {key.data + prefix, key.len - prefix};
  if (rest.len > 6 && !memcmp(rest.data, "lease:", 6)) return 0;
  for (int i = 0; i < FIXED_KEYS; i++)
    if (rest.len == strlen(suffixes[i]) && !memcmp(rest.data, suffixes[i], rest.len)) return 0;
  return 1;
}

static int unlink_keys(erasing *e, const moonpool_reply *keys) {
  size_t argc = 1;
  moonpool_bytes *argv = mp_alloc(&e->room->allocator, (keys->u.list.count + 1) * sizeof *argv);
  if (!argv) return MOONPOOL_ENOMEM;
  argv[0] = (moonpool_bytes){"UNLINK", 6};
  for (const moonpool_reply *k = keys->u.list.first; k; k = k->next)
    if (k->type == MOONPOOL_STRING && is_of_this_life(e, k->u.string)) argv[argc++] = k->u.string;
  int status = MOONPOOL_OK;
  if (argc > 1)
    status = moonpool_command(e->room->client, argc, argv, time_left(e), on_unlinked, e);
  mp_free(&e->room->allocator, argv);
  if (status == MOONPOOL_OK && argc == 1) go_on(e);
  return status;
}

/* 0: it is none. */
static int take_cursor(erasing *e, const moonpool_reply *reply) {
  const moonpool_reply *cursor = reply->type == MOONPOOL_ARRAY ? reply->u.list.first : NULL;
  if (!cursor || cursor->type != MOONPOOL_STRING || !cursor->next) return 0;
  if (cursor->next->type != MOONPOOL_ARRAY || cursor->u.string.len >= sizeof e->cursor) return 0;
  memcpy(e->cursor, cursor->u.string.data, cursor->u.string.len);
  e->cursor[cursor->u.string.len] = '\0';
  return 1;
}

static void on_scanned(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  erasing *e = ctx;
  if (error) {
    end(e, error);
    return;
  }
  int status = MOONPOOL_EPROTO;
  if (take_cursor(e, reply))
    status = e->room->client ? unlink_keys(e, reply->u.list.first->next) : MOONPOOL_ECLOSED;
  if (status != MOONPOOL_OK) fail(e, status);
}

static void on_destroyed(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  (void)reply;
  if (error)
    end(ctx, error);
  else
    scan(ctx);
}

static int call_destroy(erasing *e, const moonpool_room *handle, mp_buf *names) {
  mp_room *room = e->room;
  moonpool_bytes keys[FIXED_KEYS + 1], args[] = {{room->channel, room->len}};
  size_t ends[FIXED_KEYS], count = FIXED_KEYS;
  for (int i = 0; i < FIXED_KEYS; i++) {
    if (!mp_room_put_key(room, suffixes[i], names)) return MOONPOOL_ENOMEM;
    ends[i] = names->len;
  }
  for (size_t i = 0, begin = 0; i < FIXED_KEYS; begin = ends[i], i++)
    keys[i] = (moonpool_bytes){names->data + begin, ends[i] - begin};
  const char *backlog = handle->options.backlog;
  if (backlog) keys[count++] = (moonpool_bytes){backlog, strlen(backlog)};
  return mp_room_call(room, &mp_redis_destroy, count, keys, 1, args, time_left(e), on_destroyed, e);
}

int moonpool_room_destroy(moonpool_room *handle, uint64_t timeout, moonpool_done_cb cb, void *ctx) {
  mp_room *room = handle->room;
  mp_buf names;
  if (!room->client || room->client->is_closed) return MOONPOOL_ECLOSED;
  erasing *e = new_erasing(room, timeout, cb, ctx);
  if (!e) return MOONPOOL_ENOMEM;
  write_pattern(room, e->pattern);
  strcpy(e->cursor, "0");
  mp_buf_init(&names, &room->allocator);
  int status = call_destroy(e, handle, &names);
  mp_buf_free(&names);
  if (status != MOONPOOL_OK) free_erasing(e);
  return status;
}
