/* The default allocator and the growable buffer. A buffer owns its one block. */
#include "mem.h"

#include <stdlib.h>

static const size_t MIN_CAP = 256;

static void *libc_realloc(void *ctx, void *block, size_t size) {
  (void)ctx;
  if (size) return realloc(block, size);
  free(block);
  return NULL;
}

const moonpool_allocator mp_default_allocator = {libc_realloc, NULL};

void *mp_calloc(const moonpool_allocator *a, size_t size) {
  void *block = mp_alloc(a, size);
  if (block) memset(block, 0, size);
  return block;
}

char *mp_strndup(const moonpool_allocator *a, const char *data, size_t len) {
  if (len == SIZE_MAX) return NULL;
  char *copy = mp_alloc(a, len + 1);
  if (!copy) return NULL;
  if (len) memcpy(copy, data, len);
  copy[len] = '\0';
  return copy;
}

void mp_buf_init(mp_buf *buf, const moonpool_allocator *allocator) {
  *buf = (mp_buf){.allocator = allocator};
}

void mp_buf_free(mp_buf *buf) {
  if (!buf) return;
  mp_free(buf->allocator, buf->data);
  mp_buf_init(buf, buf->allocator);
}

/* The capacity to grow to: half as much again at least, so that appending stays linear. */
static size_t grown_cap(size_t cap, size_t needed) {
  size_t grown = cap <= SIZE_MAX - cap / 2 ? cap + cap / 2 : SIZE_MAX;
  if (grown < needed) grown = needed;
  return grown < MIN_CAP ? MIN_CAP : grown;
}

char *mp_buf_reserve(mp_buf *buf, size_t extra) {
  if (buf->data && extra <= buf->cap - buf->len) return buf->data + buf->len;
  if (extra > SIZE_MAX - buf->len) return NULL;
  size_t cap = grown_cap(buf->cap, buf->len + extra);
  char *data = buf->allocator->realloc(buf->allocator->ctx, buf->data, cap);
  if (!data) return NULL;
  buf->data = data;
  buf->cap = cap;
  return data + buf->len;
}

int mp_buf_append(mp_buf *buf, const char *data, size_t len) {
  char *to = mp_buf_reserve(buf, len);
  if (!to) return MOONPOOL_ENOMEM;
  if (len) memcpy(to, data, len);
  buf->len += len;
  return MOONPOOL_OK;
}

void mp_buf_clear(mp_buf *buf, size_t keep) {
  if (buf->cap > keep) mp_buf_free(buf);
  buf->len = 0;
}
