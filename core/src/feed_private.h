/* What the feeds' files share. A feed has a seat in a line; a line is all seats that are at the
 * same place of the same room; a source is the room with its lines and its subscription.
 *
 *   feed.c           what the program calls
 *   feed_delivery.c  a line's events, one feed after the other
 *   feed_pattern.c   feeds of all rooms that match a pattern
 *   line.c           seats, places, the ids delivered last
 *   source.c         a source's life: its subscription, its timer
 *   source_frames.c  what its channel carries
 *   resync.c         the turns in which its lines read the history
 *   resync_read.c    what is read in a turn
 *   resync_backlog.c the same where the history is a list or a sorted set
 *   resync_tell.c    what is told of it
 *   resync_judge.c   what a read says of a line: what follows, and what is missing
 *   resync_page.c    what a read has brought
 *   head_check.c     looks whether a line is at the head
 *
 * Nobody else includes it. */
#ifndef MP_FEED_PRIVATE_H
#define MP_FEED_PRIVATE_H

#include "feed.h"
#include "frame.h"
#include "room_private.h"

#define MP_RING_MAX 1000u /* ids of messages that a line remembers */
#define MP_TAIL_IDS 100u  /* of these, those that it is given where it begins */
#define MP_READS_MAX 64u  /* of a client's sources at a time */
#define MP_SLICE 1000u    /* events from the history in one turn of the loop */
#define MP_PATTERN_ROOMS 10000u

/* ---- lists ----------------------------------------------------------------------------------- */

/* A ring; the list's head is one of its nodes. */
typedef struct mp_node {
  struct mp_node *next, *prev;
} mp_node;

static inline void mp_node_init(mp_node *node) {
  node->next = node->prev = node;
}

static inline int mp_node_is_alone(const mp_node *node) {
  return node->next == node;
}

static inline void mp_node_remove(mp_node *node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  mp_node_init(node);
}

/* At the list's end; the node is in none. */
static inline void mp_node_append(mp_node *list, mp_node *node) {
  node->prev = list->prev;
  node->next = list;
  node->prev->next = node->next->prev = node;
}

#define MP_OF(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* ---- lines ----------------------------------------------------------------------------------- */

/* Where a line is: the last message that was delivered, or the head where it began. */
typedef struct mp_place {
  moonpool_id id;
  size_t len; /* of text; 0: it is nowhere yet */
  char text[MOONPOOL_ID_SIZE];
} mp_place;

/* The ids that were delivered last. */
typedef struct mp_ring {
  moonpool_id *ids;
  size_t size, count, next;
} mp_ring;

/* What a history is known by. Two that are equal and not 0 are one history, in which nothing can
 * have been lost but by being trimmed or deleted. */
typedef struct mp_life {
  uint64_t birth;  /* the first message's tag */
  uint64_t server; /* a hash of the server's run id and replication id */
} mp_life;

struct mp_line;
typedef struct mp_pattern mp_pattern;
typedef struct mp_history mp_history;

/* A feed's place in a line. A feed of a pattern has one in each room. */
typedef struct mp_seat {
  struct mp_seat *next, *prev;
  struct mp_line *line;
  moonpool_feed *feed;
  uint64_t turn; /* the line's, when it had its last event */
} mp_seat;

/* One message of a page; `body` data NULL: it is none of ours, or its body was not asked for. */
typedef struct mp_page_entry {
  moonpool_id id;
  moonpool_bytes body;
} mp_page_entry;

typedef struct mp_page {
  struct mp_page *next; /* among those to be freed */
  size_t count;
  char *free;              /* where the next body goes */
  mp_page_entry entries[]; /* and the bodies */
} mp_page;

/* A payload that came while the history was read. */
typedef struct mp_held {
  struct mp_held *next;
  size_t len;
  char payload[];
} mp_held;

typedef enum mp_line_state {
  MP_LINE_WANTS, /* to read */
  MP_LINE_READS, /* it is the source's reader, and the call is on its way */
  MP_LINE_TELLS, /* it is the source's reader, and tells its seats what was read */
  MP_LINE_LIVE,
  MP_LINE_PAUSED
} mp_line_state;

/* How a line that is nowhere yet, or has read foreign entries only, goes on. */
typedef enum mp_next_kind {
  MP_NEXT_AFTER,   /* after its place, which must be there */
  MP_NEXT_END,     /* at the head */
  MP_NEXT_LAST,    /* at the newest but `left`; `next`: where the search for it has come to */
  MP_NEXT_FROM,    /* whatever is there from `next` on */
  MP_NEXT_EXACTLY, /* from `next` on, which must be there */
  MP_NEXT_PAST     /* after the entry `next`, which must be there, though it is none of ours */
} mp_next_kind;

