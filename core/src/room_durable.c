/* Batches that replicas are to have: the script's call and a WAIT behind it, in one write, on a
 * link of the pool. WAIT speaks of what its own connection has written, and would hold up every
 * other command of a shared one. What the script answered is kept until WAIT has answered too. */
#include "room_publish.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct durable {
  mp_publisher *publisher;
  moonpool_allocator allocator;
  mp_acks acks;
  moonpool_reply *stored; /* the script's reply, copied with its strings into one block; or NULL */
  int is_unknown;         /* Redis did not know the script: nothing was executed */
  int has_no_memory;
} durable;

/* ---- the script's reply ---------------------------------------------------------------------- */

static size_t size_of(const moonpool_reply *reply) {
  size_t size = sizeof *reply;
  if (reply->type != MOONPOOL_ARRAY)
    return reply->type == MOONPOOL_INTEGER ? size : size + reply->u.string.len;
  for (const moonpool_reply *e = reply->u.list.first; e; e = e->next) size += size_of(e);
  return size;
}

/* Nodes from `node` on, bytes from `bytes` on. */
static void copy_node(moonpool_reply *node, char **bytes, const moonpool_reply *from) {
  *node = *from;
  if (from->type == MOONPOOL_INTEGER) return;
  memcpy(*bytes, from->u.string.data, from->u.string.len);
  node->u.string.data = *bytes;
  *bytes += from->u.string.len;
}

/* An error, or a flat list of strings and integers, in one block; NULL without memory. */
static moonpool_reply *copy_reply(const moonpool_reply *from, const moonpool_allocator *allocator) {
  size_t count = from->type == MOONPOOL_ARRAY ? from->u.list.count : 0;
  moonpool_reply *copy = mp_alloc(allocator, size_of(from));
  if (!copy) return NULL;
  char *bytes = (char *)(copy + 1 + count);
  if (from->type != MOONPOOL_ARRAY) {
    copy_node(copy, &bytes, from);
    return copy;
  }
  *copy = *from;
  copy->u.list.first = count ? copy + 1 : NULL;
  moonpool_reply *to = copy + 1;
  for (const moonpool_reply *e = from->u.list.first; e; e = e->next, to++) {
    copy_node(to, &bytes, e);
    to->next = e->next ? to + 1 : NULL;
  }
  return copy;
}

static int is_flat(const moonpool_reply *reply) {
  if (reply->type == MOONPOOL_ERROR) return 1;
  if (reply->type != MOONPOOL_ARRAY) return 0;
  for (const moonpool_reply *e = reply->u.list.first; e; e = e->next)
    if (e->type != MOONPOOL_STRING && e->type != MOONPOOL_INTEGER) return 0;
  return 1;
}

static int is_noscript(const moonpool_reply *reply) {
  return reply->type == MOONPOOL_ERROR && reply->u.string.len >= 8 &&
         memcmp(reply->u.string.data, "NOSCRIPT", 8) == 0;
}

/* ---- replies --------------------------------------------------------------------------------- */

static void take_stored(durable *d, const moonpool_reply *reply) {
  d->is_unknown = is_noscript(reply);
  if (d->is_unknown || !is_flat(reply)) return;
  d->stored = copy_reply(reply, &d->allocator);
  d->has_no_memory = !d->stored;
}

static void take_end(durable *ended, const moonpool_error *error) {
  durable d = *ended;
  moonpool_error no_memory = {MOONPOOL_ENOMEM, "possibly stored: out of memory"};
  mp_free(&d.allocator, ended);
  moonpool *client = d.publisher->room->client;
  if (client) client->rooms->publishing->is_loaded = !d.is_unknown;
  if (d.is_unknown && client && !error) {
    mp_publisher_send_again(d.publisher);
    return;
  }
  if (d.has_no_memory) error = &no_memory;
  mp_publisher_take_outcome(d.publisher, d.stored, d.stored ? NULL : error, d.acks);
  mp_free(&d.allocator, d.stored);
}

static void on_durable(size_t index, const moonpool_reply *reply, const moonpool_error *error,
                       void *ctx) {
  durable *d = ctx;
  if (!reply || index == 2)
    take_end(d, error);
  else if (index == 0)
    take_stored(d, reply);
  else if (reply->type == MOONPOOL_INTEGER)
    d->acks.got = reply->u.integer;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* EVALSHA, or EVAL where Redis may not know the script. */
static int add_call(moonpool_batch *batch, const mp_publish_call *call, int is_loaded,
                    const moonpool_allocator *allocator) {
  const mp_redis_script *script = &mp_redis_publish;
  size_t argc = 3 + call->key_count + call->arg_count;
  moonpool_bytes *argv = mp_alloc(allocator, argc * sizeof *argv);
  char number[24];
  if (!argv) return MOONPOOL_ENOMEM;
  argv[0] = is_loaded ? (moonpool_bytes){"EVALSHA", 7} : (moonpool_bytes){"EVAL", 4};
  argv[1] = is_loaded ? (moonpool_bytes){script->sha, strlen(script->sha)}
                      : (moonpool_bytes){script->source, script->len};
  argv[2].data = number;
  argv[2].len = (size_t)snprintf(number, sizeof number, "%zu", call->key_count);
  memcpy(argv + 3, call->keys, call->key_count * sizeof *argv);
  memcpy(argv + 3 + call->key_count, call->args, call->arg_count * sizeof *argv);
  int status = moonpool_batch_add(batch, argc, argv);
  mp_free(allocator, argv);
  return status;
}

static int add_wait(moonpool_batch *batch, const mp_terms *terms) {
  char replicas[24], ms[24];
  moonpool_bytes argv[] = {
      {"WAIT", 4},
      {replicas, (size_t)snprintf(replicas, sizeof replicas, "%u", terms->replicas)},
      {ms, (size_t)snprintf(ms, sizeof ms, "%" PRIu64, terms->replicas_timeout)}};
  return moonpool_batch_add(batch, 3, argv);
}

int mp_publisher_send_durable(mp_publisher *pub, const mp_publish_call *call) {
  mp_room *room = pub->room;
  const mp_terms *terms = pub->first->terms;
  uint64_t timeout = mp_deadline_after(call->timeout, terms->replicas_timeout);
  moonpool_batch *batch = moonpool_batch_new(room->client);
  durable *d = mp_calloc(&room->allocator, sizeof *d);
  int status = batch && d ? MOONPOOL_OK : MOONPOOL_ENOMEM;
  if (status == MOONPOOL_OK)
    status = add_call(batch, call, room->client->rooms->publishing->is_loaded, &room->allocator);
  if (status == MOONPOOL_OK) status = add_wait(batch, terms);
  if (status == MOONPOOL_OK) {
    d->publisher = pub;
    d->allocator = room->allocator;
    d->acks = (mp_acks){terms->replicas, -1};
    status = moonpool_batch_send(batch, MOONPOOL_PIPELINE, NULL, timeout, on_durable, d);
  }
  if (status == MOONPOOL_OK) return MOONPOOL_OK;
  moonpool_batch_free(batch);
  mp_free(&room->allocator, d);
  return status;
}
