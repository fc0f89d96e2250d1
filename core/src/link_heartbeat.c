/* A silent peer is asked whether it is there. */
#include "link_private.h"

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

void mp_link_start_heartbeat(mp_link *link) {
  link->has_read = link->has_pinged = link->is_late = 0;
  next_heartbeat(link, link->config.options->heartbeat);
}
