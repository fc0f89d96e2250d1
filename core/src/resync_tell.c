/* What a turn tells the line's seats, in this order: a gap, the page, a gap at the history's end,
 * what has come meanwhile, a reconnect, that the line is live. */
#include "feed_private.h"

static void begin_gap(mp_line *line, const moonpool_gap *gap) {
  mp_line_turn(line);
  *mp_line_at(line) = line->places[line->now ^ 1];
  mp_line_begin_event(line, MOONPOOL_ROOM_GAP);
  line->event.gap = *gap;
}

/* The gap before the page. Where nothing is known of the place in the history, it goes on with the
 * message that the gap ends at, and with no other. */
static void begin_first_gap(mp_line *line) {
  line->owes_gap = 0;
  begin_gap(line, &line->gap);
  if (line->has_landed) {
    mp_place_set(mp_line_at(line), &line->landing);
    line->next_kind = MP_NEXT_AFTER;
  } else {
    line->next_kind = MP_NEXT_EXACTLY;
    line->next = line->gap.to;
  }
}

static void begin_end_gap(mp_line *line) {
  line->owes_end_gap = 0;
  begin_gap(line, &line->end_gap);
  mp_place_set(mp_line_at(line), &line->head);
  line->next_kind = MP_NEXT_AFTER;
}

static void begin_message(mp_line *line) {
  const mp_page_entry *entry = &line->page->entries[line->page_at++];
  mp_line_move(line, &entry->id);
  mp_ring_push(&line->ring, mp_source_allocator(line->source), &entry->id);
  line->next_kind = MP_NEXT_AFTER;
  mp_line_begin_event(line, MOONPOOL_ROOM_MESSAGE);
  line->event.id = entry->id;
  line->event.body = entry->body;
}

static int begin_error(mp_line *line) {
  line->owes_error = 0;
  mp_line_begin_event(line, MOONPOOL_ROOM_ERROR);
  return 1;
}

/* The turn is over, and the line reads on in another. */
static int read_on(mp_line *line, int is_resync) {
  mp_line_end_turn(line);
  if (is_resync)
    mp_line_resync(line);
  else
    mp_line_want(line);
  return 0;
}

static int go_live(mp_line *line) {
  mp_source *source = line->source;
  mp_line_end_turn(line);
  line->state = MP_LINE_LIVE;
  source->only = NULL;
  mp_source_want(source);
  mp_source_watch(source);
  return 0;
}

static int begin_news(mp_line *line) {
  if (line->owes_reconnected) {
    line->owes_reconnected = 0;
    mp_line_begin_event(line, MOONPOOL_ROOM_RECONNECTED);
    return 1;
  }
  if (!line->owes_live) return go_live(line);
  line->owes_live = 0;
  mp_line_begin_event(line, MOONPOOL_ROOM_LIVE);
  line->event.id = mp_line_at(line)->id;
  return 1;
}

int mp_line_advance(mp_line *line) {
  if (line->owes_error) return begin_error(line);
  if (line->owes_gap) {
    begin_first_gap(line);
    return 1;
  }
  if (line->page && line->page_at < line->page->count) {
    begin_message(line);
    return 1;
  }
  if (line->page && line->has_past) {
    line->next_kind = MP_NEXT_PAST;
    line->next = line->past;
  }
  mp_line_drop_page(line);
  if (!line->is_at_end) return read_on(line, 0);
  if (line->owes_end_gap) {
    begin_end_gap(line);
    return 1;
  }
  if (line->is_stale) return read_on(line, 1);
  int held = mp_line_take_held(line);
  if (held < 0) return read_on(line, 1);
  return held ? 1 : begin_news(line);
}
