/* Subscriptions and the way of an event to them. An event is delivered to one listener after the
 * other, by mp_hub_next; between two of them anything may be subscribed, ended or closed. What is
 * freed while it may still be pointed to is taken out first: from its entry's list, from under the
 * cursor, from the list of those with a callback due. */
#include "hub_private.h"

#include <stdio.h>

/* ---- callbacks that are due ------------------------------------------------------------------ */

void mp_hub_make_due(mp_hub *hub, moonpool_subscription *s) {
  if (s->is_due) return;
  s->is_due = 1;
  s->due_next = NULL;
  *hub->due_tail = s;
  hub->due_tail = &s->due_next;
  hub->config.on_dirty(hub->config.client);
}

static void unmake_due(mp_hub *hub, moonpool_subscription *s) {
  if (!s->is_due) return;
  moonpool_subscription **at = &hub->due;
  while (*at != s) at = &(*at)->due_next;
  *at = s->due_next;
  if (!*at) hub->due_tail = at;
  s->is_due = 0;
}

void mp_hub_leaver_done(mp_hub *hub, moonpool_subscription *leaver) {
  if (--leaver->unconfirmed == 0) mp_hub_make_due(hub, leaver);
}

/* ---- pending subscriptions ------------------------------------------------------------------- */

/* Takes it off the list: its callback. The state is the caller's to change. */
static moonpool_confirm_cb unpend(mp_hub *hub, moonpool_subscription *s) {
  mp_pending *pending = s->wait.pending;
  moonpool_confirm_cb confirm = pending->confirm;
  pending->prev->next = pending->next;
  pending->next->prev = pending->prev;
  mp_free(hub->allocator, pending);
  s->wait.pending = NULL;
  return confirm;
}

static void on_pending_timer(uv_timer_t *timer);

static void watch_pending(mp_hub *hub) {
  mp_pending *oldest = hub->pending.next;
  uint64_t now = uv_now(hub->config.link.loop);
  if (oldest == &hub->pending || uv_is_active((uv_handle_t *)&hub->pending_timer)) return;
  uv_timer_start(&hub->pending_timer, on_pending_timer,
                 oldest->deadline > now ? oldest->deadline - now : 0, 0);
}

static void pend(mp_hub *hub, moonpool_subscription *s, mp_pending *pending) {
  uint64_t timeout = hub->options->command_timeout;
  pending->subscription = s;
  pending->deadline = timeout ? uv_now(hub->config.link.loop) + timeout : UINT64_MAX;
  pending->next = &hub->pending;
  pending->prev = hub->pending.prev;
  pending->prev->next = pending->next->prev = pending;
  s->wait.pending = pending;
  if (timeout) watch_pending(hub);
}

/* ---- listeners ------------------------------------------------------------------------------- */

static void append_listener(mp_entry *entry, mp_listener *l) {
  mp_listener *first = entry->who.listeners;
  if (!first) {
    entry->who.listeners = l->prev = l;
    return;
  }
  l->prev = first->prev;
  l->prev->next = l;
  first->prev = l;
}

static void remove_listener(mp_hub *hub, mp_listener *l) {
  mp_entry *entry = l->entry;
  if (hub->cursor == l) hub->cursor = l->next;
  if (entry->who.listeners == l)
    entry->who.listeners = l->next;
  else
    l->prev->next = l->next;
  if (l->next)
    l->next->prev = l->prev;
  else if (entry->who.listeners)
    entry->who.listeners->prev = l->prev;
  l->entry = NULL;
  if (!entry->who.listeners) hub->wanted--;
}

/* The subscription leaves its names. With `leaver`, it waits for those that Redis must be told of;
 * how many is returned. */
static uint32_t detach(mp_hub *hub, moonpool_subscription *s, moonpool_subscription *leaver) {
  uint32_t waits = 0;
  for (uint32_t i = 0; i < s->size; i++) {
    mp_entry *entry = s->names[i].entry;
    if (!entry) continue;
    remove_listener(hub, &s->names[i]);
    if (entry->who.listeners) continue;
    int is_there = entry->state == MP_ENTRY_SUBSCRIBING || entry->state == MP_ENTRY_CONFIRMED;
    if (leaver && is_there) {
      entry->who.leaver = leaver;
      entry->has_leaver = 1;
      waits++;
    }
    if (!hub->is_closed) mp_hub_touch(hub, entry);
  }
  return waits;
}

