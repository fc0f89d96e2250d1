/* What the abuse tests share: a well-behaved client that is served meanwhile, and counts of what an
 * attack could leave behind. */
#ifndef GW_ABUSE_H
#define GW_ABUSE_H

#include <dirent.h>

#include "gateway_thread.h"
#include "ws_client.h"

/* Is a client that came before the attack still answered? */
static inline int is_served(ws_client *bystander) {
  static unsigned number;
  char ask[60], answer[60];
  snprintf(ask, sizeof ask, "{\"op\":\"ping\",\"ref\":%u}", ++number);
  snprintf(answer, sizeof answer, "{\"op\":\"ok\",\"ref\":%u", number);
  ws_send_message(bystander, ask);
  return ws_hears(bystander, answer);
}

static inline int count_descriptors(void) {
  int count = 0;
  DIR *list = opendir("/proc/self/fd");
  while (list && readdir(list)) count++;
  if (list) closedir(list);
  return count;
}

/* Waits until the gateway has only so many connections. */
static inline int has_connections(gateway_thread *g, uint64_t count) {
  long long deadline = redis_clock_ms() + WS_DEADLINE;
  while (gateway_thread_stats(g).connections != count)
    if (redis_clock_ms() > deadline) return 0;
  return 1;
}

#endif
