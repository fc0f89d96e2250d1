/* RESP, the way to Redis: commands encoded into a buffer. */
#include "resp.h"

static size_t digits(size_t n) {
  size_t count = 1;
  while (n >= 10) n /= 10, count++;
  return count;
}

size_t mp_resp_encoded_size(size_t argc, const moonpool_bytes *argv) {
  size_t size = 1 + digits(argc) + 2;
  for (size_t i = 0; i < argc; i++) size += 1 + digits(argv[i].len) + 2 + argv[i].len + 2;
  return size;
}

static void put_number(mp_buf *out, char type, size_t n) {
  char text[24], *at = text + sizeof text;
  *--at = '\n';
  *--at = '\r';
  do *--at = (char)('0' + n % 10);
  while (n /= 10);
  *--at = type;
  size_t len = (size_t)(text + sizeof text - at);
  memcpy(out->data + out->len, at, len);
  out->len += len;
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
