/* Lines: the seats that are at one place of a room's messages, that place, and what was delivered
 * before it. A source has as many lines as seats, so that a seat that leaves its line for another
 * place always finds one. */
#include "feed_private.h"

/* ---- ids that were delivered ----------------------------------------------------------------- */

#define RING_FIRST 64u

/* Only in the moment when its oldest id is its first; without memory it stays as it is. */
static void grow(mp_ring *ring, const moonpool_allocator *allocator) {
  size_t size = ring->size ? ring->size * 4 : RING_FIRST;
  if (size > MP_RING_MAX) size = MP_RING_MAX;
  moonpool_id *ids = allocator->realloc(allocator->ctx, ring->ids, size * sizeof *ids);
  if (!ids) return;
  ring->next = ring->count;
  ring->ids = ids;
  ring->size = size;
}

void mp_ring_push(mp_ring *ring, const moonpool_allocator *allocator, const moonpool_id *id) {
  if (ring->count == ring->size && ring->next == 0 && ring->size < MP_RING_MAX)
    grow(ring, allocator);
  if (!ring->size) return;
  ring->ids[ring->next] = *id;
  if (++ring->next == ring->size) ring->next = 0;
  if (ring->count < ring->size) ring->count++;
}

const moonpool_id *mp_ring_get(const mp_ring *ring, size_t back) {
  size_t at = ring->next + ring->size - 1 - back;
  return &ring->ids[at < ring->size ? at : at - ring->size];
}

int mp_ring_has(const mp_ring *ring, const moonpool_id *id) {
  for (size_t i = 0; i < ring->count; i++)
    if (mp_id_equals(mp_ring_get(ring, i), id)) return 1;
  return 0;
}

void mp_ring_forget(mp_ring *ring, size_t count) {
  for (; count && ring->count; count--, ring->count--)
    ring->next = (ring->next ? ring->next : ring->size) - 1;
}

static void free_ring(mp_ring *ring, const moonpool_allocator *allocator) {
  mp_free(allocator, ring->ids);
  *ring = (mp_ring){0};
}

/* All but the newest `skip`; as many as there is memory for. */
static void copy_ring(mp_ring *to, const mp_ring *from, size_t skip,
                      const moonpool_allocator *allocator) {
  for (size_t i = from->count; i > skip; i--) mp_ring_push(to, allocator, mp_ring_get(from, i - 1));
}

/* Likewise, without memory. */
static void move_ring(mp_ring *to, mp_ring *from, size_t skip) {
  *to = *from;
  *from = (mp_ring){0};
  mp_ring_forget(to, skip);
}

/* ---- places ---------------------------------------------------------------------------------- */

void mp_place_set(mp_place *place, const moonpool_id *id) {
  place->id = *id;
  place->len = moonpool_id_format(id, place->text);
}

void mp_line_move(mp_line *line, const moonpool_id *id) {
  mp_line_turn(line);
  mp_place_set(mp_line_at(line), id);
}

/* ---- lines ----------------------------------------------------------------------------------- */

const moonpool_allocator *mp_source_allocator(const mp_source *source) {
  return &source->room->allocator;
}

mp_line *mp_line_new(mp_source *source) {
  mp_line *line = MP_OF(source->spare.next, mp_line, node);
  mp_node_remove(&line->node);
  memset(line, 0, sizeof *line);
  mp_node_init(&line->agenda);
  mp_node_append(&source->lines, &line->node);
  source->only = NULL;
  line->source = source;
  line->event.room = source->name;
  return line;
}

void mp_line_drop_page(mp_line *line) {
  mp_feeds *feeds = line->source->feeds;
  if (!line->page) return;
  line->page->next = feeds->trash;
  feeds->trash = line->page;
  line->page = NULL;
}

/* It is not the source's reader any more. A reply that is still to come finds none. */
void mp_line_end_turn(mp_line *line) {
  mp_source *source = line->source;
  mp_line_drop_page(line);
  mp_node_remove(&line->agenda);
  line->cursor = NULL;
  if (source->reader != line) return;
  source->reader = NULL;
  source->only = NULL;
  mp_source_drop_held(source);
  mp_source_want(source);
}

