/* What a new connection says before it is ready, one command at a time: HELLO 3 where this build
 * has RESP3, else AUTH and CLIENT SETNAME; SELECT; and a PING, which proves that Redis answers. */
#ifndef MP_HANDSHAKE_H
#define MP_HANDSHAKE_H

#include "resp.h"
#include "url.h"

typedef enum mp_handshake_step {
  MP_STEP_NONE,
  MP_STEP_HELLO,
  MP_STEP_AUTH,
  MP_STEP_NAME,
  MP_STEP_SELECT,
  MP_STEP_PING,
  MP_STEP_DONE
} mp_handshake_step;

typedef struct mp_handshake {
  const mp_url *url;
  const char *name; /* NULL: none */
  int is_subscriber;
  int has_resp3; /* Redis accepted HELLO 3 */
  mp_handshake_step step;
} mp_handshake;

/* Borrows `url` and `name` until it is done. */
void mp_handshake_start(mp_handshake *handshake, const mp_url *url, const char *name,
                        int is_subscriber);

/* Appends the next command, or nothing when it is done. MOONPOOL_OK or ENOMEM. */
int mp_handshake_next(mp_handshake *handshake, mp_buf *out);

int mp_handshake_is_done(const mp_handshake *handshake);

/* Takes the reply to the last command: MOONPOOL_OK, or why the connection is no use (EAUTH, ECONN,
 * EPROTO), with Redis's words in `message`. */
int mp_handshake_reply(mp_handshake *handshake, const moonpool_reply *reply, char *message,
                       size_t size);

#endif
