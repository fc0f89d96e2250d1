#include "base64url.h"

/* 0 to 63, or -1. */
static int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  return c == '_' ? 63 : -1;
}

int gw_base64url_decode(mp_buf *out, moonpool_bytes text) {
  if (text.len % 4 == 1) return MOONPOOL_EARG;
  char *to = mp_buf_reserve(out, text.len / 4 * 3 + 3);
  if (!to) return MOONPOOL_ENOMEM;
  unsigned bits = 0, count = 0; /* read and not yet written */
  for (size_t i = 0; i < text.len; i++) {
    int value = value_of(text.data[i]);
    if (value < 0) return MOONPOOL_EARG;
    bits = (bits << 6 | (unsigned)value) & 0xffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    *to++ = (char)(bits >> count);
  }
  if (bits & ((1u << count) - 1)) return MOONPOOL_EARG;
  out->len += text.len * 6 / 8;
  return MOONPOOL_OK;
}

int gw_base64url_encode(mp_buf *out, moonpool_bytes bytes) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  size_t len = (bytes.len * 8 + 5) / 6;
  char *to = mp_buf_reserve(out, len);
  if (!to) return MOONPOOL_ENOMEM;
  for (size_t i = 0; i < len; i++) {
    size_t bit = i * 6;
    unsigned pair = (unsigned)(unsigned char)bytes.data[bit / 8] << 8;
    if (bit / 8 + 1 < bytes.len) pair |= (unsigned char)bytes.data[bit / 8 + 1];
    to[i] = alphabet[pair >> (10 - bit % 8) & 63];
  }
  out->len += len;
  return MOONPOOL_OK;
}
