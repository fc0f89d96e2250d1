/* A source: one room with all its feeds in this client, its subscription and its timer. It belongs
 * to its feeds; after the last one it goes on only until libuv and its last read have let go. */
#include "feed_private.h"

#include <stdio.h>

#define BACKOFF_MAX 5000u /* ms, if the client's is longer */

/* ---- memory ---------------------------------------------------------------------------------- */

void mp_source_let_go(mp_source *source) {
  if (--source->holds > 0) return;
  const moonpool_allocator *allocator = &source->feeds->client->allocator;
  moonpool *client = source->feeds->client;
  while (!mp_node_is_alone(&source->spare)) {
    mp_line *line = MP_OF(source->spare.next, mp_line, node);
    mp_node_remove(&line->node);
    mp_free(allocator, line);
  }
  mp_buf_free(&source->keys);
  mp_room_release(source->room);
  mp_free(allocator, source);
  mp_client_let_go(client);
}

static void on_timer_closed(uv_handle_t *handle) {
  mp_source_let_go(handle->data);
}

static int put_keys(mp_source *source) {
  static const char *const suffixes[] = {"log", "head", "config", "backlog"};
  size_t begins[5] = {0};
  const char *backlog = source->options.backlog;
  for (int i = 0; i < 4; i++) {
    if (i == 3 && backlog) {
      if (mp_buf_append(&source->keys, backlog, strlen(backlog))) return 0;
    } else if (!mp_room_put_key(source->room, suffixes[i], &source->keys)) {
      return 0;
    }
    begins[i + 1] = source->keys.len;
  }
  for (int i = 0; i < 4; i++)
    source->key[i] = (moonpool_bytes){source->keys.data + begins[i], begins[i + 1] - begins[i]};
  source->options.backlog = NULL; /* its handle's */
  return 1;
}

mp_source *mp_source_new(mp_room *room, const moonpool_room_options *options) {
  moonpool *client = room->client;
  mp_feeds *feeds = mp_feeds_of(client);
  mp_source *source = feeds ? mp_calloc(&client->allocator, sizeof *source) : NULL;
  if (!source) return NULL;
  source->feeds = feeds;
  source->room = room;
  source->name = mp_room_name_of(room);
  source->options = *options;
  if (options->history != MOONPOOL_HISTORY_STREAM) source->kind = options->history;
  mp_node_init(&source->lines);
  mp_node_init(&source->spare);
  mp_node_init(&source->wanting);
  mp_node_init(&source->pattern_node);
  source->held_tail = &source->held;
  mp_buf_init(&source->keys, &client->allocator);
  if (!put_keys(source) || mp_source_reserve(source)) { /* a line beside those of the seats */
    mp_buf_free(&source->keys);
    mp_free(&client->allocator, source);
    return NULL;
  }
  source->seats = 0;
  room->refs++;
  client->holds++;
  source->holds = 1;
  mp_node_append(&feeds->sources, &source->node);
  uv_timer_init(client->loop, &source->timer);
  source->timer.data = source;
  return source;
}

void mp_source_stop(mp_source *source) {
  moonpool_subscription *subscription = source->subscription;
  source->is_ended = 1;
  source->subscription = NULL;
  mp_node_remove(&source->node);
  mp_node_remove(&source->wanting);
  mp_node_remove(&source->pattern_node);
  mp_source_drop_held(source);
  if (source->room->source == source) source->room->source = NULL;
  if (subscription) moonpool_unsubscribe(subscription, NULL, NULL);
  uv_close((uv_handle_t *)&source->timer, on_timer_closed);
}

int mp_source_reserve(mp_source *source) {
  mp_line *line = mp_alloc(mp_source_allocator(source), sizeof *line);
  if (!line) return MOONPOOL_ENOMEM;
  mp_node_append(&source->spare, &line->node);
  source->seats++;
  return MOONPOOL_OK;
}

void mp_source_unreserve(mp_source *source) {
  mp_line *line = MP_OF(source->spare.next, mp_line, node);
  mp_node_remove(&line->node);
  mp_free(mp_source_allocator(source), line);
  if (--source->seats == 0) mp_source_stop(source);
}

/* ---- the subscription ------------------------------------------------------------------------ */

static uint64_t now_of(const mp_source *source) {
  return uv_now(source->feeds->client->loop);
}

uint64_t mp_source_backoff(mp_source *source) {
  const moonpool_options *options = &source->feeds->client->options;
  uint64_t max = options->backoff_max < BACKOFF_MAX ? options->backoff_max : BACKOFF_MAX;
  uint64_t range = 2 * options->backoff_min << (source->failures < 20 ? source->failures : 20);
  if (range > max) range = max;
  source->failures++;
  return range / 2 + mp_room_random(source->room) % (range / 2 + 1);
}

static void subscribe_later(mp_source *source, const moonpool_error *error) {
  source->is_confirmed = 0;
  source->resubscribe_at = now_of(source) + mp_source_backoff(source) + 1;
  mp_source_schedule(source);
  mp_source_tell_error(source, error);
}

