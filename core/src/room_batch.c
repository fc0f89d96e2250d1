/* The batches of what a room's client has to say: made of the first messages in its queue, one call
 * of the script each, and what became of them told to each message. */
#include "resp.h"
#include "room_publish.h"
#include "trouble.h"

#include <inttypes.h>
#include <stdio.h>

#define BATCH_MAX 128u
#define BATCH_BYTES 262144u
#define PAUSE_MAX 500u /* ms */
#define SCRATCH_KEEP 65536u
#define GRACE 1000u /* ms; so that each message's own deadline is told first */
enum { HEX = 17 };  /* a tag's digits and an end */

/* ---- sending --------------------------------------------------------------------------------- */

static int are_equal_terms(const mp_terms *a, const mp_terms *b) {
  return a == b ||
         (a->history == b->history && a->keep == b->keep && a->keep_ms == b->keep_ms &&
          a->key_ttl == b->key_ttl && a->replicas == b->replicas &&
          a->replicas_timeout == b->replicas_timeout && a->backlog_len == b->backlog_len &&
          memcmp(a->backlog, b->backlog, a->backlog_len) == 0);
}

/* How many of the first make up the next batch. */
static size_t next_batch(const mp_publisher *pub, size_t *keyed) {
  size_t count = 0, bytes = 0;
  *keyed = 0;
  for (const mp_publish *m = pub->first; m && count < BATCH_MAX; m = m->next) {
    bytes += m->body_len;
    if (count && (bytes > BATCH_BYTES || !are_equal_terms(m->terms, pub->first->terms))) break;
    count++;
    if (m->key_len) ++*keyed;
  }
  return count;
}

static moonpool_bytes number_text(char text[24], int64_t number) {
  if (number < 0) return (moonpool_bytes){"", 0};
  return (moonpool_bytes){text, (size_t)snprintf(text, 24, "%" PRId64, number)};
}

static moonpool_bytes kind_text(moonpool_history_kind kind) {
  static const char *const names[] = {"", "stream", "list", "sorted"};
  return (moonpool_bytes){names[kind], strlen(names[kind])};
}

enum { KEYS_FIXED = 4, ARGS_FIXED = 5, ARGS_EACH = 4 };

/* The four keys of the room, behind one another in the scratch; 0 without memory. */
static int put_room_keys(const mp_publisher *pub, mp_buf *scratch, size_t lens[KEYS_FIXED]) {
  static const char *const suffixes[] = {"log", "head", "config", "backlog"};
  const mp_terms *terms = pub->first->terms;
  for (int i = 0; i < KEYS_FIXED; i++) {
    size_t begin = scratch->len;
    if (i == 3 && terms->backlog_len) {
      if (mp_buf_append(scratch, terms->backlog, terms->backlog_len) != MOONPOOL_OK) return 0;
    } else if (!mp_room_put_key(pub->room, suffixes[i], scratch)) {
      return 0;
    }
    lens[i] = scratch->len - begin;
  }
  return 1;
}

static void put_messages(const mp_publisher *pub, size_t count, mp_publish_call *w, char *hex) {
  const mp_publish *m = pub->first;
  for (size_t i = 0; i < count; i++, m = m->next) {
    const char *action = m->bytes + m->key_len, *body = action + m->action_len;
    if (m->key_len) w->keys[w->key_count++] = (moonpool_bytes){m->bytes, m->key_len};
    w->args[w->arg_count++] = (moonpool_bytes){action, m->action_len};
    w->args[w->arg_count++] = (moonpool_bytes){hex, 16};
    hex += snprintf(hex, HEX, "%016" PRIx64, m->tag);
    w->args[w->arg_count++] = (moonpool_bytes){hex, 16};
    hex += snprintf(hex, HEX, "%016" PRIx64, m->hash);
    w->args[w->arg_count++] = (moonpool_bytes){body, m->body_len};
  }
}

