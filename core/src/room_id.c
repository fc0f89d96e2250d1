/* What a room may be called, and the ids of its messages, read and written. */
#include "room.h"

#include <stdio.h>
#include <string.h>

/* ---- names ----------------------------------------------------------------------------------- */

/* What is wrong with the byte at `i`, or NULL. C1 is U+0080 to U+009F: C2 80 to C2 9F. */
static const char *fault_at(moonpool_bytes name, size_t i) {
  unsigned char c = (unsigned char)name.data[i];
  if (c == '{' || c == '}') return "a brace";
  if (c < 0x20 || c == 0x7f) return "a control character";
  if (c != 0xc2 || i + 1 >= name.len) return NULL;
  unsigned char next = (unsigned char)name.data[i + 1];
  return next >= 0x80 && next <= 0x9f ? "a control character" : NULL;
}

static int refuse(char *message, size_t size, const char *reason) {
  if (message) snprintf(message, size, "bad room name: %s", reason);
  return MOONPOOL_EARG;
}

int moonpool_room_name(moonpool_bytes text, moonpool_bytes *name, char *message, size_t size) {
  char reason[80];
  moonpool_bytes rest = text;
  if (text.len >= 5 && memcmp(text.data, "room:", 5) == 0)
    rest = (moonpool_bytes){text.data + 5, text.len - 5};
  if (rest.len == 0) return refuse(message, size, "it is empty");
  if (rest.len > MOONPOOL_ROOM_NAME_MAX) {
    snprintf(reason, sizeof reason, "it has %zu bytes; at most %d are allowed", rest.len,
             MOONPOOL_ROOM_NAME_MAX);
    return refuse(message, size, reason);
  }
  for (size_t i = 0; i < rest.len; i++) {
    const char *fault = fault_at(rest, i);
    if (!fault) continue;
    snprintf(reason, sizeof reason, "%s at byte %zu", fault, i + 1);
    return refuse(message, size, reason);
  }
  *name = rest;
  return MOONPOOL_OK;
}

/* ---- ids ------------------------------------------------------------------------------------- */

/* The number and a dash; returns where they end. */
static char *put_number(char *to, uint64_t number) {
  char digits[20], *at = digits + sizeof digits;
  do {
    *--at = (char)('0' + number % 10);
    number /= 10;
  } while (number);
  size_t len = (size_t)(digits + sizeof digits - at);
  memcpy(to, at, len);
  to[len] = '-';
  return to + len + 1;
}

size_t moonpool_id_format(const moonpool_id *id, char text[MOONPOOL_ID_SIZE]) {
  char *to = put_number(put_number(text, id->ms), id->seq);
  for (int shift = 60; shift >= 0; shift -= 4) *to++ = "0123456789abcdef"[id->tag >> shift & 15];
  *to = '\0';
  return (size_t)(to - text);
}

/* Digits up to the dash: behind it, or NULL. */
static const char *read_number(const char *at, const char *end, uint64_t *number) {
  const char *begin = at;
  uint64_t n = 0;
  for (; at < end && *at >= '0' && *at <= '9'; at++) {
    unsigned digit = (unsigned)(*at - '0');
    if (n > (UINT64_MAX - digit) / 10) return NULL;
    n = n * 10 + digit;
  }
  if (at == begin || at - begin > 20 || at == end || *at != '-') return NULL;
  *number = n;
  return at + 1;
}

static int read_tag(const char *at, const char *end, uint64_t *tag) {
  uint64_t n = 0;
  if (end - at != 16) return 0;
  for (; at < end; at++) {
    char c = *at;
    if (c >= '0' && c <= '9')
      n = n << 4 | (uint64_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
      n = n << 4 | (uint64_t)(c - 'a' + 10);
    else
      return 0;
  }
  *tag = n;
  return 1;
}

int moonpool_id_parse(moonpool_bytes text, moonpool_id *id) {
  moonpool_id read;
  if (text.len >= MOONPOOL_ID_SIZE) return MOONPOOL_EARG;
  const char *end = text.data + text.len, *at = read_number(text.data, end, &read.ms);
  if (at) at = read_number(at, end, &read.seq);
  if (!at || !read_tag(at, end, &read.tag)) return MOONPOOL_EARG;
  *id = read;
  return MOONPOOL_OK;
}
