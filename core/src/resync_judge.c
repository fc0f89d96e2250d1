/* What a read says of a line. The messages that were delivered and those of the history are two
 * chains: as long as the line's place is in the history, what follows it there follows. If it is
 * not, it was deleted, or trimmed, or the history is another one from some place on. Seqs count the
 * messages of each, so an entry of a seq that was delivered as another message tells of a fork; and
 * as long as neither the server nor the room's birth has changed, the seqs tell how many are
 * missing. */
#include "feed_private.h"

static const moonpool_id origin;

static int is_same_life(const mp_line *line, const mp_history *history) {
  const mp_life *a = &line->life, *b = &history->life;
  if (!a->server || a->server != b->server) return 0;
  return !a->birth || !b->birth || a->birth == b->birth;
}

static void tell_gap(mp_judgement *j, const moonpool_id *from, const moonpool_id *to,
                     int64_t missing, moonpool_gap_reason reason) {
  j->has_gap = 1;
  j->gap = (moonpool_gap){*from, *to, missing, reason};
}

static void move_to(mp_judgement *j, const moonpool_id *place) {
  j->has_moved = 1;
  j->place = *place;
}

/* Nothing of the room is left: it begins anew. */
static void judge_nothing(const moonpool_id *at, mp_judgement *j) {
  tell_gap(j, at, &origin, -1, MOONPOOL_GAP_TRIMMED);
  move_to(j, &origin);
  j->forget = SIZE_MAX;
}

/* From the first message of all on. */
static void judge_from_origin(const mp_history *h, mp_judgement *j) {
  if (!h->count || !h->first.tag || h->first.seq <= 1) return;
  tell_gap(j, &origin, &h->first, (int64_t)(h->first.seq - 1), MOONPOOL_GAP_TRIMMED);
}

static void judge_after(const mp_line *line, const mp_history *h, mp_judgement *j) {
  const moonpool_id *at = &line->places[line->now].id;
  if (at->seq == 0 && at->tag == 0)
    judge_from_origin(h, j);
  else if (h->has_head && mp_id_equals(&h->head, at))
    j->skip = h->count;
  else if (!h->has_room)
    judge_nothing(at, j);
  else if (h->count && mp_id_equals(&h->first, at))
    j->skip = 1;
  else
    j->verdict = MP_JUDGE_TRACE;
}

void mp_judge(const mp_line *line, const mp_history *h, mp_judgement *j) {
  *j = (mp_judgement){.verdict = MP_JUDGE_OK};
  int is_there = h->count && h->first.ms == line->next.ms && h->first.seq == line->next.seq;
  switch (line->next_kind) {
  case MP_NEXT_EXACTLY:
    if (!is_there || h->first.tag != line->next.tag) j->verdict = MP_JUDGE_AGAIN;
    break;
  case MP_NEXT_PAST:
    j->skip = 1;
    if (!is_there) j->verdict = MP_JUDGE_AGAIN;
    break;
  case MP_NEXT_AFTER: judge_after(line, h, j); break;
  default: break;
  }
}

/* ---- traces ---------------------------------------------------------------------------------- */

/* The first of our entries after the first `skip`, or NULL. */
static const moonpool_reply *first_of_ours(const mp_history *h, size_t skip, moonpool_id *id) {
  moonpool_bytes body;
  const moonpool_reply *entry = h->entries->u.list.first;
  for (; entry; entry = entry->next) {
    if (skip) {
      skip--;
      continue;
    }
    mp_history_entry(entry, id, &body);
    if (id->tag && body.data) return entry;
  }
  return NULL;
}

