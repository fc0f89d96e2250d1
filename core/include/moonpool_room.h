/* moonpool: rooms. A room is a Redis channel with a history, members, and a feed in which nothing
 * is skipped silently. This header is the C API and its manual; it stands on moonpool.h, whose
 * rules for threads, callbacks, times (milliseconds) and bytes hold here too. docs/rooms.md has the
 * protocol: the keys, the scripts, what travels. */
#ifndef MOONPOOL_ROOM_H
#define MOONPOOL_ROOM_H

#include <moonpool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- names and ids ------------------------------------------------------------------------ */

#define MOONPOOL_ROOM_NAME_MAX 512

/* Turns what a user wrote into a room's name: a leading "room:" is dropped. *name points into
 * `text`. EARG, and a line that says why and where in `message` (may be NULL): it is empty, longer
 * than MOONPOOL_ROOM_NAME_MAX bytes, or has braces (Redis would read them as a hash tag) or control
 * characters (C0, DEL, and C1 in UTF-8). The room's channel is "room:" and its name. */
MOONPOOL_EXTERN int moonpool_room_name(moonpool_bytes text, moonpool_bytes *name, char *message,
                                       size_t size);

/* A stored message's id: "<ms>-<seq>-<tag>". ms is Redis's clock and never goes back within a
 * room's history, seq counts the room's messages from 1, tag is 64 random bits of the publisher in
 * 16 hexadecimal digits. All zero, "0-0-0000000000000000": the place before the first message. */
typedef struct moonpool_id {
  uint64_t ms, seq, tag;
} moonpool_id;

#define MOONPOOL_ID_SIZE 64 /* bytes that hold any id's text and its end */

/* Writes the id's text and a NUL; returns its length. Can't fail. */
MOONPOOL_EXTERN size_t moonpool_id_format(const moonpool_id *id, char text[MOONPOOL_ID_SIZE]);

/* Reads an id's text: MOONPOOL_OK, or EARG with *id unchanged. Digits without a sign, numbers below
 * 2^64, 16 lower-case hexadecimal digits. Leading zeros of seq are allowed (rooms whose history is
 * sorted have them). */
MOONPOOL_EXTERN int moonpool_id_parse(moonpool_bytes text, moonpool_id *id);

/* ---- rooms -------------------------------------------------------------------------------- */

typedef enum moonpool_history_kind {
  MOONPOOL_HISTORY_ANY,    /* what the room has; of a new room: a stream */
  MOONPOOL_HISTORY_STREAM, /* a stream: linked ids, feeds that recover */
  MOONPOOL_HISTORY_LIST,   /* a list, newest first (LPUSH, LRANGE) */
  MOONPOOL_HISTORY_SORTED  /* a sorted set; scores are the time in ms (ZADD, ZRANGEBYSCORE) */
} moonpool_history_kind;

/* Fill with moonpool_room_options_init, then change what should differ. Strings are copied. */
typedef struct moonpool_room_options {
  /* Agreed among all who write to the room: its first writer's are kept in Redis. Asking for
   * something else later is EARG; moonpool_room_configure changes keep and keep_ms. */
  moonpool_history_kind history; /* default MOONPOOL_HISTORY_ANY */
  int64_t keep;        /* messages; -1: what the room has; of a new room 1000. 0: no limit */
  int64_t keep_ms;     /* age in ms; likewise; of a new room 0: no limit */
  const char *backlog; /* key of the list or sorted set; NULL: "{room:NAME}:backlog" */

  /* This handle's own. */
  size_t max_message;        /* bytes of one message's JSON (ETOOBIG); default 65536 */
  uint64_t key_ttl;          /* ms that an idempotency key is remembered; default 300000 */
  unsigned replicas;         /* durability: 0 "memory" (default); N: that many replicas have it */
  uint64_t replicas_timeout; /* ms that WAIT waits for them; default 1000 */
  size_t max_pending; /* publishes of the room waiting or in flight (EQUEUE); default 100000 */
  size_t max_pending_bytes; /* their bytes (EQUEUE); default 64 MiB */
  uint64_t lease;           /* ms after which a process that has died is no longer present; it is
                               renewed after a third; 30 to 86400000; default 9000 */

  /* Of the room's feeds in this client; those of the handle that opens the first one count. */
  size_t page;             /* entries in one read of the history; default 500 */
  size_t max_buffer;       /* live messages held while history is read; default 10000 */
  size_t max_buffer_bytes; /* their bytes; default 16 MiB. What is over is fetched again */
  uint64_t check;          /* ms between looks whether the feed is at the head; default 30000,
                              jittered by a quarter; 0: none */
  uint64_t check_grace;    /* ms for which it may differ; default 2000 */
  uint64_t resync_pause;   /* ms at least between two resyncs of a room; default 20 */
} moonpool_room_options;

