/* A hub's life: its link, its start and its end, and what is told of it. */
#include "hub_private.h"

#include <stdio.h>

/* ---- the link's events ----------------------------------------------------------------------- */

static void on_ready(void *ctx) {
  mp_hub *hub = ctx;
  hub->last_error[0] = '\0';
  hub->config.on_dirty(hub->config.client);
}

static void on_down(void *ctx, int was_ready, const moonpool_error *error) {
  mp_hub *hub = ctx;
  snprintf(hub->last_error, sizeof hub->last_error, "%s", error->message);
  if (was_ready) mp_hub_forget_confirmed(hub);
}

static void on_readable(void *ctx) {
  mp_hub_drain(ctx);
}

static void on_dirty(void *ctx) {
  mp_hub *hub = ctx;
  hub->config.on_dirty(hub->config.client);
}

static const mp_link_events link_events = {on_ready, on_down, on_readable, on_dirty};

int mp_hub_ensure_link(mp_hub *hub) {
  if (hub->link) return MOONPOOL_OK;
  hub->link = mp_link_new(&hub->config.link);
  if (!hub->link) return MOONPOOL_ENOMEM;
  hub->holds++;
  mp_link_start(hub->link);
  return MOONPOOL_OK;
}

void mp_hub_move(mp_hub *hub, const char *address) {
  if (hub->link && !hub->is_closed) mp_link_move(hub->link, address);
}

/* ---- start and end --------------------------------------------------------------------------- */

mp_hub *mp_hub_new(const mp_hub_config *config) {
  mp_hub *hub = mp_calloc(config->link.allocator, sizeof *hub);
  if (!hub) return NULL;
  hub->config = *config;
  hub->config.link.events = &link_events;
  hub->config.link.ctx = hub;
  hub->config.link.is_subscriber = 1;
  hub->allocator = config->link.allocator;
  hub->options = config->link.options;
  mp_buf_init(&hub->kept, hub->allocator);
  mp_names_init(&hub->names, hub->allocator, config->link.seed);
  hub->dirty_tail = &hub->dirty;
  hub->due_tail = &hub->due;
  hub->pending.next = hub->pending.prev = &hub->pending;
  mp_deadline_init(&hub->pending_deadline, config->link.loop, mp_hub_expire_pending, hub);
  hub->pending_deadline.timer.data = hub;
  uv_timer_init(config->link.loop, &hub->defer_timer);
  hub->defer_timer.data = hub;
  hub->random = config->link.seed | 1;
  hub->holds = 2;
  return hub;
}

static void let_go(void *ctx) {
  mp_hub *hub = ctx;
  if (--hub->holds > 0) return;
  void (*on_gone)(void *) = hub->on_gone;
  void *gone_ctx = hub->gone_ctx;
  mp_names_free(&hub->names);
  mp_buf_free(&hub->kept);
  while (hub->refusals) {
    mp_refusal *refusal = hub->refusals;
    hub->refusals = refusal->next;
    mp_free(hub->allocator, refusal);
  }
  mp_free(hub->allocator, hub->told_refusal);
  mp_free(hub->allocator, hub);
  if (on_gone) on_gone(gone_ctx);
}

static void on_timer_closed(uv_handle_t *handle) {
  let_go(handle->data);
}

static void end_closing(mp_hub *hub) {
  while (hub->due) { /* the others' listeners are detached: only closing ones are left */
    moonpool_subscription *s = hub->due;
    mp_sub_unmake_due(hub, s);
    mp_sub_confirm_closed(hub, s);
  }
}

void mp_hub_close(mp_hub *hub, void (*on_gone)(void *ctx), void *ctx) {
  char message[256];
  snprintf(message, sizeof message, "%s: the client was closed", mp_hub_address(hub));
  moonpool_error error = {MOONPOOL_ECLOSED, message};
  hub->is_closed = 1;
  hub->on_gone = on_gone;
  hub->gone_ctx = ctx;
  if (hub->leaver) mp_hub_leaver_done(hub, hub->leaver);
  hub->leaver = NULL;
  if (hub->link) mp_link_close(hub->link, let_go, hub);
  for (size_t i = 0; i < hub->names.count; i++) {
    mp_entry *entry = hub->names.list[i];
    mp_hub_dismiss_leaver(hub, entry);
    while (entry->who.listeners) mp_sub_end(hub, entry->who.listeners->subscription, &error);
  }
  end_closing(hub);
  uv_close((uv_handle_t *)&hub->pending_deadline.timer, on_timer_closed);
  uv_close((uv_handle_t *)&hub->defer_timer, on_timer_closed);
}

void mp_hub_set_drain(mp_hub *hub, moonpool_drain_cb callback, void *ctx) {
  hub->drain = callback;
  hub->drain_ctx = ctx;
}

void mp_hub_set_own(mp_hub *hub, moonpool_subscription *subscription) {
  hub->own = subscription;
}

mp_hub_connection mp_hub_get_connection(const mp_hub *hub) {
  mp_link_stats link = {0};
  const mp_entry *own = hub->own ? hub->own->names[0].entry : NULL;
  if (hub->link) mp_link_get_stats(hub->link, &link);
  return (mp_hub_connection){.is_open = hub->link != NULL,
                             .is_own_confirmed = own && own->state == MP_ENTRY_CONFIRMED,
                             .number = link.reconnects,
                             .bytes_in = link.bytes_in};
}

void mp_hub_fail_link(mp_hub *hub, int status, const char *message) {
  mp_link_fail(hub->link, status, message);
}

void mp_hub_get_stats(const mp_hub *hub, moonpool_stats *stats) {
  mp_link_stats link = {0};
  if (hub->link) mp_link_get_stats(hub->link, &link);
  stats->messages = hub->messages;
  stats->gaps = hub->gaps;
  if (hub->link) stats->links += mp_link_state(hub->link) == MOONPOOL_READY;
  stats->writes += link.writes;
  stats->bytes_in += link.bytes_in;
  stats->bytes_out += link.bytes_out;
  stats->reconnects += link.reconnects;
  stats->wanted = hub->wanted - (hub->own != NULL);
  stats->confirmed = hub->confirmed - (mp_hub_get_connection(hub).is_own_confirmed);
}

void mp_hub_each_name(const mp_hub *hub, moonpool_name_cb cb, void *ctx) {
  for (size_t i = 0; i < hub->names.count; i++) {
    const mp_entry *entry = hub->names.list[i];
    const mp_listener *first = mp_listeners_of(entry);
    moonpool_name name = {.kind = (moonpool_kind)entry->kind,
                          .name = {entry->name, entry->len},
                          .is_confirmed = entry->state == MP_ENTRY_CONFIRMED};
    for (const mp_listener *l = first; l; l = l->next) name.listeners++;
    int is_own = hub->own && name.listeners == 1 && first->subscription == hub->own;
    if (!is_own) cb(&name, ctx);
  }
}
