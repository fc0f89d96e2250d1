/* Section 6 of the Autobahn test suite: what is UTF-8 and what is not, whole, cut into fragments
 * inside of characters, and told as soon as it is known. The sequences are those of Markus Kuhn's
 * UTF-8 decoder test. */
#include "ws_case.h"

static redis_server server;
static gateway_thread gateway;

typedef struct sequence {
  const char *data;
  size_t len;
} sequence;

#define SEQ(text)                                                                                  \
  { text, sizeof(text) - 1 }
#define ALL(rows, is_valid) check_all(#rows, rows, sizeof(rows) / sizeof *(rows), is_valid)

#define KOSME "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"

/* ---- sequences ------------------------------------------------------------------------------- */

static const sequence s6_5_correct[] = {SEQ("hello\x24world"), SEQ("hello\xC2\xA2world"),
                                        SEQ("hello\xE2\x82\xACworld"),
                                        SEQ("hello\xF0\xA4\xAD\xA2world"), SEQ(KOSME)};
static const sequence s6_7_first_of_a_length[] = {SEQ("\xc2\x80"), SEQ("\xe0\xa0\x80"),
                                                  SEQ("\xf0\x90\x80\x80")};
static const sequence s6_8_first_of_lengths_5_and_6[] = {SEQ("\xf8\x88\x80\x80\x80"),
                                                         SEQ("\xfc\x84\x80\x80\x80\x80")};
static const sequence s6_9_last_of_a_length[] = {SEQ("\x7f"), SEQ("\xdf\xbf"), SEQ("\xef\xbf\xbf"),
                                                 SEQ("\xf4\x8f\xbf\xbf")};
static const sequence s6_10_last_of_lengths_4_to_6[] = {
    SEQ("\xf7\xbf\xbf\xbf"), SEQ("\xfb\xbf\xbf\xbf\xbf"), SEQ("\xfd\xbf\xbf\xbf\xbf\xbf")};
static const sequence s6_11_borders[] = {SEQ("\xed\x9f\xbf"), SEQ("\xee\x80\x80"),
                                         SEQ("\xef\xbf\xbd"), SEQ("\xf4\x8f\xbf\xbf")};
static const sequence s6_11_past_the_last[] = {SEQ("\xf4\x90\x80\x80")};
static const sequence s6_12_continuations_alone[] = {
    SEQ("\x80"),
    SEQ("\xbf"),
    SEQ("\x80\xbf"),
    SEQ("\x80\xbf\x80"),
    SEQ("\x80\xbf\x80\xbf"),
    SEQ("\x80\xbf\x80\xbf\x80"),
    SEQ("\x80\xbf\x80\xbf\x80\xbf"),
    SEQ("\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95"
        "\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab"
        "\xac\xad\xae\xaf\xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe")};
static const sequence s6_13_starts_alone[] = {
    SEQ("\xc0 \xc1 \xc2 \xc3 \xc4 \xc5 \xc6 \xc7 \xc8 \xc9 \xca \xcb \xcc \xcd \xce \xcf \xd0 \xd1 "
        "\xd2 \xd3 \xd4 \xd5 \xd6 \xd7 \xd8 \xd9 \xda \xdb \xdc \xdd \xde "),
    SEQ("\xe0 \xe1 \xe2 \xe3 \xe4 \xe5 \xe6 \xe7 \xe8 \xe9 \xea \xeb \xec \xed \xee "),
    SEQ("\xf0 \xf1 \xf2 \xf3 \xf4 \xf5 \xf6 "), SEQ("\xf8 \xf9 \xfa "), SEQ("\xfc ")};
static const sequence s6_14_last_byte_missing[] = {
    SEQ("\xc0"), SEQ("\xe0\x80"), SEQ("\xf0\x80\x80"), SEQ("\xf8\x80\x80\x80"),
    SEQ("\xfc\x80\x80\x80\x80"), SEQ("\xdf"), SEQ("\xef\xbf"), SEQ("\xf7\xbf\xbf"),
    SEQ("\xfb\xbf\xbf\xbf"), SEQ("\xfd\xbf\xbf\xbf\xbf"),
    /* 6.15: all of them, one behind the other */
    SEQ("\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf"
        "\xfb\xbf\xbf\xbf\xfd\xbf\xbf\xbf\xbf")};
static const sequence s6_16_impossible_bytes[] = {SEQ("\xfe"), SEQ("\xff"),
                                                  SEQ("\xfe\xfe\xff\xff")};
static const sequence s6_17_overlong_slash[] = {
    SEQ("\xc0\xaf"), SEQ("\xe0\x80\xaf"), SEQ("\xf0\x80\x80\xaf"), SEQ("\xf8\x80\x80\x80\xaf"),
    SEQ("\xfc\x80\x80\x80\x80\xaf")};
