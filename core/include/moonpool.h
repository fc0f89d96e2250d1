/* moonpool: asynchronous Redis pub/sub on libuv. This header is the C API and its manual.
 *
 * One `moonpool` is a client of one Redis server. It keeps two links (connections): one carries
 * commands, the other, opened with the first subscription, carries every subscription. Both
 * reconnect by themselves; the second subscribes again to all that is still wanted. What cannot
 * share a link (blocking commands, WATCH) gets one of its own from a bounded pool.
 *
 * Threads: a client belongs to its loop's thread. Callbacks are called from inside uv_run, never
 * from inside the function that they were given to. A callback may call every function of this
 * header on the same client, moonpool_close included: what it frees is freed later, in libuv's
 * close callbacks. Nothing here holds global state.
 *
 * Times are milliseconds. Byte strings carry a length and may hold any byte. */
#ifndef MOONPOOL_H
#define MOONPOOL_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MOONPOOL_VERSION "0.1.0"

/* On every function that the shared library exports. */
#if defined(__GNUC__)
#define MOONPOOL_EXTERN __attribute__((visibility("default")))
#else
#define MOONPOOL_EXTERN
#endif

/* ---- status ------------------------------------------------------------------------------- */

/* Every error: name, number, what it means. Numbers are part of the ABI and never reused. */
#define MOONPOOL_STATUS_MAP(X)                                                                     \
  X(ECONN, -1, "connection failed or lost")                                                        \
  X(ECLOSED, -2, "closed")                                                                         \
  X(ETIMEOUT, -3, "deadline passed")                                                               \
  X(EAUTH, -4, "authentication refused")                                                           \
  X(EPERM, -5, "not permitted by the server's ACL")                                                \
  X(EPROTO, -6, "the peer broke the protocol")                                                     \
  X(EREDIS, -7, "Redis answered with an error")                                                    \
  X(EQUEUE, -8, "too many commands waiting")                                                       \
  X(ETOOBIG, -9, "over a size limit")                                                              \
  X(EARG, -10, "bad argument")                                                                     \
  X(ENOSUPPORT, -11, "not supported")                                                              \
  X(ENOMEM, -12, "out of memory")                                                                  \
  X(ESYS, -13, "the operating system refused")                                                     \
  X(ESCRIPT, -14, "a script failed")                                                               \
  X(ECONFLICT, -15, "a watched key was changed")                                                   \
  X(EPARTIAL, -16, "stored, but not replicated or announced as asked")                             \
  X(EREJECTED, -17, "refused by a policy")

typedef enum moonpool_status {
  MOONPOOL_OK = 0,
#define X(name, number, text) MOONPOOL_##name = number,
  MOONPOOL_STATUS_MAP(X)
#undef X
} moonpool_status;

/* The status's name, such as "ECONN"; "OK" for MOONPOOL_OK, "EUNKNOWN" for a number that is none.
 * The string is static. Can't fail. */
MOONPOOL_EXTERN const char *moonpool_status_name(int status);

/* One line in English that says what the status means. The string is static. Can't fail. */
MOONPOOL_EXTERN const char *moonpool_status_text(int status);

/* What went wrong, as callbacks receive it. `message` names the thing that failed (the address,
 * the channel, Redis's own words with their prefix) and is valid during the callback only. */
typedef struct moonpool_error {
  moonpool_status status;
  const char *message;
} moonpool_error;

/* ---- values ------------------------------------------------------------------------------- */

typedef struct moonpool_bytes {
  const char *data;
  size_t len;
} moonpool_bytes;

/* realloc's contract: `size` 0 frees and returns NULL; NULL for a size above 0 means no memory. */
typedef struct moonpool_allocator {
  void *(*realloc)(void *ctx, void *block, size_t size);
  void *ctx;
} moonpool_allocator;

/* RESP types, numbered as hiredis numbers them. */
typedef enum moonpool_type {
  MOONPOOL_STRING = 1,
  MOONPOOL_ARRAY = 2,
  MOONPOOL_INTEGER = 3,
  MOONPOOL_NIL = 4,
  MOONPOOL_STATUS = 5,
  MOONPOOL_ERROR = 6,
  MOONPOOL_DOUBLE = 7,
  MOONPOOL_BOOL = 8,
  MOONPOOL_MAP = 9,
  MOONPOOL_SET = 10,
  MOONPOOL_ATTR = 11, /* never seen: dropped before its reply, a fault (EPROTO) inside one */
  MOONPOOL_PUSH = 12,
  MOONPOOL_BIGNUM = 13,
  MOONPOOL_VERB = 14
} moonpool_type;

