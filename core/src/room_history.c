/* A question to a room's history: what is asked, what the room has and keeps (one script), and,
 * when room_history_read.c has read it, the answer, oldest first. */
#include "room_history_private.h"

#include <inttypes.h>
#include <stdio.h>

enum { DEFAULT_LIMIT = 1000 };

static const char *const kind_names[] = {"", "stream", "list", "sorted"};

/* ---- the end --------------------------------------------------------------------------------- */

/* Bodies lie in the order in which they were found; a reading from the newest end is turned. */
static void arrange(mp_history *h) {
  moonpool_entry *entries = (moonpool_entry *)(void *)h->entries.data;
  const char *body = h->bodies.data;
  for (size_t i = 0; i < h->count; i++) {
    entries[i].body.data = body;
    body += entries[i].body.len;
  }
  if (h->is_forward) return;
  for (size_t i = 0, j = h->count; i + 1 < j; i++) {
    moonpool_entry entry = entries[i];
    entries[i] = entries[--j];
    entries[j] = entry;
  }
}

static void free_history(mp_history *h) {
  moonpool_allocator allocator = h->room->allocator;
  mp_buf_free(&h->log);
  mp_buf_free(&h->backlog);
  mp_buf_free(&h->config);
  mp_buf_free(&h->entries);
  mp_buf_free(&h->bodies);
  mp_room_release(h->room);
  mp_free(&allocator, h);
}

void mp_history_end(mp_history *h, const moonpool_error *error) {
  if (error) {
    h->cb(NULL, 0, error, h->ctx);
  } else {
    arrange(h);
    h->cb((const moonpool_entry *)(void *)h->entries.data, h->count, NULL, h->ctx);
  }
  free_history(h);
}

void mp_history_fail(mp_history *h, int status, const char *reason) {
  char message[MOONPOOL_ROOM_NAME_MAX + 200];
  moonpool_error error = {(moonpool_status)status, message};
  snprintf(message, sizeof message, "%s: %s", h->room->channel,
           reason ? reason : moonpool_status_text(status));
  mp_history_end(h, &error);
}

/* ---- what is left of the time ---------------------------------------------------------------- */

static uint64_t time_left(const mp_history *h) {
  uint64_t now = uv_now(h->room->client->loop);
  if (h->deadline == UINT64_MAX) return UINT64_MAX;
  return h->deadline > now ? h->deadline - now : 0;
}

