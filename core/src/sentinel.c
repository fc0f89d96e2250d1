/* Rounds of questions: all known sentinels at once, until all have answered or one names a newer
 * configuration than was known; a majority is enough for links that wait. Lookups that come
 * meanwhile share the round; those that come right after it share its outcome. Who lost a server
 * after a round began waits for the next one: sentinels may have answered it before they knew. */
#include "sentinel_private.h"

#include <stddef.h>
#include <stdio.h>

#define NO_TIMEOUT_MS 5000u /* a round's, where the client's options set no limit */
#define GRACE_MS 100u       /* once one has answered, a link waits so long for the others */
#define FRESH_MS 100u       /* an outcome is good for so long */
#define NEWS_MS                                                                                    \
  4000u                /* by then all sentinels have heard of a switch: they tell each other       \
                          every other second */
#define CHECK_BEATS 3u /* heartbeats between rounds that nobody asked for */

enum { MAX_REPLY_BYTES = 1 << 20, MAX_REPLY_ELEMENTS = 10000 };

static uint64_t now_of(const mp_sentinel *s) {
  return uv_now(s->config.link.loop);
}

/* ---- what the answers say ---------------------------------------------------------------------
 */

static int has_answer(const mp_probe *p) {
  return p->master.address != NULL;
}

static size_t count_answers(const mp_sentinel *s) {
  size_t count = 0;
  for (size_t i = 0; i < s->probe_count; i++)
    count += s->probes[i].is_done && has_answer(&s->probes[i]);
  return count;
}

/* How many name the same server. */
static size_t votes_for(const mp_sentinel *s, const char *address) {
  size_t votes = 0;
  for (size_t i = 0; i < s->probe_count; i++)
    votes += has_answer(&s->probes[i]) && !strcmp(s->probes[i].master.address, address);
  return votes;
}

static int is_known(const mp_sentinel *s, const mp_probe *p) {
  return s->master.address && !strcmp(s->master.address, p->master.address);
}

/* A sentinel announces a switch before the others have heard of it. */
static int is_announced(const mp_sentinel *s, const mp_probe *p) {
  return s->announced[0] && now_of(s) - s->announced_at < NEWS_MS &&
         !strcmp(s->announced, p->master.address);
}

/* The epoch decides; the rest only where sentinels do not tell it. */
static int is_better(const mp_sentinel *s, const mp_probe *a, const mp_probe *b) {
  if (a->epoch != b->epoch) return a->epoch > b->epoch;
  if (is_announced(s, a) != is_announced(s, b)) return is_announced(s, a);
  size_t votes = votes_for(s, a->master.address), others = votes_for(s, b->master.address);
  if (votes != others) return votes > others;
  return is_known(s, a) && !is_known(s, b);
}

static mp_probe *find_best(mp_sentinel *s) {
  mp_probe *best = NULL;
  for (size_t i = 0; i < s->probe_count; i++) {
    mp_probe *p = &s->probes[i];
    if (has_answer(p) && (!best || is_better(s, p, best))) best = p;
  }
  return best;
}

static int is_majority(const mp_sentinel *s, size_t count) {
  return 2 * count > s->probe_count;
}

static void take(mp_sentinel *s, mp_url *to, mp_probe *from) {
  mp_url_free(to, s->allocator);
  *to = from->master;
  from->master = (mp_url){0};
}

/* The configuration was made anew, and its epochs begin again: most say so, and go on saying it. */
static int is_made_anew(const mp_sentinel *s, const mp_probe *best) {
  return s->doubts && now_of(s) - s->doubted_at >= NEWS_MS &&
         is_majority(s, votes_for(s, best->master.address));
}

/* Takes the best answer. What is older than what was known is doubtful: it comes from a sentinel
 * that was cut off, or has not heard the news; or from new ones, after all the old have gone. Who
 * looks the master up gets one and the other in turn, and the role that it finds there decides. */
static void take_best(mp_sentinel *s, mp_probe *best) {
  long long epoch = best->epoch;
  if (!s->master.address || epoch >= s->epoch || is_made_anew(s, best)) {
    take(s, &s->master, best);
    s->epoch = epoch;
    s->doubts = 0;
    s->outcome = &s->master;
    return;
  }
  if (!s->doubts) s->doubted_at = now_of(s);
  take(s, &s->rival, best);
  s->outcome = s->doubts++ % 2 ? &s->rival : &s->master;
}

/* ---- rounds -----------------------------------------------------------------------------------
 */

static void begin_round(mp_sentinel *s);

static void stop_probes(mp_sentinel *s) {
  for (size_t i = 0; i < s->probe_count; i++)
    s->holds += mp_probe_stop(&s->probes[i], mp_sentinel_let_go, s);
}

static void answer(mp_sentinel *s, mp_lookup *lookup) {
  moonpool_error error = {s->status, s->message};
  lookup->on_done(lookup->ctx, s->outcome, s->outcome ? NULL : &error);
}

/* What the round that began last found out was asked after what was lost. */
static int is_asked_since(const mp_sentinel *s, const mp_lookup *lookup) {
  return s->locator.round > lookup->lost_in;
}