MOONPOOL_EXTERN void moonpool_room_options_init(moonpool_room_options *options);

/* One room as one client sees it. Handles of the same room and client share what is one: the queue
 * of publishes, the presence lease, the subscription and the reads of its feeds. */
typedef struct moonpool_room moonpool_room;

/* Makes a handle; nothing is sent yet. `options` NULL: the defaults. EARG (name, options; the line
 * in `message` names what), ECLOSED, ENOMEM. */
MOONPOOL_EXTERN int moonpool_room_open(moonpool_room **room, moonpool *client, moonpool_bytes name,
                                       const moonpool_room_options *options, char *message,
                                       size_t size);

/* Gives the handle back: its feeds end as by moonpool_feed_close, who joined by it leaves, what is
 * on its way is completed as it comes. It may be closed after its client, as long as that one's
 * allocator is there; NULL is accepted. */
MOONPOOL_EXTERN void moonpool_room_close(moonpool_room *room);

/* The name without "room:", and the channel. Owned by the handle. Can't fail. */
MOONPOOL_EXTERN moonpool_bytes moonpool_room_get_name(const moonpool_room *room);
MOONPOOL_EXTERN moonpool_bytes moonpool_room_get_channel(const moonpool_room *room);

/* For what gives nothing back but that it was done: exactly once; `error` NULL: done. */
typedef void (*moonpool_done_cb)(const moonpool_error *error, void *ctx);

/* ---- publishing --------------------------------------------------------------------------- */

/* What is said. Strings are UTF-8; bytes that are not are replaced by U+FFFD. Absent is data NULL.
 * Written as a JSON object with its keys in this order: type, user, text, to, target, bot, then
 * those of `more`. */
typedef struct moonpool_message {
  moonpool_bytes type; /* absent: "message"; or action, rename, delete ... or one's own */
  moonpool_bytes user; /* who says it */
  moonpool_bytes text;
  moonpool_bytes to;     /* of a rename: the new name */
  moonpool_bytes target; /* of a delete: the deleted message's id */
  int is_bot;
  moonpool_bytes more; /* further members as JSON text without braces, such as "\"mood\":1"; it is
                          the caller's to see that it is JSON */
} moonpool_message;

/* Writes the JSON object that is stored of a message into `json`, without an end, if its `size` is
 * enough. Returns how long it is; 0 without memory. */
MOONPOOL_EXTERN size_t moonpool_message_json(const moonpool_message *message, char *json,
                                             size_t size);

typedef struct moonpool_stored {
  moonpool_id id;
  const char *id_text; /* as the room writes it */
  long long receivers; /* PUBLISH's count; 0 of a repeated key */
  int is_repeat;       /* the key had been used: `id` is that message's */
  unsigned replicas;   /* that have it, as WAIT said; 0 when none was asked for */
} moonpool_stored;

/* Exactly once. `stored` is there whenever the message is stored; then an `error` beside it is
 * EPARTIAL: "stored, not replicated" (fewer replicas than asked for answered in time) or "stored,
 * not announced" (Redis's ACL refuses PUBLISH: feeds get it by their next check). Without `stored`:
 * EARG (the key was used with another body; another kind or keep than the room's), EREDIS, EPERM
 * (refused, nothing stored), ETIMEOUT, ECONN, ECLOSED. Where nobody knows, since a link was lost
 * with it or Redis has not answered yet, the error's words begin with "possibly stored", behind the
 * channel; ETIMEOUT of what was never sent says so. */
typedef void (*moonpool_stored_cb)(const moonpool_stored *stored, const moonpool_error *error,
                                   void *ctx);

/* Stores the message and announces it to all who follow. Messages of one client to one room are
 * stored in the order of these calls. With a `key` (data not NULL; at most 256 bytes) it is sent
 * again when the link is lost, in its place, until its deadline: it takes effect once. Keys are
 * those of `user`. An empty key (len 0): one is made. Without a key, what was in flight when the
 * link was lost fails with ECONN. All is copied. `timeout` as in moonpool_command. Returns
 * MOONPOOL_OK, or without calling `cb`: EARG, ETOOBIG (max_message), EQUEUE (max_pending), ECLOSED,
 * ENOMEM. */