/* One reply, borrowed: it and all that it points to live until the callback returns; copy what is
 * to be kept. `u.string` holds STRING, STATUS, ERROR, BIGNUM and VERB (with its "txt:" prefix);
 * `u.integer` INTEGER and BOOL (0 or 1); `u.number` DOUBLE; `u.list` ARRAY, SET, PUSH, and MAP
 * as key, value, key, value: walk it from `first` along `next`. */
typedef struct moonpool_reply {
  struct moonpool_reply *next;
  uint8_t type; /* moonpool_type */
  uint8_t depth;
  union {
    moonpool_bytes string;
    long long integer;
    double number;
    struct {
      struct moonpool_reply *first, *last;
      size_t count;
    } list;
  } u;
} moonpool_reply;

/* The status that an error reply has as a command's error, such as EPERM for NOPERM: for errors
 * inside other replies. OK for every other reply. Can't fail. */
MOONPOOL_EXTERN int moonpool_reply_status(const moonpool_reply *reply);

/* ---- client ------------------------------------------------------------------------------- */

typedef struct moonpool moonpool;

/* Fill with moonpool_options_init, then change what should differ. Strings are copied by
 * moonpool_open. A limit of 0 means: no such limit. */
typedef struct moonpool_options {
  const char *url;  /* default "redis://127.0.0.1:6379" */
  const char *name; /* CLIENT SETNAME; NULL: none */

  /* Of the sentinels that a redis+sentinel:// URL names; NULL: what that says, or none. */
  const char *sentinel_username, *sentinel_password;

  uint64_t connect_timeout;  /* ms for one attempt, DNS and handshake included, once more for a loop
                                that was held up over its end; default 5000 */
  uint64_t command_timeout;  /* ms from the call to the reply; default 10000 */
  uint64_t heartbeat;        /* ms between PINGs of a silent link; lost after two; default 10000 */
  uint64_t canary;           /* ms between messages that the client sends to itself by way of Redis,
                                once it has a subscription: its subscriber link is lost when one has
                                not come back after two; default 0: none */
  uint64_t backoff_min;      /* ms; the nth retry waits random(0, min * 2^n); default 20 */
  uint64_t backoff_max;      /* ms; upper end of that range; default 10000 */
  size_t max_queue;          /* commands waiting or in flight (EQUEUE); default 1000000 */
  size_t max_queue_bytes;    /* their encoded bytes not yet sent (EQUEUE); default 256 MiB */
  size_t max_reply_bytes;    /* one reply's unparsed bytes (EPROTO); default 512 MiB + 64 KiB */
  size_t max_reply_elements; /* elements of one aggregate (EPROTO); default 16777216 */
  unsigned max_reply_depth;  /* nested aggregates (EPROTO); default 32; 7 with hiredis 0.14 */
  size_t max_name;           /* bytes of a channel or pattern (ETOOBIG); default 8 MiB */
  size_t subscribe_batch;    /* names in one SUBSCRIBE; default 500 */
  size_t subscribe_window;   /* SUBSCRIBEs in flight; default 16 */
  size_t pool_size;          /* links of the pool; default 16 */
  size_t pool_queue;         /* who may wait for one of them (EQUEUE); default 10000 */
  uint64_t pool_idle; /* ms until a link of the pool that nobody uses is closed; default 60000 */
  /* TLS, with a rediss:// URL (EARG with another). Files are PEM and are read by moonpool_open.
   * What is NULL here may stand in the URL's query, under the same name. */
  const char *tls_ca_file;     /* CAs to trust; with neither this nor tls_ca_dir: the system's */
  const char *tls_ca_dir;      /* the same as a directory that `openssl rehash` has prepared */
  const char *tls_cert_file;   /* the client's certificate and its chain; NULL: none */
  const char *tls_key_file;    /* its key, without a passphrase; NULL: it is in tls_cert_file */
  const char *tls_server_name; /* whom the server's certificate is to name; NULL: the URL's host */
  int tls_verify;              /* 0: any server will do, even an impostor; default 1 */
  const moonpool_allocator *allocator; /* NULL: the C library's */
} moonpool_options;

/* Defaults. Can't fail. */
MOONPOOL_EXTERN void moonpool_options_init(moonpool_options *options);

