/* What Redis's error replies mean to moonpool: one table, by their first words. docs/errors.md
 * tells programs the same. */
#ifndef MP_TROUBLE_H
#define MP_TROUBLE_H

#include <moonpool.h>

typedef enum mp_trouble_trait {
  /* Redis did nothing, for a reason that passes by itself. */
  MP_TROUBLE_PASSES = 1,
  /* Another connection may lead to a server that does it. */
  MP_TROUBLE_ELSEWHERE = 2,
  /* In a handshake: it will not be otherwise before somebody changes something. */
  MP_TROUBLE_STAYS = 4,
  /* Passes so soon that the same command is sent again. */
  MP_TROUBLE_REPEAT = 8
} mp_trouble_trait;

typedef struct mp_trouble {
  const char *words; /* the reply begins with them, and with no longer word */
  moonpool_status status;
  unsigned traits;  /* mp_trouble_trait */
  const char *hint; /* what errors add to Redis's words; NULL: nothing */
} mp_trouble;

/* What the error reply means; an error that is not in the table is EREDIS without traits. Static.
 * Can't fail. */
const mp_trouble *mp_trouble_of(const moonpool_reply *error);

/* Did Redis do nothing, for a reason that passes? */
int mp_trouble_passes(const moonpool_reply *error);

/* Did a script run into it? Then what came before it in the script was done. (Redis 7 says so at
 * the end; Redis before 7 begins such an error with ERR.) */
int mp_trouble_is_of_script(const moonpool_reply *error);

#endif
