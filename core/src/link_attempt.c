/* An attempt: where the server is, the transport to it, the handshake, until the link is ready. */
#include "link_private.h"

#include <stdio.h>

/* ---- becoming ready -------------------------------------------------------------------------- */

static void become_ready(mp_link *link) {
  link->state = MOONPOOL_READY;
  link->requests.trouble = NULL;
  link->ready_since = uv_now(link->config.loop);
  link->has_no_setinfo = link->handshake.has_no_setinfo;
  if (link->was_ever_ready) link->stats.reconnects++;
  link->was_ever_ready = 1;
  mp_deadline_stop(&link->deadline);
  mp_link_start_heartbeat(link);
  mp_link_tell_state(link, NULL);
  if (link->state == MOONPOOL_READY) link->config.events->on_ready(link->config.ctx);
  if (!link->is_closed) link->config.events->on_dirty(link->config.ctx);
}

/* Sends the handshake's next command, or ends it. */
static void go_on_shaking(mp_link *link) {
  mp_buf out;
  mp_buf_init(&out, link->config.allocator);
  int status = mp_handshake_next(&link->handshake, &out);
  if (status == MOONPOOL_OK && out.len > 0) status = mp_transport_write(link->transport, &out);
  int is_done = status == MOONPOOL_OK && mp_handshake_is_done(&link->handshake);
  mp_buf_free(&out);
  if (status != MOONPOOL_OK)
    mp_link_fail(link, status, "no memory for the handshake");
  else if (is_done)
    become_ready(link);
}

void mp_link_shake(mp_link *link, const moonpool_reply *reply) {
  char message[256];
  int status = mp_handshake_reply(&link->handshake, reply, message, sizeof message);
  link->down_traits = link->handshake.traits;
  if (link->handshake.is_no_master)
    mp_link_go_down(link, status, message);
  else if (status != MOONPOOL_OK)
    mp_link_fail(link, status, message);
  else if (mp_handshake_is_waiting(&link->handshake))
    return;
  else if (mp_transport_is_writing(link->transport))
    link->is_shake_due = 1;
  else
    go_on_shaking(link);
}

/* ---- opening --------------------------------------------------------------------------------- */

void mp_link_miss_handshake(mp_link *link) {
  char message[96];
  snprintf(message, sizeof message, "no answer to the handshake within %llu ms",
           (unsigned long long)link->config.options->connect_timeout);
  mp_link_fail(link, MOONPOOL_ETIMEOUT, message);
}

/* Until the transport is open, its own deadline holds: it knows more of what was late. */
static void on_open(void *ctx) {
  mp_link *link = ctx;
  link->is_shake_due = 0;
  link->deadline.patience = link->config.options->connect_timeout;
  mp_deadline_watch(&link->deadline, mp_transport_deadline(link->transport));
  mp_handshake_start(&link->handshake, link->url, link->config.options->name,
                     link->config.is_subscriber);
  link->handshake.has_no_setinfo = link->has_no_setinfo;
  if (link->config.locator) link->handshake.service = link->config.locator->service;
  go_on_shaking(link);
}

static void on_drain(void *ctx) {
  mp_link *link = ctx;
  if (link->state == MOONPOOL_CONNECTING && link->is_shake_due) {
    link->is_shake_due = 0;
    go_on_shaking(link);
    return;
  }
  mp_link_flush(link);
}

/* A master that its sentinels name and nobody reaches is about to be replaced. */
static void on_end(void *ctx, int status, const char *message) {
  mp_link *link = ctx;
  int is_unreached = link->state == MOONPOOL_CONNECTING &&
                     (status == MOONPOOL_ECONN || status == MOONPOOL_ETIMEOUT);
  if (link->config.locator && is_unreached) link->down_traits |= MP_TROUBLE_PASSES;
  mp_link_go_down(link, status, message);
}

static const mp_transport_events transport_events = {on_open, mp_link_on_read, on_drain, on_end};

static int open_transport(mp_link *link, uint64_t timeout) {
  const moonpool_options *options = link->config.options;
  mp_resp_limits limits = {options->max_reply_bytes, options->max_reply_elements,
                           options->max_reply_depth};
  mp_transport_config config = {link->config.loop,    link->config.allocator,
                                &transport_events,    link,
                                link->config.scratch, link->config.tls};
  mp_resp_free(link->resp);
  link->resp = mp_resp_new(link->config.allocator, &limits);
  if (!link->resp) return MOONPOOL_ENOMEM;
  return mp_transport_open(&link->transport, &config, link->url, timeout);
}

/* `spent`: ms of the attempt's time that are gone. */
static void open_link(mp_link *link, uint64_t spent) {
  uint64_t timeout = link->config.options->connect_timeout;
  if (timeout) timeout = spent < timeout ? timeout - spent : 1;
  int status = open_transport(link, timeout);
  if (status != MOONPOOL_OK) {
    mp_link_fail(link, status, moonpool_status_text(status));
    return;
  }
  link->holds++;
}

static int take_location(mp_link *link, const mp_url *url) {
  mp_url located;
  moonpool_bytes host = {url->host, strlen(url->host)};
  int status = mp_url_at(&located, link->config.allocator, url, host, url->port);
  if (status != MOONPOOL_OK) return status;
  mp_url_free(&link->located, link->config.allocator);
  link->located = located;
  link->url = &link->located;
  link->requests.address = link->url->address;
  return MOONPOOL_OK;
}

static void on_located(void *ctx, const mp_url *url, const moonpool_error *error) {
  mp_link *link = ctx;
  link->is_looking = 0;
  if (error) {
    mp_link_go_down(link, error->status, error->message);
    return;
  }
  int status = take_location(link, url);
  if (status == MOONPOOL_OK)
    open_link(link, uv_now(link->config.loop) - link->looked_since);
  else
    mp_link_fail(link, status, moonpool_status_text(status));
}

void mp_link_attempt(mp_link *link) {
  link->state = MOONPOOL_CONNECTING;
  link->down_traits = 0;
  mp_link_tell_state(link, NULL);
  if (link->is_closed) return;
  if (!link->config.locator) {
    open_link(link, 0);
    return;
  }
  link->looked_since = uv_now(link->config.loop);
  link->is_looking = 1;
  link->lookup = (mp_lookup){.on_done = on_located, .ctx = link, .lost_in = link->lost_in};
  link->config.locator->look_up(link->config.locator, &link->lookup);
}
