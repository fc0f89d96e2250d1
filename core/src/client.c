/* A client: one link for commands, one hub for subscriptions, and the moment before each poll at
 * which both write what the loop turn has gathered: an idle handle, since a loop that has an active
 * one does not sleep in its poll. It owns both, and the options and URL that they borrow. */
#include "client_private.h"

#include <stdio.h>

#define SCRATCH_SIZE (256u * 1024u)

void moonpool_options_init(moonpool_options *options) {
  *options = (moonpool_options){.url = "redis://127.0.0.1:6379",
                                .connect_timeout = 5000,
                                .command_timeout = 10000,
                                .heartbeat = 10000,
                                .backoff_min = 20,
                                .backoff_max = 10000,
                                .max_queue = 1000000,
                                .max_queue_bytes = (size_t)256 << 20,
                                .max_reply_bytes = ((size_t)512 << 20) + 65536,
                                .max_reply_elements = (size_t)1 << 24,
                                .max_reply_depth = 32,
                                .max_name = (size_t)8 << 20,
                                .subscribe_batch = 500,
                                .subscribe_window = 16,
                                .pool_size = 16,
                                .pool_queue = 10000,
                                .pool_idle = 60000,
                                .tls_verify = 1};
}

/* ---- before the loop polls ------------------------------------------------------------------- */

static void on_gathered(uv_idle_t *gathered) {
  moonpool *client = gathered->data;
  uv_idle_stop(gathered);
  if (client->empty) mp_client_end_empty(client, NULL);
  if (client->is_closed) return;
  if (client->feeds && mp_feeds_flush(client->feeds)) mp_hub_drain(client->hub);
  if (!client->is_closed) mp_rooms_flush(client->rooms);
  if (!client->is_closed) mp_hub_flush(client->hub);
  if (!client->is_closed) mp_pool_flush(client->pool);
  if (!client->is_closed) mp_link_flush(client->link);
  if (!client->is_closed && client->sentinel) mp_sentinel_flush(client->sentinel);
}

void mp_client_mark_dirty(moonpool *client) {
  if (!client->is_closed) uv_idle_start(&client->gathered, on_gathered);
}

/* ---- the command link's events --------------------------------------------------------------- */

static void on_ready(void *ctx) {
  moonpool *client = ctx;
  mp_scripts_ready(client->scripts);
  mp_feeds_ready(client->feeds);
  mp_client_tell_waiters(client, UINT64_MAX, NULL);
}

static void on_down(void *ctx, int was_ready, const moonpool_error *error) {
  moonpool *client = ctx;
  uint64_t retry_at, until = UINT64_MAX;
  (void)was_ready;
  if (mp_link_is_passing(client->link, &retry_at)) until = retry_at;
  mp_client_tell_waiters(client, until, error);
}

static void on_readable(void *ctx) {
  moonpool *client = ctx;
  const moonpool_reply *push;
  while (mp_link_next(client->link, &push)) continue; /* no push is asked for on this link */
}

static void on_dirty(void *ctx) {
  mp_client_mark_dirty(ctx);
}

static const mp_link_events link_events = {on_ready, on_down, on_readable, on_dirty};

/* ---- where the server is --------------------------------------------------------------------- */

