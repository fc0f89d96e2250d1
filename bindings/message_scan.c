/* A quick reader of the JSON that most messages are: a flat object of strings. What is unusual is
 * left to the JSON library, so that nothing is accepted here which that one refuses. */
#include "message.h"

#include <string.h>

/* ---- bytes ----------------------------------------------------------------------------------- */

/* How many bytes begin a UTF-8 sequence at `at` (RFC 3629), at least 1; *is_whole: it is one. */
static size_t sequence_length(const unsigned char *at, const unsigned char *end, int *is_whole) {
  unsigned char lead = at[0], low = 0x80, high = 0xbf;
  size_t whole = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4, n = 1;
  *is_whole = whole == 1;
  if (whole < 2 || lead > 0xf4) return 1;
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f; /* surrogates */
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  while (n < whole && n < (size_t)(end - at) && at[n] >= low && at[n] <= high) {
    low = 0x80;
    high = 0xbf;
    n++;
  }
  *is_whole = n == whole;
  return n;
}

/* Eight bytes at once: is one of them a control character, or not ASCII? */
static int is_unusual(const unsigned char *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return ((word | (word - 0x2020202020202020u)) & 0x8080808080808080u) != 0;
}

int mp_scan_is_plain(const char *text, size_t len) {
  const unsigned char *at = (const unsigned char *)text, *end = at + len;
  while (at < end) {
    if (end - at >= 8 && !is_unusual(at)) {
      at += 8;
      continue;
    }
    int is_whole;
    size_t n = sequence_length(at, end, &is_whole);
    if (*at < 0x20 || !is_whole) return 0;
    at += n;
  }
  return 1;
}

void mp_push_utf8(lua_State *L, const char *text, size_t len) {
  luaL_Buffer buffer;
  const unsigned char *at = (const unsigned char *)text, *end = at + len, *from = at;
  luaL_buffinit(L, &buffer);
  while (at < end) {
    int is_whole;
    size_t n = sequence_length(at, end, &is_whole);
    if (!is_whole) {
      luaL_addlstring(&buffer, (const char *)from, (size_t)(at - from));
      luaL_addlstring(&buffer, "\xef\xbf\xbd", 3);
      from = at + n;
    }
    at += n;
  }
  luaL_addlstring(&buffer, (const char *)from, (size_t)(end - from));
  luaL_pushresult(&buffer);
}

/* ---- strings --------------------------------------------------------------------------------- */

static int hex(const char *at, unsigned *value) {
  unsigned v = 0;
  for (int i = 0; i < 4; i++) {
    char c = at[i];
    v <<= 4;
    if (c >= '0' && c <= '9')
      v |= (unsigned)(c - '0');
    else if (c >= 'a' && c <= 'f')
      v |= (unsigned)(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      v |= (unsigned)(c - 'A' + 10);
    else
      return 0;
  }
  *value = v;
  return 1;
}

/* The code point of the "\u" escape at `at`, and where it ends; NULL for half a surrogate pair, and
 * what is no escape. */
static const char *read_unicode(const char *at, const char *end, unsigned *code) {
  unsigned low;
  if (end - at < 6 || !hex(at + 2, code) || (*code >= 0xdc00 && *code <= 0xdfff)) return NULL;
  if (*code < 0xd800 || *code > 0xdbff) return at + 6;
  if (end - at < 12 || at[6] != '\\' || at[7] != 'u' || !hex(at + 8, &low)) return NULL;
  if (low < 0xdc00 || low > 0xdfff) return NULL;
  *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
  return at + 12;
}

/* Where the escape at `at` ends, or NULL. */
static const char *skip_escape(const char *at, const char *end) {
  unsigned code;
  if (end - at < 2) return NULL;
  if (at[1] == 'u') return read_unicode(at, end, &code);
  return at[1] && strchr("\"\\/bfnrt", at[1]) ? at + 2 : NULL;
}

/* The closing quote of the string whose content begins at `at`, or NULL. */
static const char *string_end(const char *at, const char *end, int *is_escaped) {
  const char *from = at;
  *is_escaped = 0;
  for (;;) {
    const char *quote = at < end ? memchr(at, '"', (size_t)(end - at)) : NULL;
    if (!quote) return NULL;
    const char *escape = memchr(at, '\\', (size_t)(quote - at));
    const char *till = escape ? escape : quote;
    if (!mp_scan_is_plain(from, (size_t)(till - from))) return NULL;
    if (!escape) return quote;
    *is_escaped = 1;
    from = at = skip_escape(escape, end);
    if (!at) return NULL;
  }
}

static size_t put_utf8(char *to, unsigned code) {
  if (code < 0x80) {
    to[0] = (char)code;
    return 1;
  }
  size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = n - 1; i > 0; i--, code >>= 6) to[i] = (char)(0x80 | (code & 0x3f));
  to[0] = (char)((0xf00 >> n) | code);
  return n;
}

static char unescaped(char c) {
  switch (c) {
  case 'b': return '\b';
  case 'f': return '\f';
  case 'n': return '\n';
  case 'r': return '\r';
  case 't': return '\t';
  default: return c;
  }
}

