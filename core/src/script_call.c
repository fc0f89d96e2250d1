/* The calls of prepared scripts: EVALSHA, and EVAL in its old place where Redis has forgotten the
 * script (SCRIPT FLUSH). "In its old place" means that the calls of one script are executed in the
 * order in which they were made: the first that Redis refuses with NOSCRIPT is sent again as EVAL,
 * behind those that are in flight and about to be refused, too; they follow it one by one as their
 * refusals come in; and what was not written yet, or is called meanwhile, is held until the EVAL is
 * answered, which is after the last refusal. NOSCRIPT means that nothing was executed, so nothing
 * is executed twice. */
#include "script_private.h"

#include <stdio.h>

#define SPARE_MAX 1024u
#define WORDS_KEEP 1024u

/* ---- memory ---------------------------------------------------------------------------------- */

static mp_script_call *new_call(mp_scripts *scripts) {
  mp_script_call *c = scripts->spare;
  if (c) {
    scripts->spare = c->next;
    scripts->spare_count--;
    return c;
  }
  c = mp_calloc(scripts->config.allocator, sizeof *c);
  if (c) mp_buf_init(&c->words, scripts->config.allocator);
  return c;
}

static void free_call(mp_script_call *c, const moonpool_allocator *allocator) {
  mp_buf_free(&c->words);
  mp_free(allocator, c);
}

/* Without an owner: a callback has closed the client amid the loss of several calls. */
static void recycle(mp_scripts *scripts, mp_script_call *c) {
  if (!scripts || scripts->spare_count >= SPARE_MAX) {
    free_call(c, &c->script->allocator);
    return;
  }
  mp_buf_clear(&c->words, WORDS_KEEP);
  c->next = scripts->spare;
  scripts->spare = c;
  scripts->spare_count++;
}

void mp_script_calls_free_spare(mp_scripts *scripts) {
  while (scripts->spare) {
    mp_script_call *c = scripts->spare;
    scripts->spare = c->next;
    free_call(c, scripts->config.allocator);
  }
}

/* ---- held calls ------------------------------------------------------------------------------ */

static void hold(mp_script_call *c) {
  moonpool_script *script = c->script;
  mp_scripts *scripts = script->owner;
  c->next = NULL;
  if (script->held)
    script->held_last->next = c;
  else
    script->held = c;
  script->held_last = c;
  scripts->held_count++;
  scripts->held_bytes += c->words.len;
  mp_scripts_wake(scripts, c->deadline);
}

/* Takes out the call that `at` points to; `before` is the one before it, or NULL. */
static mp_script_call *unhold(moonpool_script *script, mp_script_call **at,
                              mp_script_call *before) {
  mp_script_call *c = *at;
  *at = c->next;
  if (script->held_last == c) script->held_last = before;
  script->owner->held_count--;
  script->owner->held_bytes -= c->words.len;
  return c;
}

/* ---- completing ------------------------------------------------------------------------------ */

static void send_held(moonpool_script *script);

/* The call's place is gone. Those that it kept waiting follow before it is told, and with it what
 * it calls then. */
static void finish(mp_script_call *c, const moonpool_reply *reply, const moonpool_error *error) {
  moonpool_script *script = c->script;
  moonpool_reply_cb cb = c->cb;
  void *ctx = c->ctx;
  int was_resent = script->resent == c;
  if (was_resent) script->resent = NULL;
  recycle(script->owner, c);
  if (was_resent) send_held(script);
  mp_script_release(script);
  if (cb) cb(reply, error, ctx);
}

static void fail(mp_script_call *c, int status, const char *reason) {
  char message[256];
  moonpool_error error = {status, message};
  snprintf(message, sizeof message, "%s: %s", mp_link_address(c->script->owner->config.link),
           reason);
  finish(c, NULL, &error);
}

/* ---- sending --------------------------------------------------------------------------------- */

static void on_reply(const moonpool_reply *reply, const moonpool_error *error, void *ctx);
static void on_late(const moonpool_reply *reply, const moonpool_error *error, void *ctx);

static size_t size_of(const mp_script_call *c) {
  const moonpool_script *script = c->script;
  return 4 * MP_RESP_HEADER + (c->is_eval ? script->len : MP_SHA_LEN) + c->words.len;
}

static void encode(mp_buf *out, const mp_script_call *c) {
  const moonpool_script *script = c->script;
  mp_resp_put_header(out, c->argc);
  if (c->is_eval) {
    mp_resp_put(out, "EVAL", 4);
    mp_resp_put(out, script->source, script->len);
  } else {
    mp_resp_put(out, "EVALSHA", 7);
    mp_resp_put(out, script->sha, MP_SHA_LEN);
  }
  memcpy(out->data + out->len, c->words.data, c->words.len);
  out->len += c->words.len;
}

