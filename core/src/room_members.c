/* Who is in a room, by any client: pages of members, and their number. What has expired is evicted
 * first, a bounded part of it by each call. */
#include "room_presence_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEFAULT_LIMIT = 1000, MAX_LIMIT = 10000 };

/* One question, from its acceptance until its callback. */
typedef struct asking {
  mp_room *room; /* a reference */
  uint64_t cursor;
  size_t limit;
  uint64_t deadline;
  int is_clean;        /* what has expired is evicted */
  moonpool_who_cb who; /* NULL: the number is asked for */
  moonpool_count_cb count;
  void *ctx;
} asking;

/* ---- the end --------------------------------------------------------------------------------- */

static void end(asking *a, const moonpool_member *members, uint64_t count, uint64_t cursor,
                const moonpool_error *error) {
  moonpool_allocator allocator = a->room->allocator;
  if (a->who)
    a->who(members, (size_t)count, cursor, error, a->ctx);
  else
    a->count(count, error, a->ctx);
  mp_room_release(a->room);
  mp_free(&allocator, a);
}

static void fail(asking *a, int status, const char *reason) {
  char message[MOONPOOL_ROOM_NAME_MAX + 100];
  moonpool_error error = {(moonpool_status)status, message};
  snprintf(message, sizeof message, "%s: %s", a->room->channel,
           reason ? reason : moonpool_status_text(status));
  end(a, NULL, 0, 0, &error);
}

/* ---- members --------------------------------------------------------------------------------- */

static uint64_t number_of(const moonpool_reply *word) {
  uint64_t n = 0;
  moonpool_bytes digits = word->u.string;
  for (size_t i = 0; i < digits.len && digits.data[i] >= '0' && digits.data[i] <= '9'; i++)
    n = n * 10 + (uint64_t)(digits.data[i] - '0');
  return n;
}

static int by_time(const void *left, const void *right) {
  const moonpool_member *a = left, *b = right;
  if (a->since_ms != b->since_ms) return a->since_ms < b->since_ms ? -1 : 1;
  size_t len = a->user.len < b->user.len ? a->user.len : b->user.len;
  int order = memcmp(a->user.data, b->user.data, len);
  return order ? order : (a->user.len > b->user.len) - (a->user.len < b->user.len);
}

static void read_members(moonpool_member *members, const moonpool_reply *word) {
  for (size_t i = 0; word; i++) {
    const moonpool_reply *since = word->next, *places = since->next;
    members[i] = (moonpool_member){word->u.string, number_of(since), number_of(places)};
    word = places->next;
  }
}

