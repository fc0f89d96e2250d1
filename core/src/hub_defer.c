/* Names that Redis refused for a passing reason, such as CLUSTERDOWN: they are asked for again, all
 * at once, after a random wait whose range doubles while they are refused. */
#include "hub_private.h"

#include <stdio.h>

#define RANGE_MAX 2000u /* ms */

/* Exponential backoff with full jitter, by xorshift64*. */
static uint64_t next_wait(mp_hub *hub) {
  uint64_t now = uv_now(hub->config.link.loop), max = hub->options->backoff_max;
  if (now - hub->deferred_at > 2 * RANGE_MAX) hub->deferrals = 0; /* a new trouble */
  if (max > RANGE_MAX) max = RANGE_MAX;
  uint64_t range = hub->options->backoff_min < max ? hub->options->backoff_min : max;
  range <<= hub->deferrals < 20 ? hub->deferrals : 20;
  if (range > max) range = max;
  hub->deferrals++;
  hub->deferred_at = now;
  hub->random ^= hub->random >> 12;
  hub->random ^= hub->random << 25;
  hub->random ^= hub->random >> 27;
  return (hub->random * 2685821657736338717u >> 16) % (range + 1);
}

static void on_wait_over(uv_timer_t *timer) {
  mp_hub *hub = timer->data;
  for (size_t i = 0; i < hub->names.count; i++) {
    mp_entry *entry = hub->names.list[i];
    if (entry->state != MP_ENTRY_DEFERRED) continue;
    entry->state = MP_ENTRY_ABSENT;
    mp_hub_touch(hub, entry);
  }
}

void mp_hub_defer(mp_hub *hub, mp_entry *entry, const moonpool_error *error) {
  entry->state = MP_ENTRY_DEFERRED;
  if (uv_is_active((uv_handle_t *)&hub->defer_timer)) return;
  snprintf(hub->last_error, sizeof hub->last_error, "%s", error->message);
  uv_timer_start(&hub->defer_timer, on_wait_over, next_wait(hub), 0);
}
