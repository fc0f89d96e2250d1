/* The lease of one client in one room: tells Redis who is there by it, one call at a time, renews
 * it, and begins a new one with all its users when Redis does not have it any more (it was evicted
 * while the process or its link stood still, it was flushed, or a replica that had missed changes
 * took over). */
#include "room_presence_private.h"

#include "trouble.h"

#include <inttypes.h>
#include <stdio.h>

enum { FIRST_PAUSE = 5, LONGEST_PAUSE = 1000, FIXED_ARGS = 7 };

/* ---- time ------------------------------------------------------------------------------------ */

static uint64_t now_of(const mp_presence *p) {
  return uv_now(p->client->loop);
}

static uint64_t renewal_of(const mp_presence *p) {
  return mp_deadline_after(now_of(p), p->lease / 3);
}

static void pause_after_failure(mp_presence *p) {
  p->pause = p->pause ? p->pause * 2 : FIRST_PAUSE;
  if (p->pause > LONGEST_PAUSE) p->pause = LONGEST_PAUSE;
  p->not_before = now_of(p) + p->pause;
}

static uint64_t call_due(const mp_presence *p) {
  if (p->is_calling) return UINT64_MAX;
  return p->due > p->not_before ? p->due : p->not_before;
}

/* ---- what a call tells ----------------------------------------------------------------------- */

/* A call's arguments, with room for their numbers. */
typedef struct words {
  moonpool_bytes args[FIXED_ARGS + 2 * MP_PRESENCE_BATCH];
  char numbers[FIXED_ARGS + MP_PRESENCE_BATCH][24];
  size_t count, number_count;
} words;

static void put(words *w, const char *data, size_t len) {
  w->args[w->count++] = (moonpool_bytes){data, len};
}

static void put_number(words *w, uint64_t number) {
  char *text = w->numbers[w->number_count++];
  put(w, text, (size_t)snprintf(text, sizeof w->numbers[0], "%" PRIu64, number));
}

static void put_id(words *w, uint64_t id) {
  char *text = w->numbers[w->number_count++];
  put(w, text, id ? (size_t)snprintf(text, sizeof w->numbers[0], "%016" PRIx64, id) : 0);
}

/* The lease is new: everybody is to be told of again. */
static void start_over(mp_presence *p) {
  p->is_lost = 0;
  p->replaced = p->id;
  p->id = mp_room_random(p->room);
  p->acknowledged = 0;
  for (size_t i = 0; i < p->size; i++)
    for (mp_user *user = p->buckets[i]; user; user = user->next) mp_presence_queue(p, user);
}

static void gather(mp_presence *p, words *w) {
  for (int i = 0; i < MP_PRESENCE_BATCH && p->changed; i++) {
    mp_user *user = p->changed;
    p->changed = user->queue;
    user->told = p->told;
    p->told = user;
    user->is_queued = 0;
    user->is_being_told = 1;
    user->sent = user->waiting;
    user->waiting = NULL;
    put(w, user->name, user->len);
    put_number(w, user->places);
  }
}

/* The lease that this one replaces goes once all are told of by this one. */
static void put_changes(mp_presence *p, words *w) {
  size_t replaced;
  put(w, "set", 3);
  put_number(w, p->acknowledged);
  put_number(w, ++p->number);
  replaced = w->count;
  put_id(w, p->replaced);
  gather(p, w);
  if (p->changed) w->args[replaced].len = 0;
}

/* ---- what came of it ------------------------------------------------------------------------- */

static mp_user *next_told(mp_presence *p) {
  mp_user *user = p->told;
  if (user) {
    p->told = user->told;
    user->is_being_told = 0;
  }
  return user;
}

/* To be told of again, by the next call. */
static void requeue(mp_presence *p) {
  mp_user *user;
  while ((user = next_told(p))) {
    mp_presence_op **at = &user->sent;
    while (*at) at = &(*at)->of_user;
    *at = user->waiting;
    user->waiting = user->sent;
    user->sent = NULL;
    mp_presence_queue(p, user);
  }
}

