/* A second look at a request's bytes. The parser takes more than RFC 9112 allows (http-parser as
 * Debian builds it: bare line feeds, folded lines, space before a colon, chunks that end nowhere),
 * and what two programs in a row read differently is a second request to one of them. Here is only
 * the form: lines, names, chunks. */
#ifndef GW_HTTP_LINT_H
#define GW_HTTP_LINT_H

#include <stddef.h>
#include <stdint.h>

typedef struct gw_lint {
  uint8_t state;
  uint8_t had_cr;    /* the byte before was a carriage return */
  uint8_t is_chunk;  /* the lines are those of chunks and trailers */
  uint8_t spaces;    /* in the request's line */
  uint8_t version;   /* bytes of its third word */
  uint64_t line_len; /* so far, without its end */
  uint64_t left;     /* of a chunk's data, or its size as far as it is read */
} gw_lint;

/* At a request's first byte. */
static inline void gw_lint_init(gw_lint *lint) {
  *lint = (gw_lint){0};
}

/* The next bytes of one request, which the parser has taken already; `is_chunked`: it has found
 * that its body is (what it thinks before the head's end does not matter). 1, or 0: they are not as
 * they should be. */
int gw_lint_feed(gw_lint *lint, const char *data, size_t len, int is_chunked);

/* The size of the chunk that is being read, as far as it is known. */
static inline uint64_t gw_lint_chunk(const gw_lint *lint) {
  return lint->is_chunk ? lint->left : 0;
}

#endif
