/* What the hub's files share: hub.c (its link, start and end), hub_delivery.c, subscription.c, and
 * hub_sync.c and hub_defer.c (wanted against confirmed). Nobody else includes it. */
#ifndef MP_HUB_PRIVATE_H
#define MP_HUB_PRIVATE_H

#include "hub.h"
#include "names.h"

/* One name of one subscription. Listeners of an entry form a list whose first one's `prev` is the
 * last. `entry` is NULL once it is detached; the first listener of a closing subscription then has
 * room for the callback, which most subscriptions never need. */
typedef struct mp_listener {
  union {
    struct {
      struct mp_listener *next, *prev;
    };
    struct {
      moonpool_confirm_cb confirm;
      void *confirm_ctx;
    } closing;
  };
  mp_entry *entry;
  moonpool_subscription *subscription;
  uint32_t tag;
  uint32_t born : 31; /* the hub's turn in which it was added: events of that turn are not for it */
  uint32_t is_confirmed : 1; /* or its refusal was told */
} mp_listener;

#define MP_TURN_MAX 0x7fffffffu

/* A subscription that waits for its first confirmation, in the order of the deadlines. */
typedef struct mp_pending {
  struct mp_pending *next, *prev;
  moonpool_subscription *subscription;
  moonpool_confirm_cb confirm; /* with the subscription's ctx */
  uint64_t deadline;
} mp_pending;

typedef enum mp_sub_state {
  MP_SUB_PENDING,       /* never confirmed yet */
  MP_SUB_ACTIVE,        /* every name is confirmed */
  MP_SUB_RESUBSCRIBING, /* was active; its link was lost */
  MP_SUB_CLOSING        /* ended; waits for Redis's confirmation */
} mp_sub_state;

/* A hundred thousand of them are nothing special: every word counts. */
struct moonpool_subscription {
  mp_hub *hub;
  moonpool_event_cb listener;
  void *ctx;
  mp_pending *pending;             /* MP_SUB_PENDING */
  moonpool_subscription *due_next; /* in the hub's list of those with a callback due */
  uint32_t unconfirmed;
  uint32_t size : 23; /* at most MP_SUB_NAMES_MAX */
  uint32_t state : 2; /* mp_sub_state */
  uint32_t is_due : 1;
  uint32_t events : 6; /* bits by moonpool_event_type; that of messages: it is internal */
  mp_listener names[];
};

#define MP_SUB_NAMES_MAX 0x7fffffu

/* Redis refused a name; its listeners are still to be told. */
typedef struct mp_refusal {
  struct mp_refusal *next;
  mp_entry *entry; /* counted in its in_flight */
  int status;
  char message[];
} mp_refusal;

struct mp_hub {
  mp_hub_config config;
  const moonpool_allocator *allocator;
  const moonpool_options *options;
  mp_link *link; /* NULL before the first subscription */
  mp_names names;
  mp_entry *dirty, **dirty_tail;
  size_t commands_in_flight, wanted, confirmed;
  mp_pending pending; /* ring; oldest first */
  mp_deadline pending_deadline;
  uv_timer_t defer_timer; /* asks again for what Redis refused for a passing reason */
  uint64_t deferred_at, random;
  unsigned deferrals; /* in this series */
  moonpool_subscription *due, **due_tail;
  mp_refusal *refusals, *told_refusal;
  moonpool_drain_cb drain;
  void *drain_ctx;
  moonpool_event event;          /* being delivered: a message or a change of one name */
  mp_listener *cursor;           /* the next listener that gets it */
  moonpool_subscription *leaver; /* or the one subscription that gets it */
  moonpool_subscription *own;    /* see mp_hub_set_own; NULL: none */
  uint32_t turn;                 /* counts the events delivered, at most MP_TURN_MAX */
  long long last_count;          /* as Redis reported it last */
  uint64_t messages, gaps;
  mp_buf kept; /* what the event borrows from, when a drain has left it */
  int is_event_kept;
  int is_closed, is_draining, holds;
  void (*on_gone)(void *ctx);
  void *gone_ctx;
  char last_error[400];
};

