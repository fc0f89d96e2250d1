#include "names.h"

#define SIZE_MIN 16u

void mp_names_init(mp_names *names, const moonpool_allocator *allocator, uint64_t seed) {
  *names = (mp_names){.allocator = allocator, .seed = seed | 1};
}

void mp_names_free(mp_names *names) {
  for (size_t i = 0; i < names->size; i++) {
    while (names->buckets[i]) {
      mp_entry *entry = names->buckets[i];
      names->buckets[i] = entry->next;
      mp_free(names->allocator, entry);
    }
  }
  mp_free(names->allocator, names->buckets);
  names->buckets = NULL;
  names->count = names->size = 0;
}

static uint64_t mix(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Folds eight bytes at a time by a 64 by 64 bit multiplication (as wyhash does), seeded so that
 * names chosen by a stranger do not meet in one bucket. */
static uint32_t hash_of(const mp_names *names, moonpool_kind kind, const char *name, size_t len) {
  uint64_t h = names->seed ^ len ^ (uint64_t)kind << 56, word = 0;
  for (; len >= 8; name += 8, len -= 8) {
    memcpy(&word, name, 8);
    h = mix(h ^ word, 0x9e3779b97f4a7c15u);
  }
  word = 0;
  memcpy(&word, name, len);
  h = mix(h ^ word, 0xd6e8feb86659fd93u);
  return (uint32_t)(h ^ h >> 32);
}

static mp_entry **slot(const mp_names *names, uint32_t hash) {
  return &names->buckets[hash & (names->size - 1)];
}

static mp_entry *find_hashed(const mp_names *names, uint32_t hash, moonpool_kind kind,
                             const char *name, size_t len) {
  if (names->size == 0) return NULL;
  for (mp_entry *entry = *slot(names, hash); entry; entry = entry->next)
    if (entry->hash == hash && entry->len == len && entry->kind == (uint8_t)kind &&
        memcmp(entry->name, name, len) == 0)
      return entry;
  return NULL;
}

mp_entry *mp_names_find(const mp_names *names, moonpool_kind kind, const char *name, size_t len) {
  return find_hashed(names, hash_of(names, kind, name, len), kind, name, len);
}

static int grow(mp_names *names) {
  size_t size = names->size ? names->size * 2 : SIZE_MIN;
  mp_entry **buckets = mp_calloc(names->allocator, size * sizeof *buckets);
  if (!buckets) return names->size ? MOONPOOL_OK : MOONPOOL_ENOMEM; /* full, but it works */
  for (size_t i = 0; i < names->size; i++) {
    while (names->buckets[i]) {
      mp_entry *entry = names->buckets[i];
      names->buckets[i] = entry->next;
      entry->next = buckets[entry->hash & (size - 1)];
      buckets[entry->hash & (size - 1)] = entry;
    }
  }
  mp_free(names->allocator, names->buckets);
  names->buckets = buckets;
  names->size = size;
  return MOONPOOL_OK;
}

mp_entry *mp_names_add(mp_names *names, moonpool_kind kind, const char *name, size_t len) {
  uint32_t hash = hash_of(names, kind, name, len);
  mp_entry *entry = find_hashed(names, hash, kind, name, len);
  if (entry) return entry;
  if (names->count >= names->size && grow(names) != MOONPOOL_OK) return NULL;
  entry = mp_alloc(names->allocator, sizeof *entry + len + 1);
  if (!entry) return NULL;
  memset(entry, 0, sizeof *entry);
  entry->hash = hash;
  entry->len = (uint32_t)len;
  entry->kind = (uint8_t)kind;
  if (len) memcpy(entry->name, name, len);
  entry->name[len] = '\0';
  entry->next = *slot(names, hash);
  *slot(names, hash) = entry;
  names->count++;
  return entry;
}

void mp_names_remove(mp_names *names, mp_entry *entry) {
  mp_entry **at = slot(names, entry->hash);
  while (*at != entry) at = &(*at)->next;
  *at = entry->next;
  names->count--;
  mp_free(names->allocator, entry);
}

mp_entry *mp_names_next(const mp_names *names, const mp_entry *entry) {
  if (entry && entry->next) return entry->next;
  size_t i = entry ? (entry->hash & (names->size - 1)) + 1 : 0;
  for (; i < names->size; i++)
    if (names->buckets[i]) return names->buckets[i];
  return NULL;
}
