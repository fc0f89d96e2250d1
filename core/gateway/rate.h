/* So many a second, and bursts of two seconds' (the generic cell rate algorithm): what is kept is
 * when the next one would come if all had kept to the rate. */
#ifndef GW_RATE_H
#define GW_RATE_H

#include <stdint.h>

enum { GW_RATE_BURST_MS = 2000 };

/* May one more come, at `now` ms? `due` is 0 at first, and is in microseconds. */
static inline int gw_rate_take(uint64_t *due, uint64_t now, double per_second) {
  if (per_second <= 0) return 1;
  uint64_t at = now * 1000, next = *due > at ? *due : at;
  uint64_t step = (uint64_t)(1e6 / per_second), burst = GW_RATE_BURST_MS * UINT64_C(1000);
  if (next - at + step > (burst > step ? burst : step)) return 0;
  *due = next + step;
  return 1;
}

#endif
