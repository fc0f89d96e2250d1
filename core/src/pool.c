#include "pool.h"

#include <stdio.h>

struct mp_pooled {
  mp_pool *pool;
  mp_link *link;
  mp_pooled *next, *prev;           /* of all */
  mp_pooled *idle_next, *idle_prev; /* of those that nobody has, the one used last first */
  mp_want *user;                    /* NULL: nobody */
  int is_idle;
  uint64_t idle_since;
};

struct mp_pool {
  mp_pool_config config;
  const moonpool_options *options;
  mp_pooled *links, *idle, *idle_last;
  size_t count, connecting, busy;
  mp_want waiting; /* ring, in order of arrival */
  mp_want *undated;
  size_t waiting_count;
  mp_deadline deadline; /* of those who wait */
  uv_timer_t idle_timer;
  uint64_t made; /* links so far */
  int is_dirty;  /* a link has something to write */
  int is_down;   /* the last attempt failed: one link at a time goes on trying */
  int is_closed, holds;
  uint64_t uses, waited, waited_most; /* ms */
  mp_link_stats gone;                 /* the sums of links that are no more */
  char last_error[192];
  void (*on_gone)(void *ctx);
  void *gone_ctx;
};

static void let_go(mp_pool *pool) {
  if (--pool->holds > 0) return;
  void (*on_gone)(void *) = pool->on_gone;
  void *gone_ctx = pool->gone_ctx;
  mp_free(pool->config.link.allocator, pool);
  if (on_gone) on_gone(gone_ctx);
}

static void mark_dirty(mp_pool *pool) {
  pool->is_dirty = 1;
  pool->config.on_dirty(pool->config.client);
}

mp_link *mp_pooled_link(const mp_pooled *p) {
  return p->link;
}

/* ---- links that nobody has ------------------------------------------------------------------- */

static void push_idle(mp_pool *pool, mp_pooled *p) {
  p->is_idle = 1;
  p->idle_since = uv_now(pool->config.link.loop);
  p->idle_prev = NULL;
  p->idle_next = pool->idle;
  if (pool->idle)
    pool->idle->idle_prev = p;
  else
    pool->idle_last = p;
  pool->idle = p;
}

static void remove_idle(mp_pool *pool, mp_pooled *p) {
  if (!p->is_idle) return;
  p->is_idle = 0;
  *(p->idle_prev ? &p->idle_prev->idle_next : &pool->idle) = p->idle_next;
  *(p->idle_next ? &p->idle_next->idle_prev : &pool->idle_last) = p->idle_prev;
}

static void on_link_gone(void *ctx) {
  mp_pooled *p = ctx;
  mp_pool *pool = p->pool;
  mp_free(pool->config.link.allocator, p);
  let_go(pool);
}

static int is_connecting(const mp_pooled *p) {
  return mp_link_state(p->link) != MOONPOOL_READY;
}

/* `connecting` is the caller's to count. */
static void close_link(mp_pool *pool, mp_pooled *p) {
  mp_link_stats stats;
  mp_link_get_stats(p->link, &stats);
  pool->gone.writes += stats.writes;
  pool->gone.bytes_in += stats.bytes_in;
  pool->gone.bytes_out += stats.bytes_out;
  remove_idle(pool, p);
  *(p->prev ? &p->prev->next : &pool->links) = p->next;
  if (p->next) p->next->prev = p->prev;
  pool->count--;
  mp_link_close(p->link, on_link_gone, p);
}

static void on_idle_timer(uv_timer_t *timer);

static void watch_idle(mp_pool *pool) {
  uint64_t now = uv_now(pool->config.link.loop), pause = pool->options->pool_idle;
  if (!pause || !pool->idle_last || uv_is_active((uv_handle_t *)&pool->idle_timer)) return;
  uint64_t due = mp_deadline_after(pool->idle_last->idle_since, pause);
  uv_timer_start(&pool->idle_timer, on_idle_timer, due > now ? due - now : 0, 0);
}

static void on_idle_timer(uv_timer_t *timer) {
  mp_pool *pool = timer->data;
  uint64_t now = uv_now(timer->loop), pause = pool->options->pool_idle;
  while (pool->idle_last && now - pool->idle_last->idle_since >= pause)
    close_link(pool, pool->idle_last);
  watch_idle(pool);
}

/* ---- the links' events ----------------------------------------------------------------------- */

static void on_ready(void *ctx) {
  mp_pooled *p = ctx;
  mp_pool *pool = p->pool;
  pool->connecting--;
  pool->is_down = 0;
  push_idle(pool, p);
  watch_idle(pool);
  mark_dirty(pool);
}