/* Is there a message that says that this one was deleted? */
static int is_deleted(const mp_history *h, const moonpool_id *id) {
  static const char begin[] = "{\"type\":\"delete\"";
  char target[MOONPOOL_ID_SIZE + 16] = "\"target\":\"";
  size_t len = 10 + moonpool_id_format(id, target + 10);
  target[len++] = '"';
  moonpool_id of;
  moonpool_bytes body;
  const moonpool_reply *entry = h->entries->u.list.first;
  for (; entry; entry = entry->next) {
    mp_history_entry(entry, &of, &body);
    if (!body.data || body.len < sizeof begin || memcmp(body.data, begin, sizeof begin - 1))
      continue;
    if (memmem(body.data, body.len, target, len)) return 1;
  }
  return 0;
}

/* What was delivered after the ancestor is in the history no more: because it was deleted? */
static int are_deleted(const mp_line *line, const mp_history *h, size_t count) {
  if (is_same_life(line, h)) return 1;
  for (size_t i = 0; i < count; i++)
    if (!is_deleted(h, mp_trace_id(line, i))) return 0;
  return 1;
}

/* `h` begins with the newest message delivered that is still there. */
static void judge_ancestor(const mp_line *line, const mp_history *h, mp_judgement *j) {
  const moonpool_id *at = &line->places[line->now].id;
  size_t newer = (size_t)h->found - 1;
  const moonpool_id *ancestor = mp_trace_id(line, newer);
  moonpool_id next;
  j->skip = 1;
  if (!newer) return;
  if (first_of_ours(h, 1, &next)) {
    if (next.seq > at->seq && are_deleted(line, h, newer)) return;
    tell_gap(j, ancestor, &next, -1, MOONPOOL_GAP_FORKED);
    move_to(j, ancestor);
  } else {
    if (h->has_head && mp_id_equals(&h->head, at)) return;
    if (h->has_head && h->head.seq > at->seq && is_same_life(line, h)) return;
    tell_gap(j, ancestor, &origin, -1, MOONPOOL_GAP_FORKED);
    move_to(j, h->has_head ? &h->head : ancestor);
  }
  j->forget = newer;
}

/* Nothing that was delivered is there any more. */
static void judge_strangers(const mp_line *line, const mp_history *h, mp_judgement *j) {
  const moonpool_id *at = &line->places[line->now].id;
  int is_same = is_same_life(line, h);
  moonpool_id first;
  if (first_of_ours(h, 0, &first)) {
    int is_younger = first.seq > at->seq && first.ms >= at->ms;
    int64_t missing = is_same ? (int64_t)(first.seq - at->seq - 1) : -1;
    if (is_younger && !h->is_oldest && (is_same || is_deleted(h, at))) return;
    if (is_younger && missing == 0) return;
    if (is_younger && h->is_oldest) {
      tell_gap(j, at, &first, missing, MOONPOOL_GAP_TRIMMED);
      return;
    }
    tell_gap(j, at, &first, -1, MOONPOOL_GAP_FORKED);
    j->forget = SIZE_MAX;
    return;
  }
  if (!h->has_room) {
    judge_nothing(at, j);
    return;
  }
  if (!h->has_head || mp_id_equals(&h->head, at)) return;
  if (h->head.seq > at->seq && is_same) return; /* its end is beyond the place: mp_judge_end */
  tell_gap(j, at, &origin, -1, h->head.seq > at->seq ? MOONPOOL_GAP_TRIMMED : MOONPOOL_GAP_FORKED);
  move_to(j, &h->head);
  j->forget = SIZE_MAX;
}

void mp_judge_trace(const mp_line *line, const mp_history *h, mp_judgement *j) {
  *j = (mp_judgement){.verdict = MP_JUDGE_OK};
  if (h->found)
    judge_ancestor(line, h, j);
  else
    judge_strangers(line, h, j);
}

int mp_judge_end(const mp_line *line, const mp_history *h, const moonpool_id *last,
                 moonpool_gap *gap) {
  (void)line;
  if (!h->has_head || h->head.seq <= last->seq) return 0;
  *gap = (moonpool_gap){*last, origin, (int64_t)(h->head.seq - last->seq), MOONPOOL_GAP_TRIMMED};
  return 1;
}