static void free_subscription(mp_hub *hub, moonpool_subscription *s) {
  unmake_due(hub, s);
  if (hub->leaver == s) hub->leaver = NULL;
  mp_free(hub->allocator, s);
}

/* Ends a subscription that was never confirmed, and tells why. */
static void fail_pending(mp_hub *hub, moonpool_subscription *s, int status, const char *message) {
  moonpool_confirm_cb confirm = unpend(hub, s);
  moonpool_error error = {(moonpool_status)status, message};
  void *ctx = s->ctx;
  detach(hub, s, NULL);
  unmake_due(hub, s);
  if (confirm) confirm(s, hub->last_count, &error, ctx);
  mp_free(hub->allocator, s);
}

static void on_pending_timer(uv_timer_t *timer) {
  mp_hub *hub = timer->data;
  uint64_t now = uv_now(hub->config.link.loop);
  while (!hub->is_closed && hub->pending.next != &hub->pending &&
         hub->pending.next->deadline <= now) {
    char message[320];
    snprintf(message, sizeof message, "%s: not confirmed before the deadline%s%s",
             hub->config.link.url->address, hub->last_error[0] ? "; the last error was: " : "",
             hub->last_error);
    fail_pending(hub, hub->pending.next->subscription, MOONPOOL_ETIMEOUT, message);
  }
  if (!hub->is_closed) watch_pending(hub);
}

/* ---- subscribing and ending ------------------------------------------------------------------ */

static int check_names(const mp_hub *hub, const moonpool_bytes *names, size_t count) {
  if (hub->is_closed) return MOONPOOL_ECLOSED;
  if (count == 0 || count > UINT32_MAX) return MOONPOOL_EARG;
  size_t max = hub->options->max_name;
  for (size_t i = 0; i < count; i++)
    if ((max && names[i].len > max) || names[i].len > UINT32_MAX) return MOONPOOL_ETOOBIG;
  return MOONPOOL_OK;
}

static void attach(mp_hub *hub, moonpool_subscription *s, mp_entry *entry) {
  mp_listener *first = mp_listeners_of(entry);
  if (first && first->prev->subscription == s) return; /* named twice */
  mp_listener *l = &s->names[s->size++];
  *l = (mp_listener){.entry = entry, .subscription = s, .born = hub->turn};
  if (!first) hub->wanted++;
  mp_hub_dismiss_leaver(hub, entry);
  append_listener(entry, l);
  if (entry->state == MP_ENTRY_REFUSED) entry->state = MP_ENTRY_ABSENT;
  l->is_confirmed = entry->state == MP_ENTRY_CONFIRMED;
  s->unconfirmed += !l->is_confirmed;
  if (entry->state == MP_ENTRY_ABSENT || entry->state == MP_ENTRY_LEAVING) mp_hub_touch(hub, entry);
}

static const mp_link_events link_events;

static int ensure_link(mp_hub *hub) {
  if (hub->link) return MOONPOOL_OK;
  hub->link = mp_link_new(&hub->config.link);
  if (!hub->link) return MOONPOOL_ENOMEM;
  hub->holds++;
  mp_link_start(hub->link);
  return MOONPOOL_OK;
}

int mp_hub_subscribe(mp_hub *hub, moonpool_kind kind, const moonpool_bytes *names, size_t count,
                     moonpool_event_cb listener, moonpool_confirm_cb confirm, void *ctx,
                     moonpool_subscription **subscription) {
  int status = check_names(hub, names, count);
  if (status == MOONPOOL_OK) status = ensure_link(hub);
  if (status != MOONPOOL_OK) return status;
  moonpool_subscription *s = mp_calloc(hub->allocator, sizeof *s + count * sizeof *s->names);
  mp_pending *pending = mp_alloc(hub->allocator, sizeof *pending);
  if (!s || !pending) goto fail;
  s->hub = hub;
  for (size_t i = 0; i < count; i++) {
    mp_entry *entry = mp_names_add(&hub->names, kind, names[i].data, names[i].len);
    if (!entry) goto fail;
    attach(hub, s, entry);
  }
  s->listener = listener;
  s->ctx = ctx;
  pending->confirm = confirm;
  pend(hub, s, pending);
  if (s->unconfirmed == 0) mp_hub_make_due(hub, s);
  *subscription = s;
  return MOONPOOL_OK;
fail:
  if (s) detach(hub, s, NULL);
  mp_free(hub->allocator, pending);
  mp_free(hub->allocator, s);
  return MOONPOOL_ENOMEM;
}

