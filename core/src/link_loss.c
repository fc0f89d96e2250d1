/* Losing a connection, or leaving it: what was in flight fails, and the next attempt comes after a
 * while. */
#include "link_private.h"

#include <stdio.h>

#define STABLE_MS 1000u /* ready for so long: the next loss starts a new series of attempts */
#define SLOW_BACKOFF_MS 1000u
#define NO_MASTER_BACKOFF_MS 1000u /* at most: a failover under way ends soon */
#define LEAVE_MIN_MS 1000u /* between two times that the link leaves a server for another one */
#define LEAVE_MAX_MS 60000u

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
  if (link->state == MOONPOOL_WAITING) mp_link_attempt(link);
}

/* Fails what was in flight. `error` says why the link went down. */
static void fail_sent(mp_link *link, const moonpool_error *error) {
  char message[MP_LINK_MESSAGE + 64];
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

void mp_link_go_down(mp_link *link, int status, const char *reason) {
  if (link->is_closed || link->state == MOONPOOL_WAITING) return;
  char message[MP_LINK_MESSAGE];
  snprintf(message, sizeof message, "%s", reason); /* the transport that owns it goes now */
  moonpool_error error = {status, message};
  snprintf(link->last_error, sizeof link->last_error, "%s", message);
  link->requests.trouble = link->last_error;
  int was_ready = link->state == MOONPOOL_READY;
  uint64_t now = uv_now(link->config.loop);
  if (was_ready && now - link->ready_since >= STABLE_MS) link->attempts = 0;
  if (was_ready && link->config.locator) link->lost_in = link->config.locator->round;
  link->state = MOONPOOL_WAITING;
  link->leaving = NULL;
  mp_link_drop_transport(link);
  wait_for_attempt(link, status);
  fail_sent(link, &error);
  if (!link->is_closed) mp_link_tell_state(link, &error);
  if (!link->is_closed) link->config.events->on_down(link->config.ctx, was_ready, &error);
}

void mp_link_fail(mp_link *link, int status, const char *reason) {
  char message[MP_LINK_MESSAGE];
  snprintf(message, sizeof message, "%s: %s", link->url->address, reason);
  mp_link_go_down(link, status, message);
}

/* ---- leaving --------------------------------------------------------------------------------- */

void mp_link_move(mp_link *link, const char *address) {
  int is_under_way = link->state != MOONPOOL_IDLE && link->state != MOONPOOL_CLOSED;
  if (!link->config.locator || !is_under_way || link->is_looking) return;
  if (link->url == &link->located && !strcmp(link->url->address, address)) return;
  char message[MP_LINK_MESSAGE];
  snprintf(message, sizeof message, "%s: the master of %s is now %s", link->url->address,
           link->config.locator->service, address);
  link->attempts = 0;
  link->is_moving = 1;
  if (link->state == MOONPOOL_READY) {
    mp_link_go_down(link, MOONPOOL_ECONN, message);
    return;
  }
  moonpool_error error = {MOONPOOL_ECONN, message};
  int is_attempt = link->state == MOONPOOL_CONNECTING;
  link->state = MOONPOOL_WAITING; /* who waits for the link is told how the next attempt went */
  mp_link_drop_transport(link);
  wait_for_attempt(link, MOONPOOL_OK);
  if (is_attempt) mp_link_tell_state(link, &error);
}

/* Another connection may lead to a server that does what this one refuses: to the new master behind
 * the same name. A replica that is meant to be one must not suffer from it: nothing in flight is
 * lost, and the pauses between two times grow. */
void mp_link_leave_soon(mp_link *link, const mp_trouble *why) {
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

void mp_link_leave_if_answered(mp_link *link) {
  const mp_request *first = link->requests.first;
  if (!link->leaving || link->config.is_pooled || link->state != MOONPOOL_READY) return;
  if (first && first->number <= link->requests.sent) return;
  char message[128];
  snprintf(message, sizeof message, "%s: connecting anew, perhaps to another server",
           link->leaving->words);
  link->attempts = 0;
  mp_link_fail(link, MOONPOOL_ECONN, message);
}
