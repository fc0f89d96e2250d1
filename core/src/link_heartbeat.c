/* A silent peer is asked whether it is there. */
#include "link_private.h"

/* Only an answer that is due already can be missed by a loop that is held up. */
static void next_heartbeat(mp_link *link, uint64_t delay) {
  uint64_t interval = link->config.options->heartbeat;
  link->deadline.patience = link->has_pinged ? interval : 0;
  if (interval)
    mp_deadline_watch(&link->deadline, mp_deadline_after(uv_now(link->config.loop), delay));
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
 * is asked, after a second one it is given up. */
void mp_link_beat(mp_link *link) {
  uint64_t interval = link->config.options->heartbeat, delay = interval;
  if (link->has_read || link->blocking > 0) {
    uint64_t silence = uv_now(link->config.loop) - link->last_read;
    if (link->has_read) delay = silence < interval ? interval - silence : 0;
    link->has_read = link->has_pinged = 0;
  } else if (!link->has_pinged) {
    send_ping(link);
  } else {
    mp_link_fail(link, MOONPOOL_ETIMEOUT, "no answer to PING within the heartbeat interval");
    return;
  }
  next_heartbeat(link, delay);
}

void mp_link_start_heartbeat(mp_link *link) {
  link->has_read = link->has_pinged = 0;
  next_heartbeat(link, link->config.options->heartbeat);
}
