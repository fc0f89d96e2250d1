/* Wanted against confirmed. Every change touches its entry; before the loop polls, touched entries
 * are compared with what was last written for them, and what differs goes out in commands of a
 * bounded number of names, a bounded number of them at a time. Redis answers a link's commands in
 * order, so each confirmation belongs to the oldest command on its way. */
#include "hub_private.h"
#include "trouble.h"

#include <stdio.h>

#define AHEAD 4u             /* confirmations whose entries are fetched before they are read */
#define COMMAND_BYTES 65536u /* of names in one command, unless a single one is longer */

/* One SUBSCRIBE or UNSUBSCRIBE on its way. */
typedef struct command {
  mp_hub *hub;
  uint32_t size, done;
  uint8_t kind, is_subscribe;
  struct {
    mp_entry *entry;
    moonpool_subscription *leaver;
  } items[];
} command;

void mp_hub_touch(mp_hub *hub, mp_entry *entry) {
  if (!entry->is_dirty) {
    entry->is_dirty = 1;
    entry->dirty_next = NULL;
    *hub->dirty_tail = entry;
    hub->dirty_tail = &entry->dirty_next;
  }
  hub->config.on_dirty(hub->config.client);
}

static mp_entry *untouch_first(mp_hub *hub) {
  mp_entry *entry = hub->dirty;
  hub->dirty = entry->dirty_next;
  if (!hub->dirty) hub->dirty_tail = &hub->dirty;
  entry->is_dirty = 0;
  return entry;
}

void mp_hub_release(mp_hub *hub, mp_entry *entry) {
  int is_needed = entry->who.listeners || entry->in_flight || entry->is_dirty;
  if (!is_needed && entry->state != MP_ENTRY_CONFIRMED) mp_names_remove(&hub->names, entry);
}

/* Redis sends it until it has confirmed the opposite. */
static int is_confirmed(int state) {
  return state == MP_ENTRY_CONFIRMED || state == MP_ENTRY_LEAVING;
}

static void set_state(mp_hub *hub, mp_entry *entry, mp_entry_state state) {
  hub->confirmed -= is_confirmed(entry->state);
  hub->confirmed += is_confirmed(state);
  entry->state = (uint8_t)state;
}

static moonpool_subscription *take_leaver(mp_entry *entry) {
  moonpool_subscription *leaver = entry->has_leaver ? entry->who.leaver : NULL;
  if (leaver) entry->who.listeners = NULL;
  entry->has_leaver = 0;
  return leaver;
}

void mp_hub_dismiss_leaver(mp_hub *hub, mp_entry *entry) {
  moonpool_subscription *leaver = take_leaver(entry);
  if (leaver) mp_hub_leaver_done(hub, leaver);
}

/* ---- what Redis answers ---------------------------------------------------------------------- */

static void confirm_subscribed(mp_hub *hub, mp_entry *entry) {
  if (entry->in_flight > 0 || entry->state != MP_ENTRY_SUBSCRIBING) return; /* a later one counts */
  hub->last_error[0] = '\0';
  set_state(hub, entry, MP_ENTRY_CONFIRMED);
  for (mp_listener *l = mp_listeners_of(entry); l; l = l->next) {
    if (l->is_confirmed) continue;
    l->is_confirmed = 1;
    if (--l->subscription->unconfirmed == 0) mp_hub_make_due(hub, l->subscription);
  }
}

static void tell_of(mp_hub *hub, const command *c, const moonpool_reply *channel,
                    moonpool_event_type type) {
  hub->event = (moonpool_event){.type = type,
                                .kind = (moonpool_kind)c->kind,
                                .channel = channel->u.string,
                                .count = hub->last_count};
  mp_hub_begin_turn(hub);
}