typedef enum moonpool_state {
  MOONPOOL_IDLE,       /* never asked to connect */
  MOONPOOL_CONNECTING, /* resolving, connecting or shaking hands */
  MOONPOOL_READY,      /* commands flow */
  MOONPOOL_WAITING,    /* lost; the next attempt's time has not come */
  MOONPOOL_CLOSED
} moonpool_state;

/* Makes a client on `loop` and starts its command link. On failure returns a status (EARG,
 * ENOSUPPORT, ENOMEM), leaves *client NULL and, if `message` is not NULL, writes a line that names
 * what was wrong into it (at most `size` bytes, always terminated). `loop` must outlive the
 * client; after ENOMEM, too, it may have handles to close in its next turn. */
MOONPOOL_EXTERN int moonpool_open(moonpool **client, uv_loop_t *loop,
                                  const moonpool_options *options, char *message, size_t size);

/* Calls `cb` once: with NULL when the command link is ready, with the error when its first attempt
 * failed or the client was closed. A server that is there but cannot serve yet (LOADING,
 * MASTERDOWN, no client more) is waited for, connect_timeout in all; what it says is the error
 * then. After an error the client goes on trying until it is closed; who calls this again from
 * inside `cb` waits for the next attempt. Without memory to remember it, `cb` is called with ENOMEM
 * at once. */
typedef void (*moonpool_ready_cb)(moonpool *client, const moonpool_error *error, void *ctx);
MOONPOOL_EXTERN void moonpool_ready(moonpool *client, moonpool_ready_cb cb, void *ctx);

/* Closes the client: every command and subscription that is pending completes with ECLOSED, then,
 * once libuv has let go of the handles, `cb` (which may be NULL) is called and the client is gone.
 * Calling it again does nothing; NULL is accepted. */
typedef void (*moonpool_close_cb)(void *ctx);
MOONPOOL_EXTERN void moonpool_close(moonpool *client, moonpool_close_cb cb, void *ctx);

/* The command link's state. Can't fail. */
MOONPOOL_EXTERN moonpool_state moonpool_get_state(const moonpool *client);

/* Where the client has its memory from: for what is built on top of it, and ends before it. Owned
 * by the client. Can't fail. */
MOONPOOL_EXTERN const moonpool_allocator *moonpool_get_allocator(const moonpool *client);

/* The server's address as errors name it, such as "127.0.0.1:6379". Where sentinels say which
 * server that is, it is the one that the command link was last connected to, or is connecting to;
 * before their first answer "sentinel service mymaster". Owned by the client, valid until the loop
 * runs. */
MOONPOOL_EXTERN const char *moonpool_address(const moonpool *client);

/* What ended the command link's last connection, or failed its last attempt to connect, as errors
 * say it; "" when nothing did. Valid until the loop runs. Can't fail. */
MOONPOOL_EXTERN const char *moonpool_last_error(const moonpool *client);

/* RESP version that this build can speak: 2 or 3. */
MOONPOOL_EXTERN int moonpool_resp_version(void);

/* The library that this build does TLS with, such as "OpenSSL 3.0.19 27 Jan 2026"; NULL: none, and
 * rediss:// is ENOSUPPORT. Static. Its memory is not the client's allocator's. */
MOONPOOL_EXTERN const char *moonpool_tls_version(void);

/* Version of the hiredis that this build was made with, such as "0.14.1". Static. */
MOONPOOL_EXTERN const char *moonpool_hiredis_version(void);

/* ---- commands ----------------------------------------------------------------------------- */

/* Exactly one call for each accepted command. `error` is NULL when Redis replied with something
 * else than an error; otherwise it tells what failed, and `reply` is Redis's error reply or NULL.
 * A command that was sent before its link was lost fails with ECONN and "possibly executed": it is
 * never sent again. */
typedef void (*moonpool_reply_cb)(const moonpool_reply *reply, const moonpool_error *error,
                                  void *ctx);

/* May this command be sent again after this error reply? Yes when Redis did nothing, for a reason
 * that passes by itself (LOADING, MASTERDOWN, READONLY, CLUSTERDOWN, TRYAGAIN, NOREPLICAS), and the
 * command neither blocks nor runs a script, which may have made the reply (EVAL, FCALL ...). `argc`
 * 0: whatever command it was. `error` NULL is no such reply. Can't fail. */