/* The scratch holds the words, the hexadecimal digits, the room's keys: 0 without memory. */
static int make_words(const mp_publisher *pub, size_t count, size_t keyed, mp_buf *scratch,
                      mp_publish_call *w, char numbers[3][24]) {
  const mp_terms *terms = pub->first->terms;
  size_t key_max = KEYS_FIXED + keyed, arg_max = ARGS_FIXED + ARGS_EACH * count;
  size_t table = (key_max + arg_max) * sizeof(moonpool_bytes), hex = count * 2 * HEX;
  size_t lens[KEYS_FIXED];
  mp_buf_clear(scratch, SCRATCH_KEEP);
  if (!mp_buf_reserve(scratch,
                      table + hex + KEYS_FIXED * (pub->room->len + 16) + terms->backlog_len))
    return 0;
  scratch->len = table + hex;
  if (!put_room_keys(pub, scratch, lens)) return 0;
  w->keys = (moonpool_bytes *)(void *)scratch->data;
  w->args = w->keys + key_max;
  const char *at = scratch->data + table + hex;
  for (int i = 0; i < KEYS_FIXED; at += lens[i], i++) w->keys[i] = (moonpool_bytes){at, lens[i]};
  w->args[0] = (moonpool_bytes){pub->room->channel, pub->room->len};
  w->args[1] = kind_text(terms->history);
  w->args[2] = number_text(numbers[0], terms->keep);
  w->args[3] = number_text(numbers[1], terms->keep_ms);
  w->args[4] = number_text(numbers[2], (int64_t)terms->key_ttl);
  w->key_count = KEYS_FIXED;
  w->arg_count = ARGS_FIXED;
  put_messages(pub, count, w, scratch->data + table);
  return 1;
}

/* ms that the link may take with the batch: longer than its last message waits. */
static uint64_t timeout_of(const mp_publisher *pub, size_t count, uint64_t now) {
  uint64_t deadline = 0;
  const mp_publish *m = pub->first;
  for (size_t i = 0; i < count; i++, m = m->next)
    if (m->deadline > deadline) deadline = m->deadline;
  if (deadline == UINT64_MAX) return UINT64_MAX;
  return (deadline > now ? deadline - now : 0) + GRACE;
}

static void fail_batch(mp_publisher *pub, size_t count, int status, const char *reason);
static void pause_sending(mp_publisher *pub);

static void on_batch(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_publisher_take_outcome(ctx, reply, error, (mp_acks){0});
}

static int send_call(mp_publisher *pub, const mp_publish_call *w) {
  if (pub->first->terms->replicas) return mp_publisher_send_durable(pub, w);
  return mp_room_call(pub->room, &mp_redis_publish, w->key_count, w->keys, w->arg_count, w->args,
                      w->timeout, on_batch, pub);
}

/* 1, or 0 when something was told, and anything may have changed. */
static int send_batch(mp_publisher *pub) {
  moonpool *client = pub->room->client;
  char numbers[3][24];
  mp_publish_call w;
  size_t keyed, count = next_batch(pub, &keyed);
  int status = MOONPOOL_ENOMEM;
  if (make_words(pub, count, keyed, &client->rooms->publishing->scratch, &w, numbers)) {
    w.timeout = timeout_of(pub, count, uv_now(client->loop));
    status = send_call(pub, &w);
  }
  if (status == MOONPOOL_OK) {
    pub->in_flight = count;
    return 1;
  }
  if (status == MOONPOOL_EQUEUE) {
    pause_sending(pub);
    return 1;
  }
  fail_batch(pub, count, status, moonpool_status_text(status));
  return 0;
}

/* While there is no connection, all waits here: it can still be said of it that it was not sent. */
void mp_publishing_flush(mp_publishing *p) {
  if (!p || p->client->is_closed || mp_link_state(p->client->link) != MOONPOOL_READY) return;
  uint64_t now = uv_now(p->client->loop);
  mp_publisher *pub = p->listed;
  while (pub) {
    if (!pub->first || pub->in_flight || pub->paused > now) {
      pub = pub->next;
      continue;
    }
    pub->paused = 0;
    if (send_batch(pub)) {
      pub = pub->next;
      continue;
    }
    if (p->client->is_closed) return;
    pub = p->listed;
  }
}

/* ---- pauses ---------------------------------------------------------------------------------- */