/* A callback may cancel others: after each the list is looked through from its beginning. */
static void answer_lookups(mp_sentinel *s) {
  mp_lookup **at = &s->lookups;
  while (!s->is_closed && *at) {
    mp_lookup *lookup = *at;
    if (!is_asked_since(s, lookup)) {
      at = &lookup->next;
      continue;
    }
    *at = lookup->next;
    answer(s, lookup);
    at = &s->lookups;
  }
}

static void on_check_due(uv_timer_t *timer) {
  mp_sentinel_ask(timer->data);
}

/* The next round that nobody asks for; each client has its own time for it. */
static void watch_over(mp_sentinel *s) {
  uint64_t beats = CHECK_BEATS * s->options.heartbeat;
  mp_watch_start(s);
  if (beats) uv_timer_start(&s->checked, on_check_due, beats + s->config.link.seed % beats / 4, 0);
}

static void end_round(mp_sentinel *s) {
  mp_probe *best = find_best(s);
  s->is_asking = 0;
  s->ended_at = now_of(s);
  mp_deadline_stop(&s->timer);
  stop_probes(s);
  for (size_t i = 0; i < s->probe_count; i++)
    if (has_answer(&s->probes[i])) s->peers[i].seen = s->peers[i].answered = s->locator.round;
  if (best) {
    mp_peers_sort(s, (size_t)(best - s->probes));
    take_best(s, best);
  } else {
    mp_sentinel_name_reasons(s);
  }
  for (size_t i = 0; i < s->probe_count; i++) mp_probe_forget(&s->probes[i]);
  if (s->master.address) watch_over(s);
  answer_lookups(s);
  if (best && !s->is_closed && s->doubts == 0)
    s->config.on_master(s->config.ctx, s->master.address);
  int is_due = s->is_again || s->lookups;
  if (is_due && !s->is_closed && !s->is_asking) begin_round(s);
}

static void on_round_over(void *ctx, uint64_t now) {
  mp_sentinel *s = ctx;
  (void)now;
  for (size_t i = 0; i < s->probe_count; i++) {
    mp_probe *p = &s->probes[i];
    if (p->is_done || has_answer(p)) continue;
    p->status = MOONPOOL_ETIMEOUT;
    snprintf(p->reason, sizeof p->reason, "%.100s: no answer within %llu ms",
             s->peers[i].url.address, (unsigned long long)s->options.connect_timeout);
  }
  end_round(s);
}

static int is_newer(const mp_sentinel *s, const mp_probe *p) {
  return s->master.address && p->epoch > s->epoch && !is_known(s, p);
}

/* A link waits, and no sentinel has announced what its own answer is still to confirm. */
static int is_urgent(const mp_sentinel *s) {
  int is_news = s->announced[0] && now_of(s) - s->announced_at < NEWS_MS;
  return s->lookups && (!is_news || votes_for(s, s->announced) > 0);
}

static int is_decided(const mp_sentinel *s) {
  size_t running = 0, current = 0;
  for (size_t i = 0; i < s->probe_count; i++) {
    const mp_probe *p = &s->probes[i];
    int is_answered = p->is_done && has_answer(p);
    running += !p->is_done;
    if (is_answered && is_newer(s, p)) return 1;
    current += is_answered && p->epoch >= s->epoch;
  }
  return running == 0 || (is_urgent(s) && is_majority(s, current));
}

static void end_round_in(mp_sentinel *s, uint64_t ms) {
  mp_deadline_stop(&s->timer);
  mp_deadline_watch(&s->timer, mp_deadline_after(now_of(s), ms));
}

static void go_on_asking(mp_sentinel *s) {
  if (is_decided(s))
    end_round(s);
  else if (is_urgent(s) && count_answers(s) > 0 && !s->is_late) {
    s->is_late = 1;
    end_round_in(s, GRACE_MS);
  }
}

static void on_probe_done(mp_probe *p) {
  mp_sentinel *s = p->ctx;
  if (s->is_asking) go_on_asking(s);
}

static void on_sentinel(mp_probe *p, moonpool_bytes host, uint16_t port) {
  mp_peers_see(p->ctx, host, port);
}

static void on_probe_dirty(mp_probe *p) {
  mp_sentinel *s = p->ctx;
  s->config.on_dirty(s->config.ctx);
}

static const mp_probe_events probe_events = {on_sentinel, on_probe_done, on_probe_dirty};

static void start_probe(mp_sentinel *s, size_t i) {
  mp_probe *p = &s->probes[i];
  mp_link_config config = mp_sentinel_link_config(s);
  config.url = &s->peers[i].url;
  p->events = &probe_events;
  p->ctx = s;
  p->like = s->url;
  mp_probe_forget(p);
  if (mp_probe_start(p, &config) == MOONPOOL_OK) return;
  p->is_done = 1;
  p->status = MOONPOOL_ENOMEM;
  snprintf(p->reason, sizeof p->reason, "%.100s: out of memory", s->peers[i].url.address);
}