MOONPOOL_EXTERN int moonpool_may_repeat(size_t argc, const moonpool_bytes *argv,
                                        const moonpool_reply *error);

/* Queues one command; all that one loop turn queues travels in one write. `argv` is copied before
 * the call returns. `timeout` in ms; 0 means the client's command_timeout, UINT64_MAX none. `cb`
 * may be NULL. Returns MOONPOOL_OK, or without calling `cb`: EARG (argc is 0), EQUEUE, ECLOSED,
 * ENOMEM, ENOSUPPORT (it would change a shared link, or is COMMAND DOCS on hiredis 0.14). */
MOONPOOL_EXTERN int moonpool_command(moonpool *client, size_t argc, const moonpool_bytes *argv,
                                     uint64_t timeout, moonpool_reply_cb cb, void *ctx);

/* What to use instead of a command that moonpool_command refuses with ENOSUPPORT (static), or NULL
 * when it does not refuse it. Can't fail. */
MOONPOOL_EXTERN const char *moonpool_command_hint(size_t argc, const moonpool_bytes *argv);

/* ---- batches: pipelines and transactions -------------------------------------------------- */

/* Commands that travel together, one after the other, with nothing between them. */
typedef struct moonpool_batch moonpool_batch;

typedef enum moonpool_batch_kind {
  MOONPOOL_PIPELINE,   /* as they are */
  MOONPOOL_TRANSACTION /* between MULTI and EXEC */
} moonpool_batch_kind;

/* Called once for each reply that is due, then once more with `index` = the number of commands.
 *
 * A pipeline: `index` counts the commands from 0; `error` as in moonpool_reply_cb. The last call
 * has neither reply nor error.
 *
 * A transaction: before the end only for commands that Redis would not queue, with its error. The
 * last call has EXEC's list of replies, errors among them; or an error: EREDIS or EPERM (EXECABORT;
 * the message names the first command that was refused, counted from 1), ECONFLICT (a watched key
 * was changed; nothing was executed), EPROTO. All of it is in one write, so a server that refuses
 * MULTI itself would execute the commands one by one. Redis accepts MULTI while it loads, is busy
 * with a script or has lost its master, and aborts in EXEC: only an ACL without MULTI, or a server
 * that renamed it, refuses it. The last call says so, with MULTI's error and how many commands were
 * executed without it.
 *
 * An error without a reply is the last call in either: ECONN (link lost, "possibly executed"),
 * ETIMEOUT (the deadline passed: before it was written, all of it is forgotten; later, its late
 * replies are dropped), ECLOSED. The last call comes exactly once, and frees the batch. */
typedef void (*moonpool_batch_cb)(size_t index, const moonpool_reply *reply,
                                  const moonpool_error *error, void *ctx);

/* An empty batch, or NULL without memory or when the client is closed. It must not outlive the
 * client. */
MOONPOOL_EXTERN moonpool_batch *moonpool_batch_new(moonpool *client);

/* Adds a copy of one command: MOONPOOL_OK, or, with the batch as it was, EARG (argc is 0),
 * ENOSUPPORT (see moonpool_command_hint), ETOOBIG (over max_queue or max_queue_bytes), ENOMEM. */
MOONPOOL_EXTERN int moonpool_batch_add(moonpool_batch *batch, size_t argc,
                                       const moonpool_bytes *argv);

/* How many commands were added. Can't fail. */
MOONPOOL_EXTERN size_t moonpool_batch_count(const moonpool_batch *batch);

/* Frees a batch that was not sent; NULL is accepted. */
MOONPOOL_EXTERN void moonpool_batch_free(moonpool_batch *batch);

/* A link of one's own for as long as one needs it: for WATCH and what depends on it. It is bound to
 * one connection: when that is lost, everything on the session fails with ECONN, until it is
 * closed. */
typedef struct moonpool_session moonpool_session;

/* Queues the whole batch in one write: all of it is accepted or nothing. `session` NULL: on the
 * command link; a pipeline that has a blocking command gets a link of the pool. `timeout` as in
 * moonpool_command, for the whole. Returns MOONPOOL_OK, or without calling `cb`, and with the batch
 * still the caller's: EARG (`cb` is NULL), EQUEUE, ECLOSED, ENOMEM, ECONN (the session's connection
 * was lost). An empty batch has its last call in the next loop turn, with neither reply nor
 * error. */
