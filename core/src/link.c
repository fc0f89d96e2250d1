/* A link's life and its requests. It owns the transport and the parser of the present connection
 * and the queue of requests. A parser whose connection is gone is kept until the next attempt or
 * the link's end, since a reply may still be borrowed from it. */
#include "link_private.h"

#include <stdio.h>

void mp_link_let_go(void *ctx) {
  mp_link *link = ctx;
  if (--link->holds > 0 || !link->is_closed) return;
  mp_resp_free(link->resp);
  mp_requests_free(&link->requests);
  mp_url_free(&link->located, link->config.allocator);
  void (*on_gone)(void *) = link->on_gone;
  void *gone_ctx = link->gone_ctx;
  mp_free(link->config.allocator, link);
  if (on_gone) on_gone(gone_ctx);
}

static void on_timer_closed(uv_handle_t *handle) {
  mp_link_let_go(handle->data);
}

static void close_timer(mp_link *link, uv_timer_t *timer) {
  timer->data = link;
  uv_close((uv_handle_t *)timer, on_timer_closed);
}

void mp_link_drop_transport(mp_link *link) {
  if (link->is_looking) link->config.locator->cancel(link->config.locator, &link->lookup);
  link->is_looking = 0;
  mp_deadline_stop(&link->deadline);
  if (!link->transport) return;
  mp_transport *transport = link->transport;
  mp_scratch *scratch = link->config.scratch;
  if (scratch->ctx == link) scratch->reclaim = NULL;
  link->transport = NULL;
  mp_transport_free(transport, mp_link_let_go, link);
}

void mp_link_tell_state(const mp_link *link, const moonpool_error *error) {
  const mp_link_config *config = &link->config;
  moonpool_role role = config->is_pooled ? MOONPOOL_POOL : MOONPOOL_COMMANDS;
  if (config->is_subscriber) role = MOONPOOL_SUBSCRIPTIONS;
  if (config->on_state)
    config->on_state(config->client, role, link->state, link->url->address, error);
}

const char *mp_link_address(const mp_link *link) {
  return link->url->address;
}

/* ---- writing --------------------------------------------------------------------------------- */

void mp_link_flush(mp_link *link) {
  mp_requests *q = &link->requests;
  if (q->undated) mp_requests_date(q);
  if (link->state != MOONPOOL_READY || q->out.len == 0 || link->leaving) return;
  if (mp_transport_is_writing(link->transport)) return;
  size_t len = q->out.len;
  if (mp_transport_write(link->transport, &q->out) != MOONPOOL_OK) {
    link->config.events->on_dirty(link->config.ctx); /* no memory: once more next turn */
    return;
  }
  mp_requests_sent(q);
  link->stats.writes++;
  link->stats.bytes_out += len;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* The limits are those of commands; what a subscriber writes has a window of its own. */
int mp_link_is_full(const mp_link *link, size_t count, size_t bytes) {
  const moonpool_options *options = link->config.options;
  const mp_requests *q = &link->requests;
  if (link->config.is_subscriber) return 0;
  return (options->max_queue && q->count + count > options->max_queue) ||
         (options->max_queue_bytes && q->out.len + bytes > options->max_queue_bytes);
}

mp_buf *mp_link_begin_again(mp_link *link, size_t size, int *status) {
  *status = MOONPOOL_ECLOSED;
  if (link->is_closed) return NULL;
  mp_buf *out = mp_requests_begin(&link->requests, size);
  *status = out ? MOONPOOL_OK : MOONPOOL_ENOMEM;
  return out;
}

mp_buf *mp_link_begin(mp_link *link, size_t count, size_t size, int *status) {
  *status = MOONPOOL_EQUEUE;
  if (!link->is_closed && mp_link_is_full(link, count, size)) return NULL;
  return mp_link_begin_again(link, size, status);
}

void mp_link_commit(mp_link *link, const mp_request_info *info) {
  mp_requests_commit(&link->requests, info);
  link->config.events->on_dirty(link->config.ctx);
}

void mp_link_withdraw(mp_link *link, moonpool_reply_cb late,
                      int (*is_meant)(const void *ctx, const void *what), const void *what) {
  mp_requests_withdraw(&link->requests, late, is_meant, what);
}

int mp_link_say_first(mp_link *link, size_t argc, const moonpool_bytes *argv) {
  mp_buf *out = mp_requests_begin(&link->requests, 2 * mp_resp_encoded_size(argc, argv));
  if (!out) return MOONPOOL_ENOMEM;
  mp_resp_encode(out, argc, argv);
  mp_requests_commit_first(&link->requests, &(mp_request_info){.timeout = UINT64_MAX});
  return MOONPOOL_OK;
}

/* ---- start and end --------------------------------------------------------------------------- */

static void on_start(uv_timer_t *timer) {
  mp_link_attempt(timer->data);
}

void mp_link_start(mp_link *link) {
  if (link->is_closed || link->state != MOONPOOL_IDLE) return;
  link->state = MOONPOOL_CONNECTING;
  uv_timer_start(&link->timer, on_start, 0, 0); /* failures are told from inside the loop */
}

static void on_due(void *ctx, uint64_t now) {
  mp_link *link = ctx;
  (void)now;
  if (link->state == MOONPOOL_CONNECTING)
    mp_link_miss_handshake(link);
  else
    mp_link_beat(link);
}

mp_link *mp_link_new(const mp_link_config *config) {
  mp_link *link = mp_calloc(config->allocator, sizeof *link);
  if (!link) return NULL;
  link->config = *config;
  link->random = config->seed | 1;
  link->url = config->url;
  mp_requests_init(&link->requests, config->loop, config->allocator, config->url->address);
  uv_timer_init(config->loop, &link->timer);
  mp_deadline_init(&link->deadline, config->loop, on_due, link);
  link->timer.data = link;
  link->holds = 3;
  return link;
}

void mp_link_close(mp_link *link, void (*on_gone)(void *ctx), void *ctx) {
  char message[256];
  snprintf(message, sizeof message, "%s: the client was closed", link->url->address);
  moonpool_error error = {MOONPOOL_ECLOSED, message};
  link->is_closed = 1;
  link->state = MOONPOOL_CLOSED;
  link->on_gone = on_gone;
  link->gone_ctx = ctx;
  mp_link_drop_transport(link);
  close_timer(link, &link->timer);
  close_timer(link, &link->deadline.timer);
  close_timer(link, &link->requests.deadline.timer);
  link->requests.is_closed = 1;
  mp_requests_fail(&link->requests, 1, &error);
  mp_link_tell_state(link, NULL);
}

int mp_link_is_leaving(const mp_link *link) {
  return link->leaving != NULL;
}

void mp_link_unhear(mp_link *link, const moonpool_error *error) {
  mp_requests_unhear(&link->requests, error);
}

void mp_link_count_blocking(mp_link *link, int change) {
  link->blocking += change;
}

moonpool_state mp_link_state(const mp_link *link) {
  return link->state;
}

int mp_link_is_passing(const mp_link *link, uint64_t *retry_at) {
  *retry_at = link->retry_at;
  return link->state == MOONPOOL_WAITING && (link->down_traits & MP_TROUBLE_PASSES);
}

const char *mp_link_last_error(const mp_link *link) {
  return link->last_error;
}

void mp_link_get_stats(const mp_link *link, mp_link_stats *stats) {
  *stats = link->stats;
  stats->queued = link->requests.count;
  stats->in_flight = link->requests.count - link->requests.unsent;
}
