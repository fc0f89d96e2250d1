/* A link's life: attempt, handshake, ready, lost, wait, next attempt. It owns the transport and the
 * parser of the present connection and the queue of requests. A parser whose connection is gone is
 * kept until the next attempt or the link's end, since a reply may still be borrowed from it. */
#include "link.h"

#include "handshake.h"
#include "requests.h"
#include "transport.h"
#include "trouble.h"

#include <stdio.h>

#define STABLE_MS 1000u /* ready for so long: the next loss starts a new series of attempts */
#define SLOW_BACKOFF_MS 1000u
#define NO_MASTER_BACKOFF_MS 1000u /* at most: a failover under way ends soon */
#define LEAVE_MIN_MS 1000u /* between two times that the link leaves a server for another one */
#define LEAVE_MAX_MS 60000u
#define MESSAGE_SIZE 1200u /* that of a lookup names every sentinel */

struct mp_link {
  mp_link_config config;
  moonpool_state state;
  const mp_url *url; /* config.url, or `located` */
  mp_url located;    /* owned */
  mp_lookup lookup;
  int is_looking;
  uint64_t looked_since;
  mp_transport *transport;
  mp_resp *resp;
  mp_handshake handshake;
  mp_requests requests;
  uv_timer_t timer; /* CONNECTING: deadline; READY: heartbeat; WAITING: next attempt */
  uint64_t random, ready_since, last_read;
  uint64_t retry_at;    /* of the loop's clock: WAITING: when the next attempt begins */
  unsigned down_traits; /* of what the last handshake was refused with: mp_trouble_trait */
  uint64_t deadline;    /* of the attempt, in the loop's time; 0: none */
  unsigned attempts;
  int is_closed, was_ever_ready;
  int has_no_setinfo; /* the server does not know it: it is not asked again */
  int is_moving;      /* the next attempt is due at once */
  const mp_trouble
      *leaving; /* why: nothing new is written; when all is answered, it connects anew */
  uint64_t left_at, leave_pause;
  char last_error[MESSAGE_SIZE]; /* of the last attempt or connection */
  int blocking;                  /* as mp_link_count_blocking says */
  int is_shake_due; /* the handshake's next command waits until the last one is written */
  int has_read, has_pinged, is_late; /* since the last heartbeat */
  int holds;                         /* handles and transports that libuv still has */
  void (*on_gone)(void *ctx);
  void *gone_ctx;
  mp_link_stats stats;
};

static void attempt(mp_link *link);

static void let_go(void *ctx) {
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
  let_go(handle->data);
}

static void close_timer(mp_link *link, uv_timer_t *timer) {
  timer->data = link;
  uv_close((uv_handle_t *)timer, on_timer_closed);
}

static void drop_transport(mp_link *link) {
  if (link->is_looking) link->config.locator->cancel(link->config.locator, &link->lookup);
  link->is_looking = 0;
  if (!link->transport) return;
  mp_transport *transport = link->transport;
  link->transport = NULL;
  mp_transport_free(transport, let_go, link);
}

/* ---- losing it ------------------------------------------------------------------------------ */

static void tell_state(const mp_link *link, const moonpool_error *error) {
  const mp_link_config *config = &link->config;
  moonpool_role role = config->is_pooled ? MOONPOOL_POOL : MOONPOOL_COMMANDS;
  if (config->is_subscriber) role = MOONPOOL_SUBSCRIPTIONS;
  if (config->on_state)
    config->on_state(config->client, role, link->state, link->url->address, error);
}

/* A number in [0, limit), by xorshift64*. */
static uint64_t random_below(mp_link *link, uint64_t limit) {
  link->random ^= link->random >> 12;
  link->random ^= link->random << 25;
  link->random ^= link->random >> 27;
  return limit ? (link->random * 2685821657736338717u >> 16) % limit : 0;
}

/* Exponential backoff with full jitter; a refused password, or what else stays as it is, is not
 * tried again in a hurry. */
static uint64_t backoff(mp_link *link, int status) {
  const moonpool_options *options = link->config.options;
  uint64_t least = options->backoff_min, floor = 0;
  if (status == MOONPOOL_EAUTH || (link->down_traits & MP_TROUBLE_STAYS)) {
    if (least < SLOW_BACKOFF_MS) least = SLOW_BACKOFF_MS;
    floor = least / 2;
  }
  uint64_t range = least << (link->attempts < 20 ? link->attempts : 20);
  if (range > options->backoff_max) range = options->backoff_max;
  if (link->handshake.is_no_master && range > NO_MASTER_BACKOFF_MS) range = NO_MASTER_BACKOFF_MS;
  if (floor > options->backoff_max) floor = options->backoff_max;
  return floor + random_below(link, range + 1);
}

