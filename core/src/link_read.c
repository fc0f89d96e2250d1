/* Replies, to whom they are for; pushes, for the link's owner. */
#include "link_private.h"

#include <stdio.h>

static int is_word(const moonpool_reply *reply, const char *word, size_t len) {
  return reply->type == MOONPOOL_STRING && reply->u.string.len == len &&
         memcmp(reply->u.string.data, word, len) == 0;
}

/* RESP3 marks a push; on a RESP2 subscriber every array is one, but for PING's ["pong", ""]. */
static int is_push(const mp_link *link, const moonpool_reply *reply) {
  if (reply->type == MOONPOOL_PUSH) return 1;
  if (!link->config.is_subscriber || reply->type != MOONPOOL_ARRAY) return 0;
  return reply->u.list.count > 0 && !is_word(reply->u.list.first, "pong", 4);
}

static void answer_error(mp_link *link, const moonpool_reply *reply) {
  const mp_trouble *trouble = mp_trouble_of(reply);
  moonpool_error error = {trouble->status, reply->u.string.data};
  char message[512];
  if (trouble->hint) {
    snprintf(message, sizeof message, "%s (%s)", reply->u.string.data, trouble->hint);
    error.message = message;
  }
  if (trouble->traits & MP_TROUBLE_ELSEWHERE) mp_link_leave_soon(link, trouble);
  mp_requests_answer(&link->requests, reply, &error);
}

static void answer(mp_link *link, const moonpool_reply *reply) {
  if (!link->requests.first || link->requests.first->number > link->requests.sent) {
    mp_link_fail(link, MOONPOOL_EPROTO, "a reply that nothing was waiting for");
    return;
  }
  if (reply->type != MOONPOOL_ERROR) {
    if (link->requests.first->info.confirmations)
      mp_link_fail(link, MOONPOOL_EPROTO, "a reply where a confirmation was due");
    else
      mp_requests_answer(&link->requests, reply, NULL);
    return;
  }
  answer_error(link, reply);
}

/* What is wrong from the first bytes on is another server, most often one of HTTP. */
static void fail_reading(mp_link *link, int status) {
  char message[256];
  int is_stranger = link->state == MOONPOOL_CONNECTING && status == MOONPOOL_EPROTO;
  snprintf(message, sizeof message, "%s%s",
           is_stranger ? "the peer does not speak Redis's protocol: " : "",
           mp_resp_message(link->resp));
  mp_link_fail(link, status, message);
}

/* The next reply while the link is in that state: 1, or 0 when there is none. */
static int next_reply(mp_link *link, moonpool_state state, const moonpool_reply **reply) {
  if (link->state != state || !link->transport) return 0;
  int got = mp_resp_next(link->resp, reply);
  if (got < 0) fail_reading(link, got);
  return got > 0;
}

int mp_link_next(mp_link *link, const moonpool_reply **push) {
  const moonpool_reply *reply;
  while (next_reply(link, MOONPOOL_READY, &reply)) {
    if (is_push(link, reply)) {
      *push = reply;
      return 1;
    }
    answer(link, reply);
    if (reply->type == MOONPOOL_ERROR) return 2; /* borrowed until the next reply is asked for */
  }
  mp_link_leave_if_answered(link);
  return 0;
}

/* What the owner has left until now is kept. */
static void keep(void *ctx) {
  mp_link *link = ctx;
  int status = mp_resp_keep(link->resp);
  if (status < 0) fail_reading(link, status);
}

void mp_link_on_read(void *ctx, const char *data, size_t len) {
  mp_link *link = ctx;
  mp_transport *transport = link->transport;
  link->has_read = 1;
  link->last_read = uv_now(link->config.loop);
  link->stats.bytes_in += len;
  mp_resp_feed(link->resp, data, len);
  const moonpool_reply *reply; /* the handshake waits for no owner that leaves what is read */
  while (next_reply(link, MOONPOOL_CONNECTING, &reply)) mp_link_shake(link, reply);
  if (link->transport == transport) link->config.events->on_readable(link->config.ctx);
  if (link->transport != transport) return;
  if (!mp_resp_is_lent(link->resp)) {
    keep(link);
    return;
  }
  link->config.scratch->reclaim = keep;
  link->config.scratch->ctx = link;
}

void *mp_link_expected(const mp_link *link) {
  const mp_request *r = link->requests.first;
  if (!r || r->number > link->requests.sent || r->info.confirmations == 0) return NULL;
  return r->info.ctx;
}

void mp_link_confirm(mp_link *link) {
  if (--link->requests.first->info.confirmations == 0)
    mp_requests_answer(&link->requests, NULL, NULL);
}
