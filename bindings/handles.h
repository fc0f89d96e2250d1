/* What the files of clients, commands and subscriptions share of each other. */
#ifndef MP_HANDLES_H
#define MP_HANDLES_H

#include "runtime.h"

#include <moonpool_room.h>

typedef struct mp_retry mp_retry;

/* A userdata. Anchored while it has subscriptions; else it may be collected, which closes it. */
typedef struct mp_client {
  mp_runtime *runtime;
  moonpool *core; /* NULL: closed */
  int ref;
  size_t subscriptions; /* open ones */
  size_t max_mailbox;   /* messages; 0: no limit */
  size_t max_mailbox_bytes;
  struct mp_batch *batches;              /* recorded, not sent */
  uint64_t gaps;                         /* messages that overflowed mailboxes */
  uint64_t failures;                     /* handlers that failed */
  uint64_t retried;                      /* commands sent again */
  uint64_t command_timeout, backoff_min; /* ms; as the core has them */
  size_t max_retries;
  mp_retry *retries;                /* commands that wait to be sent again */
  struct mp_room_handle *rooms;     /* open ones */
  struct mp_feed *feeds;            /* all that are not freed */
  struct mp_client *undrained_next; /* in the runtime's list of those whose messages wait */
  int undrained_ref;                /* what anchors it meanwhile; LUA_NOREF: it is not there */
} mp_client;

typedef enum mp_gap {
  MP_GAP_NONE,
  MP_GAP_OVERFLOW, /* of the mailbox: counted */
  MP_GAP_RECONNECT /* while the link was lost: nobody knows how many */
} mp_gap;

/* A message or event that waits because the handler of its subscription does. */
typedef struct mp_letter {
  struct mp_letter *next;
  moonpool_event_type type;
  mp_gap gap; /* then `missing` is all that it has */
  uint64_t missing;
  long long count;
  int status;
  size_t payload, channel, pattern, message; /* lengths; the bytes follow in this order */
  size_t room;                               /* of a feed's event: then a moonpool_room_event */
  int has_channel, has_pattern;
  char bytes[];
} mp_letter;

typedef struct mp_mailbox {
  mp_letter *first, *last;
  size_t count, bytes;
  struct mp_sub *due_next; /* in the runtime's list of mailboxes to be dispatched */
} mp_mailbox;

#define MP_SUB_FEED 3 /* the kind of what is a room's feed: an mp_feed, see room.h */

/* What a subscription is to the binding: lives until it is closed, Redis has confirmed that, its
 * handler has returned, and the program has dropped its handle. The handle is a userdata that only
 * points here, so that a program which drops it pays for nothing but the subscription. */
typedef struct mp_sub {
  mp_client *client; /* anchored while the subscription is open */
  union {
    moonpool_subscription *core; /* NULL once closed */
    moonpool_feed *feed;         /* of MP_SUB_FEED, likewise */
  };
  mp_mailbox *mailbox; /* NULL: not needed yet */
  mp_waiter *waiters;  /* for the confirmation, or inside the iterator */
  int handler;         /* a reference */
  int events;          /* likewise: a table of handlers by event name */
  int names;           /* the name as a Lua string, or with several names a list of them by tag */
  int32_t count;
  uint8_t kind;        /* a moonpool_kind, or MP_SUB_FEED */
  uint8_t is_single;   /* has one name */
  uint8_t is_reader;   /* messages wait for the iterator */
  uint8_t keeps_gaps;  /* a feed's: gaps, too, for nobody is there who could be told */
  uint8_t is_busy;     /* its handler runs or waits */
  uint8_t is_active;   /* keeps run going */
  uint8_t is_leaving;  /* closed; Redis has not confirmed it yet */
  uint8_t is_released; /* its references are given back; only the handle is left */
  uint8_t has_handle;
} mp_sub;

static inline mp_runtime *mp_sub_runtime(const mp_sub *sub) {
  return sub->client->runtime;
}

/* ---- client.c ---- */

/* The client at `index`; raises if it is none. It may be closed. */
mp_client *mp_check_client(lua_State *L, int index);

