/* Feeds as the program has them. */
#include "feed_private.h"

const char *moonpool_gap_reason_name(moonpool_gap_reason reason) {
  static const char *const names[] = {"trimmed", "forked", "overflow", "unavailable"};
  return names[reason];
}

/* ---- opening and closing --------------------------------------------------------------------- */

moonpool_feed *mp_feed_new(mp_feeds *feeds, moonpool_event_cb listener, void *ctx) {
  moonpool_feed *feed = mp_calloc(&feeds->client->allocator, sizeof *feed);
  if (!feed) return NULL;
  feed->feeds = feeds;
  feed->listener = listener;
  feed->ctx = ctx;
  feed->seat.feed = feed;
  mp_node_append(&feeds->all, &feed->node);
  return feed;
}

static void join_handle(moonpool_feed *feed, moonpool_room *handle) {
  feed->handle = handle;
  feed->next = handle->feeds;
  if (feed->next) feed->next->prev = feed;
  handle->feeds = feed;
}

static void leave_handle(moonpool_feed *feed) {
  if (!feed->handle) return;
  *(feed->prev ? &feed->prev->next : &feed->handle->feeds) = feed->next;
  if (feed->next) feed->next->prev = feed->prev;
  feed->handle = NULL;
}

static void plan(mp_line *line, const moonpool_start *start) {
  line->owes_live = 1;
  line->next_kind = MP_NEXT_END;
  switch (start->kind) {
  case MOONPOOL_START_END: return;
  case MOONPOOL_START_LAST:
    line->left = start->last;
    if (start->last) line->next_kind = MP_NEXT_LAST;
    return;
  case MOONPOOL_START_AFTER:
    line->next_kind = MP_NEXT_AFTER;
    mp_line_move(line, &start->after);
    return;
  case MOONPOOL_START_SINCE:
    line->next_kind = MP_NEXT_FROM;
    line->next.ms = start->since_ms;
    return;
  }
}

int moonpool_feed_open(moonpool_feed **out, moonpool_room *handle, const moonpool_start *start,
                       moonpool_event_cb listener, void *ctx) {
  static const moonpool_start end = {.kind = MOONPOOL_START_END};
  mp_room *room = handle->room;
  *out = NULL;
  if (!room->client || room->client->is_closed) return MOONPOOL_ECLOSED;
  if (!start) start = &end;
  if (start->kind > MOONPOOL_START_SINCE) return MOONPOOL_EARG;
  mp_feeds *feeds = mp_feeds_of(room->client);
  moonpool_feed *feed = feeds ? mp_feed_new(feeds, listener, ctx) : NULL;
  if (!feed) return MOONPOOL_ENOMEM;
  mp_source *source = mp_source_of(room, &handle->options);
  if (!source || mp_source_reserve(source)) {
    if (source && !source->seats) mp_source_stop(source);
    mp_node_remove(&feed->node);
    mp_free(&room->allocator, feed);
    return MOONPOOL_ENOMEM;
  }
  join_handle(feed, handle);
  mp_line *line = mp_line_new(source);
  plan(line, start);
  mp_line_add(line, &feed->seat);
  mp_line_want(line);
  *out = feed;
  return MOONPOOL_OK;
}

/* It gets no event any more; its memory is the caller's to free. */
static void detach(moonpool_feed *feed) {
  mp_node_remove(&feed->node);
  leave_handle(feed);
  if (feed->pattern) {
    mp_pattern_close(feed->pattern);
    return;
  }
  mp_source *source = feed->seat.line->source;
  mp_seat_leave(&feed->seat);
  mp_source_unreserve(source);
}

void moonpool_feed_close(moonpool_feed *feed) {
  if (!feed) return;
  const moonpool_allocator *allocator = &feed->feeds->client->allocator;
  detach(feed);
  mp_free(allocator, feed);
}

static void end(moonpool_feed *feed, const moonpool_error *error) {
  const moonpool_allocator *allocator = &feed->feeds->client->allocator;
  moonpool_room_event room = {.type = MOONPOOL_ROOM_ENDED, .feed = feed};
  moonpool_event event = {.type = MOONPOOL_ROOM, .ctx = feed->ctx, .error = *error, .room = &room};
  char name[MOONPOOL_ROOM_NAME_MAX]; /* its room may go */
  if (!feed->pattern) {
    room.room = mp_room_name_of(feed->seat.line->source->room);
    memcpy(name, room.room.data, room.room.len);
    room.room.data = name;
  }
  detach(feed);
  feed->listener(&event);
  mp_free(allocator, feed);
}

void mp_feeds_close(mp_feeds *feeds) {
  static const moonpool_error error = {MOONPOOL_ECLOSED, "the client was closed"};
  if (!feeds) return;
  while (!mp_node_is_alone(&feeds->all)) end(MP_OF(feeds->all.next, moonpool_feed, node), &error);
}

void mp_feeds_close_of(moonpool_room *handle) {
  while (handle->feeds) moonpool_feed_close(handle->feeds);
}

/* ---- pausing --------------------------------------------------------------------------------- */

static void pause_seat(mp_seat *seat, void *ctx) {
  (void)ctx;
  mp_line *line = mp_seat_split(seat);
  line->state = MP_LINE_PAUSED;
}

static void resume_seat(mp_seat *seat, void *ctx) {
  mp_line *line = seat->line;
  (void)ctx;
  if (!mp_line_at(line)->len && line->next_kind == MP_NEXT_AFTER) { /* of a pattern: nowhere yet */
    line->state = MP_LINE_LIVE;
    line->source->only = NULL;
    return;
  }
  line->owes_live = 1;
  mp_line_want(line);
}

void moonpool_feed_pause(moonpool_feed *feed) {
  if (feed->is_paused) return;
  feed->is_paused = 1;
  if (feed->pattern)
    mp_pattern_each_seat(feed->pattern, pause_seat, NULL);
  else
    pause_seat(&feed->seat, NULL);
}

void moonpool_feed_resume(moonpool_feed *feed) {
  if (!feed->is_paused) return;
  feed->is_paused = 0;
  if (feed->pattern)
    mp_pattern_each_seat(feed->pattern, resume_seat, NULL);
  else
    resume_seat(&feed->seat, NULL);
}

/* ---- seeing ---------------------------------------------------------------------------------- */

/* Of a pattern's feed: of all its rooms together, and no position. */
static void see_seat(mp_seat *seat, void *ctx) {
  moonpool_feed_stats *stats = ctx;
  const mp_line *line = seat->line;
  stats->is_live &= line->state == MP_LINE_LIVE;
  stats->reads += line->source->reads;
  stats->resyncs += line->source->resyncs;
  stats->buffered += line->source->held_count;
}

static moonpool_id position_of(const mp_seat *seat) {
  const mp_line *line = seat->line;
  int is_before = mp_seat_is_due(seat) && line->event.type == MOONPOOL_ROOM_MESSAGE;
  return line->places[line->now ^ (unsigned)is_before].id;
}

void moonpool_feed_get_stats(const moonpool_feed *feed, moonpool_feed_stats *stats) {
  *stats = (moonpool_feed_stats){.is_live = 1,
                                 .is_paused = feed->is_paused,
                                 .messages = feed->messages,
                                 .signals = feed->signals,
                                 .gaps = feed->gaps};
  if (feed->pattern) {
    mp_pattern_each_seat(feed->pattern, see_seat, stats);
    return;
  }
  mp_seat seat = feed->seat;
  see_seat(&seat, stats);
  stats->position = position_of(&feed->seat);
}