MOONPOOL_EXTERN int moonpool_room_say(moonpool_room *room, const moonpool_message *message,
                                      moonpool_bytes key, uint64_t timeout, moonpool_stored_cb cb,
                                      void *ctx);

/* Publishes without storing it: seen by who is there now, without id, never recovered (typing).
 * `cb` (may be NULL) as of moonpool_done_cb. Returns as moonpool_room_say. */
MOONPOOL_EXTERN int moonpool_room_signal(moonpool_room *room, const moonpool_message *message,
                                         uint64_t timeout, moonpool_done_cb cb, void *ctx);

/* Deletes the message with that id (with zeros before its seq or without) from the history, and
 * stores a message of type "delete", whose target it is. EARG: it is no id, or not in the history.
 * `user` (may be absent) is who does it. */
MOONPOOL_EXTERN int moonpool_room_delete(moonpool_room *room, moonpool_bytes user,
                                         moonpool_bytes id, uint64_t timeout, moonpool_stored_cb cb,
                                         void *ctx);

/* Empties the history and stores a message of type "clear". */
MOONPOOL_EXTERN int moonpool_room_clear(moonpool_room *room, moonpool_bytes user, uint64_t timeout,
                                        moonpool_stored_cb cb, void *ctx);

/* Removes every key of the room; who follows gets a gap. It does not wait for what is in the queue
 * of publishes; what is stored while it is on its way is the beginning of the room's next life. */
MOONPOOL_EXTERN int moonpool_room_destroy(moonpool_room *room, uint64_t timeout,
                                          moonpool_done_cb cb, void *ctx);

/* Changes what the room keeps, for everybody; -1: as it is, 0: no limit. What is over is removed
 * with the next message. What this handle says from now on asks for that; other handles that ask
 * for what was before are refused (EARG). */
MOONPOOL_EXTERN int moonpool_room_configure(moonpool_room *room, int64_t keep, int64_t keep_ms,
                                            uint64_t timeout, moonpool_done_cb cb, void *ctx);

/* ---- history ------------------------------------------------------------------------------ */

/* Which messages: those that meet all that is given. Zeroed: the newest ones, up to `limit`. */
typedef struct moonpool_history_query {
  size_t last;              /* the newest N of them; 0: not given */
  size_t limit;             /* at most so many; 0: 1000. Without `last`, and with since_ms or after,
                               the oldest of them, to go on from; else the newest */
  const moonpool_id *after; /* exclusive, both; NULL: not given */
  const moonpool_id *before;
  uint64_t since_ms, till_ms; /* inclusive, Redis's clock; 0: not given */
} moonpool_history_query;

/* Borrowed during the callback. */
typedef struct moonpool_entry {
  moonpool_id id;
  moonpool_bytes body; /* the JSON object that was said */
} moonpool_entry;

/* Exactly once: the messages, oldest first, or the error. Entries of the log that are none of ours
 * are left out. The error: EARG (the handle asks for another kind than the room has), EREDIS (a key
 * is of the wrong type: the message names it), ETOOBIG (below), EPERM, ECONN, ETIMEOUT, ECLOSED ...
 */
typedef void (*moonpool_history_cb)(const moonpool_entry *entries, size_t count,
                                    const moonpool_error *error, void *ctx);

/* Reads the history as it is when Redis hears of it, cut exactly to what the room keeps; a room
 * that is not there has none. A stream and a sorted set are read in pages (the option `page`), by
 * place. A list is read from its newest end: what is asked by time or id is looked for there, in
 * the newest 131072 entries; further back is ETOOBIG. Returns MOONPOOL_OK, or without calling `cb`:
 * EQUEUE, ECLOSED, ENOMEM. */
MOONPOOL_EXTERN int moonpool_room_history(moonpool_room *room, const moonpool_history_query *query,
                                          uint64_t timeout, moonpool_history_cb cb, void *ctx);

/* ---- presence ----------------------------------------------------------------------------- */

