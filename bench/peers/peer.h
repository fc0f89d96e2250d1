/* What the C peers share: clocks, the stream's names and addresses. The names must be those of
 * lib/stream.lua and peers/stream.mjs. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define NAME_BYTES 11                                                              /* room:000000 */
#define PAYLOAD "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_" /* 64 bytes */

static inline long long now_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* User and system time of the whole process. */
static inline long long cpu_ns(void) {
  return now_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static inline long long wall_ns(void) {
  return now_ns(CLOCK_MONOTONIC);
}

static inline void channel_name(char name[NAME_BYTES + 1], long channel) {
  snprintf(name, NAME_BYTES + 1, "room:%06lu", (unsigned long)channel % 1000000);
}

__attribute__((noreturn, format(printf, 2, 3))) static inline void die(const char *program,
                                                                       const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s: ", program);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(1);
}

/* A positive whole number, or the end of the program. */
static inline long number(const char *program, const char *text) {
  char *end;
  long value = strtol(text, &end, 10);
  if (end == text || *end || value < 0) die(program, "not a number: %s", text);
  return value;
}

/* As many descriptors as may be. */
static inline void raise_descriptors(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/* Splits "host:port" into `host` and the port; 0 when the address is a Unix socket's path. */
static inline int split_address(const char *address, char *host, size_t size) {
  const char *colon = strrchr(address, ':');
  if (address[0] == '/' || !colon) return 0;
  snprintf(host, size, "%.*s", (int)(colon - address), address);
  return atoi(colon + 1);
}
#endif
