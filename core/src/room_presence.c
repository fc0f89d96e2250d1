/* Who is in a room by this client: joins and parts, which wait until Redis knows, and the ends of
 * handles and of the client. */
#include "room_presence_private.h"

#include "room_body.h"

#include <stdio.h>

/* ---- joins and parts that wait --------------------------------------------------------------- */

static void add_op(mp_presence *p, mp_user *user, mp_presence_op *op) {
  mp_presence_op **at = &user->waiting;
  while (*at) at = &(*at)->of_user;
  *at = op;
  op->user = user;
  op->next = p->ops;
  if (p->ops) p->ops->prev = op;
  p->ops = op;
  if (op->deadline < p->ops_due) p->ops_due = op->deadline;
}

static void take_op(mp_presence *p, mp_presence_op *op, mp_presence_op **done) {
  if (op->next) op->next->prev = op->prev;
  if (op->prev)
    op->prev->next = op->next;
  else
    p->ops = op->next;
  op->prev = NULL;
  op->next = *done;
  *done = op;
}

void mp_presence_take_ops(mp_presence *p, mp_presence_op **chain, mp_presence_op **done) {
  while (*chain) {
    mp_presence_op *op = *chain;
    *chain = op->of_user;
    take_op(p, op, done);
  }
}

void mp_presence_take_back(mp_presence *p, mp_presence_op *done) {
  for (; done; done = done->next)
    if (done->is_join && done->handle) mp_presence_take_places(p, done->user, done->handle, 1);
}

void mp_presence_tell(const moonpool_allocator *allocator, mp_presence_op *done,
                      const moonpool_error *error) {
  mp_presence_op *first = NULL;
  while (done) { /* they were put in front of each other */
    mp_presence_op *next = done->next;
    done->next = first;
    first = done;
    done = next;
  }
  while (first) {
    mp_presence_op *op = first;
    moonpool_done_cb cb = op->cb;
    void *ctx = op->ctx;
    first = op->next;
    mp_free(allocator, op);
    if (cb) cb(error, ctx);
  }
}

static void unchain(mp_presence_op **chain, mp_presence_op *op) {
  while (*chain && *chain != op) chain = &(*chain)->of_user;
  if (*chain) *chain = op->of_user;
}

void mp_presence_take_overdue(mp_presence *p, uint64_t now, mp_presence_op **done) {
  mp_presence_op *overdue = NULL;
  if (p->ops_due > now) return;
  p->ops_due = UINT64_MAX;
  for (mp_presence_op *op = p->ops, *next; op; op = next) {
    next = op->next;
    if (op->deadline > now) {
      if (op->deadline < p->ops_due) p->ops_due = op->deadline;
      continue;
    }
    unchain(&op->user->waiting, op);
    unchain(&op->user->sent, op);
    take_op(p, op, &overdue);
  }
  while (overdue) { /* the list has the newest first */
    mp_presence_op *op = overdue;
    overdue = op->next;
    op->next = *done;
    *done = op;
  }
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *handle) {
  mp_presence_release(handle->data);
}

static mp_presence *presence_of(moonpool_room *handle) {
  mp_room *room = handle->room;
  if (room->presence) return room->presence;
  mp_presence *p = mp_calloc(&room->allocator, sizeof *p);
  if (!p) return NULL;
  p->client = room->client;
  p->client->holds++;
  p->room = room;
  p->room->refs++;
  p->allocator = room->allocator;
  p->lease = handle->options.lease;
  p->ops_due = UINT64_MAX;
  p->refs = 2;
  mp_lease_begin(p);
  room->presence = p;
  return p;
}

void mp_presence_release(mp_presence *p) {
  if (--p->refs > 0) return;
  moonpool *client = p->client;
  moonpool_allocator allocator = p->allocator;
  mp_room_release(p->room);
  mp_free(&allocator, p);
  mp_client_let_go(client);
}

static void end(mp_presence *p) {
  p->is_ended = 1;
  p->room->presence = NULL;
  mp_presence_free_users(p);
  uv_close((uv_handle_t *)&p->deadline.timer, on_timer_closed);
  mp_presence_release(p);
}

void mp_presence_end_if_idle(mp_presence *p) {
  if (p->is_ended || p->is_calling || p->count > 0 || p->watchers > 0) return;
  end(p);
}

void mp_presence_close(mp_presence *p) {
  char message[MOONPOOL_ROOM_NAME_MAX + 100];
  mp_presence_op *done = NULL;
  if (!p) return;
  moonpool_allocator allocator = p->allocator;
  moonpool_error error = {MOONPOOL_ECLOSED, message};
  snprintf(message, sizeof message, "%s: the client was closed", p->room->channel);
  while (p->ops) take_op(p, p->ops, &done); /* the newest is taken first, and told last */
  mp_presence_op *ordered = NULL;
  while (done) {
    mp_presence_op *op = done;
    done = op->next;
    op->next = ordered;
    ordered = op;
  }
  mp_lease_drop(p);
  end(p);
  mp_presence_tell(&allocator, ordered, &error);
}

