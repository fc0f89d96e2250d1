/* The table of names against a list that is searched from end to end, and without memory. */
#include "names.h"

#include "fuzz.h"
#include "test.h"

enum { UNIVERSE = 600, NAME_MAX_LEN = 40 };

typedef struct known {
  moonpool_kind kind;
  size_t len;
  char name[NAME_MAX_LEN];
  mp_entry *entry; /* NULL: not in the table */
} known;

/* Names that are easily taken for each other: of few letters, NUL among them, and the same ones
 * for every kind. */
static void make_universe(fuzz *random, known *all) {
  for (int i = 0; i < UNIVERSE; i += 3) {
    known *k = &all[i];
    size_t len = fuzz_below(random, NAME_MAX_LEN);
    char name[NAME_MAX_LEN];
    for (size_t j = 0; j < len; j++) name[j] = "ab\0"[fuzz_below(random, 3)];
    if (i > 0 && fuzz_below(random, 2)) { /* one that exists already, but for its last byte */
      len = k[-1].len;
      memcpy(name, k[-1].name, len);
      if (len > 0) name[len - 1] ^= 1;
    }
    for (int kind = 0; kind < 3; kind++) {
      k[kind] = (known){.kind = (moonpool_kind)kind, .len = len};
      memcpy(k[kind].name, name, len);
    }
    for (int j = 0; j < i; j++) /* all are different: else this one is empty-handed */
      if (all[j].len == len && !memcmp(all[j].name, name, len)) k[0].len = k[1].len = SIZE_MAX;
    if (k[0].len == SIZE_MAX) i -= 3;
  }
}

/* The first entry of a bucket. */
static const mp_entry *first_of(const mp_names *names, size_t bucket) {
  uint32_t place = names->buckets[bucket];
  return place ? names->list[place - 1] : NULL;
}

static void check_entry(const mp_names *names, const known *k) {
  mp_entry *entry = k->entry;
  CHECK_INT(entry->kind, k->kind);
  CHECK_INT(entry->len, k->len);
  CHECK(!memcmp(entry->name, k->name, k->len) && entry->name[k->len] == '\0');
  CHECK(entry->place < names->count && names->list[entry->place] == entry);
}

/* Everything that is in it can be found, once in the buckets and once in the list. */
static void check_all(const mp_names *names, const known *all) {
  size_t count = 0, in_buckets = 0;
  for (int i = 0; i < UNIVERSE; i++) {
    CHECK(mp_names_find(names, all[i].kind, all[i].name, all[i].len) == all[i].entry);
    if (!all[i].entry) continue;
    count++;
    check_entry(names, &all[i]);
  }
  for (size_t i = 0; i < names->size; i++)
    for (const mp_entry *entry = first_of(names, i); entry; entry = entry->next) in_buckets++;
  CHECK_INT(names->count, count);
  CHECK_INT(in_buckets, count);
}

static void add(mp_names *names, known *k) {
  mp_entry *entry = mp_names_add(names, k->kind, k->name, k->len);
  REQUIRE(entry);
  if (k->entry) {
    CHECK(entry == k->entry);
    return;
  }
  CHECK(!entry->who.listeners && !entry->dirty_next && !entry->in_flight && !entry->is_dirty);
  CHECK_INT(entry->state, MP_ENTRY_ABSENT);
  k->entry = entry;
}

static void drop(mp_names *names, known *k) {
  if (k->entry) mp_names_remove(names, k->entry);
  k->entry = NULL;
}

TEST(random_changes_are_those_of_a_list) {
  static known all[UNIVERSE];
  test_heap heap;
  mp_names names;
  fuzz random = fuzz_new("names");
  test_heap_init(&heap, 0);
  make_universe(&random, all);
  mp_names_init(&names, &heap.allocator, fuzz_next(&random));
  for (int round = 0; round < 20000; round++) {
    known *k = &all[fuzz_below(&random, UNIVERSE)];
    size_t most = (round / 5000) % 2 ? 30 : 70; /* it grows, and shrinks */
    if (fuzz_below(&random, 100) < most)
      add(&names, k);
    else
      drop(&names, k);
    if (round % 500 == 0) check_all(&names, all);
  }
  check_all(&names, all);
  for (int i = 0; i < UNIVERSE; i++) drop(&names, &all[i]);
  check_all(&names, all);
  mp_names_free(&names);
  CHECK_INT(heap.blocks, 0);
}