void moonpool_subscription_events(moonpool_subscription *s, unsigned bits) {
  s->events = (uint8_t)bits;
}

void moonpool_unsubscribe(moonpool_subscription *s, moonpool_confirm_cb confirm, void *ctx) {
  mp_hub *hub = s->hub;
  if (s->state == MP_SUB_PENDING) {
    fail_pending(hub, s, MOONPOOL_ECLOSED, "unsubscribed before it was confirmed");
    if (confirm) confirm(NULL, hub->last_count, NULL, ctx);
    return;
  }
  unmake_due(hub, s);
  s->state = MP_SUB_CLOSING;
  s->wait.confirm = confirm;
  s->confirm_ctx = ctx;
  s->unconfirmed = detach(hub, s, confirm ? s : NULL);
  if (!confirm)
    free_subscription(hub, s);
  else if (s->unconfirmed == 0)
    mp_hub_make_due(hub, s);
}

/* ---- events ---------------------------------------------------------------------------------- */

/* Hands over hub->event, addressed to one listener. */
static int give(mp_hub *hub, const moonpool_event **event, moonpool_subscription *s,
                uint32_t *tag) {
  hub->event.subscription = s;
  hub->event.ctx = s->ctx;
  hub->event.tag = tag;
  *event = &hub->event;
  return 1;
}

static int tell_reconnected(mp_hub *hub, const moonpool_event **event, moonpool_subscription *s) {
  if (!(s->events & MOONPOOL_EVENT_BIT(MOONPOOL_RECONNECTED))) return 2;
  hub->event = (moonpool_event){.type = MOONPOOL_RECONNECTED,
                                .kind = (moonpool_kind)s->names[0].entry->kind,
                                .count = hub->last_count};
  return give(hub, event, s, &s->names[0].tag);
}

/* Makes one due callback: 1 and *event for a reconnect that is asked for, else 2. */
static int take_due(mp_hub *hub, const moonpool_event **event) {
  moonpool_subscription *s = hub->due;
  moonpool_confirm_cb confirm;
  unmake_due(hub, s);
  switch (s->state) {
  case MP_SUB_CLOSING:
    s->wait.confirm(s, hub->last_count, NULL, s->confirm_ctx);
    free_subscription(hub, s);
    return 2;
  case MP_SUB_PENDING:
    s->state = MP_SUB_ACTIVE;
    confirm = unpend(hub, s);
    if (confirm) confirm(s, hub->last_count, NULL, s->ctx);
    return 2;
  case MP_SUB_RESUBSCRIBING: s->state = MP_SUB_ACTIVE; return tell_reconnected(hub, event, s);
  default: return 2;
  }
}

static void forget_told_refusal(mp_hub *hub) {
  mp_refusal *refusal = hub->told_refusal;
  hub->told_refusal = NULL;
  refusal->entry->in_flight--;
  mp_hub_release(hub, refusal->entry);
  mp_free(hub->allocator, refusal);
}

static moonpool_subscription *first_pending_on(const mp_entry *entry) {
  for (mp_listener *l = mp_listeners_of(entry); l; l = l->next)
    if (l->subscription->state == MP_SUB_PENDING) return l->subscription;
  return NULL;
}

/* Who waits for a refused name fails; who had it before gets an event. */
static void take_refusal(mp_hub *hub) {
  mp_refusal *refusal = hub->refusals;
  mp_entry *entry = refusal->entry;
  moonpool_subscription *s;
  hub->refusals = refusal->next;
  hub->told_refusal = refusal; /* holds the entry and the message until the next event */
  while (!hub->is_closed && (s = first_pending_on(entry)))
    fail_pending(hub, s, refusal->status, refusal->message);
  if (hub->is_closed) return;
  hub->event = (moonpool_event){.type = MOONPOOL_FAILED,
                                .kind = (moonpool_kind)entry->kind,
                                .channel = {entry->name, entry->len},
                                .error = {(moonpool_status)refusal->status, refusal->message}};
  hub->turn = (hub->turn + 1) & MP_TURN_MASK;
  hub->cursor = mp_listeners_of(entry);
}

/* The next listener under the cursor that wants the event: 1, or 0 at the end. */
static int take_cursor(mp_hub *hub, const moonpool_event **event) {
  while (hub->cursor) {
    mp_listener *l = hub->cursor;
    moonpool_subscription *s = l->subscription;
    hub->cursor = l->next;
    if (l->born == hub->turn) continue;
    if (hub->event.type == MOONPOOL_MESSAGE)
      hub->messages++;
    else if (!(s->events & MOONPOOL_EVENT_BIT(hub->event.type)))
      continue;
    return give(hub, event, s, &l->tag);
  }
  return 0;
}