typedef struct mp_line {
  /* What each message needs comes first, so that a thousand rooms fit into the cache. */
  struct mp_source *source;
  mp_seat *first, *last;
  mp_ring ring;
  unsigned now;
  mp_line_state state;
  mp_place places[2]; /* of those who have had the event, at `now`, and of those who have not */
  mp_node node;       /* in its source's list: lines or spare */
  mp_node agenda;     /* in the feeds' list of those that have something to tell */
  size_t seats;
  uint64_t turn;
  mp_seat *cursor;           /* the next seat that gets `event` */
  moonpool_room_event event; /* but for its feed */
  moonpool_error error;      /* of an ERROR */
  mp_next_kind next_kind;
  moonpool_id next;
  size_t left;
  mp_life life;
  /* What is told after one another. */
  moonpool_gap gap, end_gap;
  moonpool_id landing, head; /* where it is after the one, if it has landed, and after the other */
  int has_landed;
  int owes_gap, owes_end_gap, owes_reconnected, owes_live, owes_error;
  int is_kept;   /* the event's body is in the feeds' `kept` */
  int is_at_end; /* the page is the history's last */
  int has_past;  /* the page's last entry, `past`, was none of ours */
  moonpool_id past;
  int is_stale; /* the subscription was lost since the read was begun */
  mp_page *page;
  size_t page_at;
  uint64_t missed; /* paused, without a history: what has come meanwhile */
  char text[256];  /* of the error */
} mp_line;

static inline mp_place *mp_line_at(mp_line *line) {
  return &line->places[line->now];
}

/* ---- sources --------------------------------------------------------------------------------- */

typedef struct mp_source {
  struct mp_feeds *feeds;
  mp_line *only; /* the one line that gets frames, and it is live; NULL: look at all of them. Who
                    changes a line's state sets it to NULL */
  moonpool_bytes name; /* the room's */
  mp_room *room;
  moonpool_room_options options;
  moonpool_history_kind kind;          /* ANY: not known yet */
  moonpool_subscription *subscription; /* NULL: none; of a pattern's source always */
  mp_pattern *pattern;                 /* NULL: it has its own subscription */
  mp_node pattern_node;                /* in the pattern's list, the one heard last at the end */
  mp_seat pattern_seat;
  struct mp_source *bucket_next; /* in the pattern's table */
  int is_confirmed, has_been_confirmed;
  mp_node lines, spare; /* as many lines as there are seats */
  mp_line *reader;
  mp_node wanting; /* in the feeds' list */
  mp_node node;    /* among the feeds' sources */
  size_t seats;
  int is_reading; /* a call is on its way */
  mp_held *held, **held_tail, *held_told;
  size_t held_count, held_bytes;
  int has_overflowed;
  uint64_t not_before;               /* of the loop's clock: no read begins earlier */
  uint64_t check_at, resubscribe_at; /* likewise; 0: never */
  uint64_t resynced_at;
  moonpool_id suspect; /* where the last look found the line, and the head elsewhere */
  int is_suspect, is_checking;
  unsigned failures; /* in a row */
  uint64_t reads, resyncs;
  uv_timer_t timer;
  int is_ended, holds;
  mp_buf keys;           /* of the scripts, one after the other */
  moonpool_bytes key[4]; /* log, head, config, backlog */
  char last_error[256];
} mp_source;

struct moonpool_feed {
  struct mp_feeds *feeds;
  mp_seat seat; /* of a room's feed */
  void *ctx;
  uint64_t messages, signals, gaps;
  mp_pattern *pattern;        /* or NULL */
  mp_node node;               /* among all feeds */
  moonpool_room *handle;      /* whose feed it is, or NULL */
  moonpool_feed *next, *prev; /* of the handle's */
  moonpool_event_cb listener;
  int is_paused;
};

struct mp_feeds {
  moonpool *client;
  mp_node live, busy; /* agendas: of frames, of pages */
  mp_node wanting;    /* sources that may begin to read */
  mp_node all;        /* feeds */
  mp_node sources;    /* all of them, those of patterns too */
  size_t reads;
  unsigned budget;
  moonpool_event event;
  moonpool_room_event room;
  int is_ready;   /* `event` is the next one */
  mp_page *trash; /* freed before the next event */
  mp_held *held_trash;
  mp_buf kept;
};

/* ---- line.c ---------------------------------------------------------------------------------- */

static inline int mp_id_equals(const moonpool_id *a, const moonpool_id *b) {
  return a->ms == b->ms && a->seq == b->seq && a->tag == b->tag;
}

/* Without memory the ring forgets what is oldest. */
void mp_ring_push(mp_ring *ring, const moonpool_allocator *allocator, const moonpool_id *id);

/* The id that was pushed last (0), or so many before it, below ring->count. */
const moonpool_id *mp_ring_get(const mp_ring *ring, size_t back);
int mp_ring_has(const mp_ring *ring, const moonpool_id *id);

