/* A turn's reads: a page by feed_read; when the line's place is not there, where the two histories
 * part by feed_trace; and the way back to the newest so many by feed_back. */
#include "feed_private.h"

#include <inttypes.h>
#include <stdio.h>

static void on_read(const moonpool_reply *reply, const moonpool_error *error, void *ctx);
static void on_trace(const moonpool_reply *reply, const moonpool_error *error, void *ctx);
static void on_back(const moonpool_reply *reply, const moonpool_error *error, void *ctx);

/* ---- calls ----------------------------------------------------------------------------------- */

static moonpool_bytes put_stream_id(char text[48], const moonpool_id *id) {
  int len = snprintf(text, 48, "%" PRIu64 "-%" PRIu64, id->ms, id->seq);
  return (moonpool_bytes){text, (size_t)len};
}

static moonpool_bytes put_count(char text[24], size_t count) {
  return (moonpool_bytes){text, (size_t)snprintf(text, 24, "%zu", count)};
}

int mp_turn_read(mp_line *line) {
  mp_source *source = line->source;
  char from[48], count[24];
  moonpool_bytes args[2] = {{"$", 1}};
  size_t asked = source->options.page;
  if (line->next_kind == MP_NEXT_END || line->next_kind == MP_NEXT_LAST)
    asked = MP_TAIL_IDS;
  else
    args[0] =
        put_stream_id(from, line->next_kind == MP_NEXT_AFTER ? &mp_line_at(line)->id : &line->next);
  args[1] = put_count(count, asked);
  int status =
      mp_room_call(source->room, &mp_redis_feed_read, 3, source->key, 2, args, 0, on_read, source);
  return mp_turn_begin_call(source, status);
}

const moonpool_id *mp_trace_id(const mp_line *line, size_t index) {
  const moonpool_id *at = &line->places[line->now].id;
  int is_in_ring = line->ring.count && mp_id_equals(mp_ring_get(&line->ring, 0), at);
  if (index == 0) return at;
  return mp_ring_get(&line->ring, index - !is_in_ring);
}

static size_t trace_length(const mp_line *line) {
  const moonpool_id *at = &line->places[line->now].id;
  int is_in_ring = line->ring.count && mp_id_equals(mp_ring_get(&line->ring, 0), at);
  return line->ring.count + !is_in_ring;
}

static int call_trace(mp_source *source, mp_line *line) {
  size_t length = trace_length(line);
  char count[24];
  struct {
    char id[48], tag[17];
  } *texts = mp_alloc(mp_source_allocator(source), length * sizeof *texts);
  moonpool_bytes *args = mp_alloc(mp_source_allocator(source), (1 + 2 * length) * sizeof *args);
  int status = MOONPOOL_ENOMEM;
  if (texts && args) {
    args[0] = put_count(count, source->options.page);
    for (size_t i = 0; i < length; i++) {
      const moonpool_id *id = mp_trace_id(line, i);
      args[1 + 2 * i] = put_stream_id(texts[i].id, id);
      snprintf(texts[i].tag, sizeof texts[i].tag, "%016" PRIx64, id->tag);
      args[2 + 2 * i] = (moonpool_bytes){texts[i].tag, 16};
    }
    status = mp_room_call(source->room, &mp_redis_feed_trace, 3, source->key, 1 + 2 * length, args,
                          0, on_trace, source);
  }
  mp_free(mp_source_allocator(source), texts);
  mp_free(mp_source_allocator(source), args);
  return mp_turn_begin_call(source, status);
}

#define BACK_STEP 2000u /* entries that one call goes back */

static int call_back(mp_source *source, mp_line *line) {
  char from[48], count[24];
  moonpool_bytes args[2] = {put_stream_id(from, &line->next),
                            put_count(count, line->left < BACK_STEP ? line->left : BACK_STEP)};
  int status =
      mp_room_call(source->room, &mp_redis_feed_back, 1, source->key, 2, args, 0, on_back, source);
  return mp_turn_begin_call(source, status);
}

/* ---- replies --------------------------------------------------------------------------------- */

static void apply(mp_line *line, const mp_history *h, const mp_judgement *j, int is_at_end) {
  mp_source *source = line->source;
  static const moonpool_error no_memory = {MOONPOOL_ENOMEM, "no memory for the room's history"};
  line->page = mp_page_new(h, j->skip, mp_source_allocator(source));
  if (!line->page) {
    mp_turn_fail(line, NULL, &no_memory);
    return;
  }
  line->page_at = 0;
  line->is_at_end = is_at_end;
  line->owes_gap = j->has_gap;
  line->gap = j->gap;
  mp_ring_forget(&line->ring, j->forget);
  if (j->has_moved && !j->has_gap) mp_line_move(line, &j->place);
  line->has_landed = j->has_moved;
  line->landing = j->place;
  line->has_past = !is_at_end && !h->last.tag;
  line->past = h->last;
  line->life = h->life;
  const moonpool_id *last = line->page->count ? &line->page->entries[line->page->count - 1].id
                            : j->has_moved    ? &j->place
                                              : &mp_line_at(line)->id;
  line->owes_end_gap =
      is_at_end && mp_line_at(line)->len && mp_judge_end(line, h, last, &line->end_gap);
  line->head = h->head;
  if (is_at_end && !mp_line_at(line)->len && !line->page->count) {
    mp_line_move(line, &h->head); /* nothing is there: at the head, or before the first */
    line->next_kind = MP_NEXT_AFTER;
  }
  mp_turn_tell(line);
}

