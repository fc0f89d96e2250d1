/* What a new connection says before it is ready: HELLO 3 where this build has RESP3; then, all in
 * one write, AUTH and CLIENT SETNAME where HELLO has not said them, CLIENT SETINFO, ROLE where the
 * server must be a master, SELECT, and a
 * PING, which proves that Redis answers. */
#ifndef MP_HANDSHAKE_H
#define MP_HANDSHAKE_H

#include "resp.h"
#include "url.h"

typedef enum mp_handshake_step {
  MP_STEP_NONE,
  MP_STEP_HELLO,
  MP_STEP_AUTH,
  MP_STEP_NAME,
  MP_STEP_LIB_NAME,
  MP_STEP_LIB_VERSION,
  MP_STEP_ROLE,
  MP_STEP_SELECT,
  MP_STEP_PING,
  MP_STEP_DONE
} mp_handshake_step;

typedef struct mp_handshake {
  const mp_url *url;
  const char *name;    /* NULL: none */
  const char *service; /* whose master the server must be; NULL, as it starts: any server */
  int is_subscriber;
  int has_resp3;      /* Redis accepted HELLO 3 */
  int has_no_setinfo; /* the server does not know CLIENT SETINFO; may be set after the start */
  int is_no_master;   /* the server is not what the service needs: the last reply's error */
  unsigned traits;    /* of what was refused: mp_trouble_trait */
  mp_handshake_step step, said; /* whose reply is due; the last one that was said */
} mp_handshake;

/* Borrows `url` and `name`, and a `service` that is set afterwards, until it is done. */
void mp_handshake_start(mp_handshake *handshake, const mp_url *url, const char *name,
                        int is_subscriber);

/* Appends the next commands, or nothing when it is done. MOONPOOL_OK or ENOMEM. To be called when
 * the replies to all that was said are there. */
int mp_handshake_next(mp_handshake *handshake, mp_buf *out);

/* Is a reply still due to what was said? */
int mp_handshake_is_waiting(const mp_handshake *handshake);

int mp_handshake_is_done(const mp_handshake *handshake);

/* Takes the reply that is due: MOONPOOL_OK, or why the connection is no use (EAUTH, EPERM, EARG,
 * ECONN, EPROTO), with Redis's words in `message`. */
int mp_handshake_reply(mp_handshake *handshake, const moonpool_reply *reply, char *message,
                       size_t size);

#endif
