/* Batches: commands that are encoded as they are added, travel as one request of a link, and have
 * one deadline. A batch belongs to its giver until it is sent, then to the request that carries it;
 * its last call frees it. */
#include "client_private.h"
#include "commands.h"

#include <stdio.h>

#define MULTI "*1\r\n$5\r\nMULTI\r\n"
#define EXEC "*1\r\n$4\r\nEXEC\r\n"
#define AROUND (sizeof MULTI + sizeof EXEC - 2)

struct moonpool_batch {
  mp_want want; /* first: the pool knows the batch by it */
  moonpool *client;
  moonpool_session *session; /* on whose link it is; NULL: on none's */
  mp_pooled *pooled;         /* the link that it has for itself */
  moonpool_batch *next;      /* of those without commands */
  mp_buf out;                /* what was added, until it is sent */
  size_t count;
  size_t answered; /* replies that came, those to MULTI and EXEC among them */
  moonpool_batch_kind kind;
  int has_blocking;    /* a command of it may block */
  int is_blocking;     /* likewise, and it is no transaction */
  uint64_t block_time; /* ms that Redis may let its commands wait; UINT64_MAX: for ever */
  moonpool_batch_cb cb;
  moonpool_reply_cb single; /* instead: it is a single command's */
  void *ctx;
  uint64_t watches; /* of the session, when it was sent */
  /* A transaction's first refusal: by number (0: MULTI's), and in Redis's words. */
  int is_refused;
  size_t refused, executed; /* `executed` without MULTI */
  moonpool_status status;
  char words[192];
};

moonpool_batch *moonpool_batch_new(moonpool *client) {
  if (client->is_closed) return NULL;
  moonpool_batch *b = mp_calloc(&client->allocator, sizeof *b);
  if (!b) return NULL;
  b->client = client;
  mp_buf_init(&b->out, &client->allocator);
  return b;
}

void moonpool_batch_free(moonpool_batch *b) {
  if (!b) return;
  mp_buf_free(&b->out);
  mp_free(&b->client->allocator, b);
}

int moonpool_batch_add(moonpool_batch *b, size_t argc, const moonpool_bytes *argv) {
  const moonpool_options *options = &b->client->options;
  const char *hint;
  if (argc == 0) return MOONPOOL_EARG;
  mp_command_class class = mp_command_class_of(argc, argv, &hint);
  if (class == MP_COMMAND_REFUSED) return MOONPOOL_ENOSUPPORT;
  size_t size = mp_resp_encoded_size(argc, argv);
  if ((options->max_queue && b->count >= options->max_queue) || b->count >= UINT32_MAX - 2 ||
      (options->max_queue_bytes && b->out.len + size > options->max_queue_bytes))
    return MOONPOOL_ETOOBIG;
  if (!mp_buf_reserve(&b->out, size)) return MOONPOOL_ENOMEM;
  mp_resp_put_command(&b->out, argc, argv);
  b->count++;
  if (class == MP_COMMAND_BLOCKING) {
    b->has_blocking = 1;
    b->block_time = mp_deadline_after(b->block_time, mp_command_block_time(argc, argv));
  }
  return MOONPOOL_OK;
}

size_t moonpool_batch_count(const moonpool_batch *b) {
  return b->count;
}

/* ---- replies --------------------------------------------------------------------------------- */

/* No more is due: at most once. Without a reply to a blocking command, nobody is there for what
 * Redis would still hand out: the connection ends at once. */
static void leave_link(moonpool_batch *b, const moonpool_reply *reply,
                       const moonpool_error *error) {
  static const char reason[] = "the deadline of a blocking command passed";
  mp_pooled *link = b->session ? b->session->pooled : b->pooled;
  if (!link) return;
  if (b->is_blocking) mp_link_count_blocking(mp_pooled_link(link), -1);
  if (b->session) b->session->blocking -= b->is_blocking;
  if (b->pooled) mp_pool_give_back(link);
  b->session = NULL;
  b->pooled = NULL;
  if (b->is_blocking && error && !reply && error->status == MOONPOOL_ETIMEOUT)
    mp_pool_break(link, MOONPOOL_ETIMEOUT, reason);
}

