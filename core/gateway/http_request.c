/* What a request says, taken out of its head. */
#include <ctype.h>

#include "http.h"

static int lower(char c) {
  return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

int gw_http_is(moonpool_bytes text, const char *lower_case) {
  size_t i = 0;
  while (i < text.len && lower_case[i] && lower(text.data[i]) == lower_case[i]) i++;
  return i == text.len && !lower_case[i];
}

static moonpool_bytes trim(moonpool_bytes text) {
  while (text.len && (text.data[0] == ' ' || text.data[0] == '\t')) text.data++, text.len--;
  while (text.len && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
    text.len--;
  return text;
}

moonpool_bytes gw_http_field(const gw_http *h, const char *name, unsigned *count) {
  const gw_field *fields = (const gw_field *)h->fields.data;
  moonpool_bytes found = {NULL, 0};
  unsigned n = 0;
  for (size_t i = 0; i < h->fields.len / sizeof *fields; i++) {
    moonpool_bytes field = {h->head.data + fields[i].name, fields[i].name_len};
    if (!gw_http_is(field, name)) continue;
    if (!n++) found = trim((moonpool_bytes){h->head.data + fields[i].value, fields[i].value_len});
  }
  if (count) *count = n;
  return found;
}

int gw_http_next(moonpool_bytes *list, moonpool_bytes *element) {
  while (list->len) {
    const char *end = memchr(list->data, ',', list->len);
    size_t len = end ? (size_t)(end - list->data) : list->len;
    *element = trim((moonpool_bytes){list->data, len});
    size_t used = len + (end != NULL);
    list->data += used;
    list->len -= used;
    if (element->len) return 1;
  }
  return 0;
}

int gw_http_lists(moonpool_bytes list, const char *token) {
  moonpool_bytes element;
  while (gw_http_next(&list, &element))
    if (gw_http_is(element, token)) return 1;
  return 0;
}

/* ---- the target --------------------------------------------------------------------------- */

/* Of "http://host/path" (RFC 9112, 3.2.2) what is behind the host. */
static moonpool_bytes target(const gw_http *h) {
  moonpool_bytes t = {h->head.data, h->target_len};
  if (t.len && t.data[0] == '/') return t;
  for (size_t i = 0; i + 2 < t.len; i++) {
    if (memcmp(t.data + i, "://", 3) != 0) continue;
    const char *path = memchr(t.data + i + 3, '/', t.len - i - 3);
    if (path) return (moonpool_bytes){path, (size_t)(t.data + t.len - path)};
    return (moonpool_bytes){"/", 1};
  }
  return t;
}

moonpool_bytes gw_http_path(const gw_http *h) {
  moonpool_bytes t = target(h);
  for (size_t i = 0; i < t.len; i++)
    if (t.data[i] == '?' || t.data[i] == '#') t.len = i;
  return t;
}

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = (char)lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The length of what is written to `to`; SIZE_MAX: it is malformed. */
static size_t decode(char *to, moonpool_bytes text, int is_query) {
  size_t len = 0;
  for (size_t i = 0; i < text.len; i++) {
    char c = text.data[i];
    if (c == '%') {
      int is_cut = i + 2 >= text.len;
      int high = is_cut ? -1 : hex(text.data[i + 1]), low = is_cut ? -1 : hex(text.data[i + 2]);
      if (high < 0 || low < 0) return SIZE_MAX;
      c = (char)(high << 4 | low);
      i += 2;
    } else if (c == '+' && is_query) {
      c = ' ';
    }
    to[len++] = c;
  }
  return len;
}

moonpool_bytes gw_http_decode(gw_http *h, moonpool_bytes text, int is_query) {
  moonpool_bytes none = {NULL, 0};
  if (!h->decoded.len && !mp_buf_reserve(&h->decoded, h->target_len + 1)) return none;
  if (text.len > h->decoded.cap - h->decoded.len) return none;
  char *to = h->decoded.data + h->decoded.len;
  size_t len = decode(to, text, is_query);
  if (len == SIZE_MAX) return none;
  h->decoded.len += len;
  return (moonpool_bytes){to, len};
}

moonpool_bytes gw_http_parameter(gw_http *h, const char *name) {
  moonpool_bytes none = {NULL, 0}, t = {h->head.data, h->target_len};
  const char *query = t.len ? memchr(t.data, '?', t.len) : NULL, *end = t.data + t.len;
  size_t name_len = strlen(name);
  for (const char *at = query; at && at < end;) {
    const char *begin = at + 1, *next = memchr(begin, '&', (size_t)(end - begin));
    size_t len = (size_t)((next ? next : end) - begin);
    at = next;
    if (len <= name_len || memcmp(begin, name, name_len) != 0 || begin[name_len] != '=') continue;
    return gw_http_decode(h, (moonpool_bytes){begin + name_len + 1, len - name_len - 1}, 1);
  }
  return none;
}

/* "Bearer TOKEN" (RFC 6750). */
moonpool_bytes gw_http_token(gw_http *h) {
  moonpool_bytes value = gw_http_field(h, "authorization", NULL);
  if (value.len <= 7 || !gw_http_is((moonpool_bytes){value.data, 7}, "bearer "))
    return gw_http_parameter(h, "token");
  return (moonpool_bytes){value.data + 7, value.len - 7};
}