static void on_backoff_over(uv_timer_t *timer) {
  mp_link *link = timer->data;
  if (link->state == MOONPOOL_WAITING) attempt(link);
}

/* Fails what was in flight. `error` says why the link went down. */
static void fail_sent(mp_link *link, const moonpool_error *error) {
  char message[MESSAGE_SIZE + 64];
  snprintf(message, sizeof message, "%s; the command was possibly executed", error->message);
  moonpool_error lost = {error->status == MOONPOOL_ECLOSED ? MOONPOOL_ECLOSED : MOONPOOL_ECONN,
                         message};
  mp_requests_fail(&link->requests, 0, &lost);
  if ((link->config.is_subscriber || link->config.is_pooled) && !link->is_closed)
    mp_requests_fail(&link->requests, 1, error);
}

/* Sets the timer of the next attempt, which `status` ended the last one. */
static void wait_for_attempt(mp_link *link, int status) {
  uint64_t delay = link->is_moving ? 0 : backoff(link, status);
  link->is_moving = 0;
  link->handshake.is_no_master = 0;
  link->retry_at = uv_now(link->config.loop) + delay;
  uv_timer_start(&link->timer, on_backoff_over, delay, 0);
  link->attempts++;
}

static void go_down(mp_link *link, int status, const char *reason) {
  if (link->is_closed || link->state == MOONPOOL_WAITING) return;
  char message[MESSAGE_SIZE];
  snprintf(message, sizeof message, "%s", reason); /* the transport that owns it goes now */
  moonpool_error error = {status, message};
  snprintf(link->last_error, sizeof link->last_error, "%s", message);
  link->requests.trouble = link->last_error;
  int was_ready = link->state == MOONPOOL_READY;
  uint64_t now = uv_now(link->config.loop);
  if (was_ready && now - link->ready_since >= STABLE_MS) link->attempts = 0;
  link->state = MOONPOOL_WAITING;
  link->leaving = NULL;
  drop_transport(link);
  wait_for_attempt(link, status);
  fail_sent(link, &error);
  if (!link->is_closed) tell_state(link, &error);
  if (!link->is_closed) link->config.events->on_down(link->config.ctx, was_ready, &error);
}

void mp_link_fail(mp_link *link, int status, const char *reason) {
  char message[MESSAGE_SIZE];
  snprintf(message, sizeof message, "%s: %s", link->url->address, reason);
  go_down(link, status, message);
}

const char *mp_link_address(const mp_link *link) {
  return link->url->address;
}

void mp_link_move(mp_link *link, const char *address) {
  int is_under_way = link->state != MOONPOOL_IDLE && link->state != MOONPOOL_CLOSED;
  if (!link->config.locator || !is_under_way || link->is_looking) return;
  if (link->url == &link->located && !strcmp(link->url->address, address)) return;
  char message[MESSAGE_SIZE];
  snprintf(message, sizeof message, "%s: the master of %s is now %s", link->url->address,
           link->config.locator->service, address);
  link->attempts = 0;
  link->is_moving = 1;
  if (link->state == MOONPOOL_READY) {
    go_down(link, MOONPOOL_ECONN, message);
    return;
  }
  link->state = MOONPOOL_WAITING; /* who waits for the link is told how the next attempt went */
  drop_transport(link);
  wait_for_attempt(link, MOONPOOL_OK);
}

/* ---- heartbeat ------------------------------------------------------------------------------ */

static void on_heartbeat(uv_timer_t *timer);

static void next_heartbeat(mp_link *link, uint64_t delay) {
  if (link->config.options->heartbeat) uv_timer_start(&link->timer, on_heartbeat, delay, 0);
}

static void send_ping(mp_link *link) {
  static const moonpool_bytes ping = {"PING", 4};
  mp_buf *out = mp_requests_begin(&link->requests, mp_resp_encoded_size(1, &ping));
  if (!out) return; /* no memory: the next beat tries again */
  mp_resp_encode(out, 1, &ping);
  mp_requests_commit(&link->requests, &(mp_request_info){.timeout = UINT64_MAX, .replies = 1});
  link->has_pinged = 1;
  link->config.events->on_dirty(link->config.ctx);
}

