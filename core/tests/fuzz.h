/* Random numbers for tests that try many things: a new seed for each run, which is printed; the
 * same seed, given as MOONPOOL_TEST_SEED, tries the same things again. */
#ifndef MP_FUZZ_H
#define MP_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

typedef struct fuzz {
  uint64_t state;
} fuzz;

static inline fuzz fuzz_new(const char *what) {
  const char *given = getenv("MOONPOOL_TEST_SEED");
  uint64_t seed = given ? strtoull(given, NULL, 10) : uv_hrtime();
  printf("     %s: MOONPOOL_TEST_SEED=%llu\n", what, (unsigned long long)seed);
  return (fuzz){seed};
}

/* splitmix64 */
static inline uint64_t fuzz_next(fuzz *f) {
  uint64_t z = f->state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* A number in [0, limit); `limit` is at least 1. */
static inline size_t fuzz_below(fuzz *f, size_t limit) {
  return (size_t)(fuzz_next(f) % limit);
}

#endif