static void begin_round(mp_sentinel *s) {
  s->is_asking = 1;
  s->is_again = s->is_late = 0;
  s->locator.round++;
  s->probe_count = s->peer_count;
  uv_update_time(s->config.link.loop);
  for (size_t i = 0; i < s->probe_count; i++) start_probe(s, i);
  /* Where there is no memory for any of them, the round ends from inside the loop, too. */
  s->timer.patience = s->options.connect_timeout;
  end_round_in(s, is_decided(s) ? 0 : s->options.connect_timeout);
}

void mp_sentinel_ask(mp_sentinel *s) {
  if (s->is_closed) return;
  if (s->is_asking)
    s->is_again = 1;
  else
    begin_round(s);
}

/* ---- the locator ------------------------------------------------------------------------------
 */

static void look_up(mp_locator *locator, mp_lookup *lookup) {
  mp_sentinel *s = (mp_sentinel *)locator;
  mp_lookup **tail = &s->lookups;
  if (!s->is_asking && is_asked_since(s, lookup) && now_of(s) - s->ended_at < FRESH_MS) {
    answer(s, lookup);
    return;
  }
  while (*tail) tail = &(*tail)->next;
  lookup->next = NULL;
  *tail = lookup;
  if (s->is_asking)
    go_on_asking(s);
  else
    begin_round(s);
}

static void cancel(mp_locator *locator, mp_lookup *lookup) {
  mp_lookup **at = &((mp_sentinel *)locator)->lookups;
  while (*at && *at != lookup) at = &(*at)->next;
  if (*at) *at = lookup->next;
}

mp_locator *mp_sentinel_locator(mp_sentinel *s) {
  return &s->locator;
}

/* ---- start and end ----------------------------------------------------------------------------
 */

mp_link_config mp_sentinel_link_config(mp_sentinel *s) {
  mp_link_config config = s->config.link;
  config.options = &s->options;
  config.seed += ++s->links * 0x9e3779b97f4a7c15u;
  return config;
}

/* Limits are those of a client's commands; a sentinel says little. An attempt has half of its time
 * for the lookup. */
static void set_options(mp_sentinel *s) {
  s->options = *s->config.link.options;
  s->options.connect_timeout =
      s->options.connect_timeout ? (s->options.connect_timeout + 1) / 2 : NO_TIMEOUT_MS;
  s->options.max_queue = s->options.max_queue_bytes = 0;
  s->options.max_reply_bytes = MAX_REPLY_BYTES;
  s->options.max_reply_elements = MAX_REPLY_ELEMENTS;
}

static void free_memory(mp_sentinel *s) {
  for (size_t i = 0; i < s->probe_count; i++) mp_probe_forget(&s->probes[i]);
  mp_peers_free(s);
  mp_url_free(&s->master, s->allocator);
  mp_url_free(&s->rival, s->allocator);
  mp_free(s->allocator, s);
}

void mp_sentinel_let_go(void *ctx) {
  mp_sentinel *s = ctx;
  if (--s->holds > 0) return;
  void (*on_gone)(void *) = s->on_gone;
  void *gone_ctx = s->gone_ctx;
  free_memory(s);
  if (on_gone) on_gone(gone_ctx);
}

static void on_timer_closed(uv_handle_t *handle) {
  mp_sentinel_let_go(handle->data);
}

mp_sentinel *mp_sentinel_new(const mp_sentinel_config *config) {
  mp_sentinel *s = mp_calloc(config->link.allocator, sizeof *s);
  if (!s) return NULL;
  s->config = *config;
  s->allocator = config->link.allocator;
  s->url = config->link.url;
  s->locator = (mp_locator){look_up, cancel, s->url->service, 0};
  s->epoch = -1;
  s->like = (mp_url){.tls = s->url->tls,
                     .username = s->url->sentinel_username,
                     .password = s->url->sentinel_password};
  if (s->like.username && !s->like.password) s->like.password = (char *)""; /* `nopass` users */
  set_options(s);
  if (mp_peers_init(s) != MOONPOOL_OK) {
    free_memory(s);
    return NULL;
  }
  mp_deadline_init(&s->timer, config->link.loop, on_round_over, s);
  uv_timer_init(config->link.loop, &s->checked);
  s->timer.timer.data = s->checked.data = s;
  s->holds = 2;
  return s;
}

void mp_sentinel_flush(mp_sentinel *s) {
  for (size_t i = 0; i < s->probe_count; i++) mp_probe_flush(&s->probes[i]);
  if (s->watch && !s->is_closed) mp_link_flush(s->watch);
}

void mp_sentinel_close(mp_sentinel *s, void (*on_gone)(void *ctx), void *ctx) {
  s->is_closed = 1;
  s->on_gone = on_gone;
  s->gone_ctx = ctx;
  s->is_asking = 0;
  stop_probes(s);
  if (s->watch) mp_link_close(s->watch, mp_sentinel_let_go, s);
  uv_close((uv_handle_t *)&s->timer.timer, on_timer_closed);
  uv_close((uv_handle_t *)&s->checked, on_timer_closed);
}