/* ---- hub_sync.c ---- */

/* Something about the entry changed: compare wanted and confirmed before the loop polls. */
void mp_hub_touch(mp_hub *hub, mp_entry *entry);

/* Writes commands for touched entries, as far as the window allows. */
void mp_hub_sync(mp_hub *hub);

/* A subscribe or unsubscribe push of Redis. */
void mp_hub_take_confirmation(mp_hub *hub, moonpool_kind kind, int is_subscribe,
                              const moonpool_reply *channel, long long count);

/* The first listener of an entry, or NULL. */
static inline mp_listener *mp_listeners_of(const mp_entry *entry) {
  return entry->has_leaver ? NULL : entry->who.listeners;
}

/* Nobody waits for the entry's UNSUBSCRIBE any more; the entry has no listeners then. */
void mp_hub_dismiss_leaver(mp_hub *hub, mp_entry *entry);

/* The link is down: nothing is confirmed any more. */
void mp_hub_forget_confirmed(mp_hub *hub);

/* Removes the entry if nothing needs it. */
void mp_hub_release(mp_hub *hub, mp_entry *entry);

/* ---- hub_defer.c ---- */

/* Redis refused the name for a reason that passes: it is asked again after a while. */
void mp_hub_defer(mp_hub *hub, mp_entry *entry, const moonpool_error *error);

/* ---- hub_delivery.c ---- */

/* Another event is to be delivered: not to those that are born from now on. */
void mp_hub_begin_turn(mp_hub *hub);

/* ---- hub.c ---- */

/* Opens the link with the first subscription: MOONPOOL_OK or ENOMEM. */
int mp_hub_ensure_link(mp_hub *hub);

/* The server's, for messages. */
static inline const char *mp_hub_address(const mp_hub *hub) {
  return hub->link ? mp_link_address(hub->link) : hub->config.link.url->address;
}

/* ---- subscription.c ---- */

static inline int mp_sub_is_internal(const moonpool_subscription *subscription) {
  return subscription->events & MOONPOOL_EVENT_BIT(MOONPOOL_MESSAGE);
}

/* Fails the subscriptions that were not confirmed in time. */
void mp_hub_expire_pending(void *ctx, uint64_t now);

/* The subscription has a callback due: it is made before the next reply is read. */
void mp_hub_make_due(mp_hub *hub, moonpool_subscription *subscription);
void mp_sub_unmake_due(mp_hub *hub, moonpool_subscription *subscription);

/* A name of a closing subscription is unsubscribed. */
void mp_hub_leaver_done(mp_hub *hub, moonpool_subscription *leaver);

/* Takes a pending subscription off the list of those: its callback. The state is the caller's to
 * change. */
moonpool_confirm_cb mp_sub_unpend(mp_hub *hub, moonpool_subscription *subscription);

/* Ends a subscription that was never confirmed, and tells why. */
void mp_sub_fail(mp_hub *hub, moonpool_subscription *subscription, int status, const char *message);

/* The subscription leaves its names. With `leaver`, it waits for those that Redis must be told of;
 * how many is returned. */
uint32_t mp_sub_detach(mp_hub *hub, moonpool_subscription *subscription,
                       moonpool_subscription *leaver);

/* Tells the listener that its client is closed, by callback also where a drain is set, and frees
 * the subscription, or makes it due if the listener has unsubscribed it with a callback. */
void mp_sub_end(mp_hub *hub, moonpool_subscription *subscription, const moonpool_error *error);

/* Calls back whoever closed it, and frees it. */
void mp_sub_confirm_closed(mp_hub *hub, moonpool_subscription *subscription);

/* Frees one that is detached and not pending. */
void mp_sub_free(mp_hub *hub, moonpool_subscription *subscription);

#endif
