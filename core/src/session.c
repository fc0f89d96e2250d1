/* Sessions: a link of the pool for one who needs it alone. A session is its giver's until it is
 * closed; the pool takes its link away when that is lost. */
#include "client_private.h"
#include "commands.h"

static void unlink_session(moonpool_session *s) {
  *(s->prev ? &s->prev->next : &s->client->sessions) = s->next;
  if (s->next) s->next->prev = s->prev;
  mp_free(&s->client->allocator, s);
}

void mp_client_free_sessions(moonpool *client) {
  while (client->sessions) unlink_session(client->sessions);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void on_link(mp_want *want, mp_pooled *link) {
  moonpool_session *s = (moonpool_session *)want;
  moonpool *client = s->client;
  s->pooled = link;
  s->next = client->sessions;
  if (s->next) s->next->prev = s;
  client->sessions = s;
  s->cb(s, NULL, s->ctx);
}

static void on_failed(mp_want *want, const moonpool_error *error) {
  moonpool_session *s = (moonpool_session *)want;
  s->cb(NULL, error, s->ctx);
  mp_free(&s->client->allocator, s);
}

static void on_lost(mp_want *want, const moonpool_error *error) {
  (void)error; /* what was in flight has been told */
  ((moonpool_session *)want)->pooled = NULL;
}

int moonpool_session_open(moonpool *client, uint64_t timeout, moonpool_session_cb cb, void *ctx) {
  if (client->is_closed) return MOONPOOL_ECLOSED;
  moonpool_session *s = mp_calloc(&client->allocator, sizeof *s);
  if (!s) return MOONPOOL_ENOMEM;
  s->want = (mp_want){.on_link = on_link,
                      .on_failed = on_failed,
                      .on_lost = on_lost,
                      .timeout = mp_client_timeout(client, timeout)};
  s->client = client;
  s->cb = cb;
  s->ctx = ctx;
  int status = mp_pool_lease(client->pool, &s->want);
  if (status != MOONPOOL_OK) mp_free(&client->allocator, s);
  return status;
}

/* ---- using it -------------------------------------------------------------------------------- */

static int put(moonpool_session *s, size_t argc, const moonpool_bytes *argv, uint64_t timeout,
               moonpool_reply_cb cb, void *ctx) {
  int status;
  mp_link *link = mp_pooled_link(s->pooled);
  mp_buf *out = mp_link_begin(link, 1, mp_resp_encoded_size(argc, argv), &status);
  if (!out) return status;
  mp_resp_put_command(out, argc, argv);
  mp_request_info info = {.cb = cb, .ctx = ctx, .timeout = timeout};
  mp_link_commit(link, &info);
  return MOONPOOL_OK;
}

int moonpool_session_command(moonpool_session *s, size_t argc, const moonpool_bytes *argv,
                             uint64_t timeout, moonpool_reply_cb cb, void *ctx) {
  const char *hint;
  if (argc == 0) return MOONPOOL_EARG;
  if (s->client->is_closed || s->is_closing) return MOONPOOL_ECLOSED;
  if (!s->pooled) return MOONPOOL_ECONN;
  mp_watch watch = mp_command_watch_of(argc, argv);
  mp_command_class class = mp_command_class_of(argc, argv, &hint);
  if (class == MP_COMMAND_REFUSED && watch == MP_WATCH_NONE) return MOONPOOL_ENOSUPPORT;
  if (class == MP_COMMAND_BLOCKING)
    return mp_client_command_blocking(s->client, s, argc, argv, timeout, cb, ctx);
  int status = put(s, argc, argv, mp_client_timeout(s->client, timeout), cb, ctx);
  if (status != MOONPOOL_OK) return status;
  s->client->commands++;
  s->watches += watch == MP_WATCH;
  if (watch == MP_UNWATCH) s->unwatched = s->watches;
  return MOONPOOL_OK;
}

/* ---- giving the link back -------------------------------------------------------------------- */

/* The next one who gets the link must find nothing watched. */
static void clean_up(moonpool_session *s, mp_pooled *link) {
  static const moonpool_bytes unwatch = {"UNWATCH", 7};
  s->pooled = link;
  int is_clean =
      s->watches == s->unwatched || put(s, 1, &unwatch, UINT64_MAX, NULL, NULL) == MOONPOOL_OK;
  s->pooled = NULL;
  mp_pool_give_back(link);
  if (!is_clean) mp_pool_break(link, MOONPOOL_ENOMEM, "no memory to unwatch");
}

void moonpool_session_close(moonpool_session *s) {
  static const char reason[] = "the session was closed";
  if (!s || s->is_closing || s->client->is_closed) return;
  s->is_closing = 1; /* its callbacks may try to use it, and to close it */
  moonpool_error error = {MOONPOOL_ECLOSED, reason};
  mp_pooled *link = s->pooled;
  if (link && s->blocking > 0)
    mp_pool_break(link, MOONPOOL_ECLOSED, reason);
  else if (link)
    mp_link_unhear(mp_pooled_link(link), &error);
  if (s->client->is_closed) return; /* by a callback: it is freed with the client */
  if (s->pooled) clean_up(s, s->pooled);
  unlink_session(s);
}