static int take_leaver(mp_hub *hub, const moonpool_event **event) {
  moonpool_subscription *s = hub->leaver;
  hub->leaver = NULL;
  mp_hub_leaver_done(hub, s);
  if (!(s->events & MOONPOOL_EVENT_BIT(MOONPOOL_UNSUBSCRIBED))) return 2;
  return give(hub, event, s, &s->names[0].tag);
}

/* ---- pushes ---------------------------------------------------------------------------------- */

static void take_message(mp_hub *hub, moonpool_kind kind, const moonpool_reply *name,
                         const moonpool_reply *channel, const moonpool_reply *payload) {
  mp_entry *entry = mp_names_find(&hub->names, kind, name->u.string.data, name->u.string.len);
  hub->turn = (hub->turn + 1) & MP_TURN_MASK;
  if (!entry || !mp_listeners_of(entry)) return; /* on its way when the last listener left */
  if (hub->event.type != MOONPOOL_MESSAGE) hub->event = (moonpool_event){.type = MOONPOOL_MESSAGE};
  hub->event.kind = kind;
  hub->event.channel = channel->u.string;
  hub->event.payload = payload->u.string;
  hub->event.pattern = kind == MOONPOOL_PATTERN ? name->u.string : (moonpool_bytes){NULL, 0};
  hub->cursor = mp_listeners_of(entry);
}

static int are_strings(const moonpool_reply *a, const moonpool_reply *b) {
  return a->type == MOONPOOL_STRING && b->type == MOONPOOL_STRING;
}

/* The pushes of Redis's pub/sub, told apart by the length of their first word and a letter
 * (https://redis.io/docs/latest/develop/pubsub/): 1 when it was one of well formed. */
static int take_three(mp_hub *hub, const moonpool_reply *word) {
  const moonpool_reply *second = word->next, *third = second->next;
  const char *text = word->u.string.data;
  size_t len = word->u.string.len;
  moonpool_kind kind = text[0] == 'p' ? MOONPOOL_PATTERN : MOONPOOL_CHANNEL;
  if (len == 7 && memcmp(text, "message", 7) == 0) {
    if (!are_strings(second, third)) return 0;
    take_message(hub, MOONPOOL_CHANNEL, second, second, third);
    return 1;
  }
  if (len == 8 && memcmp(text, "smessage", 8) == 0) {
    if (!are_strings(second, third)) return 0;
    take_message(hub, MOONPOOL_SHARD, second, second, third);
    return 1;
  }
  if (second->type != MOONPOOL_STRING || third->type != MOONPOOL_INTEGER) return 0;
  int is_subscribe = len == 9 || (len == 10 && text[1] == 's');
  const char *tail = is_subscribe ? "subscribe" : "unsubscribe";
  size_t tail_len = is_subscribe ? 9 : 11;
  if (len < tail_len || len > tail_len + 1 || memcmp(text + len - tail_len, tail, tail_len) != 0)
    return 0;
  if (len == tail_len + 1 && text[0] == 's') kind = MOONPOOL_SHARD;
  if (len == tail_len + 1 && text[0] != 's' && text[0] != 'p') return 0;
  mp_hub_take_confirmation(hub, kind, is_subscribe, second, third->u.integer);
  return 1;
}

static void take_push(mp_hub *hub, const moonpool_reply *push) {
  const moonpool_reply *word = push->u.list.first;
  if (push->u.list.count >= 3 && word->type == MOONPOOL_STRING && word->u.string.len > 0) {
    if (push->u.list.count == 3 && take_three(hub, word)) return;
    const moonpool_reply *pattern = word->next, *channel = pattern->next, *payload = channel->next;
    if (push->u.list.count == 4 && word->u.string.len == 8 &&
        memcmp(word->u.string.data, "pmessage", 8) == 0 && are_strings(pattern, channel) &&
        payload->type == MOONPOOL_STRING) {
      take_message(hub, MOONPOOL_PATTERN, pattern, channel, payload);
      return;
    }
  }
  if (push->type == MOONPOOL_PUSH) return; /* another feature's */
  mp_link_fail(hub->link, MOONPOOL_EPROTO, "a push that is none of pub/sub's");
}

