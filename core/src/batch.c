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
  moonpool *client;
  moonpool_batch *next; /* of those without commands */
  mp_buf out;           /* what was added, until it is sent */
  size_t count;
  size_t answered; /* replies that came, those to MULTI and EXEC among them */
  moonpool_batch_kind kind;
  int is_blocking; /* a command of it is */
  moonpool_batch_cb cb;
  moonpool_reply_cb single; /* instead: it is a single command's */
  void *ctx;
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
  size_t size = b->out.len + mp_resp_encoded_size(argc, argv);
  if ((options->max_queue && b->count >= options->max_queue) || b->count >= UINT32_MAX - 2 ||
      (options->max_queue_bytes && size > options->max_queue_bytes))
    return MOONPOOL_ETOOBIG;
  int status = mp_resp_encode(&b->out, argc, argv);
  b->count += status == MOONPOOL_OK;
  return status;
}

size_t moonpool_batch_count(const moonpool_batch *b) {
  return b->count;
}

/* ---- replies --------------------------------------------------------------------------------- */

static void end(moonpool_batch *b, const moonpool_reply *reply, const moonpool_error *error) {
  if (b->is_blocking) mp_link_count_blocking(b->client->link, -1);
  if (b->single)
    b->single(reply, error, b->ctx);
  else if (b->cb)
    b->cb(b->count, reply, error, b->ctx);
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
  if (b->is_refused && (b->refused == 0 || (error && begins_with(error->message, "EXECABORT"))))
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
    b->cb(index, reply, error, b->ctx);
    if (is_last) end(b, NULL, NULL);
  }
}

/* ---- sending --------------------------------------------------------------------------------- */

static int send_on(moonpool_batch *b, mp_link *link, uint64_t timeout) {
  int status, is_transaction = b->kind == MOONPOOL_TRANSACTION;
  size_t size = b->out.len + (is_transaction ? AROUND : 0);
  mp_buf *out = mp_link_begin(link, b->count, size, &status);
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

int mp_client_command_blocking(moonpool *client, size_t argc, const moonpool_bytes *argv,
                               uint64_t timeout, moonpool_reply_cb cb, void *ctx) {
  moonpool_batch *b = moonpool_batch_new(client);
  if (!b) return MOONPOOL_ENOMEM;
  b->single = cb;
  b->ctx = ctx;
  b->is_blocking = 1;
  b->count = 1;
  int status = mp_resp_encode(&b->out, argc, argv);
  if (status == MOONPOOL_OK) status = send_on(b, client->link, timeout ? timeout : UINT64_MAX);
  if (status == MOONPOOL_OK)
    client->commands++;
  else
    moonpool_batch_free(b);
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
  moonpool *client = b->client;
  if (client->is_closed) return MOONPOOL_ECLOSED;
  if (session) return MOONPOOL_ENOSUPPORT;
  b->kind = kind;
  b->cb = cb;
  b->ctx = ctx;
  if (b->count == 0) {
    append_empty(client, b);
    return MOONPOOL_OK;
  }
  size_t count = b->count;
  int status = send_on(b, client->link, mp_client_timeout(client, timeout));
  if (status == MOONPOOL_OK) client->commands += count;
  return status;
}
