/* Patterns of rooms: Redis's verdicts, no exponential time; UTF-8 by the tables of the Unicode
 * standard, and against a slow check of every sequence. */
#include "glob.h"

#include "fuzz.h"
#include "test.h"
#include "utf8.h"

static moonpool_bytes bytes(const char *text) {
  return (moonpool_bytes){text, strlen(text)};
}

TEST(verdicts_are_those_of_redis) {
  static const struct {
    const char *pattern, *name;
    int verdict;
  } cases[] = {
      {"*", "chatty", 1},
      {"chatty", "chatty", 1},
      {"chatty", "chatt", 0},
      {"chat?y", "chatty", 1},
      {"chat?y", "chaty", 0},
      {"c*y", "chatty", 1},
      {"c*t", "chatty", 0},
      {"*a*b*", "xxaxxbxx", 1},
      {"*a*b", "xaxbx", 0},
      {"[abc]at", "bat", 1},
      {"[abc]at", "dat", 0},
      {"[a-c]at", "cat", 1},
      {"[c-a]at", "bat", 1},
      {"[^a]at", "bat", 1},
      {"[^a]at", "aat", 0},
      {"\\*", "*", 1},
      {"\\*", "x", 0},
      {"a\\", "a\\", 1},
      {"[\\]]x", "]x", 1},
      {"[ab", "a", 1},
      {"[", "x", 0},
      {"[^", "x", 1},
      {"a[b-", "a-", 1},
      {"", "", 1},
      {"", "x", 0},
      {"*", "", 0},
      {"team-*", "team-", 1},
      {"**", "x", 1},
      {"\xc3?", "\xc3\xa4", 1},
      {"[\x80-\xff]*", "\xc3\xa4", 1},
      {"ROOM", "room", 0},
      {"[a-", "b", 0},
      {"[]x", "x", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int verdict = gw_glob_match(bytes(cases[i].pattern), bytes(cases[i].name));
    if (verdict != cases[i].verdict) printf("  %s | %s\n", cases[i].pattern, cases[i].name);
    CHECK_INT(verdict, cases[i].verdict);
  }
}

TEST(stars_take_no_exponential_time) {
  char pattern[401], name[513];
  for (int i = 0; i < 400; i++) pattern[i] = i % 2 ? 'a' : '*';
  memset(name, 'a', 512);
  pattern[400] = name[512] = '\0';
  name[511] = 'b';
  uint64_t start = uv_hrtime();
  for (int i = 0; i < 100; i++) CHECK(!gw_glob_match(bytes(pattern), bytes(name)));
  CHECK(uv_hrtime() - start < 2000000000u);
}

/* Exact blocks, so that a read past an end is found. */
TEST(random_patterns_read_nothing_beyond_themselves) {
  static const char letters[] = "ab*?[]^-\\";
  fuzz f = fuzz_new("globs");
  for (int round = 0; round < 50000; round++) {
    size_t pattern_len = fuzz_below(&f, 12), name_len = fuzz_below(&f, 8);
    char *pattern = malloc(pattern_len + !pattern_len), *name = malloc(name_len + !name_len);
    for (size_t i = 0; i < pattern_len; i++) pattern[i] = letters[fuzz_below(&f, 9)];
    for (size_t i = 0; i < name_len; i++) name[i] = letters[fuzz_below(&f, 9)];
    (void)gw_glob_match((moonpool_bytes){pattern, pattern_len}, (moonpool_bytes){name, name_len});
    free(pattern);
    free(name);
  }
}

TEST(a_rooms_prefix_is_dropped) {
  CHECK_INT(gw_glob_of_rooms(bytes("room:team-*")).len, 6);
  CHECK_INT(gw_glob_of_rooms(bytes("team-*")).len, 6);
  CHECK_INT(gw_glob_of_rooms(bytes("room:")).len, 0);
}

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

/* The definition: decode, and ask whether encoding gives the same length. */
static size_t slow_length(const unsigned char *at, size_t left) {
  size_t len = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
  if (len == 0 || at[0] >= 0xf8 || len > left) return 0;
  uint32_t point = len == 1 ? at[0] : at[0] & (0x7fu >> len);
  for (size_t i = 1; i < len; i++) {
    if ((at[i] & 0xc0) != 0x80) return 0;
    point = point << 6 | (at[i] & 0x3f);
  }
  size_t needed = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  return needed == len && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff) ? len : 0;
}

static int is_valid_slowly(const unsigned char *text, size_t len) {
  for (size_t i = 0, step; i < len; i += step) {
    step = slow_length(text + i, len - i);
    if (!step) return 0;
  }
  return 1;
}

TEST(every_start_of_a_sequence_is_judged_as_defined) {
  static const unsigned char followers[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                            0xa0, 0xbf, 0xc0, 0xc2, 0xff};
  unsigned char text[4];
  int differences = 0;
  for (unsigned first = 0; first < 256; first++)
    for (unsigned second = 0; second < 256; second++)
      for (size_t third = 0; third < sizeof followers; third++)
        for (size_t fourth = 0; fourth < sizeof followers; fourth++)
          for (size_t len = 0; len <= 4; len++) {
            text[0] = (unsigned char)first;
            text[1] = (unsigned char)second;
            text[2] = followers[third];
            text[3] = followers[fourth];
            differences += gw_utf8_is_valid((const char *)text, len) != is_valid_slowly(text, len);
          }
  CHECK_INT(differences, 0);
}

TEST(a_fault_is_found_wherever_it_lies) {
  char text[40];
  for (size_t len = 1; len <= sizeof text; len++)
    for (size_t at = 0; at < len; at++) {
      memset(text, 'a', sizeof text);
      CHECK(gw_utf8_is_valid(text, len));
      text[at] = (char)0x80;
      CHECK(!gw_utf8_is_valid(text, len));
    }
}

static const test_case tests[] = {
    TEST_CASE(verdicts_are_those_of_redis),
    TEST_CASE(stars_take_no_exponential_time),
    TEST_CASE(random_patterns_read_nothing_beyond_themselves),
    TEST_CASE(a_rooms_prefix_is_dropped),
    TEST_CASE(every_start_of_a_sequence_is_judged_as_defined),
    TEST_CASE(a_fault_is_found_wherever_it_lies),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
