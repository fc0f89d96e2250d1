#include "room_publish.h"

#include <stdio.h>

/* ---- what the publishers of a client share --------------------------------------------------- */

static void on_due(void *ctx, uint64_t now);

mp_publishing *mp_publishing_of(moonpool *client) {
  mp_rooms *rooms = client->rooms;
  if (rooms->publishing) return rooms->publishing;
  mp_publishing *p = mp_calloc(&client->allocator, sizeof *p);
  if (!p) return NULL;
  p->client = client;
  mp_buf_init(&p->scratch, &client->allocator);
  mp_deadline_init(&p->deadline, client->loop, on_due, p);
  uv_timer_init(client->loop, &p->pause);
  p->deadline.timer.data = p->pause.data = p;
  client->holds += 2;
  rooms->publishing = p;
  return p;
}

static void on_pause_closed(uv_handle_t *handle) {
  mp_publishing *p = handle->data;
  moonpool *client = p->client;
  mp_buf_free(&p->scratch);
  mp_free(&client->allocator, p);
  mp_client_let_go(client);
}

static void on_deadline_closed(uv_handle_t *handle) {
  mp_publishing *p = handle->data;
  mp_client_let_go(p->client);
  uv_close((uv_handle_t *)&p->pause, on_pause_closed);
}

void mp_publishing_close(mp_publishing *p) {
  if (p) uv_close((uv_handle_t *)&p->deadline.timer, on_deadline_closed);
}

/* ---- publishers ------------------------------------------------------------------------------ */

mp_publisher *mp_publisher_of(mp_room *room) {
  if (!room->publisher) {
    room->publisher = mp_calloc(&room->allocator, sizeof *room->publisher);
    if (room->publisher) room->publisher->room = room;
  }
  return room->publisher;
}

void mp_publisher_free(mp_publisher *publisher) {
  if (publisher) mp_free(&publisher->room->allocator, publisher);
}

/* A listed publisher holds its room. */
static void list(mp_publisher *pub) {
  mp_publishing *p = pub->room->client->rooms->publishing;
  if (!pub->is_listed) {
    pub->is_listed = 1;
    pub->next = p->listed;
    p->listed = pub;
    pub->room->refs++;
  }
  mp_client_mark_dirty(p->client);
}

void mp_publisher_settle(mp_publisher *pub) {
  if (pub->first || pub->in_flight || !pub->is_listed) return;
  mp_room *room = pub->room;
  if (room->client) {
    mp_publisher **at = &room->client->rooms->publishing->listed;
    while (*at != pub) at = &(*at)->next;
    *at = pub->next;
  }
  pub->is_listed = 0;
  mp_room_release(room);
}

static void free_publish(mp_publisher *pub, mp_publish *m) {
  const moonpool_allocator *allocator = &pub->room->allocator;
  mp_terms_release(m->terms, allocator);
  mp_free(allocator, m);
}

void mp_publisher_add(mp_publisher *pub, mp_publish *m) {
  mp_publishing *p = pub->room->client->rooms->publishing;
  m->next = NULL;
  if (pub->last)
    pub->last->next = m;
  else
    pub->first = m;
  pub->last = m;
  pub->count++;
  pub->bytes += m->key_len + m->action_len + m->body_len;
  mp_deadline_watch(&p->deadline, m->deadline);
  list(pub);
}

/* Takes out the one that `at` points to; `before` is the one before it, or NULL. */
mp_publish *mp_publisher_take(mp_publisher *pub, mp_publish **at, mp_publish *before) {
  mp_publish *m = *at;
  *at = m->next;
  if (pub->last == m) pub->last = before;
  pub->count--;
  pub->bytes -= m->key_len + m->action_len + m->body_len;
  return m;
}

/* Tells the end of one that was taken out, and frees it. */
void mp_publish_finish(mp_publisher *pub, mp_publish *m, const moonpool_stored *stored,
                       const moonpool_error *error) {
  moonpool_stored_cb cb = m->cb;
  void *ctx = m->ctx;
  free_publish(pub, m);
  if (cb) cb(stored, error, ctx);
}

enum { MESSAGE_SIZE = MOONPOOL_ROOM_NAME_MAX + 600 };

static void describe(const mp_publisher *pub, const mp_publish *m, const char *reason,
                     char message[MESSAGE_SIZE]) {
  snprintf(message, MESSAGE_SIZE, "%s: %s%s", pub->room->channel,
           m->is_doubtful ? "possibly stored: " : "", reason);
}

void mp_publish_fail(mp_publisher *pub, mp_publish *m, int status, const char *reason) {
  char message[MESSAGE_SIZE];
  moonpool_error error = {(moonpool_status)status, message};
  describe(pub, m, reason, message);
  mp_publish_finish(pub, m, NULL, &error);
}

