/* Prepared scripts of a client, at the fixture's peer or at a real Redis. */
#ifndef MP_SCRIPT_FIXTURE_H
#define MP_SCRIPT_FIXTURE_H

#include "client_fixture.h"

#define SHA "0123456789abcdef0123456789abcdef01234567"
#define SHA_REPLY "$40\r\n" SHA "\r\n"
#define NOSCRIPT "-NOSCRIPT No matching script. Please use EVAL.\r\n"

/* One preparation: what was told of it. */
typedef struct preparation {
  call told;
  moonpool_script *script;
} preparation;

static inline void on_prepared(moonpool_script *script, const moonpool_error *error, void *ctx) {
  preparation *p = ctx;
  p->script = script;
  CHECK_INT(script != NULL, error == NULL);
  take_call(&p->told, NULL, error);
}

static inline int prepare_for(fixture *f, preparation *p, const char *source, uint64_t timeout) {
  p->told.f = f;
  return moonpool_prepare(f->client, (moonpool_bytes){source, strlen(source)}, timeout, on_prepared,
                          p);
}

static inline void prepare(fixture *f, preparation *p, const char *source) {
  CHECK_INT(prepare_for(f, p, source, 0), MOONPOOL_OK);
}

/* Calls the script with one key, "k", and one argument. */
static inline int run_for(fixture *f, moonpool_script *script, const char *argument,
                          uint64_t timeout, call *c) {
  moonpool_bytes key = {"k", 1}, arg = {argument, strlen(argument)};
  if (c) c->f = f;
  return moonpool_script_call(script, 1, &key, 1, &arg, timeout, c ? on_reply : NULL, c);
}

static inline void run(fixture *f, moonpool_script *script, const char *argument, call *c) {
  CHECK_INT(run_for(f, script, argument, 0, c), MOONPOOL_OK);
}

/* A client whose script "S" the peer has loaded on link 0. */
static inline void setup_prepared(fixture *f, preparation *p) {
  setup_ready(f);
  prepare(f, p, "S");
  RUN_UNTIL(f, has_heard(f, 0, "SCRIPT LOAD S\n"));
  peer_say(&f->links[0], SHA_REPLY);
  RUN_UNTIL(f, p->told.count);
  CHECK_INT(p->told.status, MOONPOOL_OK);
  forget_heard(f, 0);
}

static inline void teardown_prepared(fixture *f, preparation *p) {
  moonpool_script_free(p->script);
  teardown(f);
}

#define EVALSHA(argument) "EVALSHA " SHA " 1 k " argument "\n"
#define EVAL(argument) "EVAL S 1 k " argument "\n"

#endif