static void begin_at_end(mp_line *line, const mp_history *h) {
  const moonpool_allocator *allocator = mp_source_allocator(line->source);
  const moonpool_id *place = h->has_head ? &h->head : &h->first; /* all zero without one */
  moonpool_id ids[MP_TAIL_IDS];
  moonpool_bytes body;
  size_t count = 0;
  const moonpool_reply *entry = h->entries->u.list.first;
  for (; entry && count < MP_TAIL_IDS; entry = entry->next)
    count += mp_history_entry(entry, &ids[count], &body) && ids[count].tag;
  while (count-- > 0) mp_ring_push(&line->ring, allocator, &ids[count]);
  mp_line_move(line, place);
  line->next_kind = MP_NEXT_AFTER;
  line->life = h->life;
  line->is_at_end = 1;
  mp_turn_tell(line);
}

/* The newest `left` messages: where they begin, if that can be told already. */
static void begin_at_last(mp_line *line, const mp_history *h) {
  mp_source *source = line->source;
  moonpool_bytes body;
  const moonpool_reply *entry = h->entries->u.list.first;
  if (!h->count) {
    begin_at_end(line, h);
    return;
  }
  for (size_t i = 1; i < line->left && entry->next; i++) entry = entry->next;
  mp_history_entry(entry, &line->next, &body);
  line->life = h->life;
  if (line->left <= h->count || h->count < MP_TAIL_IDS) {
    line->next_kind = MP_NEXT_FROM;
    line->left = 0;
    line->next.tag = 0;
    mp_turn_check_call(line, mp_turn_read(line));
    return;
  }
  line->left -= h->count;
  mp_turn_check_call(line, call_back(source, line));
}

static void on_back(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_source *source = ctx;
  mp_line *line = mp_turn_end_call(source);
  moonpool_bytes body;
  moonpool_reply fields = {.type = MOONPOOL_NIL}, entry = {.type = MOONPOOL_ARRAY};
  if (line && error) mp_turn_fail(line, reply, error);
  if (line && !error) {
    moonpool_reply *count = reply->u.list.first, id = *count->next;
    id.next = &fields;
    entry.u.list.first = &id;
    entry.u.list.count = 2;
    int is_there = mp_history_entry(&entry, &line->next, &body);
    size_t step = (size_t)count->u.integer;
    line->left -= step < line->left ? step : line->left;
    if (!is_there || !line->left) {
      line->next_kind = MP_NEXT_FROM;
      line->left = 0;
      mp_turn_check_call(line, mp_turn_read(line));
    } else {
      mp_turn_check_call(line, call_back(source, line));
    }
  }
  mp_source_let_go(source);
}

static void take_read(mp_line *line, const mp_history *h) {
  mp_source *source = line->source;
  mp_judgement j;
  if (!mp_source_is_linked(source)) {
    mp_turn_unlinked(line, h);
    return;
  }
  if (line->next_kind == MP_NEXT_END) {
    begin_at_end(line, h);
    return;
  }
  if (line->next_kind == MP_NEXT_LAST) {
    begin_at_last(line, h);
    return;
  }
  mp_judge(line, h, &j);
  if (j.verdict == MP_JUDGE_OK) {
    apply(line, h, &j, h->count < source->options.page);
    return;
  }
  if (j.verdict == MP_JUDGE_AGAIN) {
    line->next_kind = MP_NEXT_AFTER;
    mp_turn_check_call(line, mp_turn_read(line));
    return;
  }
  mp_turn_check_call(line, call_trace(source, line));
}

static void take_reply(mp_source *source, const moonpool_reply *reply, const moonpool_error *error,
                       int is_trace) {
  static const moonpool_error nonsense = {MOONPOOL_EPROTO, "the history's script answers nonsense"};
  mp_line *line = mp_turn_end_call(source);
  mp_history history;
  mp_judgement j;
  if (line && !error && mp_history_parse(&history, reply)) error = &nonsense;
  if (!line) return;
  if (error) {
    mp_turn_fail(line, reply, error);
    return;
  }
  source->failures = 0;
  source->last_error[0] = '\0';
  if (history.kind != MOONPOOL_HISTORY_ANY) source->kind = history.kind;
  if (!history.has_config && !history.has_room) source->kind = MOONPOOL_HISTORY_ANY;
  if (!is_trace) {
    take_read(line, &history);
    return;
  }
  mp_judge_trace(line, &history, &j);
  apply(line, &history, &j, history.count < source->options.page);
}

static void on_read(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_source *source = ctx;
  take_reply(source, reply, error, 0);
  mp_source_let_go(source);
}

static void on_trace(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_source *source = ctx;
  take_reply(source, reply, error, 1);
  mp_source_let_go(source);
}