static int put_call(mp_script_call *c, uint64_t timeout, int is_accepted) {
  mp_link *link = c->script->owner->config.link;
  int status;
  mp_buf *out = is_accepted ? mp_link_begin_again(link, size_of(c), &status)
                            : mp_link_begin(link, 1, size_of(c), &status);
  if (!out) return status;
  encode(out, c);
  mp_request_info info = {.cb = on_reply, .ctx = c, .timeout = timeout, .late = on_late};
  mp_link_commit(link, &info);
  c->script->pending++;
  return MOONPOOL_OK;
}

/* What has been accepted before; it fails with its callback. */
static void send_again(mp_script_call *c) {
  uint64_t now = uv_now(c->script->owner->config.loop), timeout = UINT64_MAX;
  int status = MOONPOOL_ETIMEOUT;
  if (c->deadline != UINT64_MAX) timeout = c->deadline > now ? c->deadline - now : 0;
  if (timeout > 0) status = put_call(c, timeout, 1);
  if (status == MOONPOOL_OK) return;
  fail(c, status,
       status == MOONPOOL_ETIMEOUT ? "no reply before the deadline" : moonpool_status_text(status));
}

static void send_held(moonpool_script *script) {
  while (script->held && !script->resent) {
    mp_script_call *c = unhold(script, &script->held, NULL);
    send_again(c);
  }
}

/* ---- NOSCRIPT -------------------------------------------------------------------------------- */

/* Redis's own words. A script that raises an error has other ones, unless it repeats these. */
static int is_noscript(const moonpool_reply *reply) {
  static const char words[] = "NOSCRIPT No matching script. Please use EVAL.";
  return reply && reply->type == MOONPOOL_ERROR && reply->u.string.len == sizeof words - 1 &&
         memcmp(reply->u.string.data, words, sizeof words - 1) == 0;
}

static int mentions_noscript(const char *data, size_t len) {
  static const char word[] = "NOSCRIPT";
  const char *end = data + len;
  while ((size_t)(end - data) >= sizeof word - 1) {
    data = memchr(data, word[0], (size_t)(end - data) - (sizeof word - 2));
    if (!data) return 0;
    if (memcmp(data, word, sizeof word - 1) == 0) return 1;
    data++;
  }
  return 0;
}

/* Could the script itself have said so, after it had done something? Then the call is not made
 * again. If it was Redis after all, the next call has the script loaded: not as long as others are
 * in flight, which it would overtake. */
static int may_be_its_own(mp_script_call *c) {
  moonpool_script *script = c->script;
  if (c->is_eval) script->raises_noscript = 1;
  if (script->raises_noscript || mentions_noscript(script->source, script->len) ||
      mentions_noscript(c->words.data, c->words.len)) {
    if (script->pending == 0) script->loaded = 0;
    return 1;
  }
  return 0;
}

static int is_of_script(const void *call, const void *script) {
  return ((const mp_script_call *)call)->script == script;
}

/* What was not written yet is held instead: should this link be lost, the next one would have the
 * script loaded ahead of it, and the EVAL behind it. */
static void resend_first(mp_script_call *c) {
  moonpool_script *script = c->script;
  script->resent = c;
  c->is_eval = 1;
  script->is_withdrawing = 1;
  mp_link_withdraw(script->owner->config.link, on_late, is_of_script, script);
  script->is_withdrawing = 0;
}

static void on_reply(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_script_call *c = ctx;
  moonpool_script *script = c->script;
  if (!reply && error && error->status == MOONPOOL_ETIMEOUT) { /* its place stays: on_late */
    moonpool_reply_cb cb = c->cb;
    c->cb = NULL;
    if (cb) cb(NULL, error, c->ctx);
    return;
  }
  script->pending--;
  if (!is_noscript(reply) || may_be_its_own(c)) {
    finish(c, reply, error);
    return;
  }
  if (!script->resent) resend_first(c);
  send_again(c);
}

static void on_late(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_script_call *c = ctx;
  c->script->pending--;
  if (c->script->is_withdrawing)
    hold(c);
  else
    finish(c, reply, error);
}

/* ---- calling --------------------------------------------------------------------------------- */

static size_t size_of_words(size_t count, const moonpool_bytes *words) {
  size_t size = count * MP_RESP_HEADER;
  for (size_t i = 0; i < count; i++) size += words[i].len;
  return size;
}

static void put_words(mp_buf *out, size_t count, const moonpool_bytes *words) {
  for (size_t i = 0; i < count; i++) mp_resp_put(out, words[i].data, words[i].len);
}