static void confirm_one(mp_hub *hub, command *c, const moonpool_reply *channel) {
  mp_entry *entry = c->items[c->done].entry;
  moonpool_subscription *leaver = c->items[c->done].leaver;
  if (++c->done + AHEAD < c->size) __builtin_prefetch(c->items[c->done + AHEAD].entry);
  entry->in_flight--;
  if (c->is_subscribe) {
    tell_of(hub, c, channel, MOONPOOL_SUBSCRIBED);
    confirm_subscribed(hub, entry);
    hub->cursor = mp_listeners_of(entry);
    return;
  }
  if (entry->in_flight == 0 && entry->state == MP_ENTRY_LEAVING)
    set_state(hub, entry, MP_ENTRY_ABSENT);
  mp_hub_release(hub, entry);
  if (!leaver) return;
  tell_of(hub, c, channel, MOONPOOL_UNSUBSCRIBED);
  hub->leaver = leaver;
}

/* The server took a name away by itself, as a cluster does when a slot moves: it is asked again. */
static void take_unsolicited(mp_hub *hub, moonpool_kind kind, const moonpool_reply *channel) {
  mp_entry *entry = mp_names_find(&hub->names, kind, channel->u.string.data, channel->u.string.len);
  if (!entry || entry->state != MP_ENTRY_CONFIRMED) return;
  set_state(hub, entry, MP_ENTRY_ABSENT);
  mp_hub_touch(hub, entry);
}

void mp_hub_take_confirmation(mp_hub *hub, moonpool_kind kind, int is_subscribe,
                              const moonpool_reply *channel, long long count) {
  command *c = mp_link_expected(hub->link);
  hub->last_count = count;
  int is_ours =
      c && c->done < c->size && c->kind == kind && c->is_subscribe == is_subscribe &&
      c->items[c->done].entry->len == channel->u.string.len &&
      memcmp(c->items[c->done].entry->name, channel->u.string.data, channel->u.string.len) == 0;
  if (is_ours) {
    confirm_one(hub, c, channel);
    mp_link_confirm(hub->link);
  } else if (!is_subscribe) {
    take_unsolicited(hub, kind, channel);
  } else {
    mp_link_fail(hub->link, MOONPOOL_EPROTO, "a confirmation that nothing was waiting for");
  }
}

/* ---- what Redis refuses ---------------------------------------------------------------------- */

/* Redis checks all names of a command before it takes the first: one refused name refuses them all.
 * The others are asked for again, each in a command of its own. */
static int is_for_one_name(const moonpool_reply *reply, const moonpool_error *error) {
  if (error->status == MOONPOOL_EPERM) return 1;
  return reply->u.string.len >= 9 && memcmp(reply->u.string.data, "CROSSSLOT", 9) == 0;
}

/* A name as messages show it: its beginning, with what is not printable ASCII as \xNN. */
static void show_name(const mp_entry *entry, char *text, size_t size) {
  size_t used = 0;
  for (uint32_t i = 0; i < entry->len; i++) {
    if (used + 8 > size) {
      memcpy(text + used, "...", 4);
      return;
    }
    unsigned char c = (unsigned char)entry->name[i];
    used += (size_t)snprintf(text + used, size - used, c > 31 && c < 127 ? "%c" : "\\x%02X", c);
  }
  text[used] = '\0';
}

static void refuse(mp_hub *hub, mp_entry *entry, const moonpool_error *error) {
  char name[80], message[384];
  show_name(entry, name, sizeof name);
  size_t len = (size_t)snprintf(message, sizeof message, "'%s': %s", name, error->message);
  if (len >= sizeof message) len = sizeof message - 1;
  mp_refusal *refusal = mp_alloc(hub->allocator, sizeof *refusal + len + 1);
  if (!refusal) { /* no memory to tell with: Redis is asked again, and says so again */
    set_state(hub, entry, MP_ENTRY_ABSENT);
    mp_hub_touch(hub, entry);
    return;
  }
  set_state(hub, entry, MP_ENTRY_REFUSED);
  refusal->entry = entry;
  refusal->status = error->status;
  memcpy(refusal->message, message, len + 1);
  entry->in_flight++;
  mp_refusal **tail = &hub->refusals;
  while (*tail) tail = &(*tail)->next;
  refusal->next = NULL;
  *tail = refusal;
}