/* Likewise, on any stack, also one that runs no function of ours; NULL if it is none. */
mp_client *mp_test_client(lua_State *L, int index);

/* Pushes the client's userdata. */
void mp_push_client(lua_State *L, mp_client *client);

/* ---- options.c ---- */

/* Takes the argument of connect: a URL, a table of options, or nothing. Raises for an option that
 * is unknown or of the wrong type. Strings live as long as the argument. */
void mp_check_options(lua_State *L, int index, moonpool_options *options, mp_client *client);

/* The time in seconds on top of the stack, an option's value, in ms. Raises for what is none. */
uint64_t mp_check_time_option(lua_State *L, const char *name);

/* Likewise a whole number from 0 to `max`, and a string without a NUL byte, which lives as long as
 * the value. */
size_t mp_check_count_option(lua_State *L, const char *name, size_t max);
const char *mp_check_string_option(lua_State *L, const char *name);

/* ---- arguments.c ---- */

/* The words of a command: `word`, then the arguments from index `first` to the top of the stack.
 * They lie in `room`, or, when they are more than MP_WORDS_ROOM, in a userdata that is pushed;
 * their bytes live on the stack. Raises for an argument that is neither string nor number. */
#define MP_WORDS_ROOM 64
const moonpool_bytes *mp_check_words(lua_State *L, moonpool_bytes word, int first,
                                     moonpool_bytes *room, size_t *argc);

/* Makes a string of the number at `index`, as Redis is sent it. Raises for NaN, naming the command
 * and the argument's position. */
void mp_convert_number(lua_State *L, int index, const char *command, int position);

/* ---- command.c ---- */

/* Adds call to the table of client methods on top of L. */
void mp_set_command_methods(lua_State *L, int runtime_index);

/* Sends the command `word` with the arguments from index `first` on, awaits its reply and returns
 * the results. `timeout` as moonpool_command takes it. */
int mp_send_command(lua_State *L, mp_client *client, uint64_t timeout, moonpool_bytes word,
                    int first);

/* moonpool_reply_cb: wakes the mp_waiter with the results. */
void mp_on_reply(const moonpool_reply *reply, const moonpool_error *error, void *ctx);

/* Likewise; the waiter's owner is the reply's mp_shape. */
void mp_on_shaped_reply(const moonpool_reply *reply, const moonpool_error *error, void *ctx);

/* mp_fail for a command that was not accepted: says what to use instead. */
int mp_fail_command(lua_State *L, int status, size_t argc, const moonpool_bytes *argv);

/* Sets the table of methods on top of L, which it pops, as __index of the metatable below it: what
 * is there Lua finds without a call. `make` is the __index of the table itself, with the runtime
 * and the table as upvalues: it makes what is not there yet. */
void mp_set_index(lua_State *L, int runtime_index, lua_CFunction make);

/* For such a function: pushes the method of a command that was not used before, by its name at
 * index 2, and keeps it in the table. Returns how many values it pushed: 0 when the name can be no
 * command's. `send` gets the runtime and the command's name as upvalues; `send_shaped` is for those
 * of shape.h. mp_make_command is such a function, of a client's commands. */
int mp_push_new_command(lua_State *L, lua_CFunction send, lua_CFunction send_shaped);
int mp_make_command(lua_State *L);

/* ---- retry.c ---- */

/* Has the command that `w` awaits, in a frame of mp_send_command, sent again after a while, with
 * `cb` and `w`; 0 when the reply, the command, max_retries or its deadline do not allow it. */
int mp_retry_later(mp_waiter *w, const moonpool_reply *reply, moonpool_reply_cb cb);

/* The client was closed: the commands that wait to be sent again fail with ECLOSED. */
void mp_end_retries(mp_client *client);

/* ---- view.c ---- */

/* Adds with to the table of client methods on top of L. */
void mp_set_view_methods(lua_State *L, int runtime_index);

/* The client at `index`, or that of a view, with its timeout (0: the client's own). Raises for what
 * is neither. */
mp_client *mp_check_target(lua_State *L, int index, uint64_t *timeout);

/* Likewise, on any stack; NULL for what is neither. */
mp_client *mp_target_of(lua_State *L, int index, uint64_t *timeout);

