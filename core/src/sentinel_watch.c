/* A subscription to +switch-master at one sentinel; when that one is lost, silent or unwilling, at
 * the next. What it announces is no more than a reason to ask all of them, as is each beginning: a
 * switch may have been missed. */
#include "sentinel_private.h"

#include <stddef.h>
#include <stdio.h>

static const char channel[] = "+switch-master";

/* The n-th word of `text`, with one space between each; data NULL: it has not so many. */
static moonpool_bytes word_of(moonpool_bytes text, int n) {
  for (;;) {
    const char *end = text.len ? memchr(text.data, ' ', text.len) : NULL;
    size_t len = end ? (size_t)(end - text.data) : text.len;
    if (n-- == 0) return (moonpool_bytes){text.data, len};
    if (!end) return (moonpool_bytes){NULL, 0};
    text = (moonpool_bytes){end + 1, text.len - len - 1};
  }
}

/* "service old-host old-port host port" */
static void take_switch(mp_sentinel *s, moonpool_bytes payload) {
  moonpool_bytes service = word_of(payload, 0), host = word_of(payload, 3),
                 port = word_of(payload, 4);
  const char *ours = s->url->service;
  if (service.len != strlen(ours) || memcmp(service.data, ours, service.len) != 0) return;
  if (host.data && port.data) {
    int is_ipv6 = memchr(host.data, ':', host.len) != NULL;
    snprintf(s->announced, sizeof s->announced, is_ipv6 ? "[%.*s]:%.*s" : "%.*s:%.*s",
             (int)host.len, host.data, (int)port.len, port.data);
    s->announced_at = uv_now(s->config.link.loop);
  }
  mp_sentinel_ask(s);
}

static int is_text(const moonpool_reply *reply, const char *word) {
  size_t len = strlen(word);
  return reply->type == MOONPOOL_STRING && reply->u.string.len == len &&
         memcmp(reply->u.string.data, word, len) == 0;
}

static void take_push(mp_sentinel *s, const moonpool_reply *push) {
  if (push->u.list.count != 3) return;
  const moonpool_reply *kind = push->u.list.first, *name = kind->next, *payload = name->next;
  if (!is_text(name, channel)) return;
  if (is_text(kind, "message") && payload->type == MOONPOOL_STRING)
    take_switch(s, payload->u.string);
  else if (is_text(kind, "subscribe") && mp_link_expected(s->watch))
    mp_link_confirm(s->watch);
}

static void on_readable(void *ctx) {
  mp_sentinel *s = ctx;
  const moonpool_reply *push;
  int got;
  while (!s->is_closed && (got = mp_link_next(s->watch, &push)) != 0)
    if (got == 1) take_push(s, push);
}

static void on_subscribed(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_sentinel *s = ctx;
  if (s->is_closed) return;
  if (!error)
    mp_sentinel_ask(s);
  else if (reply) /* a refusal: the connection itself still lives */
    mp_link_fail(s->watch, error->status, error->message);
}

static void on_ready(void *ctx) {
  mp_sentinel *s = ctx;
  const moonpool_bytes argv[] = {{"SUBSCRIBE", 9}, {channel, sizeof channel - 1}};
  int status;
  mp_buf *out = mp_link_begin(s->watch, 1, mp_resp_encoded_size(2, argv), &status);
  if (!out) {
    mp_link_fail(s->watch, status, moonpool_status_text(status));
    return;
  }
  mp_resp_encode(out, 2, argv);
  mp_request_info info = {.cb = on_subscribed, .ctx = s, .timeout = UINT64_MAX, .confirmations = 1};
  mp_link_commit(s->watch, &info);
}

static void on_down(void *ctx, int was_ready, const moonpool_error *error) {
  (void)ctx, (void)was_ready, (void)error; /* the link goes on with the next sentinel */
}

static void on_dirty(void *ctx) {
  mp_sentinel *s = ctx;
  s->config.on_dirty(s->config.ctx);
}

static const mp_link_events link_events = {on_ready, on_down, on_readable, on_dirty};

/* ---- which one --------------------------------------------------------------------------------
 */

/* Another one than the last, if there is one; best one that has answered lately. */
static const mp_url *choose(mp_sentinel *s) {
  const char *last = mp_link_address(s->watch);
  const mp_url *second = &s->peers[0].url;
  size_t first = s->watch_at++;
  for (size_t i = 0; i < s->peer_count; i++) {
    const mp_peer *peer = &s->peers[(first + i) % s->peer_count];
    if (!strcmp(peer->url.address, last)) continue;
    if (peer->answered + 1 >= s->locator.round)
      return &peer->url; /* the present round is under way */
    second = &peer->url;
  }
  return second;
}

static void look_up(mp_locator *locator, mp_lookup *lookup) {
  mp_sentinel *s = (mp_sentinel *)((char *)locator - offsetof(mp_sentinel, watched));
  lookup->on_done(lookup->ctx, choose(s), NULL);
}

static void cancel(mp_locator *locator, mp_lookup *lookup) {
  (void)locator, (void)lookup; /* every lookup is answered at once */
}

void mp_watch_start(mp_sentinel *s) {
  if (s->watch || s->is_closed) return;
  mp_link_config config = mp_sentinel_link_config(s);
  s->watched = (mp_locator){look_up, cancel, NULL, 0};
  config.locator = &s->watched;
  config.is_subscriber = 1;
  config.events = &link_events;
  config.ctx = s;
  s->watch = mp_link_new(&config);
  if (!s->watch) return; /* no memory: after the next round */
  s->holds++;
  mp_link_start(s->watch);
}