/* Any byte read since the last beat proves that the peer lives; an interval after the last one it
 * is asked, after a second one it is given up. A loop that was held up gets one more turn to read
 * first. */
static void on_heartbeat(uv_timer_t *timer) {
  mp_link *link = timer->data;
  uint64_t interval = link->config.options->heartbeat, delay = interval;
  if (link->state != MOONPOOL_READY) return;
  if (link->has_read || link->blocking > 0) {
    uint64_t silence = uv_now(link->config.loop) - link->last_read;
    if (link->has_read) delay = silence < interval ? interval - silence : 0;
    link->has_read = link->has_pinged = link->is_late = 0;
  } else if (!link->has_pinged) {
    send_ping(link);
  } else if (!link->is_late) {
    link->is_late = 1;
    next_heartbeat(link, 1);
    return;
  } else {
    mp_link_fail(link, MOONPOOL_ETIMEOUT, "no answer to PING within the heartbeat interval");
    return;
  }
  next_heartbeat(link, delay);
}

/* ---- becoming ready -------------------------------------------------------------------------- */

static void become_ready(mp_link *link) {
  link->state = MOONPOOL_READY;
  link->requests.trouble = NULL;
  link->ready_since = uv_now(link->config.loop);
  link->has_read = link->has_pinged = link->is_late = 0;
  link->has_no_setinfo = link->handshake.has_no_setinfo;
  if (link->was_ever_ready) link->stats.reconnects++;
  link->was_ever_ready = 1;
  uv_timer_stop(&link->timer);
  next_heartbeat(link, link->config.options->heartbeat);
  tell_state(link, NULL);
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

static void take_handshake_reply(mp_link *link, const moonpool_reply *reply) {
  char message[256];
  int status = mp_handshake_reply(&link->handshake, reply, message, sizeof message);
  link->down_traits = link->handshake.traits;
  if (link->handshake.is_no_master)
    go_down(link, status, message);
  else if (status != MOONPOOL_OK)
    mp_link_fail(link, status, message);
  else if (mp_handshake_is_waiting(&link->handshake))
    return;
  else if (mp_transport_is_writing(link->transport))
    link->is_shake_due = 1;
  else
    go_on_shaking(link);
}

/* Until the transport is open, its own deadline holds: it knows more of what was late. */
static void on_connect_timeout(uv_timer_t *timer) {
  mp_link *link = timer->data;
  if (link->state != MOONPOOL_CONNECTING) return;
  char message[96];
  snprintf(message, sizeof message, "no answer to the handshake within %llu ms",
           (unsigned long long)link->config.options->connect_timeout);
  mp_link_fail(link, MOONPOOL_ETIMEOUT, message);
}

static void start_deadline(mp_link *link) {
  uint64_t now = uv_now(link->config.loop);
  if (!link->deadline) return;
  uv_timer_start(&link->timer, on_connect_timeout, now < link->deadline ? link->deadline - now : 1,
                 0);
}

static void on_open(void *ctx) {
  mp_link *link = ctx;
  link->is_shake_due = 0;
  start_deadline(link);
  mp_handshake_start(&link->handshake, link->url, link->config.options->name,
                     link->config.is_subscriber);
  link->handshake.has_no_setinfo = link->has_no_setinfo;
  if (link->config.locator) link->handshake.service = link->config.locator->service;
  go_on_shaking(link);
}

/* ---- reading --------------------------------------------------------------------------------- */

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

/* Another connection may lead to a server that does what this one refuses: to the new master behind
 * the same name. A replica that is meant to be one must not suffer from it: nothing in flight is
 * lost, and the pauses between two times grow. */
static void leave_soon(mp_link *link, const mp_trouble *why) {
  uint64_t now = uv_now(link->config.loop), since = now - link->left_at;
  if (link->leaving || link->config.is_subscriber || link->config.url->path) return;
  if (link->blocking > 0 || since < link->leave_pause) return;
  if (since >= 2 * link->leave_pause)
    link->leave_pause = LEAVE_MIN_MS;
  else if (link->leave_pause < LEAVE_MAX_MS)
    link->leave_pause *= 2;
  link->left_at = now;
  link->leaving = why;
}

static void leave_if_answered(mp_link *link) {
  const mp_request *first = link->requests.first;
  if (!link->leaving || link->config.is_pooled || link->state != MOONPOOL_READY) return;
  if (first && first->number <= link->requests.sent) return;
  char message[128];
  snprintf(message, sizeof message, "%s: connecting anew, perhaps to another server",
           link->leaving->words);
  link->attempts = 0;
  mp_link_fail(link, MOONPOOL_ECONN, message);
}

static void answer_error(mp_link *link, const moonpool_reply *reply) {
  const mp_trouble *trouble = mp_trouble_of(reply);
  moonpool_error error = {trouble->status, reply->u.string.data};
  char message[512];
  if (trouble->hint) {
    snprintf(message, sizeof message, "%s (%s)", reply->u.string.data, trouble->hint);
    error.message = message;
  }
  if (trouble->traits & MP_TROUBLE_ELSEWHERE) leave_soon(link, trouble);
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
  leave_if_answered(link);
  return 0;
}

static void on_read(void *ctx, const char *data, size_t len) {
  mp_link *link = ctx;
  mp_transport *transport = link->transport;
  link->has_read = 1;
  link->last_read = uv_now(link->config.loop);
  link->stats.bytes_in += len;
  mp_resp_feed(link->resp, data, len);
  const moonpool_reply *reply; /* the handshake waits for no owner that leaves what is read */
  while (next_reply(link, MOONPOOL_CONNECTING, &reply)) take_handshake_reply(link, reply);
  if (link->transport == transport) link->config.events->on_readable(link->config.ctx);
  if (link->transport != transport) return;
  int status = mp_resp_keep(link->resp);
  if (status < 0) fail_reading(link, status);
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

static void on_drain(void *ctx) {
  mp_link *link = ctx;
  if (link->state == MOONPOOL_CONNECTING && link->is_shake_due) {
    link->is_shake_due = 0;
    go_on_shaking(link);
    return;
  }
  mp_link_flush(link);
}

static void on_end(void *ctx, int status, const char *message) {
  go_down(ctx, status, message);
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

/* ---- attempts, start and end ----------------------------------------------------------------- */

static const mp_transport_events transport_events = {on_open, on_read, on_drain, on_end};

static int open_transport(mp_link *link, uint64_t timeout) {
  const moonpool_options *options = link->config.options;
  mp_resp_limits limits = {options->max_reply_bytes, options->max_reply_elements,
                           options->max_reply_depth};
  mp_transport_config config = {
      link->config.loop,    link->config.allocator,    &transport_events, link,
      link->config.scratch, link->config.scratch_size, link->config.tls};
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
  uint64_t now = uv_now(link->config.loop);
  link->deadline = timeout && timeout < UINT64_MAX - now ? now + timeout : 0;
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
    go_down(link, error->status, error->message);
    return;
  }
  int status = take_location(link, url);
  if (status == MOONPOOL_OK)
    open_link(link, uv_now(link->config.loop) - link->looked_since);
  else
    mp_link_fail(link, status, moonpool_status_text(status));
}

static void attempt(mp_link *link) {
  link->state = MOONPOOL_CONNECTING;
  link->down_traits = 0;
  tell_state(link, NULL);
  if (link->is_closed) return;
  if (!link->config.locator) {
    open_link(link, 0);
    return;
  }
  link->looked_since = uv_now(link->config.loop);
  link->is_looking = 1;
  link->lookup = (mp_lookup){.on_done = on_located, .ctx = link};
  link->config.locator->look_up(link->config.locator, &link->lookup);
}

static void on_start(uv_timer_t *timer) {
  attempt(timer->data);
}

void mp_link_start(mp_link *link) {
  if (link->is_closed || link->state != MOONPOOL_IDLE) return;
  link->state = MOONPOOL_CONNECTING;
  uv_timer_start(&link->timer, on_start, 0, 0); /* failures are told from inside the loop */
}

mp_link *mp_link_new(const mp_link_config *config) {
  mp_link *link = mp_calloc(config->allocator, sizeof *link);
  if (!link) return NULL;
  link->config = *config;
  link->random = config->seed | 1;
  link->url = config->url;
  mp_requests_init(&link->requests, config->loop, config->allocator, config->url->address);
  uv_timer_init(config->loop, &link->timer);
  link->timer.data = link;
  link->holds = 2;
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
  drop_transport(link);
  close_timer(link, &link->timer);
  close_timer(link, &link->requests.deadline.timer);
  link->requests.is_closed = 1;
  mp_requests_fail(&link->requests, 1, &error);
  tell_state(link, NULL);
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