/* Says that `user` (1 to 256 bytes; what is not UTF-8 is replaced by U+FFFD) is here, from one
 * place more (places: calls of this, in all processes), until moonpool_room_part as often, the
 * handle's end, or this process's. Who was not here before is announced by a signal
 * {"type":"join","user":...}; the last place's end by "leave". What is changed while a call is on
 * its way gathers for the next one, so that who joins and parts in one turn of the loop may not be
 * announced at all. Once `cb` has said that it is done, Redis knows; from then on the client sees
 * to it that it stays so: also when the link is lost, Redis has been flushed or a replica has taken
 * over, or this process stood still and was taken for dead, its users are joined again.
 * As long as Redis cannot be told, it is tried again until the deadline; ETIMEOUT, ECLOSED, EPERM,
 * EREDIS: it is not here by this call. Returns MOONPOOL_OK, or without calling `cb`: EARG (no such
 * name), ECLOSED, ENOMEM. The lease of the room in this client is that of the handle by which it
 * was first joined or watched. */
MOONPOOL_EXTERN int moonpool_room_join(moonpool_room *room, moonpool_bytes user, uint64_t timeout,
                                       moonpool_done_cb cb, void *ctx);

/* Takes one place of the user back; EARG: this handle has none. After an error in `cb`, too, the
 * place is given back as soon as Redis can be told. */
MOONPOOL_EXTERN int moonpool_room_part(moonpool_room *room, moonpool_bytes user, uint64_t timeout,
                                       moonpool_done_cb cb, void *ctx);

/* Has this client evict, every third of the lease, those whose process has died, though nobody
 * joined by it: for who only watches. MOONPOOL_OK, ECLOSED, ENOMEM. */
MOONPOOL_EXTERN int moonpool_room_watch_presence(moonpool_room *room, int is_on);

typedef struct moonpool_member {
  moonpool_bytes user;
  uint64_t since_ms; /* Redis's clock */
  uint64_t places;
} moonpool_member;

/* Exactly once. `cursor` is where to go on, 0 at the end; between calls members may come and go;
 * one that is there all the time is named at least once. */
typedef void (*moonpool_who_cb)(const moonpool_member *members, size_t count, uint64_t cursor,
                                const moonpool_error *error, void *ctx);

/* A page of who is here: about `limit` (0: 1000; at most 10000) members from `cursor` (0: the
 * beginning). A room of no more members than the limit is given whole, by time of joining. Those
 * whose lease has expired are evicted before. Returns MOONPOOL_OK, or without calling `cb`: EQUEUE,
 * ECLOSED, ENOMEM; so does moonpool_room_count. */
MOONPOOL_EXTERN int moonpool_room_who(moonpool_room *room, uint64_t cursor, size_t limit,
                                      uint64_t timeout, moonpool_who_cb cb, void *ctx);

/* How many users are here, without listing them. */
typedef void (*moonpool_count_cb)(uint64_t count, const moonpool_error *error, void *ctx);
MOONPOOL_EXTERN int moonpool_room_count(moonpool_room *room, uint64_t timeout, moonpool_count_cb cb,
                                        void *ctx);

/* ---- feeds -------------------------------------------------------------------------------- */

/* A feed gives one listener every stored message of a room once, in order; where that cannot be
 * had, one gap that tells what is missing. */
typedef struct moonpool_feed moonpool_feed;

typedef enum moonpool_room_event_type {
  MOONPOOL_ROOM_MESSAGE,     /* stored: id, body */
  MOONPOOL_ROOM_SIGNAL,      /* not stored, or not ours: body; see `is_object` */
  MOONPOOL_ROOM_GAP,         /* gap */
  MOONPOOL_ROOM_RECONNECTED, /* the subscriber link was lost and is back; what was missed has been
                                delivered, or reported, before this */
  MOONPOOL_ROOM_LIVE,  /* what was asked for of the history has been delivered; also after a resume.
                          The first one of a feed tells that it has begun; `id` is its position */
  MOONPOOL_ROOM_ERROR, /* the history could not be read, or the channel not be subscribed to:
                          `error`; it is tried again, and told of once */
  MOONPOOL_ROOM_ENDED  /* closed, by its client's end; the last event; by callback in any case */
} moonpool_room_event_type;

typedef enum moonpool_gap_reason {
  MOONPOOL_GAP_TRIMMED,  /* the history does not reach back to it any more */
  MOONPOOL_GAP_FORKED,   /* after a failover: what was delivered after `from` is not in the history
                            that goes on; what is in it instead follows */
  MOONPOOL_GAP_OVERFLOW, /* the listener was too slow, and there is no history to fetch it from */
  MOONPOOL_GAP_UNAVAILABLE /* there is no history to ask: lists, sorted sets */
} moonpool_gap_reason;

