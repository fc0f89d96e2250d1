/* A source's reads of its room's history, one at a time: a line has its turn, in which it reads a
 * page and tells it; at the history's end it goes on with what has come meanwhile, and is live. */
#include "feed_private.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t now_of(const mp_source *source) {
  return uv_now(source->feeds->client->loop);
}

/* ---- wanting ----------------------------------------------------------------------------------
 */

static mp_line *first_that_wants(const mp_source *source) {
  for (mp_node *node = source->lines.next; node != &source->lines; node = node->next) {
    mp_line *line = MP_OF(node, mp_line, node);
    if (line->state == MP_LINE_WANTS && !line->cursor) return line;
  }
  return NULL;
}

void mp_source_want(mp_source *source) {
  mp_feeds *feeds = source->feeds;
  if (source->is_ended || source->reader || source->is_reading || !source->is_confirmed) return;
  if (!mp_node_is_alone(&source->wanting)) return;
  if (source->not_before > now_of(source)) {
    mp_source_schedule(source);
    return;
  }
  mp_node_append(&feeds->wanting, &source->wanting);
  mp_client_mark_dirty(feeds->client);
}

void mp_line_want(mp_line *line) {
  mp_source *source = line->source;
  line->state = MP_LINE_WANTS;
  source->only = NULL;
  mp_node_remove(&line->node); /* after those who wait already */
  mp_node_append(&source->lines, &line->node);
  mp_source_want(source);
}

void mp_line_resync(mp_line *line) {
  mp_source *source = line->source;
  uint64_t now = now_of(source), next = source->resynced_at + source->options.resync_pause;
  if (next > now && next > source->not_before) source->not_before = next;
  source->resynced_at = next > now ? next : now;
  source->resyncs++;
  mp_line_want(line);
}

/* ---- calls ------------------------------------------------------------------------------------
 */

static void on_read(const moonpool_reply *reply, const moonpool_error *error, void *ctx);
static void on_trace(const moonpool_reply *reply, const moonpool_error *error, void *ctx);
static void on_back(const moonpool_reply *reply, const moonpool_error *error, void *ctx);

static void fail(mp_line *line, const moonpool_reply *reply, const moonpool_error *error);

static int begin_call(mp_source *source, int status) {
  if (status != MOONPOOL_OK) return status;
  source->is_reading = 1;
  source->holds++;
  source->reads++;
  source->feeds->reads++;
  return status;
}

static moonpool_bytes put_stream_id(char text[48], const moonpool_id *id) {
  int len = snprintf(text, 48, "%" PRIu64 "-%" PRIu64, id->ms, id->seq);
  return (moonpool_bytes){text, (size_t)len};
}

static moonpool_bytes put_count(char text[24], size_t count) {
  return (moonpool_bytes){text, (size_t)snprintf(text, 24, "%zu", count)};
}

static int call_read(mp_source *source, mp_line *line) {
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
  return begin_call(source, status);
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
  return begin_call(source, status);
}

#define BACK_STEP 2000u /* entries that one call goes back */

static int call_back(mp_source *source, mp_line *line) {
  char from[48], count[24];
  moonpool_bytes args[2] = {put_stream_id(from, &line->next),
                            put_count(count, line->left < BACK_STEP ? line->left : BACK_STEP)};
  int status =
      mp_room_call(source->room, &mp_redis_feed_back, 1, source->key, 2, args, 0, on_back, source);
  return begin_call(source, status);
}

static void fail_to_call(mp_line *line, int status) {
  moonpool_error error = {(moonpool_status)status, moonpool_status_text(status)};
  if (status != MOONPOOL_OK) fail(line, NULL, &error);
}

/* Lines that would read the same read it together. */
static void gather(mp_line *line) {
  mp_source *source = line->source;
  for (mp_node *node = source->lines.next, *next; node != &source->lines; node = next) {
    mp_line *other = MP_OF(node, mp_line, node);
    next = node->next;
    if (other != line && other->state == MP_LINE_WANTS && mp_line_is_with(line, other))
      mp_line_merge(line, other);
  }
}

void mp_source_begin_turn(mp_source *source) {
  if (source->is_ended || source->reader || source->is_reading || !source->is_confirmed) return;
  mp_line *line = first_that_wants(source);
  if (!line) return;
  gather(line);
  source->reader = line;
  source->only = NULL;
  mp_source_drop_held(source);
  line->state = MP_LINE_READS;
  line->is_stale = 0;
  line->is_at_end = line->has_past = line->owes_gap = line->owes_end_gap = 0;
  fail_to_call(line, call_read(source, line));
}

/* A reply has come: the line whose turn it is, or NULL when that has ended, or the source has. */
static mp_line *end_call(mp_source *source) {
  mp_feeds *feeds = source->feeds;
  mp_line *line = source->reader;
  source->is_reading = 0;
  feeds->reads--;
  if (!mp_node_is_alone(&feeds->wanting)) mp_client_mark_dirty(feeds->client);
  if (source->is_ended) line = NULL;
  if (!line) mp_source_want(source);
  return line;
}

/* ---- what a read has brought ------------------------------------------------------------------
 */

static void tell(mp_line *line) {
  mp_feeds *feeds = line->source->feeds;
  line->state = MP_LINE_TELLS;
  mp_node_append(&feeds->busy, &line->agenda);
  mp_client_mark_dirty(feeds->client);
}

