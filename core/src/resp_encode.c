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

static char *put_end(char *at) {
  *at++ = '\r';
  *at++ = '\n';
  return at;
}

static char *put_number(char *at, char type, size_t n) {
  *at++ = type;
  return put_end(n < 100 ? put_short(at, n) : put_long(at, n));
}

static char *put_string(char *at, const char *data, size_t len) {
  at = put_number(at, '$', len);
  if (len) memcpy(at, data, len);
  return put_end(at + len);
}

void mp_resp_put_header(mp_buf *out, size_t argc) {
  out->len = (size_t)(put_number(out->data + out->len, '*', argc) - out->data);
}

void mp_resp_put(mp_buf *out, const char *data, size_t len) {
  out->len = (size_t)(put_string(out->data + out->len, data, len) - out->data);
}

void mp_resp_put_command(mp_buf *out, size_t argc, const moonpool_bytes *argv) {
  char *at = put_number(out->data + out->len, '*', argc);
  for (size_t i = 0; i < argc; i++) at = put_string(at, argv[i].data, argv[i].len);
  out->len = (size_t)(at - out->data);
}

int mp_resp_encode(mp_buf *out, size_t argc, const moonpool_bytes *argv) {
  if (!mp_buf_reserve(out, mp_resp_encoded_size(argc, argv))) return MOONPOOL_ENOMEM;
  mp_resp_put_command(out, argc, argv);
  return MOONPOOL_OK;
}
