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
  MP_ENTRY_REFUSED  /* Redis said no; asked again after the next reconnect */
} mp_entry_state;

typedef struct mp_entry {
  struct mp_entry *next;         /* in its bucket */
  struct mp_entry *dirty_next;   /* in the hub's queue of entries to look at */
  struct mp_listener *listeners; /* first; its `prev` is the last */
  moonpool_subscription *leaver; /* waits for the UNSUBSCRIBE that is still to be written */
  uint32_t hash, len;
  uint32_t in_flight; /* commands on their way that name it */
  uint8_t kind, state, is_dirty;
  uint8_t is_solo; /* asked for in a command of its own: Redis refused one that named more */
  char name[];     /* terminated */
} mp_entry;

typedef struct mp_names {
  const moonpool_allocator *allocator;
  mp_entry **buckets;
  size_t count, size; /* size is 0 or a power of two */
  uint64_t seed;
} mp_names;

void mp_names_init(mp_names *names, const moonpool_allocator *allocator, uint64_t seed);
void mp_names_free(mp_names *names);

/* NULL when it is not there. */
mp_entry *mp_names_find(const mp_names *names, moonpool_kind kind, const char *name, size_t len);

/* Finds or makes it; NULL when out of memory. */
mp_entry *mp_names_add(mp_names *names, moonpool_kind kind, const char *name, size_t len);

void mp_names_remove(mp_names *names, mp_entry *entry);

/* The entry after `entry` in the table's own order, or the first for NULL; NULL at the end. The
 * entry before may be removed only after its successor was asked for. */
mp_entry *mp_names_next(const mp_names *names, const mp_entry *entry);

#endif
