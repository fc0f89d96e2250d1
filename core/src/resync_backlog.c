/* Rooms whose history is a list or a sorted set: their messages have no links, so what was missed
 * is not fetched. The history is read once, where a feed begins with it, and joined to what is live
 * by the ids, which only ever grow. */
#include "feed_private.h"

#include <inttypes.h>
#include <stdio.h>

static const moonpool_id origin;

/* ---- where it begins ------------------------------------------------------------------------- */

static int is_younger(const moonpool_id *a, const moonpool_id *b) {
  return a->ms > b->ms || (a->ms == b->ms && a->seq > b->seq);
}

/* Nothing more is to be fetched: at the head, or where it is already. */
static void settle(mp_line *line, const moonpool_id *head) {
  mp_place *at = mp_line_at(line);
  if (!at->len || !mp_id_equals(&at->id, head)) mp_line_move(line, head);
  line->next_kind = MP_NEXT_AFTER;
  line->left = 0;
  line->is_at_end = 1;
  line->missed = 0;
  mp_turn_tell(line);
}

/* A room that was new when the line was there: what the history has lost since is missing. */
static void tell_trimmed(mp_line *line) {
  const moonpool_id *first = &line->page->entries[0].id;
  if (!mp_line_at(line)->len || first->seq <= 1) return;
  line->owes_gap = 1;
  line->has_landed = 0;
  line->gap = (moonpool_gap){origin, *first, (int64_t)(first->seq - 1), MOONPOOL_GAP_TRIMMED};
}

static void begin_with(mp_line *line, mp_page *page) {
  line->page = page;
  line->page_at = 0;
  if (page->count) tell_trimmed(line);
  if (page->count) { /* it moves with each of them */
    line->left = 0;
    line->is_at_end = 1;
    mp_turn_tell(line);
  } else {
    settle(line, &line->head);
  }
}

/* ---- the history, read once ------------------------------------------------------------------ */

static void reverse(mp_page *page) {
  for (size_t a = 0, b = page->count; a + 1 < b; a++) {
    mp_page_entry entry = page->entries[a];
    page->entries[a] = page->entries[--b];
    page->entries[b] = entry;
  }
}

static mp_page *read_members(const mp_line *line, const moonpool_reply *reply) {
  const moonpool_reply *member = reply->u.list.first;
  mp_frame frame;
  size_t bytes = 0;
  for (; member; member = member->next)
    if (member->type == MOONPOOL_STRING) bytes += member->u.string.len;
  mp_page *page = mp_page_alloc(reply->u.list.count, bytes, mp_source_allocator(line->source));
  if (!page) return NULL;
  for (member = reply->u.list.first; member; member = member->next) {
    int is_ours = member->type == MOONPOOL_STRING &&
                  mp_frame_parse(&frame, member->u.string, (moonpool_bytes){NULL, 0});
    if (is_ours && frame.id.ms >= line->next.ms) mp_page_add(page, &frame.id, frame.body);
  }
  for (size_t i = 1; i < page->count; i++)
    if (is_younger(&page->entries[0].id, &page->entries[i].id)) { /* newest first */
      reverse(page);
      break;
    }
  return page;
}

static void on_members(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  static const moonpool_error no_memory = {MOONPOOL_ENOMEM, "no memory for the room's history"};
  mp_source *source = ctx;
  mp_line *line = mp_turn_end_call(source);
  if (line && error) mp_turn_fail(line, reply, error);
  if (line && !error) {
    mp_page *page = read_members(line, reply);
    if (page)
      begin_with(line, page);
    else
      mp_turn_fail(line, NULL, &no_memory);
  }
  mp_source_let_go(source);
}

/* The newest `left`, or all since `next`, for which a list is read whole. */
static void read_backlog(mp_line *line) {
  mp_source *source = line->source;
  char from[24], till[24];
  int is_list = source->kind == MOONPOOL_HISTORY_LIST;
  moonpool_bytes argv[] = {is_list ? (moonpool_bytes){"LRANGE", 6}
                                   : (moonpool_bytes){"ZREVRANGE", 9},
                           source->key[3],
                           {"0", 1},
                           {"-1", 2}};
  if (line->next_kind == MP_NEXT_LAST) {
    line->next = origin;
    argv[3] = (moonpool_bytes){till, (size_t)snprintf(till, sizeof till, "%zu", line->left - 1)};
  } else if (!is_list) {
    argv[0] = (moonpool_bytes){"ZRANGEBYSCORE", 13};
    argv[2] =
        (moonpool_bytes){from, (size_t)snprintf(from, sizeof from, "%" PRIu64, line->next.ms)};
    argv[3] = (moonpool_bytes){"+inf", 4};
  }
  int status = moonpool_command(source->feeds->client, 4, argv, 0, on_members, source);
  mp_turn_check_call(line, mp_turn_begin_call(source, status));
}

/* ---- after a break --------------------------------------------------------------------------- */

/* Between the line's place and the head nobody has listened. */
static void tell_missing(mp_line *line, const mp_history *h) {
  const moonpool_id *at = &mp_line_at(line)->id;
  int is_same = h->life.server && line->life.server == h->life.server &&
                (!line->life.birth || line->life.birth == h->life.birth);
  int is_known = is_same && h->has_head && h->head.seq > at->seq;
  line->owes_gap = line->has_landed = 1;
  line->landing = h->head;
  line->gap = (moonpool_gap){*at, origin, is_known ? (int64_t)(h->head.seq - at->seq) : -1,
                             line->missed ? MOONPOOL_GAP_OVERFLOW : MOONPOOL_GAP_UNAVAILABLE};
  line->missed = 0;
  line->is_at_end = 1;
  line->next_kind = MP_NEXT_AFTER;
  mp_turn_tell(line);
}

void mp_turn_unlinked(mp_line *line, const mp_history *h) {
  const mp_place *at = mp_line_at(line);
  line->head = h->head;
  if (line->next_kind == MP_NEXT_AFTER && at->id.seq == 0 && !line->missed && h->has_head) {
    line->next_kind = MP_NEXT_FROM; /* it was new, and all of it is there */
    line->next = origin;
  }
  if (line->next_kind == MP_NEXT_LAST || line->next_kind == MP_NEXT_FROM) {
    line->life = h->life;
    read_backlog(line);
    return;
  }
  if (line->next_kind != MP_NEXT_END && !mp_id_equals(&mp_line_at(line)->id, &h->head))
    tell_missing(line, h);
  else
    settle(line, &h->head);
  line->life = h->life;
}
