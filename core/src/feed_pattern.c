/* A feed of every room that matches a pattern: one subscription, and for each room that was heard a
 * source of its own, which begins at the first message's `prev`. The rooms are found by channel; of
 * too many, the one that was heard longest ago is forgotten. */
#include "feed_private.h"

#include <stdio.h>

#define BUCKETS 1024u
#define RETRY_MAX 5000u /* ms, if the client's is longer */

struct mp_pattern {
  mp_feeds *feeds;
  moonpool_feed *feed;
  moonpool_room_options options;
  moonpool_subscription *subscription; /* NULL: none */
  mp_node rooms;                       /* sources, the one heard last at the end */
  size_t count;
  mp_source *last; /* of the last message; NULL: none */
  mp_line news;    /* what concerns no room; its one seat is the feed's */
  uv_timer_t timer;
  unsigned refusals;
  mp_source *buckets[BUCKETS];
  size_t len;
  char text[];
};

/* ---- what concerns no room ------------------------------------------------------------------- */

static void tell(mp_pattern *p, moonpool_room_event_type type) {
  if (p->feed->is_paused || p->news.cursor) return;
  mp_line_begin_event(&p->news, type);
  mp_node_append(&p->feeds->live, &p->news.agenda);
  mp_client_mark_dirty(p->feeds->client);
}

static void tell_error(mp_pattern *p, const moonpool_error *error) {
  if (p->refusals > 1 && !strncmp(p->news.text, error->message, sizeof p->news.text - 1)) return;
  snprintf(p->news.text, sizeof p->news.text, "%s", error->message);
  p->news.error = (moonpool_error){error->status, p->news.text};
  tell(p, MOONPOOL_ROOM_ERROR);
}

/* ---- rooms ----------------------------------------------------------------------------------- */

/* FNV-1a */
static uint64_t hash_of(moonpool_bytes name) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < name.len; i++)
    hash = (hash ^ (unsigned char)name.data[i]) * 1099511628211u;
  return hash;
}

static int is_of(const mp_source *source, moonpool_bytes channel) {
  return source->room->len == channel.len &&
         memcmp(source->room->channel, channel.data, channel.len) == 0;
}

static mp_source **bucket_of(mp_pattern *p, moonpool_bytes channel) {
  return &p->buckets[hash_of(channel) % BUCKETS];
}

static void forget(mp_pattern *p, mp_source *source) {
  mp_source **at = bucket_of(p, (moonpool_bytes){source->room->channel, source->room->len});
  while (*at != source) at = &(*at)->bucket_next;
  *at = source->bucket_next;
  if (p->last == source) p->last = NULL;
  p->count--;
  mp_seat_leave(&source->pattern_seat);
  mp_source_unreserve(source); /* it ends */
}

static mp_source *make(mp_pattern *p, moonpool_bytes channel) {
  moonpool *client = p->feeds->client;
  moonpool_bytes name;
  if (channel.len < 5 || memcmp(channel.data, "room:", 5) != 0) return NULL;
  if (moonpool_room_name(channel, &name, NULL, 0) != MOONPOOL_OK) return NULL;
  mp_room *room = mp_room_acquire(client, name);
  if (!room) return NULL;
  mp_source *source = mp_source_new(room, &p->options);
  mp_room_release(room);
  if (!source) return NULL;
  if (mp_source_reserve(source)) {
    mp_source_stop(source);
    return NULL;
  }
  if (p->count >= MP_PATTERN_ROOMS) forget(p, MP_OF(p->rooms.next, mp_source, pattern_node));
  source->pattern = p;
  source->is_confirmed = source->has_been_confirmed = 1;
  source->pattern_seat.feed = p->feed;
  mp_line *line = mp_line_new(source);
  mp_line_add(line, &source->pattern_seat);
  line->state = p->feed->is_paused ? MP_LINE_PAUSED : MP_LINE_LIVE;
  mp_node_append(&p->rooms, &source->pattern_node);
  mp_source **bucket = bucket_of(p, channel);
  source->bucket_next = *bucket;
  *bucket = source;
  p->count++;
  return source;
}

static mp_source *find(mp_pattern *p, moonpool_bytes channel) {
  if (p->last && is_of(p->last, channel)) return p->last;
  mp_source *source = *bucket_of(p, channel);
  while (source && !is_of(source, channel)) source = source->bucket_next;
  if (!source) return make(p, channel);
  mp_node_remove(&source->pattern_node);
  mp_node_append(&p->rooms, &source->pattern_node);
  return source;
}

/* The room's first message: what it follows is where the line is. */
static void place(mp_source *source, moonpool_bytes payload) {
  mp_line *line = source->pattern_seat.line;
  mp_frame frame;
  moonpool_id prev = {0, 0, 0};
  if (!mp_frame_parse(&frame, payload, (moonpool_bytes){NULL, 0})) return;
  if (frame.prev.data && moonpool_id_parse(frame.prev, &prev) != MOONPOOL_OK) return;
  mp_line_move(line, &prev);
  if (frame.prev.data) {
    mp_place *at = mp_line_at(line); /* as it is written there */
    at->len = frame.prev.len;
    memcpy(at->text, frame.prev.data, frame.prev.len);
    mp_ring_push(&line->ring, mp_source_allocator(source), &prev);
  } else {
    source->kind = MOONPOOL_HISTORY_LIST; /* or a sorted set: nothing is read of either */
  }
  mp_source_watch(source);
}

static void take(mp_pattern *p, const moonpool_event *event) {
  mp_source *source = find(p, event->channel);
  if (!source) return;
  p->last = source;
  if (!mp_line_at(source->pattern_seat.line)->len) place(source, event->payload);
  mp_source_take(source, event->payload);
}