static void refuse_command(mp_hub *hub, command *c, const moonpool_reply *reply,
                           const moonpool_error *error) {
  int is_split = c->size > 1 && is_for_one_name(reply, error);
  int is_passing = mp_trouble_passes(reply);
  for (uint32_t i = c->done; i < c->size; i++) {
    mp_entry *entry = c->items[i].entry;
    entry->in_flight--;
    if (c->items[i].leaver) mp_hub_leaver_done(hub, c->items[i].leaver);
    if (entry->in_flight > 0) continue; /* a later command decides */
    if (c->is_subscribe && is_passing && mp_listeners_of(entry)) {
      mp_hub_defer(hub, entry, error);
      continue;
    }
    if (c->is_subscribe && !is_split && !is_passing) {
      refuse(hub, entry, error);
      continue;
    }
    set_state(hub, entry, MP_ENTRY_ABSENT);
    entry->is_solo |= is_split;
    mp_hub_touch(hub, entry);
  }
}

/* The request's callback: confirmed to the last name, refused, or lost with its link. */
static void on_command(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  command *c = ctx;
  mp_hub *hub = c->hub;
  hub->commands_in_flight--;
  if (error && reply) {
    refuse_command(hub, c, reply, error);
  } else if (error) { /* mp_hub_forget_confirmed looks at the entries' state and listeners next */
    for (uint32_t i = c->done; i < c->size; i++) {
      c->items[i].entry->in_flight--;
      if (c->items[i].leaver) mp_hub_leaver_done(hub, c->items[i].leaver);
    }
  }
  mp_free(hub->allocator, c);
  if (hub->dirty) hub->config.on_dirty(hub->config.client);
}

static void forget_listeners(mp_entry *entry) {
  for (mp_listener *l = mp_listeners_of(entry); l; l = l->next) {
    moonpool_subscription *s = l->subscription;
    if (l->is_confirmed) s->unconfirmed++;
    l->is_confirmed = 0;
    if (s->state == MP_SUB_ACTIVE) s->state = MP_SUB_RESUBSCRIBING;
  }
}

void mp_hub_forget_confirmed(mp_hub *hub) {
  for (size_t i = 0; i < hub->names.count;) {
    mp_entry *entry = hub->names.list[i];
    size_t before = hub->names.count;
    forget_listeners(entry);
    set_state(hub, entry, MP_ENTRY_ABSENT);
    mp_hub_dismiss_leaver(hub, entry);
    if (mp_listeners_of(entry))
      mp_hub_touch(hub, entry);
    else
      mp_hub_release(hub, entry);
    if (hub->names.count == before) i++; /* else another one took its place */
  }
}

/* ---- what is written ------------------------------------------------------------------------- */

typedef enum need { NEED_NOTHING, NEED_SUBSCRIBE, NEED_UNSUBSCRIBE } need;

static need need_of(const mp_entry *entry) {
  int is_there = entry->state == MP_ENTRY_SUBSCRIBING || entry->state == MP_ENTRY_CONFIRMED;
  int is_wanted = mp_listeners_of(entry) != NULL;
  int is_refused = entry->state == MP_ENTRY_REFUSED || entry->state == MP_ENTRY_DEFERRED;
  if (is_wanted && !is_there && !is_refused) return NEED_SUBSCRIBE;
  return !is_wanted && is_there ? NEED_UNSUBSCRIBE : NEED_NOTHING;
}

static moonpool_bytes verb_of(moonpool_kind kind, need what) {
  static const moonpool_bytes verbs[3][2] = {
      {{"SUBSCRIBE", 9}, {"UNSUBSCRIBE", 11}},
      {{"PSUBSCRIBE", 10}, {"PUNSUBSCRIBE", 12}},
      {{"SSUBSCRIBE", 10}, {"SUNSUBSCRIBE", 12}},
  };
  return verbs[kind][what == NEED_UNSUBSCRIBE];
}

