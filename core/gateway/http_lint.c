#include "http_lint.h"

#include <string.h>

enum {
  REQUEST, /* its line, or an empty one before it */
  NAME,    /* of a field: at its line's beginning, or in it */
  VALUE,
  SIZE, /* of a chunk */
  EXTENSION,
  DATA,
  DATA_END,
  BODY /* of a known length: not looked at */
};

/* RFC 9110, 5.6.2 */
static int is_token(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c && strchr("!#$%&'*+-.^_`|~", c));
}

static int digit_of(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Of "METHOD TARGET HTTP/1.1" the third word, as far as it is there. */
static int take_request(gw_lint *l, unsigned char c) {
  static const char version[] = "HTTP/0.0";
  if (c == ' ') return ++l->spaces <= 2 && l->line_len;
  if (l->spaces < 2) return 1;
  if (l->version >= sizeof version - 1) return 0;
  unsigned char wanted = (unsigned char)version[l->version++];
  return wanted == '0' ? c >= '0' && c <= '9' : c == wanted;
}

static int take_size(gw_lint *l, unsigned char c) {
  int digit = digit_of(c);
  if (digit < 0 && l->line_len && c == ';') {
    l->state = EXTENSION;
    return 1;
  }
  if (digit < 0 || l->left >> 60) return 0;
  l->left = l->left << 4 | (uint64_t)digit;
  return 1;
}

/* A byte that is no line's end. */
static int take_byte(gw_lint *l, unsigned char c) {
  if ((c < 0x20 && c != '\t') || c == 0x7f) return 0;
  switch (l->state) {
  case REQUEST:
    if (!take_request(l, c)) return 0;
    break;
  case NAME:
    if (c == ':' && l->line_len)
      l->state = VALUE;
    else if (!is_token(c))
      return 0;
    break;
  case SIZE:
    if (!take_size(l, c)) return 0;
    break;
  case DATA_END: return 0;
  default: break;
  }
  l->line_len++;
  return 1;
}

static int end_line(gw_lint *l, int is_chunked) {
  int is_empty = l->line_len == 0;
  l->line_len = 0;
  switch (l->state) {
  case REQUEST: l->state = is_empty ? REQUEST : NAME; return is_empty || l->version == 8;
  case VALUE: l->state = NAME; return 1;
  case NAME: /* the end of the head, or of the trailers */
    if (!is_empty) return 0;
    l->state = is_chunked && !l->is_chunk ? SIZE : BODY;
    l->is_chunk = l->state == SIZE;
    return 1;
  case SIZE:
  case EXTENSION:
    if (is_empty) return 0;
    l->state = l->left ? DATA : NAME;
    return 1;
  default: /* DATA_END */ l->state = SIZE; return 1;
  }
}

static int take_line(gw_lint *l, unsigned char c, int is_chunked) {
  if (c == '\n') {
    if (!l->had_cr) return 0;
    l->had_cr = 0;
    return end_line(l, is_chunked);
  }
  if (l->had_cr) return 0;
  l->had_cr = c == '\r';
  return l->had_cr || take_byte(l, c);
}

int gw_lint_feed(gw_lint *l, const char *data, size_t len, int is_chunked) {
  size_t i = 0;
  while (i < len && l->state != BODY) {
    if (l->state == DATA) {
      size_t step = len - i < l->left ? len - i : (size_t)l->left;
      i += step;
      l->left -= step;
      if (!l->left) l->state = DATA_END;
    } else if (!take_line(l, (unsigned char)data[i++], is_chunked)) {
      return 0;
    }
  }
  return 1;
}
