/* Saying: a message becomes JSON, gets a tag and a key, and goes to the end of the room's queue. */
#include "room_body.h"
#include "room_publish.h"

#include <inttypes.h>
#include <stdio.h>

#define SCRATCH_KEEP 65536u
enum { HEX = 17 }; /* a tag's digits and an end */

/* ---- terms ----------------------------------------------------------------------------------- */

void mp_terms_release(mp_terms *terms, const moonpool_allocator *allocator) {
  if (terms && --terms->refs == 0) mp_free(allocator, terms);
}

static mp_terms *new_terms(const moonpool_room *handle) {
  const moonpool_room_options *o = &handle->options;
  size_t len = o->backlog ? strlen(o->backlog) : 0;
  mp_terms *t = mp_calloc(&handle->room->allocator, sizeof *t + len + 1);
  if (!t) return NULL;
  t->refs = 1;
  t->history = o->history;
  t->keep = o->keep;
  t->keep_ms = o->keep_ms;
  t->key_ttl = o->key_ttl;
  t->replicas = o->replicas;
  t->replicas_timeout = o->replicas_timeout;
  t->backlog_len = len;
  if (len) memcpy(t->backlog, o->backlog, len);
  return t;
}

/* ---- saying ---------------------------------------------------------------------------------- */

/* FNV-1a, over action and body: a key's other use is known by it. */
static uint64_t hash_of(const char *data, size_t len) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)data[i]) * 1099511628211u;
  return hash;
}

/* "{room:NAME}:sent:USER:KEY", with ':' and '%' of the user's name in hexadecimal, so that no user
 * meets another's keys. */
static int put_record_key(const mp_room *room, moonpool_bytes user, moonpool_bytes key,
                          mp_buf *out) {
  if (!mp_room_put_key(room, "sent:", out)) return 0;
  if (!mp_buf_reserve(out, user.len * 3 + key.len + 1)) return 0;
  for (size_t i = 0; i < user.len; i++) {
    char c = user.data[i];
    if (c == ':' || c == '%')
      out->len += (size_t)sprintf(out->data + out->len, "%%%02X", (unsigned char)c);
    else
      out->data[out->len++] = c;
  }
  out->data[out->len++] = ':';
  return mp_buf_append(out, key.data, key.len) == MOONPOOL_OK;
}

static int check_limits(const moonpool_room *handle, const moonpool_message *m,
                        moonpool_bytes key) {
  const moonpool_room_options *o = &handle->options;
  const mp_publisher *pub = handle->room->publisher;
  if (m->user.len > MP_ROOM_USER_MAX || key.len > MP_ROOM_USER_MAX) return MOONPOOL_EARG;
  if (m->text.len > o->max_message) return MOONPOOL_ETOOBIG; /* before it is copied */
  if (pub && o->max_pending && pub->count >= o->max_pending) return MOONPOOL_EQUEUE;
  if (pub && o->max_pending_bytes && pub->bytes >= o->max_pending_bytes) return MOONPOOL_EQUEUE;
  return MOONPOOL_OK;
}

/* Writes key, action and body behind one another: the lengths, or a status. */
static int write_parts(const moonpool_room *handle, const moonpool_message *m, moonpool_bytes key,
                       mp_verb verb, uint64_t tag, mp_buf *out, size_t lens[3]) {
  char made[HEX];
  const mp_room *room = handle->room;
  if (key.data && key.len == 0) {
    snprintf(made, sizeof made, "%016" PRIx64, tag);
    key = (moonpool_bytes){made, 16};
  }
  if (key.data && !put_record_key(room, m->user, key, out)) return MOONPOOL_ENOMEM;
  lens[0] = out->len;
  char action[2] = {key.data ? 'k' : '-', (char)verb};
  if (mp_buf_append(out, action, 2) != MOONPOOL_OK) return MOONPOOL_ENOMEM;
  if (verb == MP_DELETE && mp_buf_append(out, m->target.data, m->target.len) != MOONPOOL_OK)
    return MOONPOOL_ENOMEM;
  lens[1] = out->len - lens[0];
  if (!mp_body_put(out, m)) return MOONPOOL_ENOMEM;
  lens[2] = out->len - lens[0] - lens[1];
  return lens[2] > handle->options.max_message ? MOONPOOL_ETOOBIG : MOONPOOL_OK;
}

static mp_publish *new_publish(moonpool_room *handle, const mp_buf *parts, const size_t lens[3]) {
  mp_publish *m = mp_alloc(&handle->room->allocator, sizeof *m + parts->len);
  if (!m) return NULL;
  if (!handle->terms) handle->terms = new_terms(handle);
  if (!handle->terms) {
    mp_free(&handle->room->allocator, m);
    return NULL;
  }
  *m = (mp_publish){
      .terms = handle->terms, .key_len = lens[0], .action_len = lens[1], .body_len = lens[2]};
  memcpy(m->bytes, parts->data, parts->len);
  m->terms->refs++;
  return m;
}

