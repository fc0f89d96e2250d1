/* What is known about commands by name: which ones a shared link must not carry, which ones block.
 */
#ifndef MP_COMMANDS_H
#define MP_COMMANDS_H

#include "mem.h"

typedef enum mp_command_class {
  MP_COMMAND_PLAIN,
  MP_COMMAND_BLOCKING, /* Redis may answer it, and all after it, as late as it likes */
  MP_COMMAND_REFUSED   /* it would change the link for everyone who shares it */
} mp_command_class;

/* Classes one command; for MP_COMMAND_REFUSED *hint says what to use instead (static). */
mp_command_class mp_command_class_of(size_t argc, const moonpool_bytes *argv, const char **hint);

/* Is it WATCH or UNWATCH? */
typedef enum mp_watch { MP_WATCH_NONE, MP_WATCH, MP_UNWATCH } mp_watch;
mp_watch mp_command_watch_of(size_t argc, const moonpool_bytes *argv);

/* How long Redis itself would let an MP_COMMAND_BLOCKING command wait, in ms: UINT64_MAX for ever;
 * 0 when it gives no time that Redis would accept. */
uint64_t mp_command_block_time(size_t argc, const moonpool_bytes *argv);

#endif