/* The timeout in a table of options at `index`, which has no others, or nil: seconds, 0 for none,
 * as moonpool_command takes it; `otherwise` when there is none. */
uint64_t mp_check_timeout_option(lua_State *L, int index, uint64_t otherwise);

/* ---- seeing.c ---- */

/* Adds state, address, stats and subscriptions to the table of client methods on top of L. */
void mp_set_seeing_methods(lua_State *L, int runtime_index);

/* ---- batch.c ---- */

/* Adds pipeline and transaction to the table of methods on top of L, of clients or views. */
void mp_set_batch_methods(lua_State *L, int runtime_index);

/* ---- recorder.c ---- */

/* The client is closed: what is being recorded will not be sent. */
void mp_client_drop_batches(mp_client *client);

/* ---- script.c ---- */

/* Adds prepare to the table of client methods on top of L. */
void mp_set_script_methods(lua_State *L, int runtime_index);

/* ---- subscription.c ---- */

/* Adds subscribe, psubscribe and ssubscribe to the table of client methods on top of L. */
void mp_set_subscribe_methods(lua_State *L, int runtime_index);

/* A subscription more keeps the client alive, whose userdata is at `index`; or one less. */
void mp_client_hold(lua_State *L, int index, mp_client *client);
void mp_client_release(mp_client *client);

/* ---- delivery.c ---- */

/* The names of events, as `on` takes them; NULL-terminated. */
extern const char *const mp_event_names[];

/* Must the event wait for the handler, or for the iterator? */
static inline int mp_sub_is_to_wait(const mp_sub *sub, const moonpool_event *event) {
  if (sub->is_busy || !sub->is_reader) return sub->is_busy;
  if (event->type == MOONPOOL_MESSAGE || (sub->mailbox && sub->mailbox->first)) return 1;
  if (event->type != MOONPOOL_ROOM) return 0;
  return event->room->type == MOONPOOL_ROOM_MESSAGE ||
         (event->room->type == MOONPOOL_ROOM_GAP && sub->keeps_gaps);
}

/* Keeps a copy of the event for them. */
void mp_sub_keep(mp_sub *sub, const moonpool_event *event);

/* Pushes a handler and its arguments for the event; returns the number of values, 0 when nobody
 * handles it. Only for functions whose second upvalue is the table of values. It may raise. */
int mp_sub_push(lua_State *L, mp_sub *sub, const moonpool_event *event);

/* Likewise for the oldest letter that somebody handles; 0 when there is none. Of an iterator's
 * letters only the events before its next message. */
int mp_sub_push_letter(lua_State *L, mp_sub *sub);

/* The iterator's next message; waits when there is none. */
int mp_sub_read(lua_State *L, mp_sub *sub);

/* Wakes all who wait in the iterator, to find out that there is nothing more. */
void mp_sub_wake_readers(mp_sub *sub);

/* The handler has returned or failed. */
void mp_sub_done(mp_sub *sub);

/* Lets go of what a closed subscription holds, and frees it, as soon as nothing needs them. */
void mp_sub_release(mp_sub *sub);

/* ---- dispatch.c ---- */

/* Has the mailbox of a subscription, which is_busy, emptied by a dispatcher, soon. */
void mp_dispatch_later(mp_sub *sub);

/* ---- mailbox.c ---- */

/* Appends a copy; 0 when it was over the limits or memory: it is counted into a gap letter instead.
 * Before a reconnect goes the letter of its gap. A feed's is never over the limits: once they are
 * reached, the feed is paused. */
int mp_mailbox_put(mp_sub *sub, const moonpool_event *event);
mp_letter *mp_mailbox_take(mp_sub *sub);

/* The oldest letter is there and no message. */
int mp_mailbox_has_event(const mp_sub *sub);

/* Drops all letters; or the mailbox as well. */
void mp_mailbox_clear(mp_sub *sub);
void mp_mailbox_free(mp_sub *sub);

/* The letter as an event that borrows from it; of a feed's, `room` gets what it says. */
void mp_letter_event(const mp_letter *letter, moonpool_event *event, moonpool_room_event *room);

#endif
