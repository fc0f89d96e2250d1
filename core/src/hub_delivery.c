/* The way of an event to the subscriptions. It is delivered to one listener after the other, by
 * mp_hub_next; between two of them anything may be subscribed, ended or closed. */
#include "hub_private.h"

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

/* ---- delivery -------------------------------------------------------------------------------- */

static int next_event(mp_hub *hub, const moonpool_event **event) {
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

int mp_hub_next(mp_hub *hub, const moonpool_event **event) {
  int got = next_event(hub, event);
  if (got != 1 || !mp_sub_is_internal((*event)->subscription)) return got;
  (*event)->subscription->listener(*event);
  return MP_HUB_TAKEN;
}

void mp_subscription_tell(const moonpool_event *event) {
  event->subscription->listener(event);
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

int mp_hub_begin_drain(mp_hub *hub) {
  if (hub->is_closed || hub->is_draining) return 0;
  hub->is_draining = 1;
  return 1;
}

void mp_hub_end_drain(mp_hub *hub) {
  hub->is_draining = 0;
  if (!hub->is_closed && (hub->cursor || hub->leaver)) keep_event(hub);
}

void mp_hub_drain(mp_hub *hub) {
  if (!mp_hub_begin_drain(hub)) return;
  hub->drain(hub->config.client, hub->drain_ctx);
  mp_hub_end_drain(hub);
}

void mp_hub_flush(mp_hub *hub) {
  if (hub->is_closed) return;
  if (hub->due || hub->refusals || hub->leaver || hub->cursor) mp_hub_drain(hub);
  if (hub->is_closed) return;
  mp_hub_sync(hub);
  if (hub->link) mp_link_flush(hub->link);
  if (hub->due) mp_hub_drain(hub);
}