/* Takes the first `count` out, so that nothing that callbacks do meets them. */
mp_publish *mp_publisher_detach(mp_publisher *pub, size_t count) {
  mp_publish *list = NULL, **tail = &list;
  for (; count > 0; count--) {
    mp_publish *m = mp_publisher_take(pub, &pub->first, NULL);
    *tail = m;
    tail = &m->next;
    m->next = NULL;
  }
  return list;
}

/* The room is held by its caller. */
void mp_publish_fail_list(mp_publisher *pub, mp_publish *list, int status, const char *reason) {
  while (list) {
    mp_publish *m = list;
    list = m->next;
    mp_publish_fail(pub, m, status, reason);
  }
}

/* ---- deadlines ------------------------------------------------------------------------------- */

/* The first on its way that is overdue, or NULL. */
static mp_publish *find_late(const mp_publisher *pub, uint64_t now) {
  mp_publish *m = pub->first;
  for (size_t i = 0; i < pub->in_flight; i++, m = m->next)
    if (!m->is_over && m->deadline <= now) return m;
  return NULL;
}

/* It keeps its place until the batch is back. */
static void tell_late(mp_publisher *pub, mp_publish *m) {
  moonpool_stored_cb cb = m->cb;
  char message[MESSAGE_SIZE];
  moonpool_error error = {MOONPOOL_ETIMEOUT, message};
  m->is_over = m->is_doubtful = 1;
  m->cb = NULL;
  describe(pub, m, "no reply before the deadline", message);
  if (cb) cb(NULL, &error, m->ctx);
}

/* Takes out what waits and is overdue, and notes the earliest deadline of the rest. */
static mp_publish *take_overdue(mp_publisher *pub, uint64_t now, uint64_t *next) {
  mp_publish *list = NULL, **tail = &list, **at = &pub->first, *before = NULL;
  for (size_t i = 0; *at; i++) {
    mp_publish *m = *at;
    if (i >= pub->in_flight && m->deadline <= now) {
      mp_publisher_take(pub, at, before);
      m->next = NULL;
      *tail = m;
      tail = &m->next;
      continue;
    }
    if (!m->is_over && m->deadline < *next) *next = m->deadline;
    before = m;
    at = &m->next;
  }
  return list;
}

/* Why nothing was sent, as far as the link knows. */
static void describe_wait(const moonpool *client, char *reason, size_t size) {
  const char *trouble = mp_link_last_error(client->link);
  int is_down = mp_link_state(client->link) != MOONPOOL_READY && *trouble;
  snprintf(reason, size, "not sent before the deadline%s%s",
           is_down ? "; the last error was: " : "", is_down ? trouble : "");
}

/* Was anything told? Then anything may have changed. */
static int expire(mp_publisher *pub, uint64_t now, uint64_t *next) {
  char reason[400];
  int has_told = 0;
  for (mp_publish *late; (late = find_late(pub, now)) != NULL; has_told = 1) tell_late(pub, late);
  if (!pub->room->client || pub->room->client->is_closed) return 1;
  mp_publish *list = take_overdue(pub, now, next);
  if (!list) return has_told;
  describe_wait(pub->room->client, reason, sizeof reason);
  mp_publish_fail_list(pub, list, MOONPOOL_ETIMEOUT, reason);
  return 1;
}

static void on_due(void *ctx, uint64_t now) {
  mp_publishing *p = ctx;
  uint64_t next = UINT64_MAX;
  mp_publisher *pub = p->listed;
  while (pub && !p->client->is_closed) {
    mp_room *room = pub->room;
    room->refs++;
    int has_told = expire(pub, now, &next);
    if (!p->client->is_closed) mp_publisher_settle(pub);
    int is_listed = pub->is_listed;
    mp_publisher *following = has_told || !is_listed ? p->listed : pub->next;
    mp_room_release(room);
    if (p->client->is_closed) return;
    pub = following;
  }
  if (!p->client->is_closed) mp_deadline_watch(&p->deadline, next);
}

/* ---- the end --------------------------------------------------------------------------------- */

void mp_publisher_close(mp_publisher *pub) {
  if (!pub) return;
  mp_room *room = pub->room;
  room->refs++;
  mp_publish *m = pub->first;
  for (size_t i = 0; i < pub->in_flight; i++, m = m->next) m->is_doubtful = 1;
  mp_publish *list = mp_publisher_detach(pub, pub->count);
  mp_publish_fail_list(pub, list, MOONPOOL_ECLOSED, "the client was closed");
  mp_publisher_settle(pub);
  mp_room_release(room);
}