MOONPOOL_EXTERN int moonpool_batch_send(moonpool_batch *batch, moonpool_batch_kind kind,
                                        moonpool_session *session, uint64_t timeout,
                                        moonpool_batch_cb cb, void *ctx);

/* ---- sessions ----------------------------------------------------------------------------- */

/* Exactly once: the session, whose link is connected, or NULL and the error (ETIMEOUT: none became
 * free in time; ECLOSED; ECONN). */
typedef void (*moonpool_session_cb)(moonpool_session *session, const moonpool_error *error,
                                    void *ctx);

/* Asks the pool for a link; waits `timeout` ms for one at most (as in moonpool_command). Returns
 * MOONPOOL_OK, or without calling `cb`: EQUEUE (pool_queue), ECLOSED, ENOMEM. */
MOONPOOL_EXTERN int moonpool_session_open(moonpool *client, uint64_t timeout,
                                          moonpool_session_cb cb, void *ctx);

/* As moonpool_command, on the session's link. WATCH and UNWATCH are allowed. ECONN, without calling
 * `cb`, when its connection was lost. */
MOONPOOL_EXTERN int moonpool_session_command(moonpool_session *session, size_t argc,
                                             const moonpool_bytes *argv, uint64_t timeout,
                                             moonpool_reply_cb cb, void *ctx);

/* Gives the link back: what is watched is unwatched, what is still in flight goes on unheard (its
 * callbacks are called with ECLOSED before this returns; if a blocking command is, the link is
 * closed), and the session is gone. When the client is closed, what is in flight on its sessions
 * ends with ECLOSED, and once moonpool_close has returned, they are gone: closing one meanwhile
 * does nothing. NULL is accepted. */
MOONPOOL_EXTERN void moonpool_session_close(moonpool_session *session);

/* ---- prepared scripts --------------------------------------------------------------------- */

/* A Lua script that Redis has loaded, called by its SHA1. Calls travel on the command link, and the
 * calls of one script are executed in the order in which they were made, whatever happens between:
 * on each new connection the script is loaded again ahead of its first call; when somebody else
 * empties Redis's cache (SCRIPT FLUSH), calls that Redis refuses (NOSCRIPT: it did nothing) are
 * sent again, with the source, in their old places, and newer ones wait behind them. The one thing
 * that breaks this order is somebody else who loads the same script between two refusals. Errors of
 * the script's own are passed on, though it repeats Redis's words; a call is executed once. */
typedef struct moonpool_script moonpool_script;

/* Exactly once: the script, which is the receiver's to free, or NULL and the error: Redis's words
 * for what does not compile (EREDIS), ECONN, ETIMEOUT, ECLOSED ... */
typedef void (*moonpool_script_cb)(moonpool_script *script, const moonpool_error *error, void *ctx);

/* Has Redis load `source` (copied). What is prepared twice is loaded once: both get the same
 * handle, each to be freed. `timeout` as in moonpool_command. Returns MOONPOOL_OK, or without
 * calling `cb`: EQUEUE, ECLOSED, ENOMEM. */
MOONPOOL_EXTERN int moonpool_prepare(moonpool *client, moonpool_bytes source, uint64_t timeout,
                                     moonpool_script_cb cb, void *ctx);

/* Calls the script with its keys and arguments, all copied. As moonpool_command: `timeout` is for
 * the whole, a second sending included; `cb` may be NULL; ECONN "possibly executed" when the link
 * is lost; returns MOONPOOL_OK, or without calling `cb`: EQUEUE, ECLOSED (also when the client is
 * gone), ENOMEM. */
MOONPOOL_EXTERN int moonpool_script_call(moonpool_script *script, size_t key_count,
                                         const moonpool_bytes *keys, size_t arg_count,
                                         const moonpool_bytes *args, uint64_t timeout,
                                         moonpool_reply_cb cb, void *ctx);

/* Its SHA1 as Redis computed it, 40 hexadecimal digits. Owned by the script. Can't fail. */
MOONPOOL_EXTERN const char *moonpool_script_sha(const moonpool_script *script);

/* Gives the handle back; calls under way go on. Handles may be freed after their client, as long as
 * its allocator is there; NULL is accepted. */
MOONPOOL_EXTERN void moonpool_script_free(moonpool_script *script);

/* ---- subscriptions ------------------------------------------------------------------------ */