/* ---- the subscription ------------------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer);

static void subscribe_later(mp_pattern *p, const moonpool_error *error) {
  const moonpool_options *options = &p->feeds->client->options;
  uint64_t max = options->backoff_max < RETRY_MAX ? options->backoff_max : RETRY_MAX;
  uint64_t wait = 2 * options->backoff_min << (p->refusals < 20 ? p->refusals : 20);
  p->subscription = NULL;
  p->refusals++;
  uv_timer_start(&p->timer, on_timer, (wait < max ? wait : max) + 1, 0);
  if (error) tell_error(p, error);
}

static void reconnected(mp_pattern *p) {
  for (mp_node *node = p->rooms.next; node != &p->rooms; node = node->next)
    mp_source_reconnected(MP_OF(node, mp_source, pattern_node));
}

static void on_confirm(moonpool_subscription *subscription, long long count,
                       const moonpool_error *error, void *ctx) {
  mp_pattern *p = ctx;
  (void)subscription, (void)count;
  if (!p->feed) return; /* closed */
  if (error) {
    subscribe_later(p, error);
    return;
  }
  p->refusals = 0;
  if (p->news.owes_live) tell(p, MOONPOOL_ROOM_LIVE);
  if (!p->news.owes_live) reconnected(p);
  p->news.owes_live = 0;
}

static void on_event(const moonpool_event *event) {
  mp_pattern *p = event->ctx;
  moonpool_subscription *refused = p->subscription;
  switch (event->type) {
  case MOONPOOL_MESSAGE: take(p, event); break;
  case MOONPOOL_RECONNECTED: reconnected(p); break;
  case MOONPOOL_ENDED: p->subscription = NULL; break;
  case MOONPOOL_FAILED:
    subscribe_later(p, &event->error);
    moonpool_unsubscribe(refused, NULL, NULL);
    break;
  default: break;
  }
}

static int subscribe(mp_pattern *p) {
  moonpool_bytes text = {p->text, p->len};
  int status = mp_hub_subscribe(p->feeds->client->hub, MOONPOOL_PATTERN, &text, 1, on_event,
                                on_confirm, p, &p->subscription);
  if (status == MOONPOOL_OK)
    mp_hub_set_internal(p->subscription);
  else
    p->subscription = NULL;
  return status;
}

static void on_timer(uv_timer_t *timer) {
  mp_pattern *p = timer->data;
  if (!p->subscription && subscribe(p) != MOONPOOL_OK) subscribe_later(p, NULL);
}

/* ---- opening, pausing, closing --------------------------------------------------------------- */

static mp_pattern *new_pattern(mp_feeds *feeds, moonpool_feed *feed, moonpool_bytes text,
                               const moonpool_room_options *options) {
  mp_pattern *p = mp_calloc(&feeds->client->allocator, sizeof *p + text.len + 1);
  if (!p) return NULL;
  p->feeds = feeds;
  p->feed = feed;
  p->options = *options;
  p->options.backlog = NULL;
  p->options.history = MOONPOOL_HISTORY_ANY;
  p->len = text.len;
  memcpy(p->text, text.data, text.len);
  mp_node_init(&p->rooms);
  mp_node_init(&p->news.agenda);
  p->news.state = MP_LINE_LIVE;
  p->news.owes_live = 1;
  return p;
}

int moonpool_feed_open_pattern(moonpool_feed **out, moonpool *client, moonpool_bytes pattern,
                               const moonpool_room_options *options, moonpool_event_cb listener,
                               void *ctx) {
  moonpool_room_options defaults;
  *out = NULL;
  if (client->is_closed) return MOONPOOL_ECLOSED;
  moonpool_room_options_init(&defaults);
  if (!options) options = &defaults;
  if (!pattern.len || !options->page) return MOONPOOL_EARG;
  mp_feeds *feeds = mp_rooms_of(client) ? mp_feeds_of(client) : NULL;
  moonpool_feed *feed = feeds ? mp_feed_new(feeds, listener, ctx) : NULL;
  if (!feed) return MOONPOOL_ENOMEM;
  mp_pattern *p = new_pattern(feeds, feed, pattern, options);
  int status = p ? subscribe(p) : MOONPOOL_ENOMEM;
  if (status != MOONPOOL_OK) {
    mp_node_remove(&feed->node);
    mp_free(&client->allocator, p);
    mp_free(&client->allocator, feed);
    return status;
  }
  feed->pattern = p;
  mp_line_add(&p->news, &feed->seat);
  uv_timer_init(client->loop, &p->timer);
  p->timer.data = p;
  client->holds++;
  *out = feed;
  return MOONPOOL_OK;
}

static void on_timer_closed(uv_handle_t *handle) {
  mp_pattern *p = handle->data;
  moonpool *client = p->feeds->client;
  mp_free(&client->allocator, p);
  mp_client_let_go(client);
}

void mp_pattern_close(mp_pattern *p) {
  moonpool_subscription *subscription = p->subscription;
  while (!mp_node_is_alone(&p->rooms)) forget(p, MP_OF(p->rooms.next, mp_source, pattern_node));
  mp_node_remove(&p->news.agenda);
  p->feed = NULL;
  p->subscription = NULL;
  if (subscription) moonpool_unsubscribe(subscription, NULL, NULL);
  uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}

void mp_pattern_each_seat(mp_pattern *p, void (*visit)(mp_seat *seat, void *ctx), void *ctx) {
  for (mp_node *node = p->rooms.next, *next; node != &p->rooms; node = next) {
    next = node->next;
    visit(&MP_OF(node, mp_source, pattern_node)->pattern_seat, ctx);
  }
}
