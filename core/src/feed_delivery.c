/* The way of a line's event to its feeds, one after the other; between two of them anything may be
 * paused, resumed or closed. Frames come first, before anything else is read; what was fetched is
 * told in slices, so that a long history does not keep the loop. */
#include "feed_private.h"

/* ---- life ------------------------------------------------------------------------------------ */

mp_feeds *mp_feeds_of(moonpool *client) {
  if (client->feeds) return client->feeds;
  mp_feeds *feeds = mp_calloc(&client->allocator, sizeof *feeds);
  if (!feeds) return NULL;
  feeds->client = client;
  feeds->budget = MP_SLICE;
  feeds->event.type = MOONPOOL_ROOM;
  feeds->event.room = &feeds->room;
  mp_node_init(&feeds->live);
  mp_node_init(&feeds->busy);
  mp_node_init(&feeds->wanting);
  mp_node_init(&feeds->sources);
  mp_node_init(&feeds->all);
  mp_buf_init(&feeds->kept, &client->allocator);
  client->feeds = feeds;
  return feeds;
}

static void empty_trash(mp_feeds *feeds) {
  const moonpool_allocator *allocator = &feeds->client->allocator;
  while (feeds->trash) {
    mp_page *page = feeds->trash;
    feeds->trash = page->next;
    mp_free(allocator, page);
  }
  while (feeds->held_trash) {
    mp_held *held = feeds->held_trash;
    feeds->held_trash = held->next;
    mp_free(allocator, held);
  }
}

void mp_feeds_free(mp_feeds *feeds) {
  if (!feeds) return;
  empty_trash(feeds);
  mp_buf_free(&feeds->kept);
  mp_free(&feeds->client->allocator, feeds);
}

/* ---- events ---------------------------------------------------------------------------------- */

/* To the seat under the line's cursor. */
static int give(mp_feeds *feeds, mp_line *line, const moonpool_event **event) {
  mp_seat *seat = line->cursor;
  moonpool_feed *feed = seat->feed;
  line->cursor = seat->next;
  seat->turn = line->turn;
  feeds->room = line->event;
  feeds->room.feed = feed;
  feeds->event.ctx = feed->ctx;
  feeds->event.error = (moonpool_error){MOONPOOL_OK, NULL};
  switch (line->event.type) {
  case MOONPOOL_ROOM_MESSAGE: feed->messages++; break;
  case MOONPOOL_ROOM_SIGNAL: feed->signals++; break;
  case MOONPOOL_ROOM_GAP: feed->gaps++; break;
  case MOONPOOL_ROOM_ERROR: feeds->event.error = line->error; break;
  default: break;
  }
  *event = &feeds->event;
  return 1;
}

int mp_feeds_next(mp_feeds *feeds, const moonpool_event **event) {
  if (feeds->is_ready) {
    feeds->is_ready = 0;
    *event = &feeds->event;
    return 1;
  }
  if (feeds->trash || feeds->held_trash) empty_trash(feeds);
  if (mp_node_is_alone(&feeds->live)) return 0;
  mp_line *line = MP_OF(feeds->live.next, mp_line, agenda);
  give(feeds, line, event);
  if (!line->cursor) {
    mp_node_remove(&line->agenda);
    if (line->state == MP_LINE_WANTS) mp_source_want(line->source);
  }
  return 1;
}

int mp_feeds_next_fetched(mp_feeds *feeds, const moonpool_event **event) {
  while (!mp_node_is_alone(&feeds->busy)) {
    mp_line *line = MP_OF(feeds->busy.next, mp_line, agenda);
    if (!feeds->budget) {
      mp_client_mark_dirty(feeds->client);
      return 0;
    }
    if (!line->cursor && !mp_line_advance(line)) continue; /* it is on the list no more */
    if (!line->cursor) continue;
    feeds->budget--;
    return give(feeds, line, event);
  }
  return 0;
}

void mp_feed_tell(const moonpool_event *event) {
  event->room->feed->listener(event);
}

/* ---- turns of the loop ----------------------------------------------------------------------- */

/* Without memory for what was left, those who have not had it fetch it from the history. */
static void give_up(mp_line *line) {
  while (line->cursor) {
    mp_line *alone = mp_seat_split(line->cursor);
    mp_line_resync(alone);
  }
}

void mp_feeds_keep(mp_feeds *feeds) {
  size_t size = 0;
  mp_node *node, *next;
  for (node = feeds->live.next; node != &feeds->live; node = node->next) {
    mp_line *line = MP_OF(node, mp_line, agenda);
    if (line->event.body.data && !line->is_kept) size += line->event.body.len;
  }
  if (!size) return;
  mp_buf_clear(&feeds->kept, 65536); /* all of them or none are kept */
  char *at = mp_buf_reserve(&feeds->kept, size);
  for (node = feeds->live.next; node != &feeds->live; node = next) {
    mp_line *line = MP_OF(node, mp_line, agenda);
    next = node->next;
    if (!line->event.body.data || line->is_kept) continue;
    if (!at) {
      give_up(line);
      continue;
    }
    memcpy(at, line->event.body.data, line->event.body.len);
    line->event.body.data = at;
    line->is_kept = 1;
    at += line->event.body.len;
  }
}

int mp_feeds_flush(mp_feeds *feeds) {
  feeds->budget = MP_SLICE;
  while (!mp_node_is_alone(&feeds->wanting) && feeds->reads < MP_READS_MAX) {
    mp_source *source = MP_OF(feeds->wanting.next, mp_source, wanting);
    mp_node_remove(&source->wanting);
    mp_source_begin_turn(source);
  }
  return !mp_node_is_alone(&feeds->live) || !mp_node_is_alone(&feeds->busy);
}
