#include "room_body.h"

#include <stdio.h>

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

/* The second byte's range by the first (Unicode 15, table 3-7); others have 80 to BF. */
static void second_range(unsigned char lead, unsigned char *low, unsigned char *high) {
  *low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  *high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
}

/* The length of the sequence at `at`; of its longest start, negative, when it is broken. */
static int sequence_at(const unsigned char *at, const unsigned char *end) {
  unsigned char lead = at[0], low, high;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return -1;
  int len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  second_range(lead, &low, &high);
  for (int i = 1; i < len; i++) {
    if (at + i == end || at[i] < low || at[i] > high) return -i;
    low = 0x80, high = 0xbf;
  }
  return len;
}

/* ---- strings --------------------------------------------------------------------------------- */

/* What stands for the byte in a JSON string, or NULL: itself. `text` has room for "\u001f". */
static const char *escape_of(unsigned char c, char text[7]) {
  switch (c) {
  case '"': return "\\\"";
  case '\\': return "\\\\";
  case '\b': return "\\b";
  case '\f': return "\\f";
  case '\n': return "\\n";
  case '\r': return "\\r";
  case '\t': return "\\t";
  default: break;
  }
  if (c >= 0x20) return NULL;
  snprintf(text, 7, "\\u%04x", c);
  return text;
}

static void put(mp_buf *out, const char *data, size_t len) {
  memcpy(out->data + out->len, data, len);
  out->len += len;
}

int mp_body_put_string(mp_buf *out, moonpool_bytes text) {
  const unsigned char *at = (const unsigned char *)text.data, *end = at + text.len, *plain = at;
  char escaped[7];
  if (text.len > SIZE_MAX / 8 || !mp_buf_reserve(out, text.len * 6 + 2)) return 0;
  put(out, "\"", 1);
  while (at < end) {
    const char *instead = *at < 0x80 ? escape_of(*at, escaped) : NULL;
    int len = sequence_at(at, end);
    if (!instead && len > 0) {
      at += len;
      continue;
    }
    if (len < 0) instead = "\xef\xbf\xbd";
    put(out, (const char *)plain, (size_t)(at - plain));
    put(out, instead, strlen(instead));
    at += len < 0 ? -len : len;
    plain = at;
  }
  if (at > plain) put(out, (const char *)plain, (size_t)(at - plain));
  put(out, "\"", 1);
  return 1;
}

int mp_body_put_utf8(mp_buf *out, moonpool_bytes text) {
  const unsigned char *at = (const unsigned char *)text.data, *end = at + text.len;
  if (text.len > SIZE_MAX / 4 || !mp_buf_reserve(out, text.len * 3)) return 0;
  while (at < end) {
    int len = sequence_at(at, end);
    put(out, len > 0 ? (const char *)at : "\xef\xbf\xbd", len > 0 ? (size_t)len : 3);
    at += len < 0 ? -len : len;
  }
  return 1;
}

/* ---- objects --------------------------------------------------------------------------------- */

static int put_text(mp_buf *out, const char *text) {
  return mp_buf_append(out, text, strlen(text)) == MOONPOOL_OK;
}

/* `begin` is where the object's brace is. */
static int put_member(mp_buf *out, size_t begin, const char *key, moonpool_bytes value) {
  if (!value.data) return 1;
  if (out->len > begin + 1 && !put_text(out, ",")) return 0;
  return put_text(out, key) && mp_body_put_string(out, value);
}

static int is_plain(moonpool_bytes type) {
  return type.len == 7 && memcmp(type.data, "message", 7) == 0;
}

int mp_body_put(mp_buf *out, const moonpool_message *m) {
  size_t begin = out->len;
  moonpool_bytes type = m->type;
  if (type.data && is_plain(type)) type.data = NULL;
  if (!put_text(out, "{") || !put_member(out, begin, "\"type\":", type) ||
      !put_member(out, begin, "\"user\":", m->user) ||
      !put_member(out, begin, "\"text\":", m->text) || !put_member(out, begin, "\"to\":", m->to) ||
      !put_member(out, begin, "\"target\":", m->target))
    return 0;
  if (m->is_bot && !put_text(out, out->len > begin + 1 ? ",\"bot\":true" : "\"bot\":true"))
    return 0;
  if (m->more.len) {
    if (out->len > begin + 1 && !put_text(out, ",")) return 0;
    if (mp_buf_append(out, m->more.data, m->more.len) != MOONPOOL_OK) return 0;
  }
  return put_text(out, "}");
}

size_t moonpool_message_json(const moonpool_message *message, char *json, size_t size) {
  mp_buf body;
  mp_buf_init(&body, &mp_default_allocator);
  size_t len = mp_body_put(&body, message) ? body.len : 0;
  if (len && len <= size) memcpy(json, body.data, len);
  mp_buf_free(&body);
  return len;
}
