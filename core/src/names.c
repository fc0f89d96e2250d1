#include "names.h"

#define SIZE_MIN 16u

void mp_names_init(mp_names *names, const moonpool_allocator *allocator, uint64_t seed) {
  *names = (mp_names){.allocator = allocator, .seed = seed | 1};
}

void mp_names_free(mp_names *names) {
  for (size_t i = 0; i < names->count; i++) mp_free(names->allocator, names->list[i]);
  mp_free(names->allocator, names->buckets);
  mp_free(names->allocator, names->list);
  names->buckets = NULL;
  names->list = NULL;
  names->count = names->size = names->list_size = 0;
}

static uint64_t mix(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const char *at, size_t len) {
  uint64_t word = 0;
  memcpy(&word, at, len);
  return word;
}

/* Folds eight bytes at a time by a 64 by 64 bit multiplication (as wyhash does), seeded so that
 * names chosen by a stranger do not meet in one bucket. The last eight overlap those before. */
static uint32_t hash_of(const mp_names *names, moonpool_kind kind, const char *name, size_t len) {
  uint64_t h = names->seed ^ len ^ (uint64_t)kind << 56, tail;
  if (len >= 8) {
    const char *last = name + len - 8;
    for (; name < last; name += 8) h = mix(h ^ load(name, 8), 0x9e3779b97f4a7c15u);
    tail = load(last, 8);
  } else {
    tail = load(name, len);
  }
  h = mix(h ^ tail, 0xd6e8feb86659fd93u);
  return (uint32_t)(h ^ h >> 32);
}

static uint32_t *bucket_of(const mp_names *names, uint32_t hash) {
  return &names->buckets[hash & (names->size - 1)];
}

static mp_entry *first_in(const mp_names *names, uint32_t hash) {
  uint32_t place = *bucket_of(names, hash);
  return place ? names->list[place - 1] : NULL;
}

/* Puts the entry, whose place is set, in front of its bucket. */
static void link_in(mp_names *names, mp_entry *entry) {
  entry->next = first_in(names, entry->hash);
  *bucket_of(names, entry->hash) = entry->place + 1;
}

static void unlink_from(mp_names *names, mp_entry *entry) {
  mp_entry *at = first_in(names, entry->hash);
  if (at == entry) {
    *bucket_of(names, entry->hash) = entry->next ? entry->next->place + 1 : 0;
    return;
  }
  while (at->next != entry) at = at->next;
  at->next = entry->next;
}

static mp_entry *find_hashed(const mp_names *names, uint32_t hash, moonpool_kind kind,
                             const char *name, size_t len) {
  if (names->size == 0) return NULL;
  for (mp_entry *entry = first_in(names, hash); entry; entry = entry->next)
    if (entry->hash == hash && entry->len == len && entry->kind == kind &&
        memcmp(entry->name, name, len) == 0)
      return entry;
  return NULL;
}

mp_entry *mp_names_find(const mp_names *names, moonpool_kind kind, const char *name, size_t len) {
  if (len == 0) name = ""; /* the empty name may come as NULL */
  return find_hashed(names, hash_of(names, kind, name, len), kind, name, len);
}

static int grow_buckets(mp_names *names) {
  size_t size = names->size ? names->size * 2 : SIZE_MIN;
  uint32_t *buckets = mp_calloc(names->allocator, size * sizeof *buckets);
  if (!buckets) return names->size ? MOONPOOL_OK : MOONPOOL_ENOMEM; /* full, but it works */
  mp_free(names->allocator, names->buckets);
  names->buckets = buckets;
  names->size = size;
  for (size_t i = 0; i < names->count; i++) link_in(names, names->list[i]);
  return MOONPOOL_OK;
}

static int grow_list(mp_names *names) {
  size_t size = names->list_size ? names->list_size + names->list_size / 2 : SIZE_MIN;
  const moonpool_allocator *a = names->allocator;
  mp_entry **list = a->realloc(a->ctx, names->list, size * sizeof *list);
  if (!list) return MOONPOOL_ENOMEM;
  names->list = list;
  names->list_size = size;
  return MOONPOOL_OK;
}

static int make_room(mp_names *names) {
  if (names->count >= UINT32_MAX) return MOONPOOL_ENOMEM;
  if (names->count >= names->list_size && grow_list(names) != MOONPOOL_OK) return MOONPOOL_ENOMEM;
  return names->count >= names->size ? grow_buckets(names) : MOONPOOL_OK;
}

mp_entry *mp_names_add(mp_names *names, moonpool_kind kind, const char *name, size_t len) {
  if (len == 0) name = "";
  uint32_t hash = hash_of(names, kind, name, len);
  mp_entry *entry = find_hashed(names, hash, kind, name, len);
  if (entry) return entry;
  if (make_room(names) != MOONPOOL_OK) return NULL;
  entry = mp_alloc(names->allocator, sizeof *entry + len + 1);
  if (!entry) return NULL;
  memset(entry, 0, sizeof *entry);
  entry->hash = hash;
  entry->len = (uint32_t)len;
  entry->kind = kind;
  memcpy(entry->name, name, len);
  entry->name[len] = '\0';
  entry->place = (uint32_t)names->count;
  names->list[names->count++] = entry;
  link_in(names, entry);
  return entry;
}

void mp_names_remove(mp_names *names, mp_entry *entry) {
  mp_entry *last = names->list[names->count - 1];
  unlink_from(names, entry);
  if (last != entry) { /* the last one takes its place */
    unlink_from(names, last);
    last->place = entry->place;
    names->list[last->place] = last;
    link_in(names, last);
  }
  names->count--;
  mp_free(names->allocator, entry);
}