typedef enum moonpool_kind {
  MOONPOOL_CHANNEL, /* SUBSCRIBE */
  MOONPOOL_PATTERN, /* PSUBSCRIBE */
  MOONPOOL_SHARD    /* SSUBSCRIBE */
} moonpool_kind;

/* One subscription: a set of names of one kind with one listener. Subscriptions that want the same
 * name share one Redis subscription. */
typedef struct moonpool_subscription moonpool_subscription;

typedef enum moonpool_event_type {
  MOONPOOL_MESSAGE,      /* payload, channel, pattern (PATTERN only) */
  MOONPOOL_SUBSCRIBED,   /* Redis confirmed `channel`, `count` names are left on the link */
  MOONPOOL_UNSUBSCRIBED, /* likewise */
  MOONPOOL_RECONNECTED,  /* link was lost; every name of the subscription is confirmed again, but
                            for those that Redis refused. What was published in between is missed,
                            nobody knows how much: Redis keeps nothing for subscribers */
  MOONPOOL_FAILED,       /* Redis refused `channel` when it was resubscribed: `error` */
  MOONPOOL_ENDED,        /* the client is being closed; the last event, by callback in any case */
  MOONPOOL_ROOM          /* of a feed, not of a subscription: `room`, see moonpool_room.h */
} moonpool_event_type;

struct moonpool_room_event;

/* Borrowed: valid until the next call of moonpool_next or the return of the listener. */
typedef struct moonpool_event {
  moonpool_event_type type;
  moonpool_kind kind;
  moonpool_subscription *subscription;
  void *ctx;     /* the subscription's */
  uint32_t *tag; /* a word of the listener's own for `channel` as it was subscribed to, 0 at first;
                    NULL for UNSUBSCRIBED, RECONNECTED and ENDED */
  moonpool_bytes payload;
  moonpool_bytes channel; /* of a message: where it was published; else the name subscribed to */
  moonpool_bytes pattern; /* data NULL unless kind is PATTERN and type MESSAGE */
  long long count;
  moonpool_error error; /* FAILED, ENDED and a feed's errors only; status OK otherwise */
  const struct moonpool_room_event *room; /* ROOM only */
} moonpool_event;

typedef void (*moonpool_event_cb)(const moonpool_event *event);

/* Exactly once for each accepted subscribe or unsubscribe: `error` NULL when Redis has confirmed
 * every name; `count` is Redis's count of what the link is then subscribed to. */
typedef void (*moonpool_confirm_cb)(moonpool_subscription *subscription, long long count,
                                    const moonpool_error *error, void *ctx);

/* Bits for moonpool_subscription_events: 1 << moonpool_event_type. */
#define MOONPOOL_EVENT_BIT(type) (1u << (type))

/* Subscribes to `count` names (copied). `listener` gets the messages with `ctx`; `confirm` (may be
 * NULL) is called once when all names are confirmed or one was refused: then the subscription is
 * already gone. Returns MOONPOOL_OK and *subscription, or EARG (no name), ETOOBIG, ECLOSED, ENOMEM,
 * with nothing changed. */
MOONPOOL_EXTERN int moonpool_subscribe(moonpool *client, moonpool_kind kind,
                                       const moonpool_bytes *names, size_t count,
                                       moonpool_event_cb listener, moonpool_confirm_cb confirm,
                                       void *ctx, moonpool_subscription **subscription);

/* Which events besides messages the listener gets; none at first. Can't fail. */
MOONPOOL_EXTERN void moonpool_subscription_events(moonpool_subscription *subscription,
                                                  unsigned bits);

/* Ends the subscription: no message reaches its listener any more. Names that nobody else wants
 * are unsubscribed; `confirm` (may be NULL) is called once when Redis has confirmed that, or at the
 * next loop turn if there was nothing to unsubscribe; UNSUBSCRIBED events that were asked for come
 * before it. One that was never confirmed has moonpool_subscribe's `confirm` called with ECLOSED
 * before this returns. The handle is invalid after `confirm`, or, without one, at once. */
MOONPOOL_EXTERN void moonpool_unsubscribe(moonpool_subscription *subscription,
                                          moonpool_confirm_cb confirm, void *ctx);

/* For bindings that would rather pull than be called: with a drain callback set, no listener is
 * called. Instead `drain` is called whenever events may be there, and takes them with
 * moonpool_next until it returns 0; what it leaves is kept, and offered with what is read next. Of
 * what it keeps leaving no more than max_reply_bytes and a megabyte are kept: then the link is lost
 * (EPROTO). */