/* The escapes are known to be good: none becomes longer than it is. */
static void push_unescaped(lua_State *L, const char *at, size_t len) {
  mp_sized_buffer buffer;
  char *start = luaL_buffinitsize(L, &buffer, len), *to = start;
  for (const char *end = at + len; at < end;) {
    const char *escape = memchr(at, '\\', (size_t)(end - at));
    size_t plain = (size_t)((escape ? escape : end) - at);
    memcpy(to, at, plain);
    to += plain;
    if (!escape) break;
    unsigned code;
    if (escape[1] == 'u') {
      at = read_unicode(escape, end, &code);
      to += put_utf8(to, code);
    } else {
      at = escape + 2;
      *to++ = unescaped(escape[1]);
    }
  }
  luaL_pushresultsize(&buffer, (size_t)(to - start));
}

void mp_scan_push(lua_State *L, const char *body, mp_span span) {
  if (span.kind == MP_SPAN_ESCAPED)
    push_unescaped(L, body + span.at, span.len);
  else
    lua_pushlstring(L, body + span.at, span.len);
}

/* ---- objects --------------------------------------------------------------------------------- */

static const char *skip_space(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
  return at;
}

/* Integers that any JSON library reads the same. */
static const char *skip_integer(const char *at, const char *end) {
  const char *digits = at < end && *at == '-' ? at + 1 : at;
  const char *p = digits;
  while (p < end && *p >= '0' && *p <= '9') p++;
  if (p == digits || p - digits > 18 || (*digits == '0' && p - digits > 1)) return NULL;
  if (p < end && (*p == '.' || *p == 'e' || *p == 'E')) return NULL;
  return p;
}

static const char *skip_word(const char *at, const char *end, const char *word) {
  size_t len = strlen(word);
  return (size_t)(end - at) >= len && memcmp(at, word, len) == 0 ? at + len : NULL;
}

/* The value at `at`: where it ends, or NULL. */
static const char *read_value(const char *body, const char *at, const char *end, mp_span *span) {
  int is_escaped;
  if (at >= end) return NULL;
  span->kind = MP_SPAN_OTHER;
  switch (*at) {
  case '"': {
    const char *quote = string_end(at + 1, end, &is_escaped);
    if (!quote) return NULL;
    span->at = (uint32_t)(at + 1 - body);
    span->len = (unsigned)(quote - at - 1);
    span->kind = is_escaped ? MP_SPAN_ESCAPED : MP_SPAN_PLAIN;
    return quote + 1;
  }
  case 't': span->kind = MP_SPAN_TRUE; return skip_word(at, end, "true");
  case 'f': return skip_word(at, end, "false");
  case 'n': return skip_word(at, end, "null");
  default: return skip_integer(at, end);
  }
}

static int field_of(const char *key, size_t len) {
  static const char *const names[MP_FIELDS] = {"type", "user", "text", "to", "target", "bot"};
  for (int i = 0; i < MP_FIELDS; i++)
    if (strlen(names[i]) == len && memcmp(names[i], key, len) == 0) return i;
  return -1;
}

/* The member at `at`: where it ends, or NULL. */
static const char *read_member(const char *body, const char *at, const char *end,
                               mp_span fields[MP_FIELDS]) {
  int is_escaped;
  mp_span span = {0, 0, MP_SPAN_ABSENT};
  if (at >= end || *at != '"') return NULL;
  const char *key = at + 1, *quote = string_end(key, end, &is_escaped);
  if (!quote || is_escaped) return NULL;
  at = skip_space(quote + 1, end);
  if (at >= end || *at != ':') return NULL;
  at = read_value(body, skip_space(at + 1, end), end, &span);
  int field = field_of(key, (size_t)(quote - key));
  if (field >= 0) fields[field] = span;
  return at;
}

int mp_scan_body(const char *body, size_t len, mp_span fields[MP_FIELDS]) {
  const char *end = body + len, *at = skip_space(body, end);
  if (len >= (size_t)1 << 29) return 0;
  memset(fields, 0, MP_FIELDS * sizeof *fields);
  if (at >= end || *at != '{') return 0;
  at = skip_space(at + 1, end);
  if (at < end && *at == '}') return skip_space(at + 1, end) == end;
  for (;;) {
    at = read_member(body, at, end, fields);
    if (!at) return 0;
    at = skip_space(at, end);
    if (at >= end) return 0;
    if (*at == '}') return skip_space(at + 1, end) == end;
    if (*at != ',') return 0;
    at = skip_space(at + 1, end);
  }
}

int mp_scan_shape(const char *body, size_t len, mp_span fields[MP_FIELDS]) {
  static const char before[] = "{\"user\":\"", between[] = "\",\"text\":\"";
  enum { BEFORE = sizeof before - 1, BETWEEN = sizeof between - 1 };
  if (len < BEFORE + BETWEEN + 2 || len >= (size_t)1 << 29) return 0;
  if (memcmp(body, before, BEFORE) != 0 || body[len - 2] != '"' || body[len - 1] != '}') return 0;
  const char *user = body + BEFORE, *last = body + len - 2;
  const char *quote = memchr(user, '"', (size_t)(last - user));
  if (!quote || last - quote < BETWEEN || memcmp(quote, between, BETWEEN) != 0) return 0;
  const char *text = quote + BETWEEN;
  size_t text_len = (size_t)(last - text);
  if (memchr(text, '"', text_len) || memchr(user, '\\', (size_t)(last - user))) return 0;
  fields[MP_FIELD_USER] = (mp_span){BEFORE, (unsigned)(quote - user), MP_SPAN_PLAIN};
  fields[MP_FIELD_TEXT] = (mp_span){(uint32_t)(text - body), (unsigned)text_len, MP_SPAN_PLAIN};
  return 1;
}