/* A link that could not connect goes on trying while somebody waits and no other one tries. */
static void on_down(void *ctx, int was_ready, const moonpool_error *error) {
  mp_pooled *p = ctx;
  mp_pool *pool = p->pool;
  mp_want *user = p->user;
  snprintf(pool->last_error, sizeof pool->last_error, "%s", error->message);
  if (!was_ready) {
    pool->is_down = 1;
    if (pool->waiting_count > 0 && pool->connecting == 1) return;
    pool->connecting--;
  }
  p->user = NULL;
  pool->busy -= user != NULL;
  close_link(pool, p);
  mark_dirty(pool);
  if (user) user->on_lost(user, error);
}

static void on_readable(void *ctx) {
  mp_pooled *p = ctx;
  const moonpool_reply *push;
  while (mp_link_next(p->link, &push)) continue; /* no push is asked for on these links */
}

static void on_dirty(void *ctx) {
  mark_dirty(((mp_pooled *)ctx)->pool);
}

static const mp_link_events link_events = {on_ready, on_down, on_readable, on_dirty};

static int make_link(mp_pool *pool) {
  mp_link_config config = pool->config.link;
  mp_pooled *p = mp_calloc(config.allocator, sizeof *p);
  if (!p) return MOONPOOL_ENOMEM;
  config.events = &link_events;
  config.ctx = p;
  config.is_pooled = 1;
  config.seed += ++pool->made * 0x9e3779b97f4a7c15u;
  p->pool = pool;
  p->link = mp_link_new(&config);
  if (!p->link) {
    mp_free(config.allocator, p);
    return MOONPOOL_ENOMEM;
  }
  pool->holds++;
  pool->count++;
  pool->connecting++;
  p->next = pool->links;
  if (p->next) p->next->prev = p;
  pool->links = p;
  mp_link_start(p->link);
  return MOONPOOL_OK;
}

/* ---- who waits ------------------------------------------------------------------------------- */

static size_t size_of(const mp_pool *pool) {
  return pool->options->pool_size ? pool->options->pool_size : SIZE_MAX;
}

/* Those for whom a link is there, or will be, do not count. */
static int is_full(const mp_pool *pool) {
  size_t queue = pool->options->pool_queue, free_links = size_of(pool) - pool->busy;
  return queue && pool->waiting_count >= free_links && pool->waiting_count - free_links >= queue;
}

int mp_pool_lease(mp_pool *pool, mp_want *want) {
  if (is_full(pool)) return MOONPOOL_EQUEUE;
  want->deadline = UINT64_MAX;
  want->next = &pool->waiting;
  want->prev = pool->waiting.prev;
  want->prev->next = want->next->prev = want;
  if (!pool->undated) pool->undated = want;
  pool->waiting_count++;
  mark_dirty(pool);
  return MOONPOOL_OK;
}

static void unline(mp_pool *pool, mp_want *want) {
  want->prev->next = want->next;
  want->next->prev = want->prev;
  pool->waiting_count--;
}

/* As mp_requests_date. */
static void date(mp_pool *pool) {
  uint64_t now = uv_now(pool->config.link.loop);
  mp_want *want = pool->undated;
  pool->undated = NULL;
  for (; want && want != &pool->waiting; want = want->next) {
    want->since = now;
    want->deadline = mp_deadline_after(now, want->timeout);
    mp_deadline_watch(&pool->deadline, want->deadline);
  }
}

static void on_due(void *ctx, uint64_t now) {
  mp_pool *pool = ctx;
  uint64_t next_deadline = UINT64_MAX;
  mp_want *overdue = NULL, **tail = &overdue, *next;
  char message[512], size[32] = "";
  if (pool->options->pool_size) snprintf(size, sizeof size, " of %zu", pool->options->pool_size);
  snprintf(message, sizeof message,
           "%s: no link of the pool was free before the deadline (%zu%s in use, %zu waiting%s%s)",
           pool->config.link.url->address, pool->busy, size, pool->waiting_count,
           pool->last_error[0] ? "; the last error was: " : "", pool->last_error);
  moonpool_error error = {MOONPOOL_ETIMEOUT, message};
  for (mp_want *want = pool->waiting.next; want != &pool->waiting; want = next) {
    next = want->next;
    if (want->deadline > now) {
      if (want->deadline < next_deadline) next_deadline = want->deadline;
      continue;
    }
    unline(pool, want);
    want->next = NULL;
    *tail = want;
    tail = &want->next;
  }
  mp_deadline_watch(&pool->deadline, next_deadline);
  for (; overdue; overdue = next) { /* detached: a callback may close the client */
    next = overdue->next;
    overdue->on_failed(overdue, &error);
  }
}

/* ---- having a link --------------------------------------------------------------------------- */

static void hand_over(mp_pool *pool, mp_pooled *p, mp_want *want) {
  uint64_t waited = uv_now(pool->config.link.loop) - want->since;
  unline(pool, want);
  remove_idle(pool, p);
  p->user = want;
  pool->busy++;
  pool->uses++;
  pool->waited += waited;
  if (waited > pool->waited_most) pool->waited_most = waited;
  want->on_link(want, p);
}

