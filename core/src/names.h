/* The names that a hub knows: a hash table from (kind, name) to entry. It owns the entries. */
#ifndef MP_NAMES_H
#define MP_NAMES_H

#include "mem.h"

struct mp_listener;

/* Where an entry stands on the present connection, by the last command written for it. */
typedef enum mp_entry_state {
  MP_ENTRY_ABSENT,      /* Redis does not send it */
  MP_ENTRY_SUBSCRIBING, /* SUBSCRIBE is on its way */
  MP_ENTRY_CONFIRMED,
  MP_ENTRY_LEAVING, /* UNSUBSCRIBE is on its way */
  MP_ENTRY_REFUSED, /* Redis said no; asked again after the next reconnect */
  MP_ENTRY_DEFERRED /* Redis said not now; asked again by the hub's defer_timer */
} mp_entry_state;

typedef struct mp_entry {
  struct mp_entry *next;       /* in its bucket */
  struct mp_entry *dirty_next; /* in the hub's queue of entries to look at */
  union {
    struct mp_listener *listeners; /* first; its `prev` is the last */
    moonpool_subscription *leaver; /* has_leaver: waits for the UNSUBSCRIBE still to be written */
  } who;
  uint32_t hash, len;
  uint32_t place;     /* in the table's list */
  uint16_t in_flight; /* commands on their way that name it, at most MP_IN_FLIGHT_MAX */
  uint8_t state;
  uint8_t kind : 2;
  uint8_t has_leaver : 1;
  uint8_t is_dirty : 1;
  uint8_t is_solo : 1; /* asked for in a command of its own: Redis refused one that named more */
  char name[];         /* terminated */
} mp_entry;

#define MP_IN_FLIGHT_MAX 60000u

/* A list of the entries, in the order in which they were made but for removals: their memory lies
 * in that order too, which a walk by hash would lose. Buckets, each the place of its first entry
 * plus one, find an entry by name. */
typedef struct mp_names {
  const moonpool_allocator *allocator;
  mp_entry **list;
  uint32_t *buckets;
  size_t count, list_size;
  size_t size; /* buckets: 0 or a power of two */
  uint64_t seed;
} mp_names;

void mp_names_init(mp_names *names, const moonpool_allocator *allocator, uint64_t seed);
void mp_names_free(mp_names *names);

/* NULL when it is not there. */
mp_entry *mp_names_find(const mp_names *names, moonpool_kind kind, const char *name, size_t len);

/* Finds or makes it; NULL when out of memory. */
mp_entry *mp_names_add(mp_names *names, moonpool_kind kind, const char *name, size_t len);

void mp_names_remove(mp_names *names, mp_entry *entry);

#endif