typedef void (*moonpool_drain_cb)(moonpool *client, void *ctx);
MOONPOOL_EXTERN void moonpool_set_drain(moonpool *client, moonpool_drain_cb drain, void *ctx);

/* Takes one event: 1 and *event; 2 when confirmations were called back instead (call again); 0 when
 * there is none. Legal only inside the drain callback, or between the next two. */
MOONPOOL_EXTERN int moonpool_next(moonpool *client, const moonpool_event **event);

/* For those who would rather take events when uv_run has returned: the drain callback leaves them,
 * and afterwards moonpool_next takes them between these two. Whoever begins must end, before the
 * loop runs again, unless the client was closed meanwhile. Returns 0, and nothing has begun, for a
 * closed client and within another drain. */
MOONPOOL_EXTERN int moonpool_begin_drain(moonpool *client);
MOONPOOL_EXTERN void moonpool_end_drain(moonpool *client);

/* Why there is no canary although one was asked for: Redis's ACL refuses its channel, "PUBLISH" or
 * "SUBSCRIBE" of "moonpool:canary:*", and nothing more is tried. NULL: nothing was refused. Owned
 * by the client. */
MOONPOOL_EXTERN const char *moonpool_canary_error(const moonpool *client);

typedef enum moonpool_role {
  MOONPOOL_COMMANDS,      /* the link of commands */
  MOONPOOL_SUBSCRIPTIONS, /* the link of subscriptions */
  MOONPOOL_POOL           /* a link of the pool */
} moonpool_role;

/* A link changed its state. Borrowed during the callback. */
typedef struct moonpool_state_event {
  moonpool_role role;
  moonpool_state state;
  const char *address;  /* of the server that the link is for now */
  moonpool_error error; /* WAITING: why it was lost, or its attempt failed or was given up for
                           another server; else status OK, NULL */
} moonpool_state_event;

/* Tells `cb` (NULL: nobody) of every change of every link from now on. A lost link is told as
 * WAITING after what was in flight has failed; one of the pool is CLOSED next, most often. CLOSED
 * is told from inside moonpool_close. `cb` may close the client. */
typedef void (*moonpool_state_cb)(moonpool *client, const moonpool_state_event *event, void *ctx);
MOONPOOL_EXTERN void moonpool_on_state(moonpool *client, moonpool_state_cb cb, void *ctx);

/* A name that is subscribed to, or was until Redis will have confirmed that it is not. */
typedef struct moonpool_name {
  moonpool_kind kind;
  moonpool_bytes name; /* borrowed */
  size_t listeners;    /* subscriptions that want it */
  int is_confirmed;    /* Redis sends it, for all that is known */
} moonpool_name;

/* Calls `cb` for every name, in no order that is promised. `cb` must not change subscriptions. */
typedef void (*moonpool_name_cb)(const moonpool_name *name, void *ctx);
MOONPOOL_EXTERN void moonpool_each_name(const moonpool *client, moonpool_name_cb cb, void *ctx);

/* Counters, all since moonpool_open. The canary's messages and its channel are none of them, but
 * for the writes and the bytes. */
typedef struct moonpool_stats {
  uint64_t messages;   /* delivered to listeners */
  uint64_t commands;   /* accepted */
  uint64_t writes;     /* write calls made on all links */
  uint64_t reconnects; /* times that a ready link was lost and a later one became ready */
  uint64_t gaps;       /* RECONNECTED of all subscriptions, asked for or not */
  uint64_t
      canary_losses; /* subscriber links that were dropped for a canary that did not come back */
  uint64_t bytes_in, bytes_out;
  size_t links;     /* connected and ready now: for commands, for subscriptions, of the pool */
  size_t queued;    /* commands waiting or in flight now */
  size_t in_flight; /* of these, written and not yet answered */
  size_t wanted;    /* names that somebody wants */
  size_t confirmed; /* names that Redis has confirmed on the present link */
  size_t pool_links, pool_busy; /* links of the pool, connecting or ready; those that are in use */
  size_t pool_waiting;          /* who waits for one */
  uint64_t pool_uses;           /* times that one was handed over */
  uint64_t pool_waited;         /* ms that all who got one waited for it together */
  uint64_t pool_waited_most;    /* ms that the one waited who waited longest */
} moonpool_stats;
MOONPOOL_EXTERN void moonpool_get_stats(const moonpool *client, moonpool_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
