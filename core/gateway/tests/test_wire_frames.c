/* What RFC 6455 says of frames, messages and closing, as a table of what a client sends and what it
 * gets, each fed whole, and byte by byte. */
#include "wire_fixture.h"

/* What is said: bytes as they are, or a frame of this first byte, masked. */
typedef struct said {
  int first; /* -1: raw bytes */
  const char *data;
  size_t len;
} said;

typedef struct row {
  const char *name;
  said says[8];
  const char *hears; /* "OPCODE:payload|…"; of a close: its code */
} row;

#define S(first, text)                                                                             \
  { first, text, sizeof text - 1 }
#define RAW(text) S(-1, text)
#define END S(0x88, "\x03\xe8")
#define CLOSE(code, reason) S(0x88, code reason)

#define FILL_125                                                                                   \
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
  "aaaaaa"                                                                                         \
  "aaaaaaaaaaaaaaaaaaaaaaaaa"
#define FILL_123                                                                                   \
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
  "aaaaaa"                                                                                         \
  "aaaaaaaaaaaaaaaaaaaaaaa"

static const row rows[] = {
    /* 1: messages */
    {"empty text", {S(0x81, ""), END}, "1:|8:1000"},
    {"text", {S(0x81, "hello"), END}, "1:hello|8:1000"},
    {"125 bytes", {S(0x81, FILL_125), END}, "1:" FILL_125 "|8:1000"},
    {"126 bytes", {S(0x81, FILL_125 "b"), END}, "1:" FILL_125 "b|8:1000"},
    {"binary", {S(0x82, "x")}, "8:1003"},
    {"empty binary", {S(0x82, "")}, "8:1003"},
    /* 2: pings and pongs */
    {"ping", {S(0x89, ""), END}, "10:|8:1000"},
    {"ping with data", {S(0x89, "abc"), END}, "10:abc|8:1000"},
    {"ping of 125 bytes", {S(0x89, FILL_125), END}, "10:" FILL_125 "|8:1000"},
    {"ping of 126 bytes", {S(0x89, FILL_125 "b")}, "8:1002"},
    {"ping of binary data", {S(0x89, "\xff\xfe\x01"), END}, "10:\xff\xfe\x01|8:1000"},
    {"pong unasked for", {S(0x8a, ""), END}, "8:1000"},
    {"pong with data, then a ping", {S(0x8a, "x"), S(0x89, "y"), END}, "10:y|8:1000"},
    {"three pings", {S(0x89, "1"), S(0x89, "2"), S(0x89, "3"), END}, "10:1|10:2|10:3|8:1000"},
    /* 3: reserved bits */
    {"RSV3", {S(0x91, "x")}, "8:1002"},
    {"RSV2", {S(0xa1, "x")}, "8:1002"},
    {"RSV1", {S(0xc1, "x")}, "8:1002"},
    {"all of them", {S(0xf1, "x")}, "8:1002"},
    {"RSV after a message", {S(0x81, "ok"), S(0xa1, "x")}, "1:ok|8:1002"},
    {"RSV of a ping", {S(0xd9, "x")}, "8:1002"},
    {"RSV of a close", {S(0xf8, "\x03\xe8")}, "8:1002"},
    {"RSV of a continuation", {S(0x01, "x"), S(0xc0, "y")}, "8:1002"},
    /* 4: opcodes */
    {"opcode 3", {S(0x83, "")}, "8:1002"},
    {"opcode 4", {S(0x84, "x")}, "8:1002"},
    {"opcode 5 after a message", {S(0x81, "ok"), S(0x85, "")}, "1:ok|8:1002"},
    {"opcode 7", {S(0x87, "x")}, "8:1002"},
    {"opcode 11", {S(0x8b, "")}, "8:1002"},
    {"opcode 12", {S(0x8c, "x")}, "8:1002"},
    {"opcode 15", {S(0x8f, "x")}, "8:1002"},
    /* 5: fragments */
    {"fragmented ping", {S(0x09, "a"), S(0x80, "b")}, "8:1002"},
    {"fragmented pong", {S(0x0a, "a"), S(0x80, "b")}, "8:1002"},
    {"fragmented close", {S(0x08, "\x03\xe8")}, "8:1002"},
    {"two fragments", {S(0x01, "he"), S(0x80, "llo"), END}, "1:hello|8:1000"},
    {"three fragments", {S(0x01, "h"), S(0x00, "ell"), S(0x80, "o"), END}, "1:hello|8:1000"},
    {"empty fragments", {S(0x01, ""), S(0x00, ""), S(0x80, ""), END}, "1:|8:1000"},
    {"empty around", {S(0x01, ""), S(0x00, "mid"), S(0x80, ""), END}, "1:mid|8:1000"},
    {"a ping between", {S(0x01, "a"), S(0x89, "p"), S(0x80, "b"), END}, "10:p|1:ab|8:1000"},
    {"pings between",
     {S(0x01, "a"), S(0x89, "p"), S(0x00, "b"), S(0x89, "q"), S(0x80, "c"), END},
     "10:p|10:q|1:abc|8:1000"},
    {"a pong between", {S(0x01, "a"), S(0x8a, "p"), S(0x80, "b"), END}, "1:ab|8:1000"},
    {"a close between", {S(0x01, "a"), END, S(0x80, "b")}, "8:1000"},
    {"continuation of nothing", {S(0x80, "x")}, "8:1002"},
    {"first continuation of nothing", {S(0x00, "x")}, "8:1002"},
    {"continuation after a message", {S(0x81, "a"), S(0x80, "x")}, "1:a|8:1002"},
    {"continuation after fragments", {S(0x01, "a"), S(0x80, "b"), S(0x00, "c")}, "1:ab|8:1002"},
    {"a message inside of a message", {S(0x01, "a"), S(0x81, "b")}, "8:1002"},
    {"a first fragment inside of a message", {S(0x01, "a"), S(0x01, "b")}, "8:1002"},
    {"binary inside of a message", {S(0x01, "a"), S(0x82, "b")}, "8:1002"},
    /* 6: UTF-8 */
    {"kosme",
     {S(0x81, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"), END},
     "1:\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5|8:1000"},
    {"a character over fragments",
     {S(0x01, "a\xf0"), S(0x00, "\x9f"), S(0x00, "\x98\x80"), S(0x80, "b"), END},
     "1:a\xf0\x9f\x98\x80"
     "b|8:1000"},
    {"U+10FFFF", {S(0x81, "\xf4\x8f\xbf\xbf"), END}, "1:\xf4\x8f\xbf\xbf|8:1000"},
    {"U+FFFF and U+FFFE",
     {S(0x81, "\xef\xbf\xbf\xef\xbf\xbe"), END},
     "1:\xef\xbf\xbf\xef\xbf\xbe|8:1000"},
    {"past U+10FFFF", {S(0x81, "\xf4\x90\x80\x80")}, "8:1007"},
    {"a surrogate", {S(0x81, "\xed\xa0\x80")}, "8:1007"},
    {"the last surrogate", {S(0x81, "\xed\xbf\xbf")}, "8:1007"},
    {"longer than needed, two bytes", {S(0x81, "\xc0\xaf")}, "8:1007"},
    {"longer than needed, three", {S(0x81, "\xe0\x80\xaf")}, "8:1007"},
    {"longer than needed, four", {S(0x81, "\xf0\x80\x80\xaf")}, "8:1007"},
    {"five bytes", {S(0x81, "\xf8\x88\x80\x80\x80")}, "8:1007"},
    {"a byte alone", {S(0x81, "\x80")}, "8:1007"},
    {"0xfe", {S(0x81, "\xfe")}, "8:1007"},
    {"0xff", {S(0x81, "abc\xff")}, "8:1007"},
    {"an unfinished character", {S(0x81, "\xce")}, "8:1007"},
    {"unfinished after fragments", {S(0x01, "\xce\xba"), S(0x80, "\xce")}, "8:1007"},
    {"wrong in the second fragment", {S(0x01, "\xce"), S(0x80, "a")}, "8:1007"},
    {"wrong before the message ends", {S(0x01, "\xed\xa0")}, "8:1007"},
    {"wrong before the frame ends", {RAW("\x81\xfe\x10\x00\x00\x00\x00\x00\xff")}, "8:1007"},
    /* 7: closing */
    {"without a code", {S(0x88, "")}, "8:1005"},
    {"one byte", {S(0x88, "\x03")}, "8:1002"},
    {"1000", {CLOSE("\x03\xe8", "")}, "8:1000"},
    {"with a reason", {CLOSE("\x03\xe8", "bye")}, "8:1000"},
    {"with a reason of 123 bytes", {CLOSE("\x03\xe8", FILL_123)}, "8:1000"},
    {"a reason of 124 bytes", {CLOSE("\x03\xe8", FILL_123 "b")}, "8:1002"},
    {"a reason that is not UTF-8", {CLOSE("\x03\xe8", "a\xc0\xaf")}, "8:1007"},
    {"a reason that ends within a character", {CLOSE("\x03\xe8", "a\xce")}, "8:1007"},
    {"after the close nothing counts", {END, S(0x81, "x"), S(0x89, "y")}, "8:1000"},
    {"two closes", {END, S(0x88, "\x03\xe9")}, "8:1000"},
    {"1001", {CLOSE("\x03\xe9", "")}, "8:1001"},
    {"1002", {CLOSE("\x03\xea", "")}, "8:1002"},
    {"1003", {CLOSE("\x03\xeb", "")}, "8:1003"},
    {"1007", {CLOSE("\x03\xef", "")}, "8:1007"},
    {"1010", {CLOSE("\x03\xf2", "")}, "8:1010"},
    {"1011", {CLOSE("\x03\xf3", "")}, "8:1011"},
    {"1012", {CLOSE("\x03\xf4", "")}, "8:1012"},
    {"1014", {CLOSE("\x03\xf6", "")}, "8:1014"},
    {"3000", {CLOSE("\x0b\xb8", "")}, "8:3000"},
    {"3999", {CLOSE("\x0f\x9f", "")}, "8:3999"},
    {"4000", {CLOSE("\x0f\xa0", "")}, "8:4000"},
    {"4999", {CLOSE("\x13\x87", "")}, "8:4999"},
    {"0", {S(0x88, "\0\0")}, "8:1002"},
    {"999", {CLOSE("\x03\xe7", "")}, "8:1002"},
    {"1004", {CLOSE("\x03\xec", "")}, "8:1002"},
    {"1005", {CLOSE("\x03\xed", "")}, "8:1002"},
    {"1006", {CLOSE("\x03\xee", "")}, "8:1002"},
    {"1015", {CLOSE("\x03\xf7", "")}, "8:1002"},
    {"1016", {CLOSE("\x03\xf8", "")}, "8:1002"},
    {"2999", {CLOSE("\x0b\xb7", "")}, "8:1002"},
    {"5000", {CLOSE("\x13\x88", "")}, "8:1002"},
    {"65535", {CLOSE("\xff\xff", "")}, "8:1002"},
    /* 5.1, 5.2: masks and lengths */
    {"not masked", {RAW("\x81\x01x")}, "8:1002"},
    {"not masked, a ping", {RAW("\x89\x00")}, "8:1002"},
    {"16 bits where 7 do", {RAW("\x81\xfe\x00\x7d\x00\x00\x00\x00")}, "8:1002"},
    {"64 bits where 16 do", {RAW("\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0")}, "8:1002"},
    {"2^63", {RAW("\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0")}, "8:1002"},
    {"2^63 - 1", {RAW("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x")}, "8:1009"},
    {"max_message and one", {RAW("\x81\xff\0\0\0\0\0\1\0\1\0\0\0\0x")}, "8:1009"},
    {"max_message and one, in fragments",
     {S(0x01, "abc"), RAW("\x80\xfe\xff\xfe\0\0\0\0x")},
     "8:1009"},
};

static void say_row(peer *p, const row *r, int is_slow) {
  for (size_t i = 0; i < 8 && r->says[i].data; i++) {
    const said *s = &r->says[i];
    char frame[300];
    size_t len = s->len;
    if (s->first < 0)
      memcpy(frame, s->data, len);
    else
      len = make_frame(frame, (unsigned)s->first, s->data, len);
    if (is_slow)
      peer_say_slowly(p, frame, len);
    else
      peer_say_bytes(p, frame, len);
  }
}

/* What comes until the end, as the table writes it. */
static void hear_all(peer *p, char *heard, size_t size) {
  char text[300];
  unsigned opcode;
  size_t at = 0;
  heard[0] = '\0';
  while ((opcode = peer_next(p, text, sizeof text)) && at < size) {
    unsigned code = (unsigned)(unsigned char)text[0] << 8 | (unsigned char)text[1];
    const char *bar = at ? "|" : "";
    if (opcode == 8)
      at += (size_t)snprintf(heard + at, size - at, "%s8:%u", bar, code ? code : 1005);
    else
      at += (size_t)snprintf(heard + at, size - at, "%s%u:%s", bar, opcode, text);
  }
}

static void run_rows(int is_slow) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char heard[1000];
    peer *p = peer_upgrade(&f);
    say_row(p, &rows[i], is_slow);
    hear_all(p, heard, sizeof heard);
    if (strcmp(heard, rows[i].hears) != 0)
      printf("  %s%s:\n", rows[i].name, is_slow ? ", slowly" : "");
    CHECK_STR(heard, rows[i].hears);
    CHECK_INT(p->is_over, 1);
    peer_close(p);
  }
  RUN_UNTIL(&f, stats_of(&f).connections == 0);
  tear_down_wire(&f);
}

TEST(frames_are_taken_whole) {
  run_rows(0);
}

TEST(frames_are_taken_byte_by_byte) {
  run_rows(1);
}

static const test_case tests[] = {
    TEST_CASE(frames_are_taken_whole),
    TEST_CASE(frames_are_taken_byte_by_byte),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