/* Not told of: what passes by itself, and what was told. */
static void fail(mp_line *line, const moonpool_reply *reply, const moonpool_error *error) {
  mp_source *source = line->source;
  int is_passing = moonpool_may_repeat(0, NULL, reply) || error->status == MOONPOOL_ECONN ||
                   error->status == MOONPOOL_ECLOSED;
  source->not_before = now_of(source) + mp_source_backoff(source);
  mp_line_end_turn(line);
  mp_line_want(line);
  if (!is_passing) mp_source_tell_error(source, error);
}

static void apply(mp_line *line, const mp_history *h, const mp_judgement *j, int is_at_end) {
  mp_source *source = line->source;
  static const moonpool_error no_memory = {MOONPOOL_ENOMEM, "no memory for the room's history"};
  line->page = mp_page_new(h, j->skip, mp_source_allocator(source));
  if (!line->page) {
    fail(line, NULL, &no_memory);
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
  tell(line);
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
  tell(line);
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
    fail_to_call(line, call_read(source, line));
    return;
  }
  line->left -= h->count;
  fail_to_call(line, call_back(source, line));
}

static void on_back(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_source *source = ctx;
  mp_line *line = end_call(source);
  moonpool_bytes body;
  moonpool_reply fields = {.type = MOONPOOL_NIL}, entry = {.type = MOONPOOL_ARRAY};
  if (line && error) fail(line, reply, error);
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
      fail_to_call(line, call_read(source, line));
    } else {
      fail_to_call(line, call_back(source, line));
    }
  }
  mp_source_let_go(source);
}

static void take_read(mp_line *line, const mp_history *h) {
  mp_source *source = line->source;
  mp_judgement j;
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
    fail_to_call(line, call_read(source, line));
    return;
  }
  fail_to_call(line, call_trace(source, line));
}

static void take_reply(mp_source *source, const moonpool_reply *reply, const moonpool_error *error,
                       int is_trace) {
  static const moonpool_error nonsense = {MOONPOOL_EPROTO, "the history's script answers nonsense"};
  mp_line *line = end_call(source);
  mp_history history;
  mp_judgement j;
  if (line && !error && mp_history_parse(&history, reply)) error = &nonsense;
  if (!line) return;
  if (error) {
    fail(line, reply, error);
    return;
  }
  source->failures = 0;
  source->last_error[0] = '\0';
  if (history.kind != MOONPOOL_HISTORY_ANY) source->kind = history.kind;
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

/* ---- telling it -------------------------------------------------------------------------------
 */

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

/* ---- looking at the head ----------------------------------------------------------------------
 */

/* The next look, after the usual time give or take a quarter. */
static void check_later(mp_source *source) {
  uint64_t check = source->options.check;
  source->is_suspect = 0;
  source->check_at = 0;
  if (!check) return;
  uint64_t jitter = check / 2 ? mp_room_random(source->room) % (check / 2) : 0;
  source->check_at = now_of(source) + check - check / 4 + jitter;
}

void mp_source_watch(mp_source *source) {
  if (!source->check_at && !source->is_checking) check_later(source);
  mp_source_schedule(source);
}

static mp_line *first_live(const mp_source *source) {
  for (mp_node *node = source->lines.next; node != &source->lines; node = node->next) {
    mp_line *line = MP_OF(node, mp_line, node);
    if (line->state == MP_LINE_LIVE && !line->cursor) return line;
  }
  return NULL;
}

/* The head was elsewhere: is it still, and the line where it was? */
static void suspect(mp_source *source, mp_line *line) {
  const moonpool_id *at = &mp_line_at(line)->id;
  if (source->is_suspect && mp_id_equals(&source->suspect, at)) {
    check_later(source);
    mp_line_resync(line);
    return;
  }
  source->is_suspect = 1;
  source->suspect = *at;
  source->check_at = now_of(source) + source->options.check_grace;
  if (!source->options.check_grace) source->check_at++;
}

static void on_head(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_source *source = ctx;
  mp_line *line = source->is_ended ? NULL : first_live(source);
  source->is_checking = 0;
  if (!source->is_ended) {
    moonpool_id head = {0, 0, 0};
    if (!error && reply->type == MOONPOOL_STRING) moonpool_id_parse(reply->u.string, &head);
    if (!error && line && !mp_id_equals(&head, &mp_line_at(line)->id))
      suspect(source, line);
    else
      check_later(source);
    mp_source_schedule(source);
  }
  mp_source_let_go(source);
}

void mp_source_check(mp_source *source) {
  mp_line *line = first_live(source);
  moonpool_bytes argv[] = {{"GET", 3}, source->key[1]};
  source->check_at = 0;
  if (source->is_checking) return;
  int has_head = source->kind == MOONPOOL_HISTORY_STREAM || source->kind == MOONPOOL_HISTORY_ANY;
  if (line && has_head &&
      moonpool_command(source->feeds->client, 2, argv, 0, on_head, source) == MOONPOOL_OK) {
    source->is_checking = 1;
    source->holds++;
  } else {
    check_later(source);
  }
}

void mp_feeds_ready(mp_feeds *feeds) {
  if (!feeds) return;
  for (mp_node *node = feeds->sources.next; node != &feeds->sources; node = node->next) {
    mp_source *source = MP_OF(node, mp_source, node);
    if (!source->options.check) continue;
    source->check_at = now_of(source) + 1 + mp_room_random(source->room) % 100;
    mp_source_schedule(source);
  }
}
