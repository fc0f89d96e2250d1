#include "handshake.h"

#include <stdio.h>

static moonpool_bytes text(const char *s) {
  return (moonpool_bytes){s, strlen(s)};
}

void mp_handshake_start(mp_handshake *h, const mp_url *url, const char *name, int is_subscriber) {
  *h = (mp_handshake){.url = url, .name = name, .is_subscriber = is_subscriber};
}

static int is_needed(const mp_handshake *h, mp_handshake_step step) {
  switch (step) {
  case MP_STEP_HELLO: return mp_resp_version() >= 3;
  case MP_STEP_AUTH: return h->url->password && !h->has_resp3; /* HELLO has said it */
  case MP_STEP_NAME: return h->name && !h->has_resp3;
  case MP_STEP_SELECT: return h->url->db != 0 && !h->is_subscriber;
  default: return 1;
  }
}

static size_t hello(const mp_handshake *h, moonpool_bytes *argv) {
  size_t n = 0;
  argv[n++] = text("HELLO");
  argv[n++] = text("3");
  if (h->url->password) {
    argv[n++] = text("AUTH");
    argv[n++] = text(h->url->username ? h->url->username : "default");
    argv[n++] = text(h->url->password);
  }
  if (h->name) {
    argv[n++] = text("SETNAME");
    argv[n++] = text(h->name);
  }
  return n;
}

static size_t auth(const mp_handshake *h, moonpool_bytes *argv) {
  size_t n = 0;
  argv[n++] = text("AUTH");
  if (h->url->username) argv[n++] = text(h->url->username);
  argv[n++] = text(h->url->password);
  return n;
}

int mp_handshake_next(mp_handshake *h, mp_buf *out) {
  moonpool_bytes argv[8];
  char db[24];
  size_t n = 0;
  do h->step++;
  while (!is_needed(h, h->step));
  switch (h->step) {
  case MP_STEP_HELLO: n = hello(h, argv); break;
  case MP_STEP_AUTH: n = auth(h, argv); break;
  case MP_STEP_NAME:
    argv[n++] = text("CLIENT");
    argv[n++] = text("SETNAME");
    argv[n++] = text(h->name);
    break;
  case MP_STEP_SELECT:
    snprintf(db, sizeof db, "%ld", h->url->db);
    argv[n++] = text("SELECT");
    argv[n++] = text(db);
    break;
  case MP_STEP_PING: argv[n++] = text("PING"); break;
  default: return MOONPOOL_OK;
  }
  return mp_resp_encode(out, n, argv);
}

int mp_handshake_is_done(const mp_handshake *h) {
  return h->step >= MP_STEP_DONE;
}

static int begins_with(const moonpool_reply *reply, const char *prefix) {
  size_t len = strlen(prefix);
  return reply->u.string.len >= len && memcmp(reply->u.string.data, prefix, len) == 0;
}

/* Servers before Redis 6 do not know HELLO; some that know it do not speak RESP3. */
static int is_without_resp3(const moonpool_reply *reply) {
  return begins_with(reply, "NOPROTO") || begins_with(reply, "ERR unknown command");
}

/* An error that leaves the connection usable: it could not be named, or PING is not permitted. */
static int is_harmless(const mp_handshake *h, const moonpool_reply *reply) {
  if (h->step == MP_STEP_NAME) return 1;
  return h->step == MP_STEP_PING && begins_with(reply, "NOPERM");
}

/* Redis refuses a password in many words, most of them a plain ERR; to be full is none of them. */
static int is_auth_refused(const mp_handshake *h, const moonpool_reply *reply) {
  return h->step == MP_STEP_AUTH && begins_with(reply, "ERR ") &&
         !begins_with(reply, "ERR max number of clients");
}

int mp_handshake_reply(mp_handshake *h, const moonpool_reply *reply, char *message, size_t size) {
  if (reply->type != MOONPOOL_ERROR) {
    if (h->step == MP_STEP_HELLO) h->has_resp3 = 1;
    return MOONPOOL_OK;
  }
  if (h->step == MP_STEP_HELLO && is_without_resp3(reply)) return MOONPOOL_OK;
  if (is_harmless(h, reply)) return MOONPOOL_OK;
  snprintf(message, size, "%s", reply->u.string.data);
  if (is_auth_refused(h, reply)) return MOONPOOL_EAUTH;
  int status = mp_resp_error_status(reply);
  return status == MOONPOOL_EREDIS ? MOONPOOL_ECONN : status;
}
