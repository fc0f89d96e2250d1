/* The parser of frames. It is on the way of every message, so it looks at each byte of the frame
 * once, at none of the body's, and takes no memory. */
#include "frame.h"

#include <string.h>

#define NUMBER_MAX 20u /* digits of 2^64 - 1 */
#define TAG_LEN 16

/* What is no digit is above 15. */
static const uint8_t hex[256] = {
    ['0'] = 16, ['1'] = 17, ['2'] = 18, ['3'] = 19, ['4'] = 20, ['5'] = 21, ['6'] = 22, ['7'] = 23,
    ['8'] = 24, ['9'] = 25, ['a'] = 26, ['b'] = 27, ['c'] = 28, ['d'] = 29, ['e'] = 30, ['f'] = 31};

/* "<digits>-": where it ends, or NULL. */
static const char *read_number(const char *at, const char *end, uint64_t *number) {
  const char *begin = at;
  uint64_t n = 0;
  if (end - at > NUMBER_MAX + 1) end = at + NUMBER_MAX + 1;
  for (; at < end && (unsigned char)(*at - '0') <= 9; at++) {
    unsigned digit = (unsigned)(*at - '0');
    if (n >= UINT64_MAX / 10 && (n > UINT64_MAX / 10 || digit > UINT64_MAX % 10)) return NULL;
    n = n * 10 + digit;
  }
  if (at == begin || at >= end || *at != '-') return NULL;
  *number = n;
  return at + 1;
}

static const char *read_id(const char *at, const char *end, moonpool_id *id) {
  at = read_number(at, end, &id->ms);
  if (at) at = read_number(at, end, &id->seq);
  if (!at || end - at < TAG_LEN) return NULL;
  uint64_t tag = 0;
  unsigned all = 16;
  for (int i = 0; i < TAG_LEN; i++) {
    unsigned digit = hex[(unsigned char)at[i]];
    all &= digit;
    tag = tag << 4 | (digit & 15);
  }
  if (!(all & 16)) return NULL;
  id->tag = tag;
  return at + TAG_LEN;
}

/* Where the text ends that is due at `at`, or NULL. */
static inline const char *take(const char *at, const char *end, const char *text, size_t len) {
  return (size_t)(end - at) >= len && memcmp(at, text, len) == 0 ? at + len : NULL;
}
#define TAKE(at, end, text) take(at, end, text, sizeof(text) - 1)

/* The id after `"prev":"`. */
static const char *read_prev(mp_frame *frame, const char *at, const char *end,
                             moonpool_bytes expected, int *is_expected) {
  moonpool_id ignored;
  *is_expected = expected.data && (size_t)(end - at) > expected.len && at[expected.len] == '"' &&
                 memcmp(at, expected.data, expected.len) == 0;
  const char *stop = *is_expected ? at + expected.len : read_id(at, end, &ignored);
  if (stop) frame->prev = (moonpool_bytes){at, (size_t)(stop - at)};
  return stop;
}

int mp_frame_parse(mp_frame *frame, moonpool_bytes payload, moonpool_bytes expected) {
  const char *at = payload.data, *end = payload.data + payload.len, *text, *next;
  int is_expected = 0;
  if (!(text = TAKE(at, end, "{\"id\":\""))) return 0;
  if (!(at = read_id(text, end, &frame->id))) return 0;
  frame->id_text = (moonpool_bytes){text, (size_t)(at - text)};
  frame->prev = (moonpool_bytes){NULL, 0};
  if ((next = TAKE(at, end, "\",\"prev\":\"")) &&
      !(at = read_prev(frame, next, end, expected, &is_expected)))
    return 0;
  if (!(at = TAKE(at, end, "\",\"m\":"))) return 0;
  if (end - at < 3 || at[0] != '{' || end[-1] != '}' || end[-2] != '}') return 0;
  frame->body = (moonpool_bytes){at, (size_t)(end - at) - 1};
  return 1 + is_expected;
}
