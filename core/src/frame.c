/* The parser of frames. It is on the way of every message, so it looks at each byte of the frame
 * once, at none of the body's, and takes no memory. */
#include "frame.h"

#include <string.h>

#define NUMBER_MAX 20u /* digits of 2^64 - 1 */
#define TAG_LEN 16
#define MOST_DIGITS 17 /* that are read eight at a time */

/* ---- eight bytes at a time ------------------------------------------------------------------- */

#define EACH(byte) (0x0101010101010101u * (byte))

/* Eight bytes of text, the first one lowest. */
static inline uint64_t load(const char *at) {
  uint64_t bytes;
  memcpy(&bytes, at, sizeof bytes);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  bytes = __builtin_bswap64(bytes);
#endif
  return bytes;
}

/* How many of the eight, from the first on, are digits. */
static inline unsigned count_digits(uint64_t bytes) {
  uint64_t other =
      ((bytes & EACH(0xf0)) ^ EACH(0x30)) | (((bytes & EACH(0x0f)) + EACH(6)) & EACH(0xf0));
  return other ? (unsigned)__builtin_ctzll(other) / 8 : 8;
}

/* The number that eight digits are: pairs, fours, all. */
static inline uint64_t value_of(uint64_t digits) {
  digits &= EACH(0x0f);
  digits = digits * 10 + (digits >> 8);
  return (((digits & 0x000000ff000000ffu) * 0x000f424000000064u +
           ((digits >> 16) & 0x000000ff000000ffu) * 0x0000271000000001u) >>
          32) &
         0xffffffffu;
}

/* Up to eight hexadecimal digits' worth of bytes as a number; *is_good becomes 0 for what is none.
 */
static inline uint64_t hex_value_of(uint64_t bytes, int *is_good) {
  uint64_t letters = (bytes & EACH(0x40)) >> 6;
  uint64_t n = (bytes & EACH(0x0f)) + letters * 9;
  uint64_t over_nine = ((n + EACH(6)) >> 4) & EACH(1);
  *is_good &= (n & EACH(0xf0)) == 0 && bytes == EACH('0') + n + over_nine * ('a' - '0' - 10);
  n = __builtin_bswap64(n);
  n = (n | n >> 4) & 0x00ff00ff00ff00ffu;
  n = (n | n >> 8) & 0x0000ffff0000ffffu;
  return (n | n >> 16) & 0xffffffffu;
}

/* ---- ids ------------------------------------------------------------------------------------- */

/* "<digits>-": where it ends, or NULL. */
static const char *read_long_number(const char *at, const char *end, uint64_t *number) {
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

static inline const char *read_number(const char *at, const char *end, uint64_t *number) {
  static const uint64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
  if (end - at < MOST_DIGITS) return read_long_number(at, end, number);
  uint64_t bytes = load(at), high = 0;
  unsigned count = count_digits(bytes), first = 0;
  if (count == 8) {
    high = value_of(bytes);
    bytes = load(at + 8);
    first = 8;
    count = count_digits(bytes);
  }
  if (first + count == 0) return NULL;
  if (count == 8 || at[first + count] != '-') return read_long_number(at, end, number);
  /* the digits' places are the last ones */
  if (count) bytes = bytes << (8 * (8 - count));
  *number = count ? high * powers[count] + value_of(bytes) : high;
  return at + first + count + 1;
}

static inline const char *read_id(const char *at, const char *end, moonpool_id *id) {
  int is_good = 1;
  at = read_number(at, end, &id->ms);
  if (at) at = read_number(at, end, &id->seq);
  if (!at || end - at < TAG_LEN) return NULL;
  id->tag = hex_value_of(load(at), &is_good) << 32;
  id->tag |= hex_value_of(load(at + 8), &is_good);
  return is_good ? at + TAG_LEN : NULL;
}

/* ---- frames ---------------------------------------------------------------------------------- */

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