/* "trimmed", "forked", "overflow", "unavailable". Static. Can't fail. */
MOONPOOL_EXTERN const char *moonpool_gap_reason_name(moonpool_gap_reason reason);

typedef struct moonpool_gap {
  moonpool_id from, to; /* both exclusive; `to` all zero: nothing has come after it yet */
  int64_t missing;      /* messages between them that are not delivered; -1: unknown */
  moonpool_gap_reason reason;
} moonpool_gap;

/* moonpool_event's `room`, when its type is MOONPOOL_ROOM; borrowed as that is. */
typedef struct moonpool_room_event {
  moonpool_room_event_type type;
  moonpool_feed *feed;
  moonpool_bytes room; /* the name */
  moonpool_id id;      /* MESSAGE, LIVE */
  moonpool_bytes body; /* MESSAGE, SIGNAL: the JSON object; a SIGNAL's may be anything */
  moonpool_gap gap;
} moonpool_room_event;

typedef enum moonpool_start_kind {
  MOONPOOL_START_END,   /* what is said from now on */
  MOONPOOL_START_LAST,  /* and the last `last` messages before */
  MOONPOOL_START_AFTER, /* what came after `after`; a gap when that is not in the history */
  MOONPOOL_START_SINCE  /* what was said at `since_ms` (Redis's clock) and later; nothing of it that
                           is still kept is left out, and what is not is no gap */
} moonpool_start_kind;

typedef struct moonpool_start {
  moonpool_start_kind kind;
  size_t last;
  moonpool_id after;
  uint64_t since_ms;
} moonpool_start;

/* Opens a feed. Its events come as events of type MOONPOOL_ROOM, to `listener` (never from inside
 * this function) or through moonpool_next, with `ctx`. All feeds of a room in one client share one
 * subscription, and the reads that they need at the same place. START_LAST and START_SINCE of a
 * room without a stream are read once, then joined to what is live. Returns MOONPOOL_OK, or with
 * nothing changed: EARG, ECLOSED, ENOMEM. */
MOONPOOL_EXTERN int moonpool_feed_open(moonpool_feed **feed, moonpool_room *room,
                                       const moonpool_start *start, moonpool_event_cb listener,
                                       void *ctx);

/* Opens a feed of every room whose channel matches the pattern ("room:*"), by one PSUBSCRIBE. It
 * begins in each room with the first message that is published there; its events name the room,
 * but for the LIVE that tells that Redis has confirmed the pattern, and the ERROR that it has not.
 * After a reconnect each room is looked at, and told RECONNECTED. Of more than 10000 rooms, the one
 * that was heard longest ago is forgotten, and begins anew. Its stats are those of all rooms
 * together, without a position. `options` (NULL: the defaults) are those of its feeds. EARG: no
 * pattern, or no `page`. */
MOONPOOL_EXTERN int moonpool_feed_open_pattern(moonpool_feed **feed, moonpool *client,
                                               moonpool_bytes pattern,
                                               const moonpool_room_options *options,
                                               moonpool_event_cb listener, void *ctx);

/* Ends it at once: no event comes any more, and the handle is invalid. NULL is accepted. A feed
 * whose ENDED event has come must not be closed. */
MOONPOOL_EXTERN void moonpool_feed_close(moonpool_feed *feed);

/* A paused feed gets no events. What is stored meanwhile is fetched from the history once it is
 * resumed, where there is one; else it is a gap (overflow). Signals are dropped. Can't fail. */
MOONPOOL_EXTERN void moonpool_feed_pause(moonpool_feed *feed);
MOONPOOL_EXTERN void moonpool_feed_resume(moonpool_feed *feed);

typedef struct moonpool_feed_stats {
  moonpool_id position;   /* of what was delivered last, or where it began */
  int is_live, is_paused; /* nothing is being fetched */
  uint64_t messages, signals, gaps;
  uint64_t reads, resyncs; /* of the room in this client, by all its feeds */
  size_t buffered;         /* live messages that wait for history; of the room likewise */
} moonpool_feed_stats;
MOONPOOL_EXTERN void moonpool_feed_get_stats(const moonpool_feed *feed, moonpool_feed_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
