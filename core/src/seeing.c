/* What a client shows of itself. */
#include "client_private.h"

moonpool_state moonpool_get_state(const moonpool *client) {
  return client->is_closed ? MOONPOOL_CLOSED : mp_link_state(client->link);
}

const char *moonpool_address(const moonpool *client) {
  return client->is_closed ? client->url.address : mp_link_address(client->link);
}

const char *moonpool_last_error(const moonpool *client) {
  return client->is_closed ? "" : mp_link_last_error(client->link);
}

const moonpool_allocator *moonpool_get_allocator(const moonpool *client) {
  return &client->allocator;
}

int moonpool_resp_version(void) {
  return mp_resp_version();
}

const char *moonpool_tls_version(void) {
  return mp_tls_version();
}

const char *moonpool_hiredis_version(void) {
  return mp_resp_hiredis_version();
}

void moonpool_get_stats(const moonpool *client, moonpool_stats *stats) {
  mp_link_stats link;
  mp_scripts_stats scripts;
  *stats = (moonpool_stats){.commands = client->commands};
  if (client->is_closed) return; /* link and hub may be gone before the client is */
  mp_link_get_stats(client->link, &link);
  mp_scripts_get_stats(client->scripts, &scripts);
  *stats = (moonpool_stats){.commands = client->commands + scripts.commands,
                            .writes = link.writes,
                            .reconnects = link.reconnects,
                            .bytes_in = link.bytes_in,
                            .bytes_out = link.bytes_out,
                            .queued = link.queued + scripts.queued,
                            .in_flight = link.in_flight,
                            .links = mp_link_state(client->link) == MOONPOOL_READY};
  mp_hub_get_stats(client->hub, stats);
  mp_pool_get_stats(client->pool, stats);
  if (client->canary) stats->canary_losses = mp_canary_losses(client->canary);
}

const char *moonpool_canary_error(const moonpool *client) {
  return client->canary && !client->is_closed ? mp_canary_error(client->canary) : NULL;
}

void moonpool_on_state(moonpool *client, moonpool_state_cb cb, void *ctx) {
  client->on_state = cb;
  client->state_ctx = ctx;
}

void mp_client_tell_state(moonpool *client, moonpool_role role, moonpool_state state,
                          const char *address, const moonpool_error *error) {
  moonpool_state_event event = {.role = role, .state = state, .address = address};
  if (error) event.error = *error;
  if (client->on_state) client->on_state(client, &event, client->state_ctx);
}

void moonpool_each_name(const moonpool *client, moonpool_name_cb cb, void *ctx) {
  if (!client->is_closed) mp_hub_each_name(client->hub, cb, ctx);
}
