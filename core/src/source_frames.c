/* What a room's channel carries: a frame whose `prev` is a line's place is that line's next
 * message; one that was delivered is dropped; any other tells that something was missed. What comes
 * while the history is read is held for the line that reads. */
#include "feed_private.h"

/* ---- held ------------------------------------------------------------------------------------ */

static void drop_held(mp_source *source) {
  while (source->held) {
    mp_held *held = source->held;
    source->held = held->next;
    mp_free(mp_source_allocator(source), held);
  }
  source->held_tail = &source->held;
  source->held_count = source->held_bytes = 0;
  source->has_overflowed = 0;
}

static void drop_told(mp_source *source) {
  if (!source->held_told) return;
  source->held_told->next = source->feeds->held_trash;
  source->feeds->held_trash = source->held_told;
  source->held_told = NULL;
}

static void overflow(mp_source *source) {
  drop_held(source);
  source->has_overflowed = 1;
}

void mp_source_drop_held(mp_source *source) {
  drop_held(source);
  drop_told(source);
}

static void hold(mp_source *source, moonpool_bytes payload) {
  const moonpool_room_options *o = &source->options;
  if (source->has_overflowed) return;
  int is_full = (o->max_buffer && source->held_count >= o->max_buffer) ||
                (o->max_buffer_bytes && source->held_bytes + payload.len > o->max_buffer_bytes);
  mp_held *held =
      is_full ? NULL : mp_alloc(mp_source_allocator(source), sizeof *held + payload.len + 1);
  if (!held) {
    overflow(source);
    return;
  }
  held->next = NULL;
  held->len = payload.len;
  if (payload.len) memcpy(held->payload, payload.data, payload.len);
  *source->held_tail = held;
  source->held_tail = &held->next;
  source->held_count++;
  source->held_bytes += payload.len;
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* The message is the last one delivered. */
static void note(mp_line *line, const mp_frame *frame) {
  mp_place *at = mp_line_at(line);
  at->id = frame->id;
  at->len = frame->id_text.len;
  memcpy(at->text, frame->id_text.data, frame->id_text.len);
  mp_ring_push(&line->ring, mp_source_allocator(line->source), &frame->id);
  if (frame->id.seq == 1) line->life.birth = frame->id.tag;
}

void mp_line_deliver(mp_line *line, const mp_frame *frame) {
  mp_line_turn(line);
  note(line, frame);
  mp_line_begin_event(line, MOONPOOL_ROOM_MESSAGE);
  line->event.id = frame->id;
  line->event.body = frame->body;
}

/* The protocol counts: what does not is forged. */
static int counts_on(const mp_frame *frame, const mp_place *place) {
  return frame->id.seq == place->id.seq + 1 && frame->id.ms >= place->id.ms;
}

static moonpool_bytes text_of(const mp_place *place) {
  return (moonpool_bytes){place->text, place->len};
}

static void begin_signal(mp_line *line, moonpool_bytes payload) {
  mp_line_begin_event(line, MOONPOOL_ROOM_SIGNAL);
  line->event.id = (moonpool_id){0, 0, 0};
  line->event.body = payload;
}

typedef enum what { IS_NEXT, IS_KNOWN, IS_SIGNAL, IS_MISMATCH } what;

/* Without links, ids only ever grow as long as the room lives. */
static what judge_unlinked(mp_line *line, const mp_frame *frame) {
  const moonpool_id *at = &mp_line_at(line)->id, *id = &frame->id;
  if (frame->prev.data) return IS_MISMATCH; /* another kind of room by now */
  if (id->ms > at->ms || (id->ms == at->ms && id->seq > at->seq)) return IS_NEXT;
  return mp_id_equals(at, id) || mp_ring_has(&line->ring, id) ? IS_KNOWN : IS_MISMATCH;
}

static what judge(mp_line *line, moonpool_bytes payload, mp_frame *frame) {
  const mp_place *at = mp_line_at(line);
  int got = mp_frame_parse(frame, payload, text_of(at));
  if (!got) return IS_SIGNAL;
  if (!mp_source_is_linked(line->source)) return judge_unlinked(line, frame);
  if (!frame->prev.data) /* of a room that nobody has written to: which kind has it become? */
    return line->source->kind == MOONPOOL_HISTORY_ANY ? IS_MISMATCH : IS_SIGNAL;
  if (got == 2 && counts_on(frame, at)) return IS_NEXT;
  if (mp_id_equals(&frame->id, &at->id) || mp_ring_has(&line->ring, &frame->id)) return IS_KNOWN;
  return IS_MISMATCH;
}

static int is_destroy(moonpool_bytes payload) {
  static const char text[] = "{\"type\":\"destroy\"";
  return payload.len >= sizeof text - 1 && memcmp(payload.data, text, sizeof text - 1) == 0;
}

static void offer(mp_line *line, moonpool_bytes payload) {
  mp_frame frame;
  switch (judge(line, payload, &frame)) {
  case IS_KNOWN: return;
  case IS_MISMATCH:
    mp_line_resync(line);
    mp_source_check_soon(line->source); /* the history read may not be the one that it is from */
    return;
  case IS_NEXT: mp_line_deliver(line, &frame); break;
  case IS_SIGNAL: begin_signal(line, payload); break;
  }
  mp_line_tell_now(line);
  if (line->event.type == MOONPOOL_ROOM_SIGNAL && is_destroy(payload)) mp_line_resync(line);
}

/* Lines that have come to the same place are one from now on. */
static void merge_live(mp_source *source) {
  mp_node *a, *b, *next;
  for (a = source->lines.next; a != &source->lines; a = a->next) {
    mp_line *line = MP_OF(a, mp_line, node);
    if (line->state != MP_LINE_LIVE || line->cursor) continue;
    for (b = a->next; b != &source->lines; b = next) {
      mp_line *other = MP_OF(b, mp_line, node);
      next = b->next;
      if (other->state == MP_LINE_LIVE && !other->cursor &&
          mp_id_equals(&mp_line_at(line)->id, &mp_line_at(other)->id))
        mp_line_merge(line, other);
    }
  }
}

/* Finds out anew which line is the only one. */
static void look(mp_source *source) {
  mp_line *only = NULL;
  size_t others = 0;
  merge_live(source);
  for (mp_node *node = source->lines.next; node != &source->lines; node = node->next) {
    mp_line *line = MP_OF(node, mp_line, node);
    if (line->state == MP_LINE_LIVE && !only)
      only = line;
    else
      others += line->state != MP_LINE_PAUSED || !mp_source_is_linked(source);
  }
  source->only = others || source->reader || !mp_source_is_linked(source) ? NULL : only;
}

static void take_slowly(mp_source *source, moonpool_bytes payload) {
  mp_node *node, *next;
  if (source->reader) hold(source, payload);
  for (node = source->lines.next; node != &source->lines; node = next) {
    mp_line *line = MP_OF(node, mp_line, node);
    next = node->next;
    if (line->state == MP_LINE_LIVE) offer(line, payload);
    if (line->state == MP_LINE_PAUSED && !mp_source_is_linked(source)) line->missed++;
  }
}

/* Straight to the line's only seat, which has had what came before: the line stays in its place,
 * and nothing else is to be told. */
static void give_at_once(mp_line *line, const mp_frame *frame) {
  const mp_source *source = line->source;
  mp_feeds *feeds = source->feeds;
  moonpool_feed *feed = line->first->feed;
  note(line, frame);
  feed->messages++;
  feeds->room.type = MOONPOOL_ROOM_MESSAGE;
  feeds->room.feed = feed;
  feeds->room.room = source->name;
  feeds->room.id = frame->id;
  feeds->room.body = frame->body;
  feeds->event.ctx = feed->ctx;
  feeds->event.error.status = MOONPOOL_OK;
  feeds->is_ready = 1;
}

void mp_source_take(mp_source *source, moonpool_bytes payload) {
  mp_frame frame;
  mp_line *line = source->only;
  if (line) {
    const mp_place *at = mp_line_at(line);
    if (mp_frame_parse(&frame, payload, text_of(at)) == 2 && counts_on(&frame, at)) {
      if (line->first == line->last && mp_node_is_alone(&source->feeds->live)) {
        give_at_once(line, &frame);
        return;
      }
      mp_line_deliver(line, &frame);
      mp_line_tell_now(line);
      return;
    }
  } else {
    look(source);
  }
  take_slowly(source, payload);
}

int mp_line_take_held(mp_line *line) {
  mp_source *source = line->source;
  mp_frame frame;
  drop_told(source);
  if (source->has_overflowed) return -1;
  while (source->held) {
    mp_held *held = source->held;
    moonpool_bytes payload = {held->payload, held->len};
    source->held = held->next;
    if (!source->held) source->held_tail = &source->held;
    source->held_count--;
    source->held_bytes -= held->len;
    drop_told(source);
    source->held_told = held; /* until the event has been told */
    switch (judge(line, payload, &frame)) {
    case IS_KNOWN: continue;
    case IS_MISMATCH: return -1;
    case IS_NEXT: mp_line_deliver(line, &frame); return 1;
    case IS_SIGNAL: begin_signal(line, payload); return 1;
    }
  }
  return 0;
}
