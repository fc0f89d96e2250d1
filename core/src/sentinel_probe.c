/* What a sentinel is asked, in one write: the master's address, the configuration epoch that it
 * has it from, and the other sentinels. Only the first answer is needed; a sentinel's ACL may
 * forbid the others. What it says is read with suspicion: it may be another kind of server. */
#include "sentinel_probe.h"

#include <limits.h>
#include <stdio.h>

static moonpool_bytes text(const char *s) {
  return (moonpool_bytes){s, strlen(s)};
}

static int is_text(const moonpool_reply *reply, const char *word) {
  size_t len = strlen(word);
  return reply->type == MOONPOOL_STRING && reply->u.string.len == len &&
         memcmp(reply->u.string.data, word, len) == 0;
}

static int is_list(const moonpool_reply *reply) {
  return reply->type == MOONPOOL_ARRAY || reply->type == MOONPOOL_MAP;
}

/* A number from 0 to `max`; -1 when it is none. */
static long long number_of(const moonpool_reply *reply, long long max) {
  long long number = 0;
  if (!reply || reply->type != MOONPOOL_STRING || reply->u.string.len == 0) return -1;
  for (size_t i = 0; i < reply->u.string.len; i++) {
    int digit = reply->u.string.data[i] - '0';
    if (digit < 0 || digit > 9 || number > (max - digit) / 10) return -1;
    number = number * 10 + digit;
  }
  return number;
}

/* The value of a field, in what RESP2 has as an array and RESP3 as a map; NULL: it is not there. */
static const moonpool_reply *field(const moonpool_reply *list, const char *name) {
  const moonpool_reply *key = list->u.list.first;
  for (; key && key->next; key = key->next->next)
    if (is_text(key, name)) return key->next;
  return NULL;
}

/* ---- the end ----------------------------------------------------------------------------------
 */

static void done(mp_probe *p) {
  if (p->is_done) return;
  p->is_done = 1;
  p->events->on_done(p);
}

/* The answer itself stands, whatever happens to the rest. */
static void fail(mp_probe *p, int status, const char *reason) {
  if (!p->master.address && !p->is_done) {
    p->status = status;
    snprintf(p->reason, sizeof p->reason, "%s", reason);
  }
  done(p);
}

static void fail_with(mp_probe *p, int status, const char *what) {
  char reason[sizeof p->reason];
  snprintf(reason, sizeof reason, "%s: %s", mp_link_address(p->link), what);
  fail(p, status, reason);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

/* Is there something to read? A link that was lost or stopped tells by itself. */
static int is_answer(const mp_probe *p, const moonpool_reply *reply) {
  return p->link && !p->is_done && reply;
}

static int take_master(mp_probe *p, const moonpool_reply *reply) {
  if (reply->type != MOONPOOL_ARRAY || reply->u.list.count != 2) return MOONPOOL_EARG;
  const moonpool_reply *host = reply->u.list.first;
  long long port = number_of(host->next, UINT16_MAX);
  if (host->type != MOONPOOL_STRING || port < 0) return MOONPOOL_EARG;
  return mp_url_at(&p->master, p->allocator, p->like, host->u.string, (uint16_t)port);
}

/* [ip, port], or nil. */
static void on_master(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_probe *p = ctx;
  if (!is_answer(p, reply)) return;
  if (error) {
    fail_with(p, error->status, error->message);
    return;
  }
  if (reply->type == MOONPOOL_NIL) {
    p->is_unknown = 1;
    fail_with(p, MOONPOOL_ECONN, "no such master");
    return;
  }
  int status = take_master(p, reply);
  if (status == MOONPOOL_ENOMEM)
    fail_with(p, status, "out of memory");
  else if (status != MOONPOOL_OK)
    fail_with(p, MOONPOOL_EPROTO, "a strange answer to SENTINEL GET-MASTER-ADDR-BY-NAME");
}

static void on_epoch(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_probe *p = ctx;
  if (!is_answer(p, reply) || error || !is_list(reply)) return;
  p->epoch = number_of(field(reply, "config-epoch"), LLONG_MAX);
}

static void take_sentinel(mp_probe *p, const moonpool_reply *sentinel) {
  if (!is_list(sentinel)) return;
  const moonpool_reply *host = field(sentinel, "ip");
  long long port = number_of(field(sentinel, "port"), UINT16_MAX);
  if (host && host->type == MOONPOOL_STRING && port > 0)
    p->events->on_sentinel(p, host->u.string, (uint16_t)port);
}

static void on_sentinels(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_probe *p = ctx;
  if (!is_answer(p, reply)) return;
  if (!error && reply->type == MOONPOOL_ARRAY)
    for (const moonpool_reply *s = reply->u.list.first; s; s = s->next) take_sentinel(p, s);
  done(p);
}

/* ---- the link ---------------------------------------------------------------------------------
 */

static int ask(mp_probe *p, const char *what, moonpool_reply_cb cb) {
  const moonpool_bytes argv[] = {text("SENTINEL"), text(what), text(p->like->service)};
  int status;
  mp_buf *out = mp_link_begin(p->link, 1, mp_resp_encoded_size(3, argv), &status);
  if (!out) return status;
  mp_resp_encode(out, 3, argv);
  mp_link_commit(p->link, &(mp_request_info){.cb = cb, .ctx = p, .timeout = UINT64_MAX});
  return MOONPOOL_OK;
}

static void on_ready(void *ctx) {
  mp_probe *p = ctx;
  int status = ask(p, "GET-MASTER-ADDR-BY-NAME", on_master);
  if (status == MOONPOOL_OK) status = ask(p, "MASTER", on_epoch);
  if (status == MOONPOOL_OK) status = ask(p, "SENTINELS", on_sentinels);
  if (status != MOONPOOL_OK) fail_with(p, status, moonpool_status_text(status));
}

static void on_down(void *ctx, int was_ready, const moonpool_error *error) {
  (void)was_ready;
  fail(ctx, error->status, error->message);
}

static void on_readable(void *ctx) {
  mp_probe *p = ctx;
  const moonpool_reply *push;
  while (p->link && mp_link_next(p->link, &push)) continue;
}

static void on_dirty(void *ctx) {
  mp_probe *p = ctx;
  p->events->on_dirty(p);
}

static const mp_link_events link_events = {on_ready, on_down, on_readable, on_dirty};

int mp_probe_start(mp_probe *p, const mp_link_config *config) {
  mp_link_config ours = *config;
  p->allocator = config->allocator;
  ours.events = &link_events;
  ours.ctx = p;
  p->link = mp_link_new(&ours);
  if (!p->link) return MOONPOOL_ENOMEM;
  mp_link_start(p->link);
  return MOONPOOL_OK;
}

void mp_probe_flush(mp_probe *p) {
  if (p->link) mp_link_flush(p->link);
}

int mp_probe_stop(mp_probe *p, void (*on_gone)(void *ctx), void *ctx) {
  mp_link *link = p->link;
  if (!link) return 0;
  p->link = NULL;
  mp_link_close(link, on_gone, ctx);
  return 1;
}

void mp_probe_forget(mp_probe *p) {
  if (p->master.address) mp_url_free(&p->master, p->allocator);
  p->epoch = -1;
  p->is_done = p->is_unknown = 0;
  p->status = MOONPOOL_OK;
  p->reason[0] = '\0';
}