static void settle(mp_presence *p, mp_presence_op **done) {
  mp_user *user;
  while ((user = next_told(p))) {
    mp_presence_take_ops(p, &user->sent, done);
    mp_presence_drop_user(p, user);
  }
}

/* Redis will have none of it: what it knows is not known any more. All who are still there are told
 * of under a new lease. */
static void give_up(mp_presence *p, mp_presence_op **done) {
  for (mp_user *user = p->told; user; user = user->told) mp_presence_take_ops(p, &user->sent, done);
  mp_presence_take_back(p, *done);
  while (next_told(p)) continue;
  for (; p->changed; p->changed = p->changed->queue) p->changed->is_queued = 0;
  p->is_lost = 1;
  for (size_t i = 0; i < p->size; i++) {
    for (mp_user *user = p->buckets[i], *next; user; user = next) {
      next = user->next;
      if (user->waiting) mp_presence_queue(p, user);
      mp_presence_drop_user(p, user);
    }
  }
}

static int is_word(const moonpool_reply *reply, const char *word) {
  return reply->type == MOONPOOL_STRING && reply->u.string.len == strlen(word) &&
         memcmp(reply->u.string.data, word, strlen(word)) == 0;
}

/* 0: it is no answer of the script. */
static int take_answer(mp_presence *p, const moonpool_reply *reply, mp_presence_op **done) {
  if (reply->type != MOONPOOL_ARRAY || reply->u.list.count != 2) return 0;
  const moonpool_reply *more = reply->u.list.first, *word = more->next;
  if (more->type != MOONPOOL_INTEGER) return 0;
  p->due = more->u.integer ? 0 : renewal_of(p);
  p->pause = 0;
  if (is_word(word, "lost")) {
    requeue(p);
    p->is_lost = 1;
    p->due = 0;
    return 1;
  }
  if (word->type != MOONPOOL_INTEGER) { /* not the answer to "count" */
    p->acknowledged = is_word(word, "ok") ? p->number : 0;
    if (!p->changed) p->replaced = 0;
    settle(p, done);
  }
  if (p->changed) p->due = 0;
  return 1;
}

/* The end of what is told may be unknown: the same again does no harm. */
static int is_passing(const moonpool_reply *reply, int status) {
  if (reply) return (mp_trouble_of(reply)->traits & MP_TROUBLE_PASSES) != 0;
  return status == MOONPOOL_ECONN || status == MOONPOOL_ETIMEOUT || status == MOONPOOL_EQUEUE ||
         status == MOONPOOL_ENOMEM;
}

/* As long as Redis cannot be told, it is tried again: joins and parts have their deadlines. */
static void take_failure(mp_presence *p, int is_to_pass, mp_presence_op **done) {
  pause_after_failure(p);
  if (is_to_pass) {
    requeue(p);
    p->due = 0;
    return;
  }
  give_up(p, done);
  p->due = p->changed ? 0 : renewal_of(p);
}

static void on_answer(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_presence *p = ctx;
  mp_presence_op *done = NULL;
  moonpool_allocator allocator = p->allocator;
  moonpool_error strange = {MOONPOOL_EPROTO, "the script for presence answered something else"};
  p->is_calling = 0;
  if (!p->is_ended) {
    if (!error && !take_answer(p, reply, &done)) error = &strange;
    if (error) take_failure(p, is_passing(reply, error->status), &done);
    mp_lease_go_on(p);
    mp_presence_end_if_idle(p);
  }
  mp_presence_release(p);
  mp_presence_tell(&allocator, done, error);
}

/* ---- calling --------------------------------------------------------------------------------- */

int mp_presence_put_keys(const mp_room *room, uint64_t lease, mp_buf *buf, moonpool_bytes keys[4]) {
  static const char *const suffixes[] = {"who", "places", "leases", "lease:"};
  char id[24];
  size_t ends[4], from = 0;
  for (int i = 0; i < 4; i++) {
    if (!mp_room_put_key(room, suffixes[i], buf)) return 0;
    ends[i] = buf->len;
  }
  int len = lease ? snprintf(id, sizeof id, "%016" PRIx64, lease) : 0;
  if (mp_buf_append(buf, id, (size_t)len) != MOONPOOL_OK) return 0;
  ends[3] = buf->len;
  for (int i = 0; i < 4; i++) {
    keys[i] = (moonpool_bytes){buf->data + from, ends[i] - from};
    from = ends[i];
  }
  return 1;
}

