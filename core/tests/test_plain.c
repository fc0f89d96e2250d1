/* Plain replies taken apart in place: exactly the whole and usual ones, never a byte past the end.
 * That what hiredis's reader makes of the same bytes is the same, damaged streams included, is
 * test_message.c's. */
#include "plain.h"

#include "fuzz.h"
#include "resp_fixture.h"

typedef struct plain {
  const char *bytes, *text; /* as put_reply writes it */
} plain;

static const plain good[] = {
    {"+OK\r\n", "+2 OK"},
    {"+\r\n", "+0 "},
    {":0\r\n", ":0"},
    {":7\r\n", ":7"},
    {":-12\r\n", ":-12"},
    {":999999999999999999\r\n", ":999999999999999999"},
    {":-999999999999999999\r\n", ":-999999999999999999"},
    {"$-1\r\n", "nil"},
    {"$0\r\n\r\n", "$0 "},
    {"$5\r\na\r\nb\n\r\n", "$5 a\r\nb\n"},
    {"$11\r\n+$:*$-1\r\n01\r\n", "$11 +$:*$-1\r\n01"},
};

/* Well formed or not, these are for the reader. */
static const char *const others[] = {
    "-ERR no\r\n",
    "*0\r\n",
    "*-1\r\n",
    "_\r\n",
    "#t\r\n",
    ",1.5\r\n",
    "(12\r\n",
    "=5\r\ntxt:a\r\n",
    "%0\r\n",
    "~0\r\n",
    ">0\r\n",
    "x\r\n",
    "+a\rb\r\n",
    "+a\nb\r\n",
    "+a\n",
    ":\r\n",
    ":-\r\n",
    ":-0\r\n",
    ":01\r\n",
    ":-01\r\n",
    ":+1\r\n",
    ": 1\r\n",
    ":1 \r\n",
    ":1a\r\n",
    ":1\n\r\n",
    ":1\r\r\n",
    ":--1\r\n",
    ":9223372036854775807\r\n",
    ":9223372036854775808\r\n",
    ":-9223372036854775808\r\n",
    "$\r\n\r\n",
    "$-2\r\n",
    "$-1\n\r\n",
    "$-1\rx\r\n",
    "$-10\r\n",
    "$00\r\n\r\n",
    "$01\r\na\r\n",
    "$+1\r\na\r\n",
    "$ 1\r\na\r\n",
    "$1\r\nab\r\n",
    "$1\r\na\rb",
    "$1\n\na\r\n",
    "$99999999\r\na\r\n",
    "$000000001\r\na\r\n",
    "$4294967297\r\na\r\n",
    "$18446744073709551617\r\na\r\n",
};

static void check_text(const moonpool_reply *reply, const char *expected) {
  mp_buf text;
  mp_buf_init(&text, &mp_default_allocator);
  put_reply(&text, reply, 0);
  CHECK_INT(text.len, strlen(expected));
  CHECK(memcmp(text.data, expected, text.len) == 0);
  mp_buf_free(&text);
}

TEST(a_whole_reply_is_taken_where_it_lies) {
  guarded input = {0};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    moonpool_reply reply;
    size_t len = strlen(good[i].bytes);
    char *at = guarded_copy(&input, good[i].bytes, len);
    CHECK(mp_plain_parse(&reply, at, at + len) == at + len);
    check_text(&reply, good[i].text);
  }
  guarded_free(&input);
}

TEST(what_follows_a_reply_is_left) {
  char text[200];
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    moonpool_reply reply;
    snprintf(text, sizeof text, "%s\r\n+x\r\n", good[i].bytes);
    const char *end = mp_plain_parse(&reply, text, text + strlen(text));
    CHECK(end == text + strlen(good[i].bytes));
    check_text(&reply, good[i].text);
  }
}

TEST(a_cut_reply_is_left_to_the_reader) {
  guarded input = {0};
  moonpool_reply reply;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    for (size_t len = 0; len < strlen(good[i].bytes); len++) {
      char *at = guarded_copy(&input, good[i].bytes, len);
      CHECK(!mp_plain_parse(&reply, at, at + len));
    }
  guarded_free(&input);
}

TEST(everything_else_is_left_to_the_reader) {
  guarded input = {0};
  moonpool_reply reply;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    for (size_t len = 0; len <= strlen(others[i]); len++) {
      char *at = guarded_copy(&input, others[i], len);
      if (mp_plain_parse(&reply, at, at + len)) {
        printf("  taken as a plain reply: %s\n", others[i]);
        CHECK(0);
      }
    }
  guarded_free(&input);
}

TEST(long_lines_are_left_to_the_reader) {
  char text[200];
  moonpool_reply reply;
  for (int len = 1; len < 100; len++) {
    int size = snprintf(text, sizeof text, "+%0*d\r\n", len, 0);
    const char *end = mp_plain_parse(&reply, text, text + size);
    if (end) CHECK(end == text + size && reply.u.string.len == (size_t)len);
    CHECK_INT(end != NULL, len < 64);
  }
}

/* Byte by byte every reply is the reader's; in one piece most are not. */
TEST(the_reader_finds_the_same) {
  static const mp_resp_limits limits = {1 << 20, 1000, 7};
  fuzz random = fuzz_new("plain replies");
  size_t goods = sizeof good / sizeof *good, all = goods + sizeof others / sizeof *others;
  for (int round = 0; round < 2000; round++) {
    mp_buf stream;
    feed whole, bytes;
    mp_buf_init(&stream, &mp_default_allocator);
    REQUIRE(feed_init(&whole, &mp_default_allocator, &limits));
    REQUIRE(feed_init(&bytes, &mp_default_allocator, &limits));
    for (size_t n = 1 + fuzz_below(&random, 8); n > 0; n--) {
      size_t i = fuzz_below(&random, fuzz_below(&random, 4) ? goods : all);
      put_text(&stream, "%s", i < goods ? good[i].bytes : others[i - goods]);
    }
    feed_read(&whole, stream.data, stream.len, SIZE_MAX);
    feed_bytes(&bytes, stream.data, stream.len);
    CHECK(is_same_text(&whole.text, &bytes.text));
    feed_free(&whole);
    feed_free(&bytes);
    mp_buf_free(&stream);
  }
}

static const test_case tests[] = {
    TEST_CASE(a_whole_reply_is_taken_where_it_lies),
    TEST_CASE(what_follows_a_reply_is_left),
    TEST_CASE(a_cut_reply_is_left_to_the_reader),
    TEST_CASE(everything_else_is_left_to_the_reader),
    TEST_CASE(long_lines_are_left_to_the_reader),
    TEST_CASE(the_reader_finds_the_same),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