static const sequence s6_18_longest_overlong[] = {
    SEQ("\xc1\xbf"), SEQ("\xe0\x9f\xbf"), SEQ("\xf0\x8f\xbf\xbf"), SEQ("\xf8\x87\xbf\xbf\xbf"),
    SEQ("\xfc\x83\xbf\xbf\xbf\xbf")};
static const sequence s6_19_overlong_nul[] = {SEQ("\xc0\x80"), SEQ("\xe0\x80\x80"),
                                              SEQ("\xf0\x80\x80\x80"), SEQ("\xf8\x80\x80\x80\x80"),
                                              SEQ("\xfc\x80\x80\x80\x80\x80")};
static const sequence s6_20_surrogates[] = {
    SEQ("\xed\xa0\x80"), SEQ("\xed\xad\xbf"), SEQ("\xed\xae\x80"), SEQ("\xed\xaf\xbf"),
    SEQ("\xed\xb0\x80"), SEQ("\xed\xbe\x80"), SEQ("\xed\xbf\xbf")};
static const sequence s6_21_pairs_of_surrogates[] = {
    SEQ("\xed\xa0\x80\xed\xb0\x80"), SEQ("\xed\xa0\x80\xed\xbf\xbf"),
    SEQ("\xed\xad\xbf\xed\xb0\x80"), SEQ("\xed\xad\xbf\xed\xbf\xbf"),
    SEQ("\xed\xae\x80\xed\xb0\x80"), SEQ("\xed\xae\x80\xed\xbf\xbf"),
    SEQ("\xed\xaf\xbf\xed\xb0\x80"), SEQ("\xed\xaf\xbf\xed\xbf\xbf")};
static const sequence s6_23_specials[] = {
    SEQ("\xef\xbf\xb9"), SEQ("\xef\xbf\xba"), SEQ("\xef\xbf\xbb"), SEQ("\xef\xbf\xbc"),
    SEQ("\xef\xbf\xbd"), SEQ("\xef\xbf\xbe"), SEQ("\xef\xbf\xbf")};

/* ---- one of them ----------------------------------------------------------------------------- */

/* The message in one frame, or in fragments of one byte. */
static void send_message(ws_client *c, const char *data, size_t len, int is_fragmented) {
  mp_buf out;
  mp_buf_init(&out, &mp_default_allocator);
  if (!is_fragmented) ws_put_frame(&out, WS_FIN | WS_TEXT, data, len, 0);
  for (size_t i = 0; is_fragmented && i < len; i++)
    ws_put_frame(&out, (i ? WS_REST : WS_TEXT) | (i + 1 == len ? WS_FIN : 0u), data + i, 1, 0);
  ws_send_bytes(c, out.data, out.len, 0);
  mp_buf_free(&out);
}

static int run(const char *id, const char *data, size_t len, const ws_expected *expected,
               int is_fragmented) {
  ws_client c;
  int is_right = ws_open(&c, gateway.port);
  if (is_right) send_message(&c, data, len, is_fragmented);
  is_right = is_right && ws_expect(&c, id, expected) && ws_finish(&c, id, expected->code);
  ws_end(&c);
  return is_right;
}

/* Inside of a JSON text, and, of what is not valid, alone: as the last thing of a message. */
static int check(const char *id, const sequence *s, int is_valid) {
  static const ws_expected refused = CLOSED(1007);
  char text[256];
  ws_expected expected = {WS_ECHO, s->data, s->len, 0};
  if (!is_valid) expected = refused;
  size_t len = sizeof JSON_START - 1;
  memcpy(text, JSON_START, len);
  memcpy(text + len, s->data, s->len);
  len += s->len;
  memcpy(text + len, JSON_END, sizeof JSON_END);
  len += sizeof JSON_END - 1;
  return run(id, text, len, &expected, 0) && run(id, text, len, &expected, 1) &&
         (is_valid || run(id, s->data, s->len, &expected, 0));
}

static void check_all(const char *name, const sequence *rows, size_t count, int is_valid) {
  for (size_t i = 0; i < count; i++) {
    char id[60];
    snprintf(id, sizeof id, "%s, %zu", name, i + 1);
    CHECK(check(id, &rows[i], is_valid));
  }
}

/* ---- tests ----------------------------------------------------------------------------------- */

TEST(section_6_2_valid_text_however_it_is_cut) {
  static const sequence texts[] = {
      SEQ("Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"), SEQ(KOSME)};
  ALL(texts, 1);
}

TEST(section_6_3_a_surrogate_in_the_middle) {
  static const sequence texts[] = {SEQ(KOSME "\xed\xa0\x80"
                                             "edited")};
  ALL(texts, 0);
}

/* 6.4: the connection fails with the byte that makes it invalid, before the rest is sent: 1, 2
 * between frames, 3, 4 within one. */