/* Drops touched entries that need nothing, up to the first that does: NULL when there is none. */
static mp_entry *first_in_need(mp_hub *hub) {
  while (hub->dirty && need_of(hub->dirty) == NEED_NOTHING) {
    mp_entry *entry = untouch_first(hub);
    mp_hub_dismiss_leaver(hub, entry);
    mp_hub_release(hub, entry);
  }
  return hub->dirty;
}

/* How many of the touched entries, from the first on, fit into one command; *bytes is its size. */
static uint32_t run_length(const mp_hub *hub, size_t *bytes) {
  const mp_entry *first = hub->dirty;
  need what = need_of(first);
  size_t names = 0, batch = first->is_solo ? 1 : hub->options->subscribe_batch;
  uint32_t n = 0;
  *bytes = 2 * MP_RESP_HEADER + verb_of((moonpool_kind)first->kind, what).len;
  for (const mp_entry *e = first; e; e = e->dirty_next) {
    if (e->kind != first->kind || need_of(e) != what || n >= (batch ? batch : 1)) break;
    if (n > 0 && (e->is_solo || names + e->len > COMMAND_BYTES)) break;
    names += e->len;
    *bytes += MP_RESP_HEADER + e->len;
    n++;
  }
  return n;
}

static void encode(command *c, mp_buf *out, moonpool_bytes verb, mp_hub *hub) {
  mp_resp_put_header(out, c->size + 1u);
  mp_resp_put(out, verb.data, verb.len);
  for (uint32_t i = 0; i < c->size; i++) {
    mp_entry *entry = untouch_first(hub);
    mp_resp_put(out, entry->name, entry->len);
    entry->in_flight++;
    entry->is_solo = 0;
    set_state(hub, entry, c->is_subscribe ? MP_ENTRY_SUBSCRIBING : MP_ENTRY_LEAVING);
    c->items[i].entry = entry;
    c->items[i].leaver = take_leaver(entry);
  }
}

/* Writes the next command: 0 when nothing is due or there is no memory (then the next turn tries).
 */
static int write_next(mp_hub *hub) {
  mp_entry *first = first_in_need(hub);
  if (!first) return 0;
  need what = need_of(first);
  moonpool_bytes verb = verb_of((moonpool_kind)first->kind, what);
  size_t bytes;
  int status;
  uint32_t n = run_length(hub, &bytes);
  command *c = mp_calloc(hub->allocator, sizeof *c + n * sizeof *c->items);
  mp_buf *out = c ? mp_link_begin(hub->link, 1, bytes, &status) : NULL;
  if (!out) {
    mp_free(hub->allocator, c);
    hub->config.on_dirty(hub->config.client);
    return 0;
  }
  c->hub = hub;
  c->size = n;
  c->kind = first->kind;
  c->is_subscribe = what == NEED_SUBSCRIBE;
  encode(c, out, verb, hub);
  hub->commands_in_flight++;
  mp_request_info info = {.cb = on_command, .ctx = c, .timeout = UINT64_MAX, .confirmations = n};
  mp_link_commit(hub->link, &info);
  return 1;
}

void mp_hub_sync(mp_hub *hub) {
  if (!hub->link || mp_link_state(hub->link) != MOONPOOL_READY) {
    /* Nothing to write to; but who left while the link was down need not wait for it. */
    mp_entry *entry = hub->dirty;
    for (; entry; entry = entry->dirty_next) mp_hub_dismiss_leaver(hub, entry);
    return;
  }
  size_t window = hub->options->subscribe_window;
  if (window == 0 || window > MP_IN_FLIGHT_MAX) window = MP_IN_FLIGHT_MAX;
  while (!hub->is_closed && hub->commands_in_flight < window)
    if (!write_next(hub)) break;
}