static void end(moonpool_batch *b, const moonpool_reply *reply, const moonpool_error *error) {
  leave_link(b, reply, error);
  if (b->cb)
    b->cb(b->count, reply, error, b->ctx);
  else if (b->single)
    b->single(reply, error, b->ctx);
  moonpool_batch_free(b);
}

static void end_with(moonpool_batch *b, moonpool_status status, const char *message) {
  moonpool_error error = {status, message};
  end(b, NULL, &error);
}

static int begins_with(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void end_refused(moonpool_batch *b, const moonpool_error *error) {
  char message[512];
  if (b->refused == 0)
    snprintf(message, sizeof message,
             "MULTI was refused: %s; %zu of %zu commands were executed without it", b->words,
             b->executed, b->count);
  else
    snprintf(message, sizeof message, "command %zu: %s (%s)", b->refused, b->words, error->message);
  end_with(b, b->status, message);
}

static void take_exec(moonpool_batch *b, const moonpool_reply *reply, const moonpool_error *error) {
  int is_outside = b->is_refused && b->refused == 0;
  if (b->session && !is_outside) b->session->unwatched = b->watches; /* EXEC ends every WATCH */
  if (is_outside || (b->is_refused && (error && begins_with(error->message, "EXECABORT"))))
    end_refused(b, error);
  else if (error)
    end(b, reply, error);
  else if (reply->type == MOONPOOL_NIL)
    end_with(b, MOONPOOL_ECONFLICT, "a watched key was changed: nothing was executed");
  else if (reply->type != MOONPOOL_ARRAY || reply->u.list.count != b->count)
    end_with(b, MOONPOOL_EPROTO, "EXEC's reply is not a list of as many replies as commands");
  else
    end(b, reply, NULL);
}

static void note_refusal(moonpool_batch *b, size_t number, const moonpool_error *error) {
  if (b->is_refused) return;
  b->is_refused = 1;
  b->refused = number;
  b->status = error->status;
  snprintf(b->words, sizeof b->words, "%s", error->message);
}

/* `number` 0: MULTI's reply; else that of the command, which is no more than "QUEUED". */
static void take_queued(moonpool_batch *b, size_t number, const moonpool_reply *reply,
                        const moonpool_error *error) {
  b->executed += number > 0 && !error;
  if (!error) return;
  note_refusal(b, number, error);
  if (number > 0) b->cb(number - 1, reply, error, b->ctx);
}

/* The request's callback. An error without a reply is the last call: the link is lost, the client
 * closed, the deadline passed. A callback may bring that about: nothing is touched after it while
 * more is due. */
static void on_reply(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  moonpool_batch *b = ctx;
  size_t index = b->answered++;
  if (!reply || !b->cb) {
    end(b, reply, error);
  } else if (b->kind == MOONPOOL_TRANSACTION) {
    if (index <= b->count)
      take_queued(b, index, reply, error);
    else
      take_exec(b, reply, error);
  } else {
    int is_last = b->answered == b->count;
    if (is_last) leave_link(b, reply, error); /* the callback may close the session */
    b->cb(index, reply, error, b->ctx);
    if (is_last) end(b, NULL, NULL);
  }
}

/* ---- sending --------------------------------------------------------------------------------- */

static int send_on(moonpool_batch *b, mp_link *link, size_t counted, uint64_t timeout) {
  int status, is_transaction = b->kind == MOONPOOL_TRANSACTION;
  size_t size = b->out.len + (is_transaction ? AROUND : 0);
  mp_buf *out = mp_link_begin(link, counted, size, &status);
  if (!out) return status;
  if (is_transaction) mp_buf_append(out, MULTI, sizeof MULTI - 1);
  mp_buf_append(out, b->out.data, b->out.len);
  if (is_transaction) mp_buf_append(out, EXEC, sizeof EXEC - 1);
  mp_buf_free(&b->out);
  if (b->is_blocking) mp_link_count_blocking(link, 1);
  uint32_t replies = (uint32_t)b->count + (is_transaction ? 2 : 0);
  mp_request_info info = {.cb = on_reply, .ctx = b, .timeout = timeout, .replies = replies};
  mp_link_commit(link, &info);
  return MOONPOOL_OK;
}

static int send_on_session(moonpool_batch *b, moonpool_session *session, uint64_t timeout) {
  if (!session->pooled) return MOONPOOL_ECONN;
  int status = send_on(b, mp_pooled_link(session->pooled), b->count, timeout);
  if (status != MOONPOOL_OK) return status;
  b->session = session;
  b->watches = session->watches;
  session->blocking += b->is_blocking;
  return MOONPOOL_OK;
}

/* The batch was within the limits when it was accepted: here it counts as nothing. */
static void on_link(mp_want *want, mp_pooled *link) {
  moonpool_batch *b = (moonpool_batch *)want;
  uint64_t now = uv_now(b->client->loop), left = UINT64_MAX;
  if (want->deadline != UINT64_MAX) left = want->deadline > now ? want->deadline - now : 0;
  int status = send_on(b, mp_pooled_link(link), 0, left);
  if (status == MOONPOOL_OK) {
    b->pooled = link;
    return;
  }
  mp_pool_give_back(link);
  end_with(b, status, moonpool_status_text(status));
}

static void on_failed(mp_want *want, const moonpool_error *error) {
  end((moonpool_batch *)want, NULL, error);
}

static int send_on_pool(moonpool_batch *b, uint64_t timeout) {
  b->want = (mp_want){.on_link = on_link, .on_failed = on_failed, .timeout = timeout};
  return mp_pool_lease(b->client->pool, &b->want);
}

/* By default, a blocking command has the time that Redis gives it, and the client's. */
static uint64_t timeout_of(const moonpool_batch *b, uint64_t timeout) {
  uint64_t usual = mp_client_timeout(b->client, timeout);
  return timeout == 0 && b->is_blocking ? mp_deadline_after(b->block_time, usual) : usual;
}

static int accept_batch(moonpool_batch *b, moonpool_session *session, uint64_t timeout) {
  size_t count = b->count;
  int status;
  timeout = timeout_of(b, timeout);
  if (session)
    status = send_on_session(b, session, timeout);
  else if (b->is_blocking)
    status = send_on_pool(b, timeout);
  else
    status = send_on(b, b->client->link, count, timeout);
  if (status == MOONPOOL_OK) b->client->commands += count;
  return status;
}

int mp_client_command_blocking(moonpool *client, moonpool_session *session, size_t argc,
                               const moonpool_bytes *argv, uint64_t timeout, moonpool_reply_cb cb,
                               void *ctx) {
  moonpool_batch *b = moonpool_batch_new(client);
  if (!b) return MOONPOOL_ENOMEM;
  b->single = cb;
  b->ctx = ctx;
  int status = moonpool_batch_add(b, argc, argv);
  if (status == MOONPOOL_ETOOBIG) status = MOONPOOL_EQUEUE;
  b->is_blocking = b->has_blocking;
  if (status == MOONPOOL_OK) status = accept_batch(b, session, timeout);
  if (status != MOONPOOL_OK) moonpool_batch_free(b);
  return status;
}

/* In the order in which they were sent. */
static void append_empty(moonpool *client, moonpool_batch *b) {
  moonpool_batch **tail = &client->empty;
  while (*tail) tail = &(*tail)->next;
  *tail = b;
  mp_client_mark_dirty(client);
}

void mp_client_end_empty(moonpool *client, const moonpool_error *error) {
  moonpool_batch *b = client->empty;
  client->empty = NULL;
  while (b) {
    moonpool_batch *next = b->next;
    end(b, NULL, error);
    b = next;
  }
}

int moonpool_batch_send(moonpool_batch *b, moonpool_batch_kind kind, moonpool_session *session,
                        uint64_t timeout, moonpool_batch_cb cb, void *ctx) {
  if (!cb) return MOONPOOL_EARG; /* it is what frees the batch */
  if (b->client->is_closed || (session && session->is_closing)) return MOONPOOL_ECLOSED;
  if (session && !session->pooled) return MOONPOOL_ECONN;
  b->kind = kind;
  b->cb = cb;
  b->ctx = ctx;
  b->is_blocking = b->has_blocking && kind == MOONPOOL_PIPELINE; /* in MULTI, nothing waits */
  if (b->count > 0) return accept_batch(b, session, timeout);
  append_empty(b->client, b);
  return MOONPOOL_OK;
}
