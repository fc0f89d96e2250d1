/* A round without an answer: the outcome is an error that names each sentinel's reason. */
#include "sentinel_private.h"

#include <stdio.h>

/* A refused password is the reason to tell; a deadline only where it was the only one. */
static int worst_status(const mp_sentinel *s) {
  int is_timeout = 1;
  for (size_t i = 0; i < s->probe_count; i++) {
    int status = s->probes[i].status;
    if (status == MOONPOOL_EAUTH || status == MOONPOOL_EPERM || status == MOONPOOL_ENOMEM)
      return status;
    is_timeout = is_timeout && status == MOONPOOL_ETIMEOUT;
  }
  return is_timeout ? MOONPOOL_ETIMEOUT : MOONPOOL_ECONN;
}

void mp_sentinel_name_reasons(mp_sentinel *s) {
  int is_unknown = 0;
  for (size_t i = 0; i < s->probe_count; i++) is_unknown |= s->probes[i].is_unknown;
  size_t len =
      (size_t)snprintf(s->message, sizeof s->message, "%.300s: %s", s->url->address,
                       is_unknown ? "its sentinels do not know it" : "no sentinel answers");
  for (size_t i = 0; i < s->probe_count && len < sizeof s->message - 1; i++)
    len += (size_t)snprintf(s->message + len, sizeof s->message - len, "%s%s", i ? "; " : ": ",
                            s->probes[i].reason);
  s->outcome = NULL;
  s->status = worst_status(s);
}
