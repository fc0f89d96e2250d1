/* All subscriptions of one client on one link: what is wanted against what Redis has confirmed,
 * and the way of each message to its listeners. The hub owns its link, its subscriptions and its
 * names; it knows Redis's replies, but neither sockets nor hiredis. */
#ifndef MP_HUB_H
#define MP_HUB_H

#include "link.h"

typedef struct mp_hub mp_hub;

typedef struct mp_hub_config {
  moonpool *client;
  mp_link_config link; /* events and ctx are the hub's to set */
  /* mp_hub_flush is to be called before the loop polls. `ctx` is the client. */
  void (*on_dirty)(moonpool *client);
} mp_hub_config;

/* NULL when out of memory. Nothing is connected before the first subscription. */
mp_hub *mp_hub_new(const mp_hub_config *config);

/* As moonpool_close for the subscriptions; `on_gone` when the memory is free. */
void mp_hub_close(mp_hub *hub, void (*on_gone)(void *ctx), void *ctx);

/* As the functions of moonpool.h that they stand behind. */
int mp_hub_subscribe(mp_hub *hub, moonpool_kind kind, const moonpool_bytes *names, size_t count,
                     moonpool_event_cb listener, moonpool_confirm_cb confirm, void *ctx,
                     moonpool_subscription **subscription);
void mp_hub_set_drain(mp_hub *hub, moonpool_drain_cb drain, void *ctx);
int mp_hub_next(mp_hub *hub, const moonpool_event **event);

/* Calls the subscription's listener. */
void mp_subscription_tell(const moonpool_event *event);

/* What mp_hub_next also gives: an event was one of an internal subscription, and its listener was
 * called; what it borrows lives until the next call. */
#define MP_HUB_TAKEN 3

/* Offers what is there to the drain, of which there must be one. */
void mp_hub_drain(mp_hub *hub);

/* Between these two mp_hub_next may be called as in a drain; nothing else may run the loop
 * meanwhile. 0: the hub is closed, or within a drain. */
int mp_hub_begin_drain(mp_hub *hub);
void mp_hub_end_drain(mp_hub *hub);

/* The subscription is a part of the client's, not the program's: its events go to its listener even
 * where a drain is set, messages and those of reconnects and refusals. */
void mp_hub_set_internal(moonpool_subscription *subscription);

/* As mp_link_move. */
void mp_hub_move(mp_hub *hub, const char *address);

/* Writes due subscribes and unsubscribes, and calls back what is due without a read. */
void mp_hub_flush(mp_hub *hub);

/* For the canary: its subscription, which is not the program's. It is not counted, its events go to
 * its listener even where a drain is set, and patterns do not see its messages. Until it ends. */
void mp_hub_set_own(mp_hub *hub, moonpool_subscription *subscription);

typedef struct mp_hub_connection {
  int is_open;          /* there is a link at all */
  int is_own_confirmed; /* on the present connection */
  uint64_t number;      /* of that connection */
  uint64_t bytes_in;
} mp_hub_connection;
mp_hub_connection mp_hub_get_connection(const mp_hub *hub);

/* As mp_link_fail. */
void mp_hub_fail_link(mp_hub *hub, int status, const char *message);

void mp_hub_each_name(const mp_hub *hub, moonpool_name_cb cb, void *ctx);
void mp_hub_get_stats(const mp_hub *hub, moonpool_stats *stats);

#endif
