#include "handshake.h"

#include "trouble.h"

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
  case MP_STEP_LIB_NAME:
  case MP_STEP_LIB_VERSION: return !h->has_no_setinfo;
  case MP_STEP_ROLE: return h->service != NULL;
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

static mp_handshake_step next_step(const mp_handshake *h, mp_handshake_step step) {
  do step++;
  while (step < MP_STEP_DONE && !is_needed(h, step));
  return step;
}

static size_t client(const char *verb, const char *what, const char *value, moonpool_bytes *argv) {
  size_t n = 0;
  argv[n++] = text("CLIENT");
  argv[n++] = text(verb);
  if (what) argv[n++] = text(what);
  argv[n++] = text(value);
  return n;
}

static int say(const mp_handshake *h, mp_handshake_step step, mp_buf *out) {
  moonpool_bytes argv[8];
  char db[24];
  size_t n = 0;
  switch (step) {
  case MP_STEP_HELLO: n = hello(h, argv); break;
  case MP_STEP_AUTH: n = auth(h, argv); break;
  case MP_STEP_NAME: n = client("SETNAME", NULL, h->name, argv); break;
  case MP_STEP_LIB_NAME: n = client("SETINFO", "LIB-NAME", "moonpool", argv); break;
  case MP_STEP_LIB_VERSION: n = client("SETINFO", "LIB-VER", MOONPOOL_VERSION, argv); break;
  case MP_STEP_ROLE: argv[n++] = text("ROLE"); break;
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

/* HELLO alone: its answer decides what is said next. */
int mp_handshake_next(mp_handshake *h, mp_buf *out) {
  size_t len = out->len;
  mp_handshake_step step = next_step(h, h->said);
  h->step = step;
  while (step < MP_STEP_DONE) {
    if (say(h, step, out) != MOONPOOL_OK) {
      out->len = len;
      return MOONPOOL_ENOMEM;
    }
    h->said = step;
    if (step == MP_STEP_HELLO) break;
    step = next_step(h, step);
  }
  return MOONPOOL_OK;
}

int mp_handshake_is_waiting(const mp_handshake *h) {
  return h->step != MP_STEP_NONE && h->step <= h->said;
}

int mp_handshake_is_done(const mp_handshake *h) {
  return h->step >= MP_STEP_DONE;
}

static int begins_with(const moonpool_reply *reply, const char *prefix) {
  size_t len = strlen(prefix);
  return reply->u.string.len >= len && memcmp(reply->u.string.data, prefix, len) == 0;
}

static int is_text(const moonpool_reply *reply, const char *word) {
  return reply->u.string.len == strlen(word) && begins_with(reply, word);
}

/* The server does not know the command, or does not let this user have it. */
static int is_of_command(const mp_trouble *trouble) {
  if (trouble->status == MOONPOOL_EPERM) return 1;
  return trouble->status == MOONPOOL_EREDIS && !trouble->traits;
}

/* An error that leaves the connection usable. Servers before Redis 6 do not know HELLO, some that
 * know it do not speak RESP3, and what stands between may refuse it in words of its own: then AUTH
 * and the rest are said the old way. Who may not ask for the ROLE has the sentinels' word for it.
 */
static int is_harmless(const mp_handshake *h, const mp_trouble *trouble) {
  switch (h->step) {
  case MP_STEP_HELLO:
  case MP_STEP_NAME:
  case MP_STEP_LIB_NAME:
  case MP_STEP_LIB_VERSION:
  case MP_STEP_ROLE: return is_of_command(trouble);
  case MP_STEP_PING: return trouble->status == MOONPOOL_EPERM;
  default: return 0;
  }
}

/* Why the connection is no use. Redis refuses a password and a database in many words, most of them
 * a plain ERR. */
static int refuse(mp_handshake *h, const moonpool_reply *reply, const mp_trouble *trouble,
                  char *message, size_t size) {
  int is_plain =
      trouble->status == MOONPOOL_EREDIS && !trouble->traits && begins_with(reply, "ERR ");
  int is_auth = is_plain && h->step == MP_STEP_AUTH, is_db = is_plain && h->step == MP_STEP_SELECT;
  h->traits = is_auth || is_db ? MP_TROUBLE_STAYS : trouble->traits;
  if (h->step == MP_STEP_SELECT)
    snprintf(message, size, "SELECT %ld: %s", h->url->db, reply->u.string.data);
  else
    snprintf(message, size, "%s", reply->u.string.data);
  if (is_auth) return MOONPOOL_EAUTH;
  if (is_db) return MOONPOOL_EARG;
  return trouble->status == MOONPOOL_EREDIS ? MOONPOOL_ECONN : trouble->status;
}

/* ["master", ...], ["slave", ...] or ["sentinel", ...]: https://redis.io/commands/role */
static int check_role(mp_handshake *h, const moonpool_reply *reply, char *message, size_t size) {
  const moonpool_reply *role = reply->u.list.first;
  if (reply->type != MOONPOOL_ARRAY || reply->u.list.count == 0 || role->type != MOONPOOL_STRING) {
    snprintf(message, size, "a strange answer to ROLE");
    return MOONPOOL_EPROTO;
  }
  if (is_text(role, "master")) return MOONPOOL_OK;
  h->is_no_master = 1;
  h->traits = MP_TROUBLE_PASSES; /* a failover is under way */
  const char *what = is_text(role, "slave")      ? "replica"
                     : is_text(role, "sentinel") ? "sentinel"
                                                 : "server of another kind";
  snprintf(message, size, "%s is a %s, not the master of %s", h->url->address, what, h->service);
  return MOONPOOL_ECONN;
}

int mp_handshake_reply(mp_handshake *h, const moonpool_reply *reply, char *message, size_t size) {
  h->traits = 0;
  h->is_no_master = 0;
  if (reply->type != MOONPOOL_ERROR) {
    int status = h->step == MP_STEP_ROLE ? check_role(h, reply, message, size) : MOONPOOL_OK;
    if (status != MOONPOOL_OK) return status;
    if (h->step == MP_STEP_HELLO) h->has_resp3 = 1;
  } else {
    const mp_trouble *trouble = mp_trouble_of(reply);
    if (!is_harmless(h, trouble)) return refuse(h, reply, trouble, message, size);
    if (h->step == MP_STEP_LIB_VERSION) h->has_no_setinfo = 1;
  }
  h->step = h->step == h->said ? MP_STEP_NONE : next_step(h, h->step);
  return MOONPOOL_OK;
}
