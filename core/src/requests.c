#include "requests.h"

#include <stdio.h>

#define SPARE_MAX 4096u
#define OUT_KEEP 65536u

static void on_due(void *ctx, uint64_t now);

void mp_requests_init(mp_requests *q, uv_loop_t *loop, const moonpool_allocator *allocator,
                      const char *address) {
  memset(q, 0, sizeof *q);
  q->allocator = allocator;
  q->address = address;
  mp_deadline_init(&q->deadline, loop, on_due, q);
  mp_buf_init(&q->out, allocator);
}

void mp_requests_free(mp_requests *q) {
  mp_free(q->allocator, q->reserved);
  q->reserved = NULL;
  while (q->spare) {
    mp_request *r = q->spare;
    q->spare = r->next;
    mp_free(q->allocator, r);
  }
  mp_buf_free(&q->out);
}

static void recycle(mp_requests *q, mp_request *r) {
  if (q->spare_count >= SPARE_MAX) {
    mp_free(q->allocator, r);
    return;
  }
  r->next = q->spare;
  q->spare = r;
  q->spare_count++;
}

mp_buf *mp_requests_begin(mp_requests *q, size_t size) {
  if (!q->reserved && q->spare) {
    q->reserved = q->spare;
    q->spare = q->spare->next;
    q->spare_count--;
  }
  if (!q->reserved) q->reserved = mp_alloc(q->allocator, sizeof *q->reserved);
  if (!q->reserved || !mp_buf_reserve(&q->out, size)) return NULL;
  q->out_mark = q->out.len;
  return &q->out;
}

void mp_requests_commit(mp_requests *q, const mp_request_info *info) {
  mp_request *r = q->reserved;
  q->reserved = NULL;
  r->next = NULL;
  r->info = *info;
  r->info.replies += info->replies == 0;
  r->deadline = UINT64_MAX;
  r->number = ++q->numbered;
  r->bytes = q->out.len - q->out_mark;
  r->is_abandoned = 0;
  if (q->last)
    q->last->next = r;
  else
    q->first = r;
  q->last = r;
  if (!q->undated) q->undated = r;
  q->count += r->info.replies;
  q->unsent += r->info.replies;
}

void mp_requests_commit_first(mp_requests *q, const mp_request_info *info) {
  size_t mark = q->out_mark, size = q->out.len - mark;
  char *data = q->out.data;
  mp_request *before = q->last, *oldest = q->first, *undated = q->undated;
  mp_requests_commit(q, info);
  if (!before) return;
  memmove(data + size, data, q->out.len);
  memcpy(data, data + mark + size, size);
  mp_request *r = q->last;
  before->next = NULL;
  q->last = before;
  r->next = oldest;
  r->number = oldest->number; /* all that counts is that it is not sent */
  q->first = r;
  q->undated = undated == oldest ? r : undated;
}

static mp_request *pop(mp_requests *q) {
  mp_request *r = q->first;
  q->first = r->next;
  if (!q->first) q->last = NULL;
  if (q->undated == r) q->undated = r->next;
  q->count -= r->info.replies;
  if (r->number > q->sent) q->unsent -= r->info.replies;
  return r;
}

void mp_requests_answer(mp_requests *q, const moonpool_reply *reply, const moonpool_error *error) {
  mp_request *r = q->first;
  mp_request_info info = r->info;
  moonpool_reply_cb cb = r->is_abandoned ? info.late : info.cb;
  if (info.replies == 1) {
    recycle(q, pop(q));
  } else {
    r->info.replies--;
    q->count--;
  }
  if (cb) cb(reply, error, info.ctx);
}

void mp_requests_fail(mp_requests *q, int all, const moonpool_error *error) {
  mp_request *failed = NULL, **tail = &failed;
  while (q->first && (all || q->first->number <= q->sent)) {
    mp_request *r = pop(q);
    *tail = r;
    tail = &r->next;
  }
  *tail = NULL;
  if (all) {
    q->abandoned_unsent = 0;
    mp_buf_clear(&q->out, OUT_KEEP);
  }
  while (failed) { /* detached: a callback may add requests or close the link */
    mp_request *r = failed;
    failed = r->next;
    moonpool_reply_cb cb = r->is_abandoned ? r->info.late : r->info.cb;
    if (cb) cb(NULL, error, r->info.ctx);
    mp_free(q->allocator, r);
  }
}