void mp_pool_give_back(mp_pooled *p) {
  mp_pool *pool = p->pool;
  pool->busy -= p->user != NULL;
  p->user = NULL;
  if (pool->is_closed || is_connecting(p)) return; /* its on_down comes next, and closes it */
  if (mp_link_is_leaving(p->link)) {
    close_link(pool, p);
  } else {
    push_idle(pool, p);
    watch_idle(pool);
  }
  mark_dirty(pool);
}

void mp_pool_break(mp_pooled *p, int status, const char *reason) {
  mp_link_fail(p->link, status, reason);
}

/* While attempts fail, one link is enough to find out when they succeed again. */
static int is_another_needed(const mp_pool *pool) {
  if (pool->connecting >= pool->waiting_count || pool->count >= size_of(pool)) return 0;
  return !pool->is_down || pool->connecting == 0;
}

/* Nobody waits for the next attempt any more. */
static void close_needless(mp_pool *pool) {
  mp_pooled *next;
  for (mp_pooled *p = pool->links; p; p = next) {
    next = p->next;
    if (mp_link_state(p->link) != MOONPOOL_WAITING) continue;
    pool->connecting--;
    close_link(pool, p);
  }
}

void mp_pool_flush(mp_pool *pool) {
  if (!pool->is_dirty || pool->is_closed) return;
  pool->is_dirty = 0;
  date(pool);
  while (pool->waiting_count > 0 && pool->idle) {
    hand_over(pool, pool->idle, pool->waiting.next);
    if (pool->is_closed) return;
    date(pool); /* who came meanwhile */
  }
  while (is_another_needed(pool))
    if (make_link(pool) != MOONPOOL_OK) {
      mark_dirty(pool); /* once more next turn */
      break;
    }
  if (pool->waiting_count == 0) close_needless(pool);
  for (mp_pooled *p = pool->links; p; p = p->next) mp_link_flush(p->link);
}

/* A callback may close links meanwhile: after each that went, the list is begun anew. */
void mp_pool_move(mp_pool *pool, const char *address) {
  mp_pooled *p = pool->links;
  while (p && !pool->is_closed) {
    size_t before = pool->count;
    mp_link_move(p->link, address);
    p = pool->count == before ? p->next : pool->links;
  }
}

/* ---- start and end --------------------------------------------------------------------------- */

mp_pool *mp_pool_new(const mp_pool_config *config) {
  mp_pool *pool = mp_calloc(config->link.allocator, sizeof *pool);
  if (!pool) return NULL;
  pool->config = *config;
  pool->options = config->link.options;
  pool->waiting.next = pool->waiting.prev = &pool->waiting;
  mp_deadline_init(&pool->deadline, config->link.loop, on_due, pool);
  uv_timer_init(config->link.loop, &pool->idle_timer);
  pool->deadline.timer.data = pool->idle_timer.data = pool;
  pool->holds = 2;
  return pool;
}

static void on_timer_closed(uv_handle_t *handle) {
  let_go(handle->data);
}

void mp_pool_close(mp_pool *pool, void (*on_gone)(void *ctx), void *ctx) {
  char message[256];
  snprintf(message, sizeof message, "%s: the client was closed", pool->config.link.url->address);
  moonpool_error error = {MOONPOOL_ECLOSED, message};
  pool->is_closed = 1;
  pool->on_gone = on_gone;
  pool->gone_ctx = ctx;
  uv_close((uv_handle_t *)&pool->deadline.timer, on_timer_closed);
  uv_close((uv_handle_t *)&pool->idle_timer, on_timer_closed);
  while (pool->links) close_link(pool, pool->links);
  while (pool->waiting.next != &pool->waiting) {
    mp_want *want = pool->waiting.next;
    unline(pool, want);
    want->on_failed(want, &error);
  }
}

void mp_pool_get_stats(const mp_pool *pool, moonpool_stats *stats) {
  mp_link_stats sum = pool->gone;
  for (const mp_pooled *p = pool->links; p; p = p->next) {
    mp_link_stats link;
    mp_link_get_stats(p->link, &link);
    sum.writes += link.writes;
    sum.bytes_in += link.bytes_in;
    sum.bytes_out += link.bytes_out;
    sum.queued += link.queued;
    sum.in_flight += link.in_flight;
  }
  stats->writes += sum.writes;
  stats->bytes_in += sum.bytes_in;
  stats->bytes_out += sum.bytes_out;
  stats->queued += sum.queued + pool->waiting_count;
  stats->in_flight += sum.in_flight;
  stats->links += pool->count - pool->connecting;
  stats->pool_links = pool->count;
  stats->pool_busy = pool->busy;
  stats->pool_waiting = pool->waiting_count;
  stats->pool_uses = pool->uses;
  stats->pool_waited = pool->waited;
  stats->pool_waited_most = pool->waited_most;
}