static void check_fail_fast(const char *id, size_t first, size_t second, int is_one_frame) {
  static const char text[] = KOSME "\xf4\x90\x80\x80"
                                   "edited";
  static const ws_expected refused = CLOSED(1007);
  size_t header = is_one_frame ? 6 : 0;
  ws_client c;
  mp_buf out;
  mp_buf_init(&out, &mp_default_allocator);
  CHECK(ws_open(&c, gateway.port));
  if (is_one_frame) {
    ws_put_frame(&out, WS_FIN | WS_TEXT, text, sizeof text - 1, 0);
    ws_send_bytes(&c, out.data, header + first, 0);
    ws_send_bytes(&c, out.data + header + first, second, 0);
  } else {
    ws_send_frame(&c, WS_TEXT, text, first, 0);
    ws_send_frame(&c, WS_REST, text + first, second, 0);
  }
  CHECK(ws_expect(&c, id, &refused) && ws_finish(&c, id, 1007));
  ws_end(&c);
  mp_buf_free(&out);
}

TEST(section_6_4_what_is_wrong_is_told_at_once) {
  check_fail_fast("6.4.1", 11, 4, 0);
  check_fail_fast("6.4.2", 12, 1, 0);
  check_fail_fast("6.4.3", 11, 4, 1);
  check_fail_fast("6.4.4", 12, 1, 1);
}

TEST(section_6_6_prefixes_of_a_valid_text) {
  for (size_t len = 1; len <= sizeof KOSME - 1; len++) {
    sequence prefix = {KOSME, len};
    int is_whole = len == 2 || len == 5 || len == 7 || len == 9 || len == 11;
    CHECK(check("6.6", &prefix, is_whole));
  }
}

TEST(sections_6_5_to_6_11_lengths_and_borders) {
  ALL(s6_5_correct, 1);
  ALL(s6_7_first_of_a_length, 1);
  ALL(s6_8_first_of_lengths_5_and_6, 0);
  ALL(s6_9_last_of_a_length, 1);
  ALL(s6_10_last_of_lengths_4_to_6, 0);
  ALL(s6_11_borders, 1);
  ALL(s6_11_past_the_last, 0);
}

/* 6.7.1: NUL is UTF-8, but stands in no JSON text. */
TEST(section_6_7_1_a_nul) {
  static const ws_expected fault = FAULT;
  CHECK(run("6.7.1", "\x00", 1, &fault, 0));
}

TEST(sections_6_12_to_6_16_malformed) {
  ALL(s6_12_continuations_alone, 0);
  ALL(s6_13_starts_alone, 0);
  ALL(s6_14_last_byte_missing, 0);
  ALL(s6_16_impossible_bytes, 0);
}

TEST(sections_6_17_to_6_19_overlong) {
  ALL(s6_17_overlong_slash, 0);
  ALL(s6_18_longest_overlong, 0);
  ALL(s6_19_overlong_nul, 0);
}

TEST(sections_6_20_and_6_21_surrogates) {
  ALL(s6_20_surrogates, 0);
  ALL(s6_21_pairs_of_surrogates, 0);
}

/* 6.22: the last two of each of the 17 planes; they stand for no character, and are UTF-8. */
TEST(section_6_22_code_points_without_a_character) {
  for (unsigned plane = 0; plane <= 16; plane++) {
    for (unsigned last = 0xbe; last <= 0xbf; last++) {
      unsigned char text[4] = {(unsigned char)(0xf0 | plane >> 2),
                               (unsigned char)(0x8f | (plane & 3) << 4), 0xbf, (unsigned char)last};
      sequence s = {(const char *)text, 4};
      if (plane == 0) text[1] = 0xef, s = (sequence){(const char *)text + 1, 3};
      CHECK(check("6.22", &s, 1));
    }
  }
}

TEST(section_6_23_specials) {
  ALL(s6_23_specials, 1);
}

static const test_case tests[] = {
    TEST_CASE(section_6_2_valid_text_however_it_is_cut),
    TEST_CASE(section_6_3_a_surrogate_in_the_middle),
    TEST_CASE(section_6_4_what_is_wrong_is_told_at_once),
    TEST_CASE(sections_6_5_to_6_11_lengths_and_borders),
    TEST_CASE(section_6_6_prefixes_of_a_valid_text),
    TEST_CASE(section_6_7_1_a_nul),
    TEST_CASE(sections_6_12_to_6_16_malformed),
    TEST_CASE(sections_6_17_to_6_19_overlong),
    TEST_CASE(sections_6_20_and_6_21_surrogates),
    TEST_CASE(section_6_22_code_points_without_a_character),
    TEST_CASE(section_6_23_specials),
};

int main(int argc, char **argv) {
  if (!redis_start(&server)) return 1;
  int failed = !ws_case_gateway(&gateway, &server) || RUN_TESTS(tests, argc, argv);
  gateway_thread_stop(&gateway);
  redis_stop(&server);
  return failed;
}
