/* The way of an event to the subscriptions. It is delivered to one listener after the other, by
 * mp_hub_next; between two of them anything may be subscribed, ended or closed. */
#include "hub_private.h"

#include <stdio.h>

#define KEPT_MAX 65536u

/* ---- events ---------------------------------------------------------------------------------- */

void mp_hub_begin_turn(mp_hub *hub) {
  hub->is_event_kept = 0;
  if (++hub->turn <= MP_TURN_MAX) return;
  hub->turn = 1; /* the count begins anew: everyone was born before */
  for (size_t i = 0; i < hub->names.count; i++)
    for (mp_listener *l = mp_listeners_of(hub->names.list[i]); l; l = l->next) l->born = 0;
}

/* Hands over hub->event, addressed to one listener. */
static int give(mp_hub *hub, const moonpool_event **event, moonpool_subscription *s,
                uint32_t *tag) {
  hub->event.subscription = s;
  hub->event.ctx = s->ctx;
  hub->event.tag = tag;
  *event = &hub->event;
  return 1;
}

/* Redis may have refused them all; then it waits for the next link. */
static int has_confirmed_name(const moonpool_subscription *s) {
  for (uint32_t i = 0; i < s->size; i++)
    if (s->names[i].entry->state == MP_ENTRY_CONFIRMED) return 1;
  return 0;
}

static int tell_reconnected(mp_hub *hub, const moonpool_event **event, moonpool_subscription *s) {
  if (!has_confirmed_name(s)) return 2;
  s->state = MP_SUB_ACTIVE;
  if (s == hub->own) return 2;
  hub->gaps++;
  if (!(s->events & MOONPOOL_EVENT_BIT(MOONPOOL_RECONNECTED))) return 2;
  hub->event = (moonpool_event){.type = MOONPOOL_RECONNECTED,
                                .kind = (moonpool_kind)s->names[0].entry->kind,
                                .count = hub->last_count};
  return give(hub, event, s, NULL);
}