void mp_history_ask(mp_history *h, size_t argc, const moonpool_bytes *argv, moonpool_reply_cb cb) {
  int status = MOONPOOL_ECLOSED;
  if (h->room->client) {
    uint64_t left = time_left(h);
    status = left ? moonpool_command(h->room->client, argc, argv, left, cb, h) : MOONPOOL_ETIMEOUT;
  }
  if (status != MOONPOOL_OK) mp_history_fail(h, status, NULL);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

static const moonpool_reply *word_of(const moonpool_reply *list, size_t index) {
  const moonpool_reply *word = list->u.list.first;
  while (index-- > 0) word = word->next;
  return word;
}

static int is_answer(const moonpool_reply *reply) {
  if (reply->type != MOONPOOL_ARRAY || reply->u.list.count != 5) return 0;
  for (const moonpool_reply *word = reply->u.list.first; word; word = word->next)
    if (word->type != MOONPOOL_STRING) return 0;
  return 1;
}

static int is_text(const moonpool_reply *word, const char *text) {
  return word->u.string.len == strlen(text) && memcmp(word->u.string.data, text, strlen(text)) == 0;
}

static moonpool_history_kind kind_of(const moonpool_reply *word) {
  for (int kind = MOONPOOL_HISTORY_STREAM; kind <= MOONPOOL_HISTORY_SORTED; kind++)
    if (is_text(word, kind_names[kind])) return (moonpool_history_kind)kind;
  return MOONPOOL_HISTORY_ANY;
}

static void raise_oldest(mp_history *h, const moonpool_id *to) {
  if (mp_room_compare(to, &h->oldest) > 0) h->oldest = *to;
}

static void lower_newest(mp_history *h, const moonpool_id *to) {
  if (mp_room_compare(to, &h->newest) < 0) h->newest = *to;
}

/* What the room keeps, and where it ends now: what is stored later is not part of the answer. */
static void cut(mp_history *h, const moonpool_reply *answer) {
  moonpool_id place;
  for (size_t i = 2; i < 4; i++)
    if (mp_room_read_place(word_of(answer, i)->u.string, &place) == MOONPOOL_OK)
      raise_oldest(h, &place);
  if (mp_room_read_place(word_of(answer, 4)->u.string, &place) == MOONPOOL_OK)
    lower_newest(h, &place);
}

static uint64_t number_of(moonpool_bytes digits) {
  uint64_t n = 0;
  for (size_t i = 0; i < digits.len && digits.data[i] >= '0' && digits.data[i] <= '9'; i++)
    n = n * 10 + (uint64_t)(digits.data[i] - '0');
  return n;
}

static void on_bounds(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_history *h = ctx;
  char reason[100];
  if (error) {
    mp_history_end(h, error);
    return;
  }
  moonpool_history_kind kind = is_answer(reply) ? kind_of(word_of(reply, 0)) : MOONPOOL_HISTORY_ANY;
  if (kind == MOONPOOL_HISTORY_ANY) {
    mp_history_fail(h, MOONPOOL_EPROTO, "the script for history was answered with something else");
    return;
  }
  if (h->kind != MOONPOOL_HISTORY_ANY && h->kind != kind) {
    snprintf(reason, sizeof reason, "its history is of the kind \"%s\", not \"%s\"",
             kind_names[kind], kind_names[h->kind]);
    mp_history_fail(h, MOONPOOL_EARG, reason);
    return;
  }
  h->kind = kind;
  h->keep = number_of(word_of(reply, 1)->u.string);
  cut(h, reply);
  if (is_text(word_of(reply, 4), "") || mp_room_compare(&h->oldest, &h->newest) > 0)
    mp_history_end(h, NULL);
  else
    mp_history_read(h);
}

/* Of a room without a configuration, what the handle says counts. */
static int ask_for_bounds(mp_history *h, const moonpool_room_options *options, uint64_t timeout) {
  char keep[24], keep_ms[24];
  const char *kind = kind_names[h->kind ? h->kind : MOONPOOL_HISTORY_STREAM];
  moonpool_bytes keys[] = {{h->config.data, h->config.len},
                           {h->log.data, h->log.len},
                           {h->backlog.data, h->backlog.len}};
  moonpool_bytes args[] = {{kind, strlen(kind)}, {keep, 0}, {keep_ms, 0}};
  args[1].len =
      (size_t)snprintf(keep, sizeof keep, "%" PRId64, options->keep > 0 ? options->keep : 0);
  args[2].len = (size_t)snprintf(keep_ms, sizeof keep_ms, "%" PRId64,
                                 options->keep_ms > 0 ? options->keep_ms : 0);
  return mp_room_call(h->room, &mp_redis_history, 3, keys, 3, args, timeout, on_bounds, h);
}

/* ---- the question ---------------------------------------------------------------------------- */

static void bound_by_ids(mp_history *h, const moonpool_history_query *query) {
  if (query->after) {
    moonpool_id next = {query->after->ms, query->after->seq + 1, 0};
    if (next.seq == 0) next.ms++;
    if (next.seq == 0 && next.ms == 0) next = (moonpool_id){UINT64_MAX, UINT64_MAX, 0};
    raise_oldest(h, &next);
  }
  if (query->before) {
    moonpool_id previous = {query->before->ms, query->before->seq - 1, 0};
    if (query->before->seq == 0) previous.ms = query->before->ms ? query->before->ms - 1 : 0;
    if (query->before->seq == 0 && query->before->ms == 0) previous.seq = 0;
    lower_newest(h, &previous);
  }
}

static void set_bounds(mp_history *h, const moonpool_history_query *query) {
  h->oldest = (moonpool_id){query->since_ms, 0, 0};
  h->newest = (moonpool_id){query->till_ms ? query->till_ms : UINT64_MAX, UINT64_MAX, 0};
  bound_by_ids(h, query);
  h->is_asked_by_place = query->since_ms || query->till_ms || query->after || query->before;
  h->is_forward = !query->last && (query->since_ms || query->after);
  h->wanted = query->limit ? query->limit : DEFAULT_LIMIT;
  if (query->last && (!query->limit || query->last < query->limit)) h->wanted = query->last;
}

static int put_keys(mp_history *h, const char *backlog) {
  if (!mp_room_put_key(h->room, "config", &h->config)) return 0;
  if (!mp_room_put_key(h->room, "log", &h->log)) return 0;
  if (!backlog) return mp_room_put_key(h->room, "backlog", &h->backlog);
  return mp_buf_append(&h->backlog, backlog, strlen(backlog)) == MOONPOOL_OK;
}

static mp_history *new_history(moonpool_room *handle) {
  mp_room *room = handle->room;
  mp_history *h = mp_calloc(&room->allocator, sizeof *h);
  if (!h) return NULL;
  room->refs++;
  h->room = room;
  h->kind = handle->options.history;
  h->page = handle->options.page;
  mp_buf_init(&h->log, &room->allocator);
  mp_buf_init(&h->backlog, &room->allocator);
  mp_buf_init(&h->config, &room->allocator);
  mp_buf_init(&h->entries, &room->allocator);
  mp_buf_init(&h->bodies, &room->allocator);
  return h;
}

int moonpool_room_history(moonpool_room *handle, const moonpool_history_query *query,
                          uint64_t timeout, moonpool_history_cb cb, void *ctx) {
  moonpool *client = handle->room->client;
  if (!client || client->is_closed) return MOONPOOL_ECLOSED;
  mp_history *h = new_history(handle);
  if (!h) return MOONPOOL_ENOMEM;
  timeout = mp_client_timeout(client, timeout);
  uint64_t now = uv_now(client->loop);
  h->deadline = timeout < UINT64_MAX - now ? now + timeout : UINT64_MAX;
  h->cb = cb;
  h->ctx = ctx;
  set_bounds(h, query);
  int status = MOONPOOL_ENOMEM;
  if (put_keys(h, handle->options.backlog)) status = ask_for_bounds(h, &handle->options, timeout);
  if (status != MOONPOOL_OK) free_history(h);
  return status;
}
