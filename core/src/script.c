/* Scripts: loaded once for each source and counted by their handles; loaded again on each
 * connection that needs them, ahead of their calls. Redis itself computes the SHA1. */
#include "script_private.h"

#include <stdio.h>

static const moonpool_bytes script_word = {"SCRIPT", 6}, load_word = {"LOAD", 4};

/* FNV-1a */
static uint64_t hash_of(moonpool_bytes source) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < source.len; i++)
    hash = (hash ^ (unsigned char)source.data[i]) * 1099511628211u;
  return hash;
}

uint64_t mp_scripts_timeout(const mp_scripts *scripts, uint64_t timeout) {
  if (timeout == 0) timeout = scripts->config.options->command_timeout;
  return timeout ? timeout : UINT64_MAX;
}

/* ---- scripts --------------------------------------------------------------------------------- */

static moonpool_script **bucket_of(mp_scripts *scripts, uint64_t hash) {
  return &scripts->buckets[hash % MP_SCRIPT_BUCKETS];
}

static moonpool_script *find(mp_scripts *scripts, moonpool_bytes source, uint64_t hash) {
  moonpool_script *s = *bucket_of(scripts, hash);
  while (s && (s->hash != hash || s->len != source.len ||
               (source.len && memcmp(s->source, source.data, source.len))))
    s = s->next;
  return s;
}

static void unlink_script(moonpool_script *script) {
  moonpool_script **at = bucket_of(script->owner, script->hash);
  while (*at && *at != script) at = &(*at)->next;
  if (*at) *at = script->next;
}

void mp_script_release(moonpool_script *script) {
  if (--script->refs > 0) return;
  if (script->owner) unlink_script(script);
  moonpool_allocator allocator = script->allocator;
  mp_free(&allocator, script);
}

static moonpool_script *new_script(mp_scripts *scripts, moonpool_bytes source, uint64_t hash) {
  const moonpool_allocator *allocator = scripts->config.allocator;
  if (source.len > SIZE_MAX / 2) return NULL;
  moonpool_script *s = mp_calloc(allocator, sizeof *s + source.len + 1);
  if (!s) return NULL;
  s->allocator = *allocator;
  s->owner = scripts;
  s->refs = 1;
  s->hash = hash;
  s->len = source.len;
  if (source.len) memcpy(s->source, source.data, source.len);
  return s;
}

const char *moonpool_script_sha(const moonpool_script *script) {
  return script->sha;
}

void moonpool_script_free(moonpool_script *script) {
  if (script) mp_script_release(script);
}

/* ---- preparing ------------------------------------------------------------------------------- */

static void tell(mp_preparation *p, const moonpool_error *error) {
  moonpool_script_cb cb = p->cb;
  void *ctx = p->ctx;
  moonpool_script *script = p->script;
  mp_free(&script->allocator, p);
  if (error) {
    mp_script_release(script);
    script = NULL;
  }
  cb(script, error, ctx);
}

static int take_sha(moonpool_script *script, const moonpool_reply *reply) {
  if (reply->type != MOONPOOL_STRING && reply->type != MOONPOOL_STATUS) return 0;
  if (reply->u.string.len != MP_SHA_LEN) return 0;
  memcpy(script->sha, reply->u.string.data, MP_SHA_LEN);
  return 1;
}

static void link_script(moonpool_script *script) {
  moonpool_script **bucket = bucket_of(script->owner, script->hash);
  script->next = *bucket;
  *bucket = script;
}

/* Somebody else may have prepared the same meanwhile: one script for both. */
static void share(mp_preparation *p) {
  mp_scripts *scripts = p->owner;
  moonpool_script *mine = p->script;
  moonpool_script *other = find(scripts, (moonpool_bytes){mine->source, mine->len}, mine->hash);
  if (other) {
    other->refs++;
    p->script = other;
    mp_script_release(mine);
    return;
  }
  mine->loaded = scripts->generation;
  link_script(mine);
}

moonpool_script *mp_scripts_know(mp_scripts *scripts, moonpool_bytes source, const char *sha) {
  uint64_t hash = hash_of(source);
  moonpool_script *script = find(scripts, source, hash);
  if (script) {
    script->refs++;
    return script;
  }
  script = new_script(scripts, source, hash);
  if (!script) return NULL;
  memcpy(script->sha, sha, MP_SHA_LEN);
  link_script(script);
  return script;
}

static void on_loaded(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_preparation *p = ctx;
  char message[256];
  moonpool_error strange = {MOONPOOL_EPROTO, message};
  if (!error && !take_sha(p->script, reply)) {
    snprintf(message, sizeof message, "%s: SCRIPT LOAD was not answered with a SHA1",
             mp_link_address(p->owner->config.link));
    error = &strange;
  }
  if (!error) share(p);
  tell(p, error);
}

static int send_load(mp_preparation *p, uint64_t timeout) {
  mp_scripts *scripts = p->owner;
  moonpool_bytes argv[] = {script_word, load_word, {p->script->source, p->script->len}};
  int status;
  mp_buf *out = mp_link_begin(scripts->config.link, 1, mp_resp_encoded_size(3, argv), &status);
  if (!out) return status;
  mp_resp_encode(out, 3, argv);
  mp_request_info info = {
      .cb = on_loaded, .ctx = p, .timeout = mp_scripts_timeout(scripts, timeout)};
  mp_link_commit(scripts->config.link, &info);
  return MOONPOOL_OK;
}