int mp_hub_next(mp_hub *hub, const moonpool_event **event) {
  const moonpool_reply *push;
  for (;;) {
    if (hub->cursor && take_cursor(hub, event)) return 1;
    if (hub->is_closed || !hub->is_draining) return 0;
    if (hub->told_refusal) forget_told_refusal(hub);
    if (hub->leaver) return take_leaver(hub, event);
    if (hub->due) return take_due(hub, event);
    if (hub->refusals) {
      take_refusal(hub);
      if (!hub->cursor) return 2;
      continue;
    }
    if (!hub->link || !mp_link_next(hub->link, &push)) {
      if (hub->due || hub->refusals) continue; /* by what was answered meanwhile */
      return 0;
    }
    take_push(hub, push);
  }
}

static void default_drain(mp_hub *hub) {
  const moonpool_event *event;
  int got;
  while ((got = mp_hub_next(hub, &event)) != 0)
    if (got == 1) event->subscription->listener(event);
}

static void drain(mp_hub *hub) {
  if (hub->is_closed || hub->is_draining) return;
  hub->is_draining = 1;
  if (hub->drain)
    hub->drain(hub->config.client, hub->drain_ctx);
  else
    default_drain(hub);
  hub->is_draining = 0;
}

void mp_hub_flush(mp_hub *hub) {
  if (hub->is_closed) return;
  if (hub->due || hub->refusals || hub->leaver || hub->cursor) drain(hub);
  if (hub->is_closed) return;
  mp_hub_sync(hub);
  if (hub->link) mp_link_flush(hub->link);
  if (hub->due) drain(hub);
}

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
  drain(ctx);
}

static void on_dirty(void *ctx) {
  mp_hub *hub = ctx;
  hub->config.on_dirty(hub->config.client);
}

static const mp_link_events link_events = {on_ready, on_down, on_readable, on_dirty};

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
  mp_names_init(&hub->names, hub->allocator, config->link.seed);
  hub->dirty_tail = &hub->dirty;
  hub->due_tail = &hub->due;
  hub->pending.next = hub->pending.prev = &hub->pending;
  uv_timer_init(config->link.loop, &hub->pending_timer);
  hub->pending_timer.data = hub;
  hub->holds = 1;
  return hub;
}

static void let_go(void *ctx) {
  mp_hub *hub = ctx;
  if (--hub->holds > 0) return;
  void (*on_gone)(void *) = hub->on_gone;
  void *gone_ctx = hub->gone_ctx;
  mp_names_free(&hub->names);
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

/* Tells one listener that its client is closed: by callback, also where a drain is set. */
static void end_subscription(mp_hub *hub, moonpool_subscription *s, const moonpool_error *error) {
  if (s->state == MP_SUB_PENDING) {
    fail_pending(hub, s, error->status, error->message);
    return;
  }
  moonpool_event event = {.type = MOONPOOL_ENDED,
                          .kind = (moonpool_kind)s->names[0].entry->kind,
                          .subscription = s,
                          .ctx = s->ctx,
                          .tag = &s->names[0].tag,
                          .error = *error};
  detach(hub, s, NULL);
  unmake_due(hub, s);
  s->listener(&event);
  free_subscription(hub, s);
}

static void end_closing(mp_hub *hub) {
  while (hub->due) { /* the others' listeners are detached: only closing ones are left */
    moonpool_subscription *s = hub->due;
    unmake_due(hub, s);
    s->wait.confirm(s, hub->last_count, NULL, s->confirm_ctx);
    free_subscription(hub, s);
  }
}

void mp_hub_close(mp_hub *hub, void (*on_gone)(void *ctx), void *ctx) {
  char message[256];
  snprintf(message, sizeof message, "%s: the client was closed", hub->config.link.url->address);
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
    while (entry->who.listeners) end_subscription(hub, entry->who.listeners->subscription, &error);
  }
  end_closing(hub);
  uv_close((uv_handle_t *)&hub->pending_timer, on_timer_closed);
}

void mp_hub_set_drain(mp_hub *hub, moonpool_drain_cb callback, void *ctx) {
  hub->drain = callback;
  hub->drain_ctx = ctx;
}

void mp_hub_get_stats(const mp_hub *hub, moonpool_stats *stats) {
  mp_link_stats link = {0};
  if (hub->link) mp_link_get_stats(hub->link, &link);
  stats->messages = hub->messages;
  stats->writes += link.writes;
  stats->bytes_in += link.bytes_in;
  stats->bytes_out += link.bytes_out;
  stats->reconnects += link.reconnects;
  stats->wanted = hub->wanted;
  stats->confirmed = hub->confirmed;
}