static int encode_words(mp_script_call *c, size_t key_count, const moonpool_bytes *keys,
                        size_t arg_count, const moonpool_bytes *args) {
  char number[24];
  moonpool_bytes counted = {number, (size_t)snprintf(number, sizeof number, "%zu", key_count)};
  size_t size =
      size_of_words(1, &counted) + size_of_words(key_count, keys) + size_of_words(arg_count, args);
  if (!mp_buf_reserve(&c->words, size)) return MOONPOOL_ENOMEM;
  put_words(&c->words, 1, &counted);
  put_words(&c->words, key_count, keys);
  put_words(&c->words, arg_count, args);
  c->argc = 3 + key_count + arg_count;
  return MOONPOOL_OK;
}

/* The first call on a connection brings the script along. */
static int load_first(moonpool_script *script) {
  mp_scripts *scripts = script->owner;
  mp_link *link = scripts->config.link;
  moonpool_bytes argv[] = {{"SCRIPT", 6}, {"LOAD", 4}, {script->source, script->len}};
  int status;
  if (script->loaded == scripts->generation || mp_link_state(link) != MOONPOOL_READY)
    return MOONPOOL_OK;
  mp_buf *out = mp_link_begin(link, 1, mp_resp_encoded_size(3, argv), &status);
  if (!out) return status;
  mp_resp_encode(out, 3, argv);
  mp_link_commit(link, &(mp_request_info){.timeout = UINT64_MAX});
  script->loaded = scripts->generation;
  return MOONPOOL_OK;
}

static int accept_call(mp_script_call *c, uint64_t timeout) {
  moonpool_script *script = c->script;
  mp_scripts *scripts = script->owner;
  if (script->resent || script->held) {
    int is_full = mp_link_is_full(scripts->config.link, scripts->held_count + 1,
                                  scripts->held_bytes + size_of(c));
    if (is_full) return MOONPOOL_EQUEUE;
    hold(c);
    return MOONPOOL_OK;
  }
  int status = load_first(script);
  return status == MOONPOOL_OK ? put_call(c, timeout, 0) : status;
}

int moonpool_script_call(moonpool_script *script, size_t key_count, const moonpool_bytes *keys,
                         size_t arg_count, const moonpool_bytes *args, uint64_t timeout,
                         moonpool_reply_cb cb, void *ctx) {
  mp_scripts *scripts = script->owner;
  if (!scripts || scripts->is_closed) return MOONPOOL_ECLOSED;
  mp_script_call *c = new_call(scripts);
  if (!c) return MOONPOOL_ENOMEM;
  timeout = mp_scripts_timeout(scripts, timeout);
  uint64_t now = uv_now(scripts->config.loop);
  c->script = script;
  c->cb = cb;
  c->ctx = ctx;
  c->deadline = timeout < UINT64_MAX - now ? now + timeout : UINT64_MAX;
  c->is_eval = 0;
  int status = encode_words(c, key_count, keys, arg_count, args);
  if (status == MOONPOOL_OK) status = accept_call(c, timeout);
  if (status != MOONPOOL_OK) {
    recycle(scripts, c);
    return status;
  }
  script->refs++;
  scripts->commands++;
  return MOONPOOL_OK;
}

/* ---- deadlines and the end ------------------------------------------------------------------- */

/* Fails one overdue call, and notes the earliest deadline of the rest: 0 when there was none. */
static int expire_one(mp_scripts *scripts, moonpool_script *script, uint64_t *next) {
  uint64_t now = uv_now(scripts->config.loop);
  mp_script_call *before = NULL;
  for (mp_script_call **at = &script->held; *at; at = &(*at)->next) {
    if ((*at)->deadline <= now) {
      mp_script_call *c = unhold(script, at, before);
      fail(c, MOONPOOL_ETIMEOUT, "no reply before the deadline");
      return 1;
    }
    if ((*at)->deadline < *next) *next = (*at)->deadline;
    before = *at;
  }
  return 0;
}

uint64_t mp_script_calls_expire(mp_scripts *scripts) {
  uint64_t next = UINT64_MAX;
  if (!scripts->held_count) return next;
  for (int i = 0; i < MP_SCRIPT_BUCKETS; i++) {
    for (moonpool_script *s = scripts->buckets[i]; s; s = s->next) {
      if (!expire_one(scripts, s, &next)) continue;
      if (scripts->is_closed) return UINT64_MAX;
      return 0; /* what was told may have changed anything: look again at once */
    }
  }
  return next;
}

void mp_script_calls_fail(moonpool_script *script, const moonpool_error *error) {
  while (script->held) finish(unhold(script, &script->held, NULL), NULL, error);
}