static int enqueue(moonpool_room *handle, const moonpool_message *message, moonpool_bytes key,
                   mp_verb verb, uint64_t timeout, moonpool_stored_cb cb, void *ctx) {
  mp_room *room = handle->room;
  moonpool *client = room->client;
  size_t lens[3];
  if (!client || client->is_closed) return MOONPOOL_ECLOSED;
  int status = check_limits(handle, message, key);
  if (status != MOONPOOL_OK) return status;
  mp_publishing *p = mp_publishing_of(client);
  mp_publisher *pub = p ? mp_publisher_of(room) : NULL;
  if (!pub) return MOONPOOL_ENOMEM;
  uint64_t tag = mp_room_random(room);
  mp_buf_clear(&p->scratch, SCRATCH_KEEP);
  status = write_parts(handle, message, key, verb, tag, &p->scratch, lens);
  if (status != MOONPOOL_OK) return status;
  mp_publish *m = new_publish(handle, &p->scratch, lens);
  if (!m) return MOONPOOL_ENOMEM;
  m->cb = cb;
  m->ctx = ctx;
  m->tag = tag;
  m->hash = hash_of(m->bytes + lens[0], lens[1] + lens[2]);
  m->deadline = mp_deadline_after(uv_now(client->loop), mp_client_timeout(client, timeout));
  mp_publisher_add(pub, m);
  return MOONPOOL_OK;
}

int moonpool_room_say(moonpool_room *handle, const moonpool_message *message, moonpool_bytes key,
                      uint64_t timeout, moonpool_stored_cb cb, void *ctx) {
  return enqueue(handle, message, key, MP_SAY, timeout, cb, ctx);
}

/* ---- signals --------------------------------------------------------------------------------- */

typedef struct signal_call {
  mp_room *room; /* held */
  moonpool_done_cb cb;
  void *ctx;
} signal_call;

static void on_signalled(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  signal_call s = *(signal_call *)ctx;
  char message[MOONPOOL_ROOM_NAME_MAX + 300];
  moonpool_error named = {error ? error->status : MOONPOOL_OK, message};
  (void)reply;
  if (error) snprintf(message, sizeof message, "%s: %.280s", s.room->channel, error->message);
  mp_free(&s.room->allocator, ctx);
  mp_room_release(s.room);
  if (s.cb) s.cb(error ? &named : NULL, s.ctx);
}

int moonpool_room_signal(moonpool_room *handle, const moonpool_message *message, uint64_t timeout,
                         moonpool_done_cb cb, void *ctx) {
  mp_room *room = handle->room;
  moonpool *client = room->client;
  if (!client || client->is_closed) return MOONPOOL_ECLOSED;
  if (message->user.len > MP_ROOM_USER_MAX) return MOONPOOL_EARG;
  if (message->text.len > handle->options.max_message) return MOONPOOL_ETOOBIG;
  mp_buf body;
  signal_call *s = mp_alloc(&room->allocator, sizeof *s);
  mp_buf_init(&body, &room->allocator);
  int status = s && mp_body_put(&body, message) ? MOONPOOL_OK : MOONPOOL_ENOMEM;
  if (status == MOONPOOL_OK && body.len > handle->options.max_message) status = MOONPOOL_ETOOBIG;
  if (status == MOONPOOL_OK) {
    moonpool_bytes argv[] = {{"PUBLISH", 7}, {room->channel, room->len}, {body.data, body.len}};
    *s = (signal_call){room, cb, ctx};
    status = moonpool_command(client, 3, argv, timeout, on_signalled, s);
  }
  mp_buf_free(&body);
  if (status == MOONPOOL_OK)
    room->refs++;
  else
    mp_free(&room->allocator, s);
  return status;
}

/* ---- erasing --------------------------------------------------------------------------------- */

static const moonpool_bytes made_key = {"", 0};

int moonpool_room_delete(moonpool_room *handle, moonpool_bytes user, moonpool_bytes id,
                         uint64_t timeout, moonpool_stored_cb cb, void *ctx) {
  moonpool_message message = {.type = {"delete", 6}, .user = user, .target = id};
  moonpool_id parsed;
  if (moonpool_id_parse(id, &parsed) != MOONPOOL_OK) return MOONPOOL_EARG;
  return enqueue(handle, &message, made_key, MP_DELETE, timeout, cb, ctx);
}

int moonpool_room_clear(moonpool_room *handle, moonpool_bytes user, uint64_t timeout,
                        moonpool_stored_cb cb, void *ctx) {
  moonpool_message message = {.type = {"clear", 5}, .user = user};
  return enqueue(handle, &message, made_key, MP_CLEAR, timeout, cb, ctx);
}
