/* RESP, the way to Redis: commands encoded into a buffer. */
#include "resp.h"

static size_t digits(size_t n) {
  if (n < 100) return 1 + (n >= 10); /* most, and without a division */
  size_t count = 1;
  while (n >= 10) n /= 10, count++;
  return count;
}

size_t mp_resp_encoded_size(size_t argc, const moonpool_bytes *argv) {
  size_t size = 1 + digits(argc) + 2;
  for (size_t i = 0; i < argc; i++) size += 1 + digits(argv[i].len) + 2 + argv[i].len + 2;
  return size;
}

/* Most lengths have one digit or two. */
static char *put_short(char *at, size_t n) {
  if (n >= 10) *at++ = (char)('0' + n / 10);
  *at++ = (char)('0' + n % 10);
  return at;
}

static char *put_long(char *at, size_t n) {
  size_t count = digits(n);
  for (char *digit = at + count; digit > at; n /= 10) *--digit = (char)('0' + n % 10);
  return at + count;
}

static void put_number(mp_buf *out, char type, size_t n) {
  char *start = out->data + out->len, *at = start;
  *at++ = type;
  at = n < 100 ? put_short(at, n) : put_long(at, n);
  *at++ = '\r';
  *at++ = '\n';
  out->len += (size_t)(at - start);
}

void mp_resp_put_header(mp_buf *out, size_t argc) {
  put_number(out, '*', argc);
}

void mp_resp_put(mp_buf *out, const char *data, size_t len) {
  put_number(out, '$', len);
  if (len) memcpy(out->data + out->len, data, len);
  out->len += len;
  out->data[out->len++] = '\r';
  out->data[out->len++] = '\n';
}

int mp_resp_encode(mp_buf *out, size_t argc, const moonpool_bytes *argv) {
  if (!mp_buf_reserve(out, mp_resp_encoded_size(argc, argv))) return MOONPOOL_ENOMEM;
  mp_resp_put_header(out, argc);
  for (size_t i = 0; i < argc; i++) mp_resp_put(out, argv[i].data, argv[i].len);
  return MOONPOOL_OK;
}
