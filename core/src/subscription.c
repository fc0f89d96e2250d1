/* Subscriptions: their names and listeners, how they begin, wait, and end. What is freed while it
 * may still be pointed to is taken out first: from its entry's list, from under the hub's cursor,
 * from the list of those with a callback due. */
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

void mp_sub_unmake_due(mp_hub *hub, moonpool_subscription *s) {
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

moonpool_confirm_cb mp_sub_unpend(mp_hub *hub, moonpool_subscription *s) {
  mp_pending *pending = s->pending;
  moonpool_confirm_cb confirm = pending->confirm;
  pending->prev->next = pending->next;
  pending->next->prev = pending->prev;
  mp_free(hub->allocator, pending);
  s->pending = NULL;
  return confirm;
}

static void watch_pending(mp_hub *hub) {
  mp_pending *oldest = hub->pending.next;
  if (oldest != &hub->pending) mp_deadline_watch(&hub->pending_deadline, oldest->deadline);
}

static void pend(mp_hub *hub, moonpool_subscription *s, mp_pending *pending) {
  uint64_t timeout = hub->options->command_timeout;
  uv_update_time(hub->config.link.loop); /* a callback may have held it up */
  pending->subscription = s;
  pending->deadline = timeout ? uv_now(hub->config.link.loop) + timeout : UINT64_MAX;
  pending->next = &hub->pending;
  pending->prev = hub->pending.prev;
  pending->prev->next = pending->next->prev = pending;
  s->pending = pending;
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

uint32_t mp_sub_detach(mp_hub *hub, moonpool_subscription *s, moonpool_subscription *leaver) {
  uint32_t waits = 0;
  if (hub->own == s) hub->own = NULL;
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

void mp_sub_confirm_closed(mp_hub *hub, moonpool_subscription *s) {
  s->names[0].closing.confirm(s, hub->last_count, NULL, s->names[0].closing.confirm_ctx);
  mp_sub_free(hub, s);
}

void mp_sub_free(mp_hub *hub, moonpool_subscription *s) {
  mp_sub_unmake_due(hub, s);
  if (hub->leaver == s) hub->leaver = NULL;
  mp_free(hub->allocator, s);
}

void mp_sub_fail(mp_hub *hub, moonpool_subscription *s, int status, const char *message) {
  moonpool_confirm_cb confirm = mp_sub_unpend(hub, s);
  moonpool_error error = {(moonpool_status)status, message};
  void *ctx = s->ctx;
  mp_sub_detach(hub, s, NULL);
  mp_sub_unmake_due(hub, s);
  if (confirm) confirm(s, hub->last_count, &error, ctx);
  mp_free(hub->allocator, s);
}

/* The oldest pending subscription, if its deadline has passed, or NULL. */
static moonpool_subscription *overdue(const mp_hub *hub, uint64_t now) {
  const mp_pending *oldest = hub->pending.next;
  return oldest != &hub->pending && oldest->deadline <= now ? oldest->subscription : NULL;
}

void mp_hub_expire_pending(void *ctx, uint64_t now) {
  mp_hub *hub = ctx;
  moonpool_subscription *s;
  while (!hub->is_closed && (s = overdue(hub, now))) {
    char message[720];
    snprintf(message, sizeof message, "%s: not confirmed before the deadline%s%s",
             mp_hub_address(hub), hub->last_error[0] ? "; the last error was: " : "",
             hub->last_error);
    mp_sub_fail(hub, s, MOONPOOL_ETIMEOUT, message);
  }
  if (!hub->is_closed) watch_pending(hub);
}

/* ---- subscribing and ending ------------------------------------------------------------------ */

static int check_names(const mp_hub *hub, const moonpool_bytes *names, size_t count) {
  if (hub->is_closed) return MOONPOOL_ECLOSED;
  if (count == 0) return MOONPOOL_EARG;
  if (count > MP_SUB_NAMES_MAX) return MOONPOOL_ETOOBIG;
  size_t max = hub->options->max_name;
  for (size_t i = 0; i < count; i++)
    if ((max && names[i].len > max) || names[i].len > UINT32_MAX) return MOONPOOL_ETOOBIG;
  return MOONPOOL_OK;
}

/* Redis is asked anew: for those, too, whom it has refused. */
static void forget_refusal(mp_entry *entry) {
  entry->state = MP_ENTRY_ABSENT;
  for (mp_listener *l = entry->who.listeners; l; l = l->next) {
    l->subscription->unconfirmed += l->is_confirmed;
    l->is_confirmed = 0;
  }
}

static void attach(mp_hub *hub, moonpool_subscription *s, mp_entry *entry) {
  mp_listener *first = mp_listeners_of(entry);
  if (first && first->prev->subscription == s) return; /* named twice */
  mp_listener *l = &s->names[s->size++];
  *l = (mp_listener){.entry = entry, .subscription = s, .born = hub->turn};
  if (!first) hub->wanted++;
  mp_hub_dismiss_leaver(hub, entry);
  append_listener(entry, l);
  if (entry->state == MP_ENTRY_REFUSED) forget_refusal(entry);
  l->is_confirmed = entry->state == MP_ENTRY_CONFIRMED;
  s->unconfirmed += !l->is_confirmed;
  if (entry->state == MP_ENTRY_ABSENT || entry->state == MP_ENTRY_LEAVING) mp_hub_touch(hub, entry);
}

int mp_hub_subscribe(mp_hub *hub, moonpool_kind kind, const moonpool_bytes *names, size_t count,
                     moonpool_event_cb listener, moonpool_confirm_cb confirm, void *ctx,
                     moonpool_subscription **subscription) {
  int status = check_names(hub, names, count);
  if (status == MOONPOOL_OK) status = mp_hub_ensure_link(hub);
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
  if (s) mp_sub_detach(hub, s, NULL);
  mp_free(hub->allocator, pending);
  mp_free(hub->allocator, s);
  return MOONPOOL_ENOMEM;
}

void moonpool_subscription_events(moonpool_subscription *s, unsigned bits) {
  s->events = bits & 0x3e;
}

void mp_hub_set_internal(moonpool_subscription *s) {
  s->events = MOONPOOL_EVENT_BIT(MOONPOOL_MESSAGE) | MOONPOOL_EVENT_BIT(MOONPOOL_RECONNECTED) |
              MOONPOOL_EVENT_BIT(MOONPOOL_FAILED);
}

static void set_closing(moonpool_subscription *s, moonpool_confirm_cb confirm, void *ctx) {
  s->state = MP_SUB_CLOSING;
  s->names[0].closing.confirm = confirm;
  s->names[0].closing.confirm_ctx = ctx;
}

void moonpool_unsubscribe(moonpool_subscription *s, moonpool_confirm_cb confirm, void *ctx) {
  mp_hub *hub = s->hub;
  moonpool_confirm_cb waits = NULL;
  void *waits_ctx = s->ctx;
  if (s->state == MP_SUB_CLOSING) { /* its ENDED is being told: mp_sub_end does the rest */
    set_closing(s, confirm, ctx);
    return;
  }
  if (s->state == MP_SUB_PENDING) waits = mp_sub_unpend(hub, s);
  mp_sub_unmake_due(hub, s);
  s->unconfirmed = mp_sub_detach(hub, s, confirm && !hub->is_closed ? s : NULL);
  set_closing(s, confirm, ctx);
  if (confirm && s->unconfirmed == 0) mp_hub_make_due(hub, s);
  if (waits) {
    moonpool_error error = {MOONPOOL_ECLOSED, "unsubscribed before it was confirmed"};
    waits(s, hub->last_count, &error, waits_ctx); /* it may close the client */
  }
  if (!confirm) mp_sub_free(hub, s);
}

void mp_sub_end(mp_hub *hub, moonpool_subscription *s, const moonpool_error *error) {
  if (s->state == MP_SUB_PENDING) {
    mp_sub_fail(hub, s, error->status, error->message);
    return;
  }
  moonpool_event event = {.type = MOONPOOL_ENDED,
                          .kind = (moonpool_kind)s->names[0].entry->kind,
                          .subscription = s,
                          .ctx = s->ctx,
                          .error = *error};
  mp_sub_detach(hub, s, NULL);
  mp_sub_unmake_due(hub, s);
  set_closing(s, NULL, NULL);
  s->listener(&event);
  if (s->names[0].closing.confirm)
    mp_hub_make_due(hub, s);
  else
    mp_sub_free(hub, s);
}