void mp_publishing_on_pause(uv_timer_t *timer) {
  mp_publishing *p = timer->data;
  uint64_t now = uv_now(p->client->loop), next = UINT64_MAX;
  for (mp_publisher *pub = p->listed; pub; pub = pub->next)
    if (pub->paused > now && pub->paused < next) next = pub->paused;
  if (next != UINT64_MAX) uv_timer_start(timer, mp_publishing_on_pause, next - now, 0);
  mp_client_mark_dirty(p->client);
}

/* Up to 20, 40, 80 ... ms, at random. */
static void pause_sending(mp_publisher *pub) {
  moonpool *client = pub->room->client;
  mp_publishing *p = client->rooms->publishing;
  uint64_t range = client->options.backoff_min ? client->options.backoff_min : 1;
  for (unsigned i = 0; i < pub->attempts && range < PAUSE_MAX; i++) range *= 2;
  if (range > PAUSE_MAX) range = PAUSE_MAX;
  pub->attempts++;
  uint64_t now = uv_now(client->loop), pause = 1 + mp_room_random(pub->room) % range;
  pub->paused = now + pause;
  if (!uv_is_active((uv_handle_t *)&p->pause) || uv_timer_get_due_in(&p->pause) > pause)
    uv_timer_start(&p->pause, mp_publishing_on_pause, pause, 0);
}

/* ---- results --------------------------------------------------------------------------------- */

static void fail_batch(mp_publisher *pub, size_t count, int status, const char *reason) {
  mp_room *room = pub->room;
  room->refs++;
  mp_publish_fail_list(pub, mp_publisher_detach(pub, count), status, reason);
  mp_publisher_settle(pub);
  mp_room_release(room);
}

/* The error that the script's words are: our own, or Redis's. */
static int status_of_words(moonpool_bytes *words) {
  if (words->len > 5 && memcmp(words->data, "ROOM ", 5) == 0) {
    words->data += 5;
    words->len -= 5;
    return MOONPOOL_EARG;
  }
  moonpool_reply reply = {.type = MOONPOOL_ERROR, .u.string = *words};
  return moonpool_reply_status(&reply);
}

static void fail_with_words(mp_publisher *pub, mp_publish *m, moonpool_bytes words) {
  char reason[512];
  int status = status_of_words(&words);
  snprintf(reason, sizeof reason, "%.*s", (int)(words.len < 500 ? words.len : 500), words.data);
  mp_publish_fail(pub, m, status, reason);
}

/* What is not as it was asked for though the message is stored: 0 when nothing is. */
static int describe_shortfall(const mp_publisher *pub, long long result, mp_acks acks,
                              char *message, size_t size) {
  const char *channel = pub->room->channel;
  if (result == -2)
    snprintf(message, size, "%s: stored, not announced: Redis's ACL refuses PUBLISH", channel);
  else if (acks.asked && acks.got < 0)
    snprintf(message, size, "%s: stored, not known to be replicated", channel);
  else if (acks.got < (long long)acks.asked)
    snprintf(message, size, "%s: stored, not replicated: %lld of %u replicas have it", channel,
             acks.got, acks.asked);
  else
    return 0;
  return 1;
}

static void tell_stored(mp_publisher *pub, mp_publish *m, moonpool_bytes id_text, long long result,
                        mp_acks acks) {
  char text[MOONPOOL_ID_SIZE], message[MOONPOOL_ROOM_NAME_MAX + 100];
  moonpool_stored stored = {.receivers = result > 0 ? result : 0,
                            .is_repeat = result == -1,
                            .replicas = acks.got > 0 ? (unsigned)acks.got : 0};
  moonpool_error error = {MOONPOOL_EPARTIAL, message};
  if (moonpool_id_parse(id_text, &stored.id) != MOONPOOL_OK) {
    mp_publish_fail(pub, m, MOONPOOL_EPROTO, "the script answered with no id");
    return;
  }
  memcpy(text, id_text.data, id_text.len);
  text[id_text.len] = '\0';
  stored.id_text = text;
  int is_partial = describe_shortfall(pub, result, acks, message, sizeof message);
  mp_publish_finish(pub, m, &stored, is_partial ? &error : NULL);
}

