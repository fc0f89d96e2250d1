/* Bytes that many sockets send: built once, shared, counted. Loop's thread only. */
#ifndef GW_CHUNK_H
#define GW_CHUNK_H

#include <moonpool.h>

typedef struct gw_chunk {
  unsigned refs;
  size_t len, cap;
  char data[];
} gw_chunk;

/* With one reference and room for `cap` bytes; NULL without memory. */
gw_chunk *gw_chunk_new(const moonpool_allocator *allocator, size_t cap);

/* Appends to a chunk that nobody else holds yet; it may move. MOONPOOL_OK, or ENOMEM with *chunk as
 * it was. */
int gw_chunk_append(const moonpool_allocator *allocator, gw_chunk **chunk, const char *data,
                    size_t len);

static inline gw_chunk *gw_chunk_ref(gw_chunk *chunk) {
  chunk->refs++;
  return chunk;
}

/* NULL is accepted. */
void gw_chunk_unref(const moonpool_allocator *allocator, gw_chunk *chunk);

#endif