/* What a callback closes meanwhile needs to move no more. */
static void on_master(void *ctx, const char *address) {
  moonpool *client = ctx;
  mp_hub_move(client->hub, address);
  if (!client->is_closed) mp_pool_move(client->pool, address);
  if (!client->is_closed) mp_link_move(client->link, address);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int is_good_name(const char *name) {
  for (; *name; name++)
    if (*name < '!' || *name > '~') return 0; /* CLIENT SETNAME's own rule */
  return 1;
}

/* Who waits for a client that is closed already. */
static void end_waiters(moonpool *client) {
  moonpool_error error = {MOONPOOL_ECLOSED, "the client was closed"};
  mp_client_tell_waiters(client, UINT64_MAX, &error);
  while (client->waiters) {
    mp_waiter *w = client->waiters;
    client->waiters = w->next;
    mp_free(&client->allocator, w);
  }
}

void mp_client_let_go(void *ctx) {
  moonpool *client = ctx;
  if (--client->holds > 0) return;
  end_waiters(client);
  mp_feeds_free(client->feeds);
  mp_rooms_free(client->rooms);
  mp_client_free_sessions(client);
  moonpool_allocator allocator = client->allocator;
  moonpool_close_cb on_gone = client->on_gone;
  void *gone_ctx = client->gone_ctx;
  mp_tls_free(client->tls);
  mp_url_free(&client->url, &allocator);
  mp_free(&allocator, client->name);
  mp_free(&allocator, client->scratch.data);
  mp_free(&allocator, client);
  if (on_gone) on_gone(gone_ctx);
}

static void on_handle_closed(uv_handle_t *handle) {
  mp_client_let_go(handle->data);
}

/* What an option says holds against what the URL says. */
static int copy_secret(moonpool *client, const char *option, char **to) {
  if (!option) return MOONPOOL_OK;
  mp_free(&client->allocator, *to);
  *to = mp_strndup(&client->allocator, option, strlen(option));
  return *to ? MOONPOOL_OK : MOONPOOL_ENOMEM;
}

static int copy_sentinel_options(moonpool *client, const moonpool_options *options, char *message,
                                 size_t size) {
  const char *username = options->sentinel_username, *password = options->sentinel_password;
  client->options.sentinel_username = client->options.sentinel_password = NULL;
  if ((username || password) && !client->url.service) {
    snprintf(message, size, "%s: the URL names no sentinels",
             username ? "sentinel_username" : "sentinel_password");
    return MOONPOOL_EARG;
  }
  int status = copy_secret(client, username, &client->url.sentinel_username);
  return status ? status : copy_secret(client, password, &client->url.sentinel_password);
}

static int copy_options(moonpool *client, const moonpool_options *options, char *message,
                        size_t size) {
  client->options = *options;
  client->options.allocator = &client->allocator;
  client->options.url = NULL;
  client->options.tls_ca_file = client->options.tls_ca_dir = NULL;
  client->options.tls_cert_file = client->options.tls_key_file = NULL;
  client->options.tls_server_name = NULL;
  if (options->name && !is_good_name(options->name)) {
    snprintf(message, size, "name: spaces and control characters are not allowed");
    return MOONPOOL_EARG;
  }
  if (options->name) {
    client->name = mp_strndup(&client->allocator, options->name, strlen(options->name));
    if (!client->name) return MOONPOOL_ENOMEM;
    client->options.name = client->name;
  }
  client->scratch =
      (mp_scratch){mp_alloc(&client->allocator, SCRATCH_SIZE), SCRATCH_SIZE, NULL, NULL};
  if (!client->scratch.data) return MOONPOOL_ENOMEM;
  int status = mp_url_parse(&client->url, &client->allocator, options->url, message, size);
  if (!status) status = copy_sentinel_options(client, options, message, size);
  if (status) return status;
  return mp_tls_new(&client->tls, &client->allocator, &client->url, options, message, size);
}

static int make_canary(moonpool *client, uint64_t seed) {
  mp_canary_config config = {.loop = client->loop,
                             .allocator = &client->allocator,
                             .options = &client->options,
                             .address = client->url.address,
                             .commands = client->link,
                             .hub = client->hub,
                             .seed = seed};
  client->canary = mp_canary_new(&config);
  if (!client->canary) return MOONPOOL_ENOMEM;
  client->holds++;
  return MOONPOOL_OK;
}

/* ---- events ---------------------------------------------------------------------------------- */

/* What a message that was read is to the feeds comes first, what they have fetched last. */
int moonpool_next(moonpool *client, const moonpool_event **event) {
  mp_feeds *feeds;
  for (;;) {
    if ((feeds = client->feeds) && mp_feeds_next(feeds, event)) return 1;
    int got = mp_hub_next(client->hub, event);
    if (got == MP_HUB_TAKEN) continue;
    if (got) return got;
    feeds = client->feeds;
    return feeds && mp_feeds_next_fetched(feeds, event);
  }
}

static void tell_listeners(moonpool *client) {
  const moonpool_event *event;
  int got;
  while ((got = moonpool_next(client, &event)) != 0) {
    if (got != 1) continue;
    if (event->type == MOONPOOL_ROOM)
      mp_feed_tell(event);
    else
      mp_subscription_tell(event);
  }
}

/* The hub's drain. */
static void drain(moonpool *client, void *ctx) {
  (void)ctx;
  if (client->drain)
    client->drain(client, client->drain_ctx);
  else
    tell_listeners(client);
  if (client->feeds && !client->is_closed) mp_feeds_keep(client->feeds);
}

void moonpool_set_drain(moonpool *client, moonpool_drain_cb callback, void *ctx) {
  client->drain = callback;
  client->drain_ctx = ctx;
}

int moonpool_begin_drain(moonpool *client) {
  return !client->is_closed && mp_hub_begin_drain(client->hub);
}

void moonpool_end_drain(moonpool *client) {
  if (client->is_closed) return;
  mp_hub_end_drain(client->hub);
  if (client->feeds) mp_feeds_keep(client->feeds);
}

static int make_links(moonpool *client) {
  mp_link_config config = {.loop = client->loop,
                           .allocator = &client->allocator,
                           .options = &client->options,
                           .url = &client->url,
                           .scratch = &client->scratch,
                           .tls = client->tls,
                           .events = &link_events,
                           .ctx = client};
  uv_random(NULL, NULL, &config.seed, sizeof config.seed, 0, NULL);
  if (client->url.service) {
    mp_sentinel_config sentinel = {config, on_dirty, on_master, client};
    client->sentinel = mp_sentinel_new(&sentinel);
    if (!client->sentinel) return MOONPOOL_ENOMEM;
    client->holds++;
    config.locator = mp_sentinel_locator(client->sentinel);
  }
  config.on_state = mp_client_tell_state;
  config.client = client;
  mp_hub_config hub = {client, config, mp_client_mark_dirty};
  client->link = mp_link_new(&config);
  if (!client->link) return MOONPOOL_ENOMEM;
  client->holds++;
  hub.link.seed = config.seed * 0x9e3779b97f4a7c15u;
  mp_pool_config pool = {client, config, mp_client_mark_dirty};
  pool.link.seed = hub.link.seed * 0x9e3779b97f4a7c15u;
  client->pool = mp_pool_new(&pool);
  if (!client->pool) return MOONPOOL_ENOMEM;
  client->holds++;
  client->hub = mp_hub_new(&hub);
  if (!client->hub) return MOONPOOL_ENOMEM;
  mp_hub_set_drain(client->hub, drain, NULL);
  client->holds++;
  return client->options.canary ? make_canary(client, hub.link.seed) : MOONPOOL_OK;
}

int moonpool_open(moonpool **out, uv_loop_t *loop, const moonpool_options *options, char *message,
                  size_t size) {
  char ignored[1];
  if (!message || size == 0) message = ignored, size = sizeof ignored;
  *out = NULL;
  message[0] = '\0';
  const moonpool_allocator *allocator =
      options->allocator ? options->allocator : &mp_default_allocator;
  moonpool *client = mp_calloc(allocator, sizeof *client);
  if (!client) return MOONPOOL_ENOMEM;
  client->allocator = *allocator;
  client->loop = loop;
  client->holds = 1;
  int status = copy_options(client, options, message, size);
  if (status != MOONPOOL_OK) {
    mp_client_let_go(client);
    return status;
  }
  uv_idle_init(loop, &client->gathered);
  uv_timer_init(loop, &client->told);
  client->gathered.data = client->told.data = client;
  client->holds = 2;
  status = make_links(client);
  if (status != MOONPOOL_OK) {
    moonpool_close(client, NULL, NULL);
    return status;
  }
  mp_link_start(client->link);
  *out = client;
  return MOONPOOL_OK;
}

void moonpool_close(moonpool *client, moonpool_close_cb cb, void *ctx) {
  if (!client || client->is_closed) return;
  moonpool_error error = {MOONPOOL_ECLOSED, "the client was closed"};
  client->is_closed = 1;
  client->on_gone = cb;
  client->gone_ctx = ctx;
  client->holds++; /* ours, until the end of this function */
  mp_feeds_close(client->feeds);
  mp_rooms_close(client->rooms);
  if (client->canary) mp_canary_close(client->canary, mp_client_let_go, client);
  if (client->hub) mp_hub_close(client->hub, mp_client_let_go, client);
  if (client->pool) mp_pool_close(client->pool, mp_client_let_go, client);
  if (client->link) mp_link_close(client->link, mp_client_let_go, client);
  if (client->scripts) mp_scripts_close(client->scripts, mp_client_let_go, client);
  if (client->sentinel) mp_sentinel_close(client->sentinel, mp_client_let_go, client);
  mp_client_end_empty(client, &error);
  mp_client_tell_waiters(client, UINT64_MAX, &error);
  uv_close((uv_handle_t *)&client->gathered, on_handle_closed);
  uv_close((uv_handle_t *)&client->told, on_handle_closed);
  mp_client_let_go(client);
}

/* ---- scripts --------------------------------------------------------------------------------- */

int mp_client_make_scripts(moonpool *client) {
  if (client->scripts) return MOONPOOL_OK;
  mp_scripts_config config = {client->loop, &client->allocator, &client->options, client->link};
  client->scripts = mp_scripts_new(&config);
  if (!client->scripts) return MOONPOOL_ENOMEM;
  client->holds++;
  return MOONPOOL_OK;
}

int moonpool_prepare(moonpool *client, moonpool_bytes source, uint64_t timeout,
                     moonpool_script_cb cb, void *ctx) {
  if (client->is_closed) return MOONPOOL_ECLOSED;
  int status = mp_client_make_scripts(client);
  if (status != MOONPOOL_OK) return status;
  return mp_scripts_prepare(client->scripts, source, timeout, cb, ctx);
}

/* ---- subscriptions --------------------------------------------------------------------------- */

int moonpool_subscribe(moonpool *client, moonpool_kind kind, const moonpool_bytes *names,
                       size_t count, moonpool_event_cb listener, moonpool_confirm_cb confirm,
                       void *ctx, moonpool_subscription **subscription) {
  *subscription = NULL;
  if (client->is_closed) return MOONPOOL_ECLOSED;
  return mp_hub_subscribe(client->hub, kind, names, count, listener, confirm, ctx, subscription);
}