/* Two replies for each: an id, or words, and a number. */
static void tell_results(mp_publisher *pub, mp_publish *list, const moonpool_reply *reply,
                         mp_acks acks) {
  const moonpool_reply *node = reply->u.list.first;
  while (list) {
    mp_publish *m = list;
    list = m->next;
    const moonpool_reply *number = node ? node->next : NULL;
    if (!number || node->type != MOONPOOL_STRING || number->type != MOONPOOL_INTEGER) {
      mp_publish_fail(pub, m, MOONPOOL_EPROTO, "the script's answer is none");
      continue;
    }
    m->is_doubtful = 0;
    if (number->u.integer == -3)
      fail_with_words(pub, m, node->u.string);
    else
      tell_stored(pub, m, node->u.string, number->u.integer, acks);
    node = number->next;
  }
}

static void tell_refused(mp_publisher *pub, mp_publish *list, const moonpool_reply *reply) {
  while (list) {
    mp_publish *m = list;
    list = m->next;
    fail_with_words(pub, m, reply->u.string);
  }
}

/* The link was lost with the batch: what has a key stays first in the queue, in its order. A link
 * of the pool is made anew at once, and may be lost as soon: not more and more often. */
static void tell_lost(mp_publisher *pub, size_t count, const moonpool_error *error) {
  mp_publish *lost = NULL, **tail = &lost, **at = &pub->first, *before = NULL;
  if (pub->first->terms->replicas && pub->room->client) pause_sending(pub);
  for (; count > 0; count--) {
    (*at)->is_doubtful = 1;
    if ((*at)->key_len && !(*at)->is_over) {
      before = *at;
      at = &before->next;
      continue;
    }
    mp_publish *m = mp_publisher_take(pub, at, before);
    *tail = m;
    tail = &m->next;
    m->next = NULL;
  }
  if (pub->first && pub->room->client) mp_client_mark_dirty(pub->room->client);
  mp_publish_fail_list(pub, lost, error->status, "the connection was lost");
}

/* Those whose deadline passed on the way need not be sent again. */
static void forget_over(mp_publisher *pub, size_t count) {
  mp_publish **at = &pub->first, *before = NULL;
  for (; count > 0; count--) {
    if ((*at)->is_over) {
      mp_publish_finish(pub, mp_publisher_take(pub, at, before), NULL, NULL);
      continue;
    }
    before = *at;
    at = &before->next;
  }
}

static int is_passing(const moonpool_reply *reply) {
  return reply && reply->type == MOONPOOL_ERROR && mp_trouble_passes(reply) &&
         (mp_trouble_of(reply)->traits & MP_TROUBLE_REPEAT);
}

static void take_outcome(mp_publisher *pub, size_t count, const moonpool_reply *reply,
                         const moonpool_error *error, mp_acks acks) {
  if (is_passing(reply)) {
    forget_over(pub, count);
    pause_sending(pub);
    return;
  }
  if (error && (error->status == MOONPOOL_ECONN || error->status == MOONPOOL_ETIMEOUT)) {
    tell_lost(pub, count, error);
    return;
  }
  pub->attempts = 0;
  if (reply && reply->type == MOONPOOL_ARRAY)
    tell_results(pub, mp_publisher_detach(pub, count), reply, acks);
  else if (reply && reply->type == MOONPOOL_ERROR)
    tell_refused(pub, mp_publisher_detach(pub, count), reply);
  else
    mp_publish_fail_list(pub, mp_publisher_detach(pub, count),
                         error ? error->status : MOONPOOL_EPROTO,
                         error ? error->message : "the script's answer is none");
}

void mp_publisher_take_outcome(mp_publisher *pub, const moonpool_reply *reply,
                               const moonpool_error *error, mp_acks acks) {
  mp_room *room = pub->room;
  size_t count = pub->in_flight;
  room->refs++;
  pub->in_flight = 0;
  if (room->client) { /* else what waited was told when the client was closed */
    take_outcome(pub, count, reply, error, acks);
    if (room->client && pub->first) mp_client_mark_dirty(room->client);
  }
  mp_publisher_settle(pub);
  mp_room_release(room);
}

void mp_publisher_send_again(mp_publisher *pub) {
  size_t count = pub->in_flight;
  pub->in_flight = 0;
  forget_over(pub, count);
  if (pub->first) mp_client_mark_dirty(pub->room->client);
  mp_publisher_settle(pub);
}