/* Forgets the newest ones. */
void mp_ring_forget(mp_ring *ring, size_t count);

void mp_place_set(mp_place *place, const moonpool_id *id);

/* Its place becomes the one before, for another to be written. */
static inline void mp_line_turn(mp_line *line) {
  line->now ^= 1;
}

/* To another place, where no message was delivered; the ring is left as it is. */
void mp_line_move(mp_line *line, const moonpool_id *id);

const moonpool_allocator *mp_source_allocator(const mp_source *source);

/* One of the spare lines, without seats and nowhere; it wants to read. */
mp_line *mp_line_new(mp_source *source);
void mp_line_drop_page(mp_line *line);

/* It tells nothing of what it has read, and is not the source's reader any more. */
void mp_line_end_turn(mp_line *line);

/* The line must not be telling something of which the seat would miss the beginning. */
void mp_line_add(mp_line *line, mp_seat *seat);

/* A line without seats becomes a spare one. */
void mp_seat_leave(mp_seat *seat);
int mp_seat_is_due(const mp_seat *seat);

/* Moves the seat to a line of its own at its place, which wants to read. Can't fail. */
mp_line *mp_seat_split(mp_seat *seat);

/* `from`, which tells nothing, ends; its seats are `into`'s, which tells nothing either. */
void mp_line_merge(mp_line *into, mp_line *from);
int mp_line_is_with(const mp_line *a, const mp_line *b);

/* ---- feed_delivery.c ------------------------------------------------------------------------- */

mp_feeds *mp_feeds_of(moonpool *client); /* made when first needed; NULL without memory */

/* The line's next event, for all its seats; the rest of line->event is the caller's to fill. */
static inline void mp_line_begin_event(mp_line *line, moonpool_room_event_type type) {
  line->event.type = type;
  line->event.body = (moonpool_bytes){NULL, 0};
  line->cursor = line->first;
  line->is_kept = 0;
  line->turn++;
}

/* The event that was begun is told before anything more is read. */
static inline void mp_line_tell_now(mp_line *line) {
  mp_node_append(&line->source->feeds->live, &line->agenda);
}

/* ---- feed.c ---------------------------------------------------------------------------------- */

/* A feed without a seat, among all feeds; NULL without memory. */
moonpool_feed *mp_feed_new(mp_feeds *feeds, moonpool_event_cb listener, void *ctx);

/* ---- feed_pattern.c -------------------------------------------------------------------------- */

/* Its feed is closed; its memory goes once libuv has let go. */
void mp_pattern_close(mp_pattern *pattern);

/* The feed's seats, one in each room. `visit` may move them to other lines. */
void mp_pattern_each_seat(mp_pattern *pattern, void (*visit)(mp_seat *seat, void *ctx), void *ctx);

/* ---- source.c -------------------------------------------------------------------------------- */

/* The room's source, made with its subscription if it is not there; NULL without memory. Whoever
 * gets it adds a seat at once. */
mp_source *mp_source_of(mp_room *room, const moonpool_room_options *options);

/* One for a pattern, without a subscription of its own; not the room's. */
mp_source *mp_source_new(mp_room *room, const moonpool_room_options *options);

/* Another line to spare, for another seat: MOONPOOL_OK or ENOMEM. */
int mp_source_reserve(mp_source *source);

/* One that has no seat yet goes. */
void mp_source_stop(mp_source *source);

/* A seat has left: one line fewer is needed. The last one ends the source. */
void mp_source_unreserve(mp_source *source);

/* Gives back one of `holds`. */
void mp_source_let_go(mp_source *source);

/* How long to wait after a failure, in ms; longer after each in a row. */
uint64_t mp_source_backoff(mp_source *source);

/* Its timer is set to what is due next. */
void mp_source_schedule(mp_source *source);

/* Tells every line that is not paused. */
void mp_source_tell_error(mp_source *source, const moonpool_error *error);

void mp_line_tell_error(mp_line *line, const moonpool_error *error);

/* The subscription was lost and is back: what may be missed is fetched. */
void mp_source_reconnected(mp_source *source);

/* ---- source_frames.c ------------------------------------------------------------------------- */

/* What the channel carries. */
void mp_source_take(mp_source *source, moonpool_bytes payload);

void mp_source_drop_held(mp_source *source);

/* The line, whose place is the last one's, has delivered this message. */
void mp_line_deliver(mp_line *line, const mp_frame *frame);

/* What came while the reader read: 1 when an event was begun; 0 when nothing is left; -1 when the
 * history must be read again. */
int mp_line_take_held(mp_line *line);

/* ---- resync.c -------------------------------------------------------------------------------- */

/* The line reads as soon as it may. */
void mp_line_want(mp_line *line);