/* Who only watches has no lease. */
static int send_call(mp_presence *p) {
  words w;
  mp_buf buf;
  moonpool_bytes keys[4];
  w.count = w.number_count = 0;
  mp_buf_init(&buf, &p->allocator);
  int status = MOONPOOL_ENOMEM;
  if (mp_presence_put_keys(p->room, p->id, &buf, keys)) {
    put(&w, p->room->channel, p->room->len);
    put_id(&w, p->id);
    put_number(&w, p->lease);
    if (p->count > 0 || p->acknowledged)
      put_changes(p, &w);
    else
      put(&w, "count", 5);
    status = mp_room_call(p->room, &mp_redis_presence, 4, keys, w.count, w.args, 0, on_answer, p);
  }
  mp_buf_free(&buf);
  return status;
}

static void call(mp_presence *p) {
  mp_presence_op *done = NULL;
  if (p->is_lost) start_over(p);
  int status = send_call(p);
  if (status == MOONPOOL_OK) {
    p->is_calling = 1;
    p->refs++;
  } else {
    take_failure(p, 1, &done);
  }
}

void mp_lease_go_on(mp_presence *p) {
  if (p->is_ended) return;
  if (call_due(p) <= now_of(p)) call(p);
  uint64_t due = call_due(p);
  mp_deadline_watch(&p->deadline, due < p->ops_due ? due : p->ops_due);
}

void mp_lease_wake(mp_presence *p) {
  p->due = 0;
  mp_lease_go_on(p);
}

/* Without waiting for what comes of it: the client is being closed. What does not go out now, or is
 * refused since Redis has forgotten the script, ends with the lease. */
void mp_lease_drop(mp_presence *p) {
  mp_link *link = p->client->link;
  words w;
  mp_buf buf;
  moonpool_bytes argv[12] = {{"EVALSHA", 7}, {mp_redis_presence.sha, 40}, {"4", 1}};
  int status;
  if (!p->number || mp_link_state(link) != MOONPOOL_READY) return;
  w.count = w.number_count = 0;
  mp_buf_init(&buf, &p->allocator);
  if (mp_presence_put_keys(p->room, p->id, &buf, argv + 3)) {
    put(&w, p->room->channel, p->room->len);
    put_id(&w, p->id);
    put_number(&w, p->lease);
    put(&w, "drop", 4);
    memcpy(argv + 7, w.args, 4 * sizeof *argv);
    mp_buf *out = mp_link_begin(link, 1, mp_resp_encoded_size(11, argv), &status);
    if (out) {
      mp_resp_encode(out, 11, argv);
      mp_link_commit(link, &(mp_request_info){.timeout = UINT64_MAX});
      mp_link_flush(link);
    }
  }
  mp_buf_free(&buf);
}

/* ---- the timer ------------------------------------------------------------------------------- */

static void on_due(void *ctx, uint64_t now) {
  mp_presence *p = ctx;
  char message[MOONPOOL_ROOM_NAME_MAX + 100];
  mp_presence_op *done = NULL;
  moonpool_allocator allocator = p->allocator;
  moonpool_error error = {MOONPOOL_ETIMEOUT, message};
  snprintf(message, sizeof message, "%s: Redis has not confirmed who is here before the deadline",
           p->room->channel);
  mp_presence_take_overdue(p, now, &done);
  mp_presence_take_back(p, done);
  if (p->changed) p->due = 0;
  mp_lease_go_on(p);
  mp_presence_tell(&allocator, done, &error);
}

void mp_lease_begin(mp_presence *p) {
  p->id = mp_room_random(p->room);
  p->due = UINT64_MAX;
  mp_deadline_init(&p->deadline, p->client->loop, on_due, p);
  p->deadline.timer.data = p;
}