static void retire(mp_line *line) {
  mp_source *source = line->source;
  mp_line_end_turn(line);
  free_ring(&line->ring, mp_source_allocator(source));
  mp_node_remove(&line->node);
  mp_node_append(&source->spare, &line->node);
  source->only = NULL;
}

/* ---- seats ----------------------------------------------------------------------------------- */

void mp_line_add(mp_line *line, mp_seat *seat) {
  seat->line = line;
  seat->turn = line->turn;
  seat->next = NULL;
  seat->prev = line->last;
  *(line->last ? &line->last->next : &line->first) = seat;
  line->last = seat;
  line->seats++;
}

static void take_out(mp_seat *seat) {
  mp_line *line = seat->line;
  if (line->cursor == seat) {
    line->cursor = seat->next;
    if (!line->cursor && line->state != MP_LINE_TELLS) mp_node_remove(&line->agenda);
  }
  *(seat->prev ? &seat->prev->next : &line->first) = seat->next;
  *(seat->next ? &seat->next->prev : &line->last) = seat->prev;
  line->seats--;
  seat->line = NULL;
}

void mp_seat_leave(mp_seat *seat) {
  mp_line *line = seat->line;
  take_out(seat);
  if (!line->seats) retire(line);
}

/* Is the line's event still to be given to the seat? */
int mp_seat_is_due(const mp_seat *seat) {
  return seat->line->cursor && seat->turn != seat->line->turn;
}

/* The event will not be given to those who are still to have it: they are where they were before
 * it. Signals are just lost, and what the line tells of itself is told again. */
static void go_back(mp_line *to, mp_line *from) {
  int is_message = from->event.type == MOONPOOL_ROOM_MESSAGE;
  if (!is_message && from->event.type != MOONPOOL_ROOM_GAP) return;
  *mp_line_at(to) = from->places[from->now ^ 1];
  if (!is_message) to->next_kind = MP_NEXT_AFTER; /* what is missing is found out anew */
}

mp_line *mp_seat_split(mp_seat *seat) {
  mp_line *from = seat->line;
  int is_due = mp_seat_is_due(seat);
  mp_line *line = mp_line_new(from->source);
  const moonpool_allocator *allocator = mp_source_allocator(from->source);
  *mp_line_at(line) = *mp_line_at(from);
  line->next_kind = from->next_kind;
  line->next = from->next;
  line->left = from->left;
  line->life = from->life;
  line->owes_reconnected = from->owes_reconnected;
  line->owes_live = from->owes_live;
  if (is_due) go_back(line, from);
  if (is_due && from->event.type == MOONPOOL_ROOM_RECONNECTED) line->owes_reconnected = 1;
  if (is_due && from->event.type == MOONPOOL_ROOM_LIVE) line->owes_live = 1;
  size_t skip = is_due && from->event.type == MOONPOOL_ROOM_MESSAGE;
  if (from->seats == 1)
    move_ring(&line->ring, &from->ring, skip);
  else
    copy_ring(&line->ring, &from->ring, skip, allocator);
  take_out(seat);
  mp_line_add(line, seat);
  if (!from->seats) retire(from);
  return line;
}

void mp_line_merge(mp_line *into, mp_line *from) {
  if (from->ring.count > into->ring.count) {
    mp_ring ring = into->ring;
    into->ring = from->ring;
    from->ring = ring;
  }
  while (from->first) {
    mp_seat *seat = from->first;
    take_out(seat);
    mp_line_add(into, seat);
  }
  retire(from);
}

/* Would a read for the one do for the other? */
int mp_line_is_with(const mp_line *a, const mp_line *b) {
  const mp_place *x = &a->places[a->now], *y = &b->places[b->now];
  if (a->next_kind != b->next_kind || a->left != b->left || a->cursor || b->cursor) return 0;
  if (a->owes_live != b->owes_live || a->owes_reconnected != b->owes_reconnected) return 0;
  if (a->next_kind != MP_NEXT_AFTER && !mp_id_equals(&a->next, &b->next)) return 0;
  if (a->missed != b->missed || x->len != y->len) return 0;
  return memcmp(x->text, y->text, x->len) == 0;
}
