/* A small harness: one executable a file, one line a test, and a count at the end.
 *
 *   TEST(parses_a_port) { CHECK(1 + 1 == 2); CHECK_STR(name, "OK"); }
 *   static const test_case tests[] = {TEST_CASE(parses_a_port), ...};
 *   int main(int argc, char **argv) { return RUN_TESTS(tests, argc, argv); }
 *
 * A failed check is reported and the test goes on; REQUIRE returns from it. Arguments name the
 * tests to run; without any, all run. */
#ifndef MP_TEST_H
#define MP_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

typedef struct test_case {
  const char *name;
  void (*run)(void);
} test_case;

static int test_failures; /* of the test under way */

#define TEST(name) static void name(void)
#define TEST_CASE(name)                                                                            \
  { #name, name }

static inline int test_check(int holds, const char *file, int line, const char *text) {
  if (holds) return 1;
  test_failures++;
  printf("  %s:%d: %s\n", file, line, text);
  return 0;
}

static inline int test_equal(long long got, long long wanted, const char *file, int line,
                             const char *text) {
  if (got == wanted) return 1;
  test_failures++;
  printf("  %s:%d: %s is %lld, not %lld\n", file, line, text, got, wanted);
  return 0;
}

static inline int test_equal_strings(const char *got, const char *wanted, const char *file,
                                     int line, const char *text) {
  if (got == wanted || (got && wanted && !strcmp(got, wanted))) return 1;
  test_failures++;
  printf("  %s:%d: %s is \"%s\", not \"%s\"\n", file, line, text, got ? got : "(NULL)",
         wanted ? wanted : "(NULL)");
  return 0;
}

#define CHECK(condition) ((void)test_check((condition) != 0, __FILE__, __LINE__, #condition))
#define CHECK_INT(got, wanted) ((void)test_equal((got), (wanted), __FILE__, __LINE__, #got))
#define CHECK_STR(got, wanted) ((void)test_equal_strings((got), (wanted), __FILE__, __LINE__, #got))
#define REQUIRE(condition)                                                                         \
  do {                                                                                             \
    if (!test_check((condition) != 0, __FILE__, __LINE__, #condition)) return;                     \
  } while (0)

static inline int test_is_wanted(const char *name, int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (!strcmp(argv[i], name)) return 1;
  return argc < 2;
}

static inline int test_run_all(const test_case *tests, size_t count, int argc, char **argv) {
  int passed = 0, failed = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (size_t i = 0; i < count; i++) {
    if (!test_is_wanted(tests[i].name, argc, argv)) continue;
    test_failures = 0;
    tests[i].run();
    printf("%s %s\n", test_failures ? "FAIL" : "ok  ", tests[i].name);
    if (test_failures)
      failed++;
    else
      passed++;
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed || !passed;
}

/* The end of main: runs the table `tests`. */
#define RUN_TESTS(tests, argc, argv)                                                               \
  test_run_all((tests), sizeof(tests) / sizeof *(tests), (argc), (argv))

/* ---- an allocator that counts, and fails when told ------------------------------------------ */

typedef struct test_heap {
  long blocks;      /* alive now */
  long requests;    /* for memory, so far */
  long from, until; /* the requests, counted from 1, that fail: up to the one before `until` */
  moonpool_allocator allocator;
} test_heap;

static inline void *test_heap_realloc(void *ctx, void *block, size_t size) {
  test_heap *heap = ctx;
  if (!size) {
    if (block) heap->blocks--;
    free(block);
    return NULL;
  }
  heap->requests++;
  if (heap->requests >= heap->from && heap->requests < heap->until) return NULL;
  void *moved = realloc(block, size);
  if (moved && !block) heap->blocks++;
  return moved;
}

static inline void test_heap_fail(test_heap *heap, long from, long until) {
  heap->from = from;
  heap->until = until;
}

/* Does the next request fail? */
static inline int test_heap_is_failing(const test_heap *heap) {
  return heap->requests + 1 >= heap->from && heap->requests + 1 < heap->until;
}

/* `fail_at`: the one request that fails; 0: none. */
static inline void test_heap_init(test_heap *heap, long fail_at) {
  *heap = (test_heap){.allocator = {test_heap_realloc, heap}};
  test_heap_fail(heap, fail_at, fail_at + 1);
}

#endif
