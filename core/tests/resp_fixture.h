/* Replies as text, so that they can be compared, and input that lies right before a page that
 * nobody may read. */
#ifndef MP_RESP_FIXTURE_H
#define MP_RESP_FIXTURE_H

#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "resp.h"
#include "test.h"

/* ---- guarded memory ------------------------------------------------------------------------- */

typedef struct guarded {
  char *map;
  size_t size; /* without the guard page */
} guarded;

static inline void guarded_free(guarded *g) {
  if (g->map) munmap(g->map, g->size + (size_t)sysconf(_SC_PAGESIZE));
  *g = (guarded){0};
}

/* A copy of the bytes; the byte after the last one must not be touched. It is valid until the next
 * call. */
static inline char *guarded_copy(guarded *g, const char *data, size_t len) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  if (len > g->size || !g->map) {
    guarded_free(g);
    g->size = (len / page + 1) * page;
    g->map = mmap(NULL, g->size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g->map == MAP_FAILED || mprotect(g->map + g->size, page, PROT_NONE)) abort();
  }
  char *copy = g->map + g->size - len;
  if (len) memcpy(copy, data, len);
  return copy;
}

/* What borrowed from it and should not any more reads rubbish now. */
static inline void guarded_spoil(guarded *g, size_t len) {
  memset(g->map + g->size - len, '~', len);
}

/* ---- text ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static inline void put_text(mp_buf *text, const char *format,
                                                                  ...) {
  char part[512];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(part, sizeof part, format, args);
  va_end(args);
  if (mp_buf_append(text, part, (size_t)len < sizeof part ? (size_t)len : sizeof part - 1)) abort();
}

static inline void put_text_bytes(mp_buf *text, char mark, const char *data, size_t len) {
  put_text(text, "%c%zu ", mark, len);
  if (mp_buf_append(text, data, len)) abort();
}

static const char marks[] = "?$*:?+-,#%~|>(="; /* by moonpool_type; NIL is a word */

static inline void put_reply(mp_buf *text, const moonpool_reply *reply, unsigned depth);

static inline void put_list(mp_buf *text, const moonpool_reply *list, unsigned depth) {
  size_t count = 0;
  const moonpool_reply *last = NULL;
  put_text(text, "%c%zu[", marks[list->type], list->u.list.count);
  for (const moonpool_reply *item = list->u.list.first; item; item = item->next) {
    if (count++) put_text(text, " ");
    put_reply(text, item, depth + 1);
    last = item;
  }
  put_text(text, "]");
  CHECK_INT(list->u.list.count, count);
  if (count) CHECK(list->u.list.last == last);
}

/* "*2[$3 foo :1]", "nil", "+2 OK": the type's first byte, the length, the bytes. */
static inline void put_reply(mp_buf *text, const moonpool_reply *reply, unsigned depth) {
  CHECK_INT(reply->depth, depth);
  switch ((moonpool_type)reply->type) {
  case MOONPOOL_NIL: put_text(text, "nil"); break;
  case MOONPOOL_INTEGER: put_text(text, ":%lld", reply->u.integer); break;
  case MOONPOOL_BOOL: put_text(text, "#%lld", reply->u.integer); break;
  case MOONPOOL_DOUBLE: put_text(text, ",%.17g", reply->u.number); break;
  case MOONPOOL_ARRAY:
  case MOONPOOL_MAP:
  case MOONPOOL_SET:
  case MOONPOOL_ATTR:
  case MOONPOOL_PUSH: put_list(text, reply, depth); break;
  default: put_text_bytes(text, marks[reply->type], reply->u.string.data, reply->u.string.len);
  }
}

/* ---- feeding -------------------------------------------------------------------------------- */

typedef struct feed {
  mp_resp *resp;
  guarded input;
  mp_buf text; /* each reply on a line; at the end "!" and a status, if it failed */
  size_t replies;
  int status;
} feed;

static inline int feed_init(feed *f, const moonpool_allocator *allocator,
                            const mp_resp_limits *limits) {
  memset(f, 0, sizeof *f);
  mp_buf_init(&f->text, &mp_default_allocator);
  f->resp = mp_resp_new(allocator, limits);
  return f->resp != NULL;
}

static inline void feed_free(feed *f) {
  mp_resp_free(f->resp);
  guarded_free(&f->input);
  mp_buf_free(&f->text);
}

/* A failed parser stays so. */
static inline void feed_failed(feed *f, int status) {
  const moonpool_reply *reply = NULL;
  f->status = status;
  put_text(&f->text, "!%s", moonpool_status_name(status));
  CHECK(mp_resp_message(f->resp)[0] != '\0');
  CHECK_INT(mp_resp_next(f->resp, &reply), status);
  CHECK_INT(mp_resp_keep(f->resp), status);
}

/* Takes up to `most` replies. */
static inline void feed_take(feed *f, size_t most) {
  const moonpool_reply *reply;
  int got = 0;
  while (!f->status && most-- > 0 && (got = mp_resp_next(f->resp, &reply)) == 1) {
    put_reply(&f->text, reply, 0);
    put_text(&f->text, "\n");
    f->replies++;
  }
  if (got < 0) feed_failed(f, got);
}

/* Hands over one read, takes up to `most` replies and has the rest kept. */
static inline void feed_read(feed *f, const char *data, size_t len, size_t most) {
  if (f->status) return;
  mp_resp_feed(f->resp, guarded_copy(&f->input, data, len), len);
  feed_take(f, most);
  if (!f->status) {
    int kept = mp_resp_keep(f->resp);
    if (kept < 0) feed_failed(f, kept);
  }
  guarded_spoil(&f->input, len);
}

static inline void feed_bytes(feed *f, const char *data, size_t len) {
  for (size_t i = 0; i < len; i++) feed_read(f, data + i, 1, SIZE_MAX);
}

static inline int is_same_text(const mp_buf *a, const mp_buf *b) {
  return a->len == b->len && (a->len == 0 || !memcmp(a->data, b->data, a->len));
}

#endif