static void on_confirm(moonpool_subscription *subscription, long long count,
                       const moonpool_error *error, void *ctx) {
  mp_source *source = ctx;
  (void)subscription, (void)count;
  if (source->is_ended) return;
  if (error) {
    source->subscription = NULL;
    if (error->status != MOONPOOL_ECLOSED) subscribe_later(source, error);
    return;
  }
  source->failures = 0;
  if (source->has_been_confirmed) mp_source_reconnected(source);
  source->is_confirmed = source->has_been_confirmed = 1;
  mp_source_want(source);
  mp_source_schedule(source);
}

static void on_event(const moonpool_event *event) {
  mp_source *source = event->ctx;
  switch (event->type) {
  case MOONPOOL_MESSAGE: mp_source_take(source, event->payload); break;
  case MOONPOOL_RECONNECTED: mp_source_reconnected(source); break;
  case MOONPOOL_ENDED: source->subscription = NULL; break;
  case MOONPOOL_FAILED: { /* refused on a new link: it is left, and asked for again */
    moonpool_subscription *refused = source->subscription;
    source->subscription = NULL;
    moonpool_unsubscribe(refused, NULL, NULL);
    subscribe_later(source, &event->error);
    break;
  }
  default: break;
  }
}

static int subscribe(mp_source *source) {
  moonpool_bytes channel = {source->room->channel, source->room->len};
  int status = mp_hub_subscribe(source->feeds->client->hub, MOONPOOL_CHANNEL, &channel, 1, on_event,
                                on_confirm, source, &source->subscription);
  if (status != MOONPOOL_OK) {
    source->subscription = NULL;
    return status;
  }
  mp_hub_set_internal(source->subscription);
  return MOONPOOL_OK;
}

mp_source *mp_source_of(mp_room *room, const moonpool_room_options *options) {
  if (room->source) return room->source;
  mp_source *source = mp_source_new(room, options);
  if (!source) return NULL;
  if (subscribe(source) != MOONPOOL_OK) {
    mp_source_stop(source);
    return NULL;
  }
  room->source = source;
  return source;
}

/* ---- what happens to all of its lines -------------------------------------------------------- */

void mp_source_reconnected(mp_source *source) {
  for (mp_node *node = source->lines.next, *next; node != &source->lines; node = next) {
    mp_line *line = MP_OF(node, mp_line, node);
    next = node->next;
    if (!mp_line_at(line)->len && line->next_kind == MP_NEXT_AFTER) continue; /* nowhere yet */
    if (!line->owes_live || line->state == MP_LINE_PAUSED) line->owes_reconnected = 1;
    line->is_stale = 1;
    if (line->state == MP_LINE_LIVE) mp_line_resync(line);
  }
}

void mp_source_tell_error(mp_source *source, const moonpool_error *error) {
  if (!strncmp(source->last_error, error->message, sizeof source->last_error - 1)) return;
  snprintf(source->last_error, sizeof source->last_error, "%s", error->message);
  for (mp_node *node = source->lines.next, *next; node != &source->lines; node = next) {
    mp_line *line = MP_OF(node, mp_line, node);
    next = node->next;
    if (line->state != MP_LINE_PAUSED) mp_line_tell_error(line, error);
  }
}

void mp_line_tell_error(mp_line *line, const moonpool_error *error) {
  snprintf(line->text, sizeof line->text, "%s", error->message);
  line->error = (moonpool_error){error->status, line->text};
  if (line->state == MP_LINE_TELLS || line->cursor) {
    line->owes_error = 1;
    return;
  }
  mp_line_begin_event(line, MOONPOOL_ROOM_ERROR);
  mp_line_tell_now(line);
  mp_client_mark_dirty(line->source->feeds->client);
}

/* ---- its timer ------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void sooner(uint64_t *due, uint64_t when) {
  if (when && when < *due) *due = when;
}

void mp_source_schedule(mp_source *source) {
  uint64_t due = UINT64_MAX, now = now_of(source);
  if (source->is_ended) return;
  sooner(&due, source->check_at);
  sooner(&due, source->resubscribe_at);
  if (source->not_before > now) sooner(&due, source->not_before);
  if (due == UINT64_MAX)
    uv_timer_stop(&source->timer);
  else
    uv_timer_start(&source->timer, on_timer, due > now ? due - now : 0, 0);
}

static void on_timer(uv_timer_t *timer) {
  mp_source *source = timer->data;
  uint64_t now = now_of(source);
  if (source->resubscribe_at && source->resubscribe_at <= now)
    source->resubscribe_at =
        subscribe(source) == MOONPOOL_OK ? 0 : now + mp_source_backoff(source) + 1;
  if (source->check_at && source->check_at <= now) mp_source_check(source);
  mp_source_want(source);
  mp_source_schedule(source);
}