/* Makes one due callback: 1 and *event for a reconnect that is asked for, else 2. */
static int take_due(mp_hub *hub, const moonpool_event **event) {
  moonpool_subscription *s = hub->due;
  moonpool_confirm_cb confirm;
  mp_sub_unmake_due(hub, s);
  switch (s->state) {
  case MP_SUB_CLOSING: mp_sub_confirm_closed(hub, s); return 2;
  case MP_SUB_PENDING:
    s->state = s->unconfirmed ? MP_SUB_RESUBSCRIBING : MP_SUB_ACTIVE; /* lost again meanwhile */
    confirm = mp_sub_unpend(hub, s);
    if (confirm) confirm(s, hub->last_count, NULL, s->ctx);
    return 2;
  case MP_SUB_RESUBSCRIBING: return s->unconfirmed ? 2 : tell_reconnected(hub, event, s);
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

/* Who subscribes now is not meant: Redis is asked anew. */
static moonpool_subscription *first_pending_on(const mp_hub *hub, const mp_entry *entry) {
  for (mp_listener *l = mp_listeners_of(entry); l; l = l->next)
    if (l->subscription->state == MP_SUB_PENDING && l->born != hub->turn) return l->subscription;
  return NULL;
}

/* Who had the refused name before does not wait for it any more. */
static void settle_refused(mp_hub *hub, const mp_entry *entry) {
  for (mp_listener *l = mp_listeners_of(entry); l; l = l->next) {
    if (l->is_confirmed || l->born == hub->turn) continue;
    l->is_confirmed = 1;
    if (--l->subscription->unconfirmed == 0) mp_hub_make_due(hub, l->subscription);
  }
}

/* Who waits for a refused name fails; who had it before gets an event. */
static void take_refusal(mp_hub *hub) {
  mp_refusal *refusal = hub->refusals;
  mp_entry *entry = refusal->entry;
  moonpool_subscription *s;
  hub->refusals = refusal->next;
  hub->told_refusal = refusal; /* holds the entry and the message until the next event */
  mp_hub_begin_turn(hub);
  while (!hub->is_closed && (s = first_pending_on(hub, entry)))
    mp_sub_fail(hub, s, refusal->status, refusal->message);
  if (hub->is_closed) return;
  settle_refused(hub, entry);
  hub->event = (moonpool_event){.type = MOONPOOL_FAILED,
                                .kind = (moonpool_kind)entry->kind,
                                .channel = {entry->name, entry->len},
                                .error = {(moonpool_status)refusal->status, refusal->message}};
  hub->cursor = mp_listeners_of(entry);
}

/* The next listener under the cursor that wants the event: 1, or 0 at the end. */
static int take_cursor(mp_hub *hub, const moonpool_event **event) {
  while (hub->cursor) {
    mp_listener *l = hub->cursor;
    moonpool_subscription *s = l->subscription;
    hub->cursor = l->next;
    if (l->born == hub->turn) continue;
    if (s == hub->own) {
      give(hub, event, s, &l->tag);
      s->listener(*event);
      continue;
    }
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
  return give(hub, event, s, NULL);
}

/* ---- pushes ---------------------------------------------------------------------------------- */

/* Of a message that a pattern matches: is it the canary? */
static int is_own_channel(const mp_hub *hub, const moonpool_reply *channel) {
  const mp_entry *own = hub->own ? hub->own->names[0].entry : NULL;
  return own && own->len == channel->u.string.len &&
         memcmp(own->name, channel->u.string.data, own->len) == 0;
}

static void take_message(mp_hub *hub, moonpool_kind kind, const moonpool_reply *name,
                         const moonpool_reply *channel, const moonpool_reply *payload) {
  mp_entry *entry = mp_names_find(&hub->names, kind, name->u.string.data, name->u.string.len);
  mp_hub_begin_turn(hub);
  if (!entry || !mp_listeners_of(entry)) return; /* on its way when the last listener left */
  if (kind == MOONPOOL_PATTERN && is_own_channel(hub, channel)) return;
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
    int got = hub->link ? mp_link_next(hub->link, &push) : 0;
    if (got == 1) take_push(hub, push);
    if (!got && !hub->due && !hub->refusals) return 0; /* else by what was answered meanwhile */
  }
}

static void default_drain(mp_hub *hub) {
  const moonpool_event *event;
  int got;
  while ((got = mp_hub_next(hub, &event)) != 0)
    if (got == 1) event->subscription->listener(event);
}

static moonpool_bytes keep_bytes(mp_buf *kept, moonpool_bytes bytes) {
  if (!bytes.data) return bytes;
  moonpool_bytes copy = {kept->data + kept->len, bytes.len};
  mp_buf_append(kept, bytes.data, bytes.len);
  return copy;
}

/* A drain has left before every listener has had the event: it borrows from what was read. */
static void keep_event(mp_hub *hub) {
  moonpool_event *e = &hub->event;
  mp_buf *kept = &hub->kept;
  if (hub->is_event_kept) return;
  mp_buf_clear(kept, KEPT_MAX);
  if (mp_buf_reserve(kept, e->payload.len + e->channel.len + e->pattern.len + 1)) {
    e->payload = keep_bytes(kept, e->payload);
    e->channel = keep_bytes(kept, e->channel);
    e->pattern = keep_bytes(kept, e->pattern);
    hub->is_event_kept = 1;
    return;
  }
  hub->cursor = NULL;
  if (hub->leaver) mp_hub_leaver_done(hub, hub->leaver);
  hub->leaver = NULL;
  mp_link_fail(hub->link, MOONPOOL_ENOMEM, "no memory for a message that was left");
}

static void drain(mp_hub *hub) {
  if (hub->is_closed || hub->is_draining) return;
  hub->is_draining = 1;
  if (hub->drain)
    hub->drain(hub->config.client, hub->drain_ctx);
  else
    default_drain(hub);
  hub->is_draining = 0;
  if (!hub->is_closed && (hub->cursor || hub->leaver)) keep_event(hub);
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