/* `words`: cursor, then user, since, places ... */
static void give_members(asking *a, const moonpool_reply *words, size_t count) {
  moonpool_allocator allocator = a->room->allocator;
  uint64_t cursor = number_of(words);
  size_t size = (count ? count : 1) * sizeof(moonpool_member);
  moonpool_member *members = mp_alloc(&allocator, size);
  if (!members) {
    fail(a, MOONPOOL_ENOMEM, NULL);
    return;
  }
  read_members(members, words->next);
  if (a->cursor == 0 && cursor == 0) qsort(members, count, sizeof *members, by_time);
  end(a, members, count, cursor, NULL);
  mp_free(&allocator, members);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int ask(asking *a, uint64_t timeout);

/* Sends the next call, within what is left of the time. */
static void go_on(asking *a) {
  int status = MOONPOOL_ECLOSED;
  if (a->room->client) {
    uint64_t now = uv_now(a->room->client->loop);
    status = MOONPOOL_ETIMEOUT;
    if (a->deadline == UINT64_MAX || a->deadline > now)
      status = ask(a, a->deadline == UINT64_MAX ? UINT64_MAX : a->deadline - now);
  }
  if (status != MOONPOOL_OK) fail(a, status, NULL);
}

static int is_answer(const moonpool_reply *reply) {
  if (reply->type != MOONPOOL_ARRAY || reply->u.list.count < 2) return 0;
  const moonpool_reply *word = reply->u.list.first->next;
  if (reply->u.list.first->type != MOONPOOL_INTEGER) return 0;
  if (reply->u.list.count == 2 && word->type == MOONPOOL_INTEGER) return 1;
  if (reply->u.list.count % 3 != 2) return 0;
  for (; word; word = word->next)
    if (word->type != MOONPOOL_STRING) return 0;
  return 1;
}

static void on_reply(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  asking *a = ctx;
  if (error) {
    end(a, NULL, 0, 0, error);
    return;
  }
  if (!is_answer(reply)) {
    fail(a, MOONPOOL_EPROTO, "the script for presence answered something else");
    return;
  }
  const moonpool_reply *word = reply->u.list.first->next;
  int has_more = reply->u.list.first->u.integer != 0, is_number = word->type == MOONPOOL_INTEGER;
  if (has_more && a->cursor == 0) {
    a->is_clean = 0;
    go_on(a);
  } else if (!a->who) {
    end(a, NULL, (uint64_t)(is_number ? word->u.integer : 0), 0, NULL);
  } else if (is_number) {
    a->is_clean = 1;
    go_on(a);
  } else {
    give_members(a, word, (reply->u.list.count - 2) / 3);
  }
}

static int ask(asking *a, uint64_t timeout) {
  const mp_presence *p = a->room->presence;
  uint64_t lease = p && p->acknowledged && !p->is_lost ? p->id : 0;
  char cursor[24], limit[24], id[24], ms[24];
  mp_buf buf;
  moonpool_bytes keys[4];
  int is_count = !a->who || !a->is_clean;
  moonpool_bytes args[] = {
      {a->room->channel, a->room->len}, {id, 0}, {ms, 0}, {"count", 5}, {cursor, 0}, {limit, 0}};
  if (lease) args[1].len = (size_t)snprintf(id, sizeof id, "%016" PRIx64, lease);
  args[2].len = (size_t)snprintf(ms, sizeof ms, "%" PRIu64, p ? p->lease : 0);
  if (!is_count) args[3] = (moonpool_bytes){"who", 3};
  args[4].len = (size_t)snprintf(cursor, sizeof cursor, "%" PRIu64, a->cursor);
  args[5].len = (size_t)snprintf(limit, sizeof limit, "%zu", a->limit);
  mp_buf_init(&buf, &a->room->allocator);
  int status = MOONPOOL_ENOMEM;
  if (mp_presence_put_keys(a->room, lease, &buf, keys))
    status = mp_room_call(a->room, &mp_redis_presence, 4, keys, is_count ? 4 : 6, args, timeout,
                          on_reply, a);
  mp_buf_free(&buf);
  return status;
}

static int begin(moonpool_room *handle, const asking *question, uint64_t timeout) {
  mp_room *room = handle->room;
  if (!room->client || room->client->is_closed) return MOONPOOL_ECLOSED;
  asking *a = mp_alloc(&room->allocator, sizeof *a);
  if (!a) return MOONPOOL_ENOMEM;
  *a = *question;
  a->room = room;
  room->refs++;
  timeout = mp_client_timeout(room->client, timeout);
  a->deadline = mp_deadline_after(uv_now(room->client->loop), timeout);
  a->is_clean = 1; /* most often */
  int status = ask(a, timeout);
  if (status != MOONPOOL_OK) {
    mp_free(&room->allocator, a);
    mp_room_release(room);
  }
  return status;
}

int moonpool_room_who(moonpool_room *handle, uint64_t cursor, size_t limit, uint64_t timeout,
                      moonpool_who_cb cb, void *ctx) {
  asking question = {
      .cursor = cursor, .limit = limit ? limit : DEFAULT_LIMIT, .who = cb, .ctx = ctx};
  if (question.limit > MAX_LIMIT) question.limit = MAX_LIMIT;
  return begin(handle, &question, timeout);
}

int moonpool_room_count(moonpool_room *handle, uint64_t timeout, moonpool_count_cb cb, void *ctx) {
  asking question = {.count = cb, .ctx = ctx};
  return begin(handle, &question, timeout);
}
