/* What the server's processes take: CPU time and memory, as the kernel counts it for each. */
#include "load.h"
#include <errno.h>

/* User and system time of all threads, in nanoseconds: /proc/PID/stat counts in 10 ms. */
static long long process_cpu_ns(pid_t pid) {
  clockid_t clock;
  int error = clock_getcpuclockid(pid, &clock);
  if (error) die(PROGRAM, "the server's process %ld: %s", (long)pid, strerror(error));
  return now_ns(clock);
}

long long server_cpu_ns(void) {
  long long sum = 0;
  for (int i = 0; i < opt.pid_count; i++) sum += process_cpu_ns(opt.pids[i]);
  return sum;
}

/* A line such as "Pss:    1234 kB" of a file of /proc. */
static long read_kb(pid_t pid, const char *file, const char *name) {
  char path[64], line[256];
  long kb = -1;
  snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, file);
  FILE *f = fopen(path, "r");
  if (!f) die(PROGRAM, "%s: %s", path, strerror(errno));
  while (kb < 0 && fgets(line, sizeof line, f))
    if (strncmp(line, name, strlen(name)) == 0) kb = atol(line + strlen(name));
  fclose(f);
  if (kb < 0) die(PROGRAM, "%s has no %s", path, name);
  return kb;
}

memory server_memory(void) {
  memory sum = {0};
  for (int i = 0; i < opt.pid_count; i++) {
    sum.rss += read_kb(opt.pids[i], "smaps_rollup", "Rss:");
    sum.pss += read_kb(opt.pids[i], "smaps_rollup", "Pss:");
    sum.peak += read_kb(opt.pids[i], "status", "VmHWM:");
  }
  return sum;
}

/* VmHWM begins anew (proc(5), clear_refs). */
void memory_reset(void) {
  for (int i = 0; i < opt.pid_count; i++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/clear_refs", (long)opt.pids[i]);
    FILE *f = fopen(path, "w");
    if (!f || fputs("5", f) < 0 || fclose(f) != 0) die(PROGRAM, "%s: %s", path, strerror(errno));
  }
}