TEST(an_empty_table_has_nothing) {
  test_heap heap;
  mp_names names;
  test_heap_init(&heap, 0);
  mp_names_init(&names, &heap.allocator, 0);
  CHECK(!mp_names_find(&names, MOONPOOL_CHANNEL, "a", 1));
  CHECK(!mp_names_find(&names, MOONPOOL_CHANNEL, NULL, 0));
  CHECK_INT(heap.requests, 0);
  mp_names_free(&names);
  mp_names_free(&names);
}

TEST(the_empty_name_is_one_too) {
  mp_names names;
  mp_names_init(&names, &mp_default_allocator, 1);
  mp_entry *entry = mp_names_add(&names, MOONPOOL_PATTERN, NULL, 0);
  REQUIRE(entry);
  CHECK(mp_names_add(&names, MOONPOOL_PATTERN, NULL, 0) == entry);
  CHECK(mp_names_find(&names, MOONPOOL_PATTERN, "", 0) == entry);
  CHECK(!mp_names_find(&names, MOONPOOL_CHANNEL, NULL, 0));
  mp_names_remove(&names, entry);
  CHECK_INT(names.count, 0);
  mp_names_free(&names);
}

/* The longest chain of names that are as alike as rooms are. */
TEST(many_names_grow_the_table_evenly) {
  enum { MANY = 50000 };
  test_heap heap;
  mp_names names;
  size_t longest = 0;
  char name[32];
  test_heap_init(&heap, 0);
  mp_names_init(&names, &heap.allocator, 12345);
  for (int i = 0; i < MANY; i++) {
    int len = snprintf(name, sizeof name, "room:%d", i);
    mp_entry *entry = mp_names_add(&names, MOONPOOL_CHANNEL, name, (size_t)len);
    REQUIRE(entry && entry->place == (uint32_t)i);
  }
  CHECK_INT(names.count, MANY);
  CHECK(names.size >= MANY && (names.size & (names.size - 1)) == 0);
  CHECK(heap.requests < MANY + 100);
  for (size_t i = 0; i < names.size; i++) {
    size_t length = 0;
    for (const mp_entry *entry = first_of(&names, i); entry; entry = entry->next) length++;
    if (length > longest) longest = length;
  }
  CHECK(longest < 16);
  mp_names_free(&names);
  CHECK_INT(heap.blocks, 0);
}

/* Adds 200 names; what was refused for want of memory is added at the second attempt. How many
 * were refused. */
static int fill(mp_names *names) {
  int refused = 0;
  for (int i = 0; i < 200; i++) {
    char name[16];
    size_t len = (size_t)snprintf(name, sizeof name, "%d", i), count = names->count;
    mp_entry *entry = mp_names_add(names, MOONPOOL_CHANNEL, name, len);
    if (!entry) {
      refused++;
      CHECK_INT(names->count, count);
      CHECK(!mp_names_find(names, MOONPOOL_CHANNEL, name, len));
      entry = mp_names_add(names, MOONPOOL_CHANNEL, name, len);
    }
    CHECK(entry && mp_names_find(names, MOONPOOL_CHANNEL, name, len) == entry);
  }
  return refused;
}

TEST(each_failed_allocation_loses_no_name) {
  test_heap heap;
  mp_names names;
  test_heap_init(&heap, 0);
  mp_names_init(&names, &heap.allocator, 1);
  CHECK_INT(fill(&names), 0);
  mp_names_free(&names);
  long requests = heap.requests;
  for (long n = 1; n <= requests; n++) {
    test_heap_init(&heap, n);
    mp_names_init(&names, &heap.allocator, 1);
    CHECK(fill(&names) <= 1);
    CHECK_INT(names.count, 200);
    for (uint32_t i = 0; i < names.count; i++) CHECK_INT(names.list[i]->place, i);
    mp_names_free(&names);
    CHECK_INT(heap.blocks, 0);
  }
}

static const test_case tests[] = {
    TEST_CASE(random_changes_are_those_of_a_list),
    TEST_CASE(an_empty_table_has_nothing),
    TEST_CASE(the_empty_name_is_one_too),
    TEST_CASE(many_names_grow_the_table_evenly),
    TEST_CASE(each_failed_allocation_loses_no_name),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
