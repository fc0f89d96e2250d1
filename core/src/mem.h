/* The allocator as the core passes it around, and the growable byte buffer that is built on it. */
#ifndef MP_MEM_H
#define MP_MEM_H

#include <moonpool.h>
#include <string.h>

/* The C library's allocator, for those who bring none. */
extern const moonpool_allocator mp_default_allocator;

static inline void *mp_alloc(const moonpool_allocator *a, size_t size) {
  return a->realloc(a->ctx, NULL, size);
}

static inline void mp_free(const moonpool_allocator *a, void *block) {
  if (block) a->realloc(a->ctx, block, 0);
}

/* Zeroed memory, or NULL. */
void *mp_calloc(const moonpool_allocator *a, size_t size);

/* A terminated copy of `len` bytes, or NULL. */
char *mp_strndup(const moonpool_allocator *a, const char *data, size_t len);

/* Bytes in one growing block. Empty is all zero but for the allocator. */
typedef struct mp_buf {
  const moonpool_allocator *allocator;
  char *data;
  size_t len, cap;
} mp_buf;

void mp_buf_init(mp_buf *buf, const moonpool_allocator *allocator);
void mp_buf_free(mp_buf *buf);

/* Room for `extra` bytes more: where to write them (then add to len), or NULL: out of memory. */
char *mp_buf_reserve(mp_buf *buf, size_t extra);

/* MOONPOOL_OK or MOONPOOL_ENOMEM. */
int mp_buf_append(mp_buf *buf, const char *data, size_t len);

/* Empties it, and gives the block back when it is larger than `keep`. */
void mp_buf_clear(mp_buf *buf, size_t keep);

#endif