void mp_requests_unhear(mp_requests *q, const moonpool_error *error) {
  for (mp_request *r = q->first; r; r = r->next) {
    moonpool_reply_cb cb = r->info.cb;
    r->info.cb = NULL;
    if (cb && !r->is_abandoned) cb(NULL, error, r->info.ctx);
    if (q->is_closed) return; /* the requests are gone */
  }
}

/* Takes the requests that were abandoned before they were written out of queue and buffer. */
static mp_request *take_abandoned_unsent(mp_requests *q) {
  mp_request **at = &q->first, *before = NULL, *taken = NULL, **tail = &taken;
  size_t from = 0, to = 0;
  if (!q->abandoned_unsent) return NULL;
  while (*at) {
    mp_request *r = *at;
    int is_unsent = r->number > q->sent;
    if (is_unsent && r->is_abandoned) {
      *at = r->next;
      if (q->undated == r) q->undated = r->next;
      q->count -= r->info.replies;
      q->unsent -= r->info.replies;
      from += r->bytes;
      *tail = r;
      tail = &r->next;
      continue;
    }
    if (is_unsent) {
      if (from != to) memmove(q->out.data + to, q->out.data + from, r->bytes);
      from += r->bytes;
      to += r->bytes;
    }
    before = r;
    at = &r->next;
  }
  *tail = NULL;
  q->last = before;
  q->out.len = to;
  q->abandoned_unsent = 0;
  return taken;
}

/* Of those that were taken out. With `error`, they are told of it first. */
static void forget(mp_requests *q, mp_request *taken, const moonpool_error *error) {
  while (taken) {
    mp_request *r = taken;
    mp_request_info info = r->info;
    taken = r->next;
    recycle(q, r);
    if (error && info.cb) info.cb(NULL, error, info.ctx);
    if (info.late) info.late(NULL, NULL, info.ctx);
  }
}

void mp_requests_withdraw(mp_requests *q, moonpool_reply_cb late,
                          int (*is_meant)(const void *ctx, const void *what), const void *what) {
  for (mp_request *r = q->first; r; r = r->next) {
    if (r->number <= q->sent || r->is_abandoned || r->info.late != late) continue;
    if (!is_meant(r->info.ctx, what)) continue;
    r->is_abandoned = 1;
    q->abandoned_unsent++;
  }
  forget(q, take_abandoned_unsent(q), NULL);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

void mp_requests_date(mp_requests *q) {
  uint64_t now = uv_now(q->deadline.timer.loop), earliest = UINT64_MAX;
  for (; q->undated; q->undated = q->undated->next) {
    mp_request *r = q->undated;
    r->deadline = mp_deadline_after(now, r->info.timeout);
    if (r->deadline < earliest) earliest = r->deadline;
  }
  mp_deadline_watch(&q->deadline, earliest);
}

/* Abandons what is overdue, written or not. Those of whom a late reply may come are told at once,
 * and keep their places. The deadline to wait for next. */
static uint64_t abandon_overdue(mp_requests *q, int is_sent, uint64_t now,
                                const moonpool_error *error) {
  uint64_t next = UINT64_MAX;
  for (mp_request *r = q->first; r; r = r->next) {
    if (r->is_abandoned || (r->number <= q->sent) != is_sent) continue;
    if (r->deadline > now) {
      if (r->deadline < next) next = r->deadline;
      continue;
    }
    r->is_abandoned = 1;
    q->abandoned_unsent += !is_sent;
    if (is_sent && r->info.cb) r->info.cb(NULL, error, r->info.ctx);
    if (q->is_closed) break; /* the requests are gone */
  }
  return next;
}

/* What was not written is forgotten, bytes and all, before anybody is told: who sends again from
 * there finds the room. The deadline to wait for next. */
static uint64_t expire(mp_requests *q, uint64_t now, const moonpool_error *error) {
  uint64_t unsent = abandon_overdue(q, 0, now, error);
  mp_request *taken = take_abandoned_unsent(q);
  uint64_t sent = abandon_overdue(q, 1, now, error);
  forget(q, taken, error);
  if (q->is_closed) return UINT64_MAX;
  return sent < unsent ? sent : unsent;
}

static void on_due(void *ctx, uint64_t now) {
  mp_requests *q = ctx;
  char message[1536];
  snprintf(message, sizeof message, "%s: no reply before the deadline%s%s", q->address,
           q->trouble ? "; the last error was: " : "", q->trouble ? q->trouble : "");
  moonpool_error error = {MOONPOOL_ETIMEOUT, message};
  mp_deadline_watch(&q->deadline, expire(q, now, &error));
}
