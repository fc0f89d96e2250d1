#include "chunk.h"

#include "mem.h"

gw_chunk *gw_chunk_new(const moonpool_allocator *allocator, size_t cap) {
  gw_chunk *chunk = mp_alloc(allocator, sizeof *chunk + cap);
  if (!chunk) return NULL;
  chunk->refs = 1;
  chunk->len = 0;
  chunk->cap = cap;
  return chunk;
}

int gw_chunk_append(const moonpool_allocator *allocator, gw_chunk **chunk, const char *data,
                    size_t len) {
  gw_chunk *c = *chunk;
  if (len > c->cap - c->len) {
    size_t cap = c->cap * 2 > c->len + len ? c->cap * 2 : c->len + len;
    c = allocator->realloc(allocator->ctx, c, sizeof *c + cap);
    if (!c) return MOONPOOL_ENOMEM;
    c->cap = cap;
    *chunk = c;
  }
  memcpy(c->data + c->len, data, len);
  c->len += len;
  return MOONPOOL_OK;
}

void gw_chunk_unref(const moonpool_allocator *allocator, gw_chunk *chunk) {
  if (chunk && --chunk->refs == 0) mp_free(allocator, chunk);
}
