/* The keys and values of `commands`. They must be those of lib/keys.lua and keys.mjs. */
#ifndef BENCH_KEYS_H
#define BENCH_KEYS_H

#include "peer.h"

#define KEYS 10000
#define SEED 20261122ull
#define KEY_BYTES 14 /* key:0000000000 */
#define VALUE_BYTES 64

typedef struct pair {
  char key[KEY_BYTES + 1];
  char value[VALUE_BYTES + 1];
} pair;

/* KEYS pairs, in the order in which they are asked for. The minimal standard generator (Park and
 * Miller). */
static inline pair *make_pairs(const char *program) {
  pair *pairs = calloc(KEYS, sizeof *pairs);
  unsigned long long x = SEED;
  if (!pairs) die(program, "out of memory");
  for (int i = 0; i < KEYS; i++) {
    x = x * 16807 % 2147483647;
    snprintf(pairs[i].key, sizeof pairs[i].key, "key:%010u", (unsigned)x);
    for (int j = 0; j < 6; j++) memcpy(pairs[i].value + 10 * j, pairs[i].key + 4, 10);
    memcpy(pairs[i].value + 60, "....", 5);
  }
  return pairs;
}
#endif