/* ---- the handle's calls ---------------------------------------------------------------------- */

static int is_usable(const moonpool_room *handle) {
  const moonpool *client = handle->room->client;
  return client && !client->is_closed;
}

static int is_good_user(moonpool_bytes user) {
  return user.data && user.len > 0 && user.len <= MP_ROOM_USER_MAX;
}

static mp_presence_op *new_op(mp_presence *p, moonpool_room *handle, uint64_t timeout,
                              moonpool_done_cb cb, void *ctx) {
  mp_presence_op *op = mp_calloc(&p->allocator, sizeof *op);
  if (!op) return NULL;
  op->handle = handle;
  op->deadline = mp_deadline_after(uv_now(p->client->loop), mp_client_timeout(p->client, timeout));
  op->cb = cb;
  op->ctx = ctx;
  return op;
}

static int join(mp_presence *p, moonpool_room *handle, moonpool_bytes name, uint64_t timeout,
                moonpool_done_cb cb, void *ctx) {
  mp_presence_op *op = new_op(p, handle, timeout, cb, ctx);
  if (!op) return MOONPOOL_ENOMEM;
  mp_user *user = mp_presence_find_user(p, name);
  if (!user) user = mp_presence_add_user(p, name);
  if (!user || !mp_presence_add_place(p, user, handle)) {
    if (user) mp_presence_drop_user(p, user);
    mp_free(&p->allocator, op);
    return MOONPOOL_ENOMEM;
  }
  op->is_join = 1;
  add_op(p, user, op);
  return MOONPOOL_OK;
}

static int part(mp_presence *p, moonpool_room *handle, moonpool_bytes name, uint64_t timeout,
                moonpool_done_cb cb, void *ctx) {
  mp_user *user = mp_presence_find_user(p, name);
  if (!user || !*mp_presence_share_of(user, handle)) return MOONPOOL_EARG;
  mp_presence_op *op = new_op(p, handle, timeout, cb, ctx);
  if (!op) return MOONPOOL_ENOMEM;
  mp_presence_take_places(p, user, handle, 1);
  add_op(p, user, op);
  return MOONPOOL_OK;
}

/* The name with what is not UTF-8 replaced, as in messages. */
static int change(moonpool_room *handle, moonpool_bytes name, uint64_t timeout, moonpool_done_cb cb,
                  void *ctx, int is_join) {
  mp_buf good;
  if (!is_good_user(name)) return MOONPOOL_EARG;
  if (!is_usable(handle)) return MOONPOOL_ECLOSED;
  if (!is_join && !handle->room->presence) return MOONPOOL_EARG;
  mp_presence *p = presence_of(handle);
  if (!p) return MOONPOOL_ENOMEM;
  mp_buf_init(&good, &p->allocator);
  int status = MOONPOOL_ENOMEM;
  if (mp_body_put_utf8(&good, name)) {
    moonpool_bytes user = {good.data, good.len};
    status = (is_join ? join : part)(p, handle, user, timeout, cb, ctx);
  }
  mp_buf_free(&good);
  if (status == MOONPOOL_OK)
    mp_lease_wake(p);
  else
    mp_presence_end_if_idle(p);
  return status;
}

int moonpool_room_join(moonpool_room *handle, moonpool_bytes user, uint64_t timeout,
                       moonpool_done_cb cb, void *ctx) {
  return change(handle, user, timeout, cb, ctx, 1);
}

int moonpool_room_part(moonpool_room *handle, moonpool_bytes user, uint64_t timeout,
                       moonpool_done_cb cb, void *ctx) {
  return change(handle, user, timeout, cb, ctx, 0);
}

int moonpool_room_watch_presence(moonpool_room *handle, int is_on) {
  if (!is_usable(handle)) return MOONPOOL_ECLOSED;
  if (!is_on == !handle->is_watching) return MOONPOOL_OK;
  mp_presence *p = presence_of(handle);
  if (!p) return MOONPOOL_ENOMEM;
  handle->is_watching = is_on != 0;
  p->watchers += is_on ? 1 : (size_t)-1;
  if (is_on)
    mp_lease_wake(p);
  else
    mp_presence_end_if_idle(p);
  return MOONPOOL_OK;
}

void mp_presence_leave(mp_presence *p, moonpool_room *handle) {
  if (!p) return;
  if (handle->is_watching) p->watchers--;
  for (mp_presence_op *op = p->ops; op; op = op->next)
    if (op->handle == handle) op->handle = NULL;
  for (size_t i = 0; i < p->size; i++) {
    for (mp_user *user = p->buckets[i]; user; user = user->next) {
      const mp_share *share = *mp_presence_share_of(user, handle);
      if (share) mp_presence_take_places(p, user, handle, share->places);
    }
  }
  mp_lease_wake(p);
  mp_presence_end_if_idle(p);
}