/* What Redis has loaded for one is not loaded again for the next: a SCRIPT LOAD behind calls that
 * Redis is about to refuse would let later calls overtake them. */
static int tell_later(mp_preparation *p) {
  mp_preparation **tail = &p->owner->shared;
  while (*tail) tail = &(*tail)->next;
  *tail = p;
  mp_scripts_wake(p->owner, 0);
  return MOONPOOL_OK;
}

int mp_scripts_prepare(mp_scripts *scripts, moonpool_bytes source, uint64_t timeout,
                       moonpool_script_cb cb, void *ctx) {
  uint64_t hash = hash_of(source);
  moonpool_script *script = find(scripts, source, hash);
  int is_shared = script != NULL;
  mp_preparation *p = mp_calloc(scripts->config.allocator, sizeof *p);
  if (!p) return MOONPOOL_ENOMEM;
  if (is_shared)
    script->refs++;
  else
    script = new_script(scripts, source, hash);
  *p = (mp_preparation){NULL, scripts, script, cb, ctx};
  int status = MOONPOOL_ENOMEM;
  if (script) status = is_shared ? tell_later(p) : send_load(p, timeout);
  if (status != MOONPOOL_OK) {
    if (script) mp_script_release(script);
    mp_free(scripts->config.allocator, p);
    return status;
  }
  scripts->commands++;
  return MOONPOOL_OK;
}

/* ---- connections ----------------------------------------------------------------------------- */

/* Those with calls that wait for this connection; the others are loaded by their first call. */
void mp_scripts_ready(mp_scripts *scripts) {
  if (!scripts) return;
  scripts->generation++;
  for (int i = 0; i < MP_SCRIPT_BUCKETS; i++) {
    for (moonpool_script *s = scripts->buckets[i]; s; s = s->next) {
      if (!s->pending) continue;
      moonpool_bytes argv[] = {script_word, load_word, {s->source, s->len}};
      mp_link_say_first(scripts->config.link, 3, argv); /* without memory: NOSCRIPT helps itself */
      s->loaded = scripts->generation;
    }
  }
}

/* ---- start and end --------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer) {
  mp_scripts *scripts = timer->data;
  mp_preparation *last = scripts->shared;
  scripts->due = UINT64_MAX;
  while (last && last->next) last = last->next;
  while (scripts->shared && last) { /* what is prepared meanwhile is told next time */
    mp_preparation *p = scripts->shared;
    if (p == last) last = NULL;
    scripts->shared = p->next;
    tell(p, NULL);
  }
  mp_scripts_wake(scripts, mp_script_calls_expire(scripts));
}

void mp_scripts_wake(mp_scripts *scripts, uint64_t due) {
  if (scripts->is_closed || due >= scripts->due) return;
  uint64_t now = uv_now(scripts->config.loop);
  scripts->due = due;
  uv_timer_start(&scripts->timer, on_timer, due > now ? due - now : 0, 0);
}

mp_scripts *mp_scripts_new(const mp_scripts_config *config) {
  mp_scripts *scripts = mp_calloc(config->allocator, sizeof *scripts);
  if (!scripts) return NULL;
  scripts->config = *config;
  scripts->generation = 1; /* 0: never loaded */
  scripts->due = UINT64_MAX;
  uv_timer_init(config->loop, &scripts->timer);
  scripts->timer.data = scripts;
  return scripts;
}

static void on_timer_closed(uv_handle_t *handle) {
  mp_scripts *scripts = handle->data;
  void (*on_gone)(void *) = scripts->on_gone;
  void *gone_ctx = scripts->gone_ctx;
  mp_free(scripts->config.allocator, scripts);
  on_gone(gone_ctx);
}

void mp_scripts_close(mp_scripts *scripts, void (*on_gone)(void *ctx), void *ctx) {
  char message[256];
  moonpool_error error = {MOONPOOL_ECLOSED, message};
  snprintf(message, sizeof message, "%s: the client was closed",
           mp_link_address(scripts->config.link));
  scripts->is_closed = 1;
  scripts->on_gone = on_gone;
  scripts->gone_ctx = ctx;
  while (scripts->shared) {
    mp_preparation *p = scripts->shared;
    scripts->shared = p->next;
    tell(p, &error);
  }
  for (int i = 0; i < MP_SCRIPT_BUCKETS; i++) {
    while (scripts->buckets[i]) {
      moonpool_script *s = scripts->buckets[i];
      s->refs++;
      mp_script_calls_fail(s, &error);
      scripts->buckets[i] = s->next;
      s->owner = NULL;
      mp_script_release(s);
    }
  }
  mp_script_calls_free_spare(scripts);
  uv_close((uv_handle_t *)&scripts->timer, on_timer_closed);
}

void mp_scripts_get_stats(const mp_scripts *scripts, mp_scripts_stats *stats) {
  *stats = (mp_scripts_stats){0};
  if (scripts) *stats = (mp_scripts_stats){scripts->commands, scripts->held_count};
}