/* Likewise, because it may have missed something: not more often than resync_pause allows. */
void mp_line_resync(mp_line *line);

/* A line of the source may want to read. */
void mp_source_want(mp_source *source);

/* Begins the next line's turn. */
void mp_source_begin_turn(mp_source *source);

/* A call of the reader's turn was made with this status, which is returned. */
int mp_turn_begin_call(mp_source *source, int status);

/* The turn fails if it could not be made. */
void mp_turn_check_call(mp_line *line, int status);

/* A reply has come: the line whose turn it is, or NULL when that has ended, or the source has.
 * mp_source_let_go must follow. */
mp_line *mp_turn_end_call(mp_source *source);

/* What was read is to be told. */
void mp_turn_tell(mp_line *line);

/* The turn is over without it; the line wants another. */
void mp_turn_fail(mp_line *line, const moonpool_reply *reply, const moonpool_error *error);

/* ---- resync_read.c --------------------------------------------------------------------------- */

/* Reads what the line wants: a status. */
int mp_turn_read(mp_line *line);

/* The messages that feed_trace is asked for, newest first: the line's place is number 0. */
const moonpool_id *mp_trace_id(const mp_line *line, size_t index);

/* ---- resync_backlog.c ------------------------------------------------------------------------ */

/* Goes on with a line of a room without a stream, of which this is the head. */
void mp_turn_unlinked(mp_line *line, const mp_history *history);

/* ---- resync_tell.c --------------------------------------------------------------------------- */

/* Begins the next event of what was read: 1, or 0 when there is none for now. */
int mp_line_advance(mp_line *line);

/* ---- head_check.c ---------------------------------------------------------------------------- */

/* Looks whether the lines are at the head; and does so from now on, now and then. */
void mp_source_check(mp_source *source);
void mp_source_watch(mp_source *source);

/* Likewise, after check_grace. */
void mp_source_check_soon(mp_source *source);

/* ---- resync_page.c --------------------------------------------------------------------------- */

/* What a read has said, but for the bodies. */
struct mp_history {
  moonpool_id head; /* has_head */
  mp_life life;
  moonpool_history_kind kind; /* ANY: there is no config */
  int has_head, has_config;
  int has_room;            /* there is a head or an entry */
  size_t count;            /* entries, those that are none of ours too */
  moonpool_id first, last; /* of them; tag 0: none of ours */
  const moonpool_reply *entries;
  long long found; /* of feed_trace */
  int is_oldest;
};

/* Takes the reply of feed_read or feed_trace apart: MOONPOOL_OK or EPROTO. */
int mp_history_parse(mp_history *history, const moonpool_reply *reply);

/* Does the history have links, or is it not known yet? */
static inline int mp_source_is_linked(const mp_source *source) {
  return source->kind == MOONPOOL_HISTORY_STREAM || source->kind == MOONPOOL_HISTORY_ANY;
}

/* One entry's id, whose tag is 0 when it is none of ours, and its body (or data NULL): 1, or 0 when
 * it is no entry at all. */
int mp_history_entry(const moonpool_reply *entry, moonpool_id *id, moonpool_bytes *body);

/* Room for `count` messages whose bodies have `bytes` in all; NULL without memory. */
mp_page *mp_page_alloc(size_t count, size_t bytes, const moonpool_allocator *allocator);
void mp_page_add(mp_page *page, const moonpool_id *id, moonpool_bytes body);

/* A copy of those entries that are ours, without the first `skip`; NULL without memory. */
mp_page *mp_page_new(const mp_history *history, size_t skip, const moonpool_allocator *allocator);

/* ---- resync_judge.c -------------------------------------------------------------------------- */

typedef enum mp_verdict {
  MP_JUDGE_OK,
  MP_JUDGE_TRACE, /* the line's place is not there: feed_trace is to be asked */
  MP_JUDGE_AGAIN  /* from the line's place, not from `next` */
} mp_verdict;

typedef struct mp_judgement {
  mp_verdict verdict;
  size_t skip; /* entries that were delivered before, or are not to be */
  int has_gap; /* before the entries */
  moonpool_gap gap;
  int has_moved; /* the line's place is now `place` */
  moonpool_id place;
  size_t forget; /* so many of the newest in the ring are not in the history */
} mp_judgement;

/* What a read that was begun at the line's place says of it. */
void mp_judge(const mp_line *line, const mp_history *history, mp_judgement *judgement);

/* Likewise of a trace. */
void mp_judge_trace(const mp_line *line, const mp_history *history, mp_judgement *judgement);

/* Whether the head is beyond the last entry that was delivered: 1 and the gap. */
int mp_judge_end(const mp_line *line, const mp_history *history, const moonpool_id *last,
                 moonpool_gap *gap);

#endif
