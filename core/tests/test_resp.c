/* Replies, good and malformed, read whole, byte by byte and cut at every place. What a message
 * among them does is in test_message.c, what is too much in test_resp_limits.c. */
#include "resp.h"

#include <hiredis/hiredis.h>

#include "resp_fixture.h"

static const mp_resp_limits limits = {1 << 20, 1000, 7};

/* ---- replies -------------------------------------------------------------------------------- */

typedef struct script {
  const char *bytes, *text; /* what comes, and what put_reply makes of it */
} script;

#define BULK "$5\r\na\r\nb\n\r\n"
#define MESSAGE "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n"
#define PMESSAGE "*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$2\r\nhi\r\n"

static const script good[] = {
    {"", ""},
    {"+OK\r\n", "+2 OK\n"},
    {"+\r\n", "+0 \n"},
    {"-ERR no such\tthing\r\n", "-17 ERR no such\tthing\n"},
    {":0\r\n:-1\r\n:9223372036854775807\r\n:-9223372036854775808\r\n",
     ":0\n:-1\n:9223372036854775807\n:-9223372036854775808\n"},
    {BULK "$0\r\n\r\n$-1\r\n", "$5 a\r\nb\n\n$0 \nnil\n"},
    {"*0\r\n*-1\r\n*1\r\n$-1\r\n", "*0[]\nnil\n*1[nil]\n"},
    {"*3\r\n:1\r\n*2\r\n+a\r\n*0\r\n$1\r\nb\r\n+next\r\n", "*3[:1 *2[+1 a *0[]] $1 b]\n+4 next\n"},
    {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:7\r\n", "*1[*1[*1[*1[*1[*1[*1[:7]]]]]]]\n"},
    {MESSAGE PMESSAGE "+OK\r\n" MESSAGE,
     "*3[$7 message $1 a $1 b]\n*4[$8 pmessage $2 a* $1 a $2 hi]\n+2 OK\n"
     "*3[$7 message $1 a $1 b]\n"},
    {"*2\r\n" MESSAGE BULK, "*2[*3[$7 message $1 a $1 b] $5 a\r\nb\n]\n"},
};

static const script resp3[] = {
    {",1.5\r\n,-0\r\n,inf\r\n,-inf\r\n,1e3\r\n", ",1.5\n,-0\n,inf\n,-inf\n,1000\n"},
    {"#t\r\n#f\r\n_\r\n", "#1\n#0\nnil\n"},
    {"(-1234567890123456789012345678901\r\n", "(32 -1234567890123456789012345678901\n"},
    {"=8\r\ntxt:a\r\nb\r\n", "=8 txt:a\r\nb\n"},
    {"%2\r\n+a\r\n:1\r\n+b\r\n~2\r\n#t\r\n_\r\n", "%4[+1 a :1 +1 b ~2[#1 nil]]\n"},
    {"%0\r\n~0\r\n>0\r\n", "%0[]\n~0[]\n>0[]\n"},
    {">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n>2\r\n+invalidate\r\n*0\r\n",
     ">3[$7 message $1 a $1 b]\n>2[+10 invalidate *0[]]\n"},
    {"|1\r\n$3\r\nttl\r\n*2\r\n:1\r\n_\r\n+a\r\n|0\r\n|1\r\n+k\r\n+v\r\n*1\r\n+b\r\n+c\r\n",
     "+1 a\n*1[+1 b]\n+1 c\n"},
    {"|1\r\n+k\r\n+v\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n",
     ">3[$7 message $1 a $1 b]\n"},
    {"!6\r\nERR x\n\r\n+a\r\n", "-6 ERR x\n\n+1 a\n"},
    {",nan\r\n,-nan\r\n", ",nan\n,nan\n"},
};

/* Cut at every place, and byte by byte: the outcome is that of the bytes in one piece. */
static void check_every_cut(const char *data, size_t len, const char *expected) {
  for (size_t at = 0; at <= len; at++) {
    feed f;
    REQUIRE(feed_init(&f, &mp_default_allocator, &limits));
    feed_read(&f, data, at, SIZE_MAX);
    if (at < len) feed_read(&f, data + at, len - at, SIZE_MAX);
    mp_buf_append(&f.text, "", 1);
    CHECK_STR(f.text.data, expected);
    feed_free(&f);
  }
  feed f;
  REQUIRE(feed_init(&f, &mp_default_allocator, &limits));
  feed_bytes(&f, data, len);
  mp_buf_append(&f.text, "", 1);
  CHECK_STR(f.text.data, expected);
  feed_free(&f);
}

TEST(replies_are_the_same_wherever_they_are_cut) {
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    check_every_cut(good[i].bytes, strlen(good[i].bytes), good[i].text);
}

TEST(the_types_of_resp3_need_hiredis_1) {
  for (size_t i = 0; i < sizeof resp3 / sizeof *resp3; i++) {
    const char *expected = mp_resp_version() >= 3 ? resp3[i].text : "!EPROTO";
    check_every_cut(resp3[i].bytes, strlen(resp3[i].bytes), expected);
  }
  CHECK_INT(mp_resp_version(), HIREDIS_MAJOR >= 1 ? 3 : 2);
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
  CHECK_STR(mp_resp_hiredis_version(), version);
}

TEST(strings_may_hold_any_byte) {
  char data[400], expected[400];
  int head = snprintf(data, sizeof data, "$256\r\n"), mark = snprintf(expected, 400, "$256 ");
  for (int i = 0; i < 256; i++) data[head + i] = expected[mark + i] = (char)i;
  memcpy(data + head + 256, "\r\n", 2);
  feed f;
  REQUIRE(feed_init(&f, &mp_default_allocator, &limits));
  feed_bytes(&f, data, (size_t)head + 258);
  REQUIRE(f.text.len == (size_t)mark + 257);
  CHECK(!memcmp(f.text.data, expected, (size_t)mark + 256));
  feed_free(&f);
}

/* A large reply is several slices to the reader and several blocks to the arena. */
TEST(large_replies_are_whole) {
  static char payload[200000];
  mp_buf data, expected;
  mp_buf_init(&data, &mp_default_allocator);
  mp_buf_init(&expected, &mp_default_allocator);
  for (size_t i = 0; i < sizeof payload; i++) payload[i] = (char)(i * 7 + i / 256);
  put_text(&data, "*3\r\n$%zu\r\n", sizeof payload);
  put_text(&expected, "*3[");
  put_text_bytes(&expected, '$', payload, sizeof payload);
  mp_buf_append(&data, payload, sizeof payload);
  put_text(&data, "\r\n:1\r\n$100000\r\n");
  mp_buf_append(&data, payload, 100000);
  put_text(&expected, " :1 ");
  put_text_bytes(&expected, '$', payload, 100000);
  put_text(&data, "\r\n" MESSAGE);
  put_text(&expected, "]\n*3[$7 message $1 a $1 b]\n");
  static const size_t sizes[] = {1000000, 65536, 4096, 4095, 1000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    feed f;
    REQUIRE(feed_init(&f, &mp_default_allocator, &limits));
    for (size_t at = 0, n; at < data.len; at += n) {
      n = data.len - at < sizes[i] ? data.len - at : sizes[i];
      feed_read(&f, data.data + at, n, SIZE_MAX);
    }
    CHECK(is_same_text(&f.text, &expected));
    feed_free(&f);
  }
  mp_buf_free(&data);
  mp_buf_free(&expected);
}

/* What a caller leaves is kept, and may be asked for before more is read. */
TEST(kept_replies_are_there_without_a_read) {
  static const char data[] = "+1\r\n" MESSAGE "+2\r\n" PMESSAGE "+3\r\n" MESSAGE "*1\r\n";
  feed f;
  REQUIRE(feed_init(&f, &mp_default_allocator, &limits));
  feed_read(&f, data, 10, 0);
  feed_read(&f, data + 10, sizeof data - 11, 1);
  CHECK_INT(f.replies, 1);
  for (size_t replies = 2; replies <= 6; replies++) {
    feed_take(&f, 1);
    CHECK_INT(f.replies, replies);
  }
  feed_take(&f, 1);
  CHECK_INT(f.replies, 6);
  feed_read(&f, "+4\r\n", 4, SIZE_MAX);
  mp_buf_append(&f.text, "", 1);
  CHECK_STR(f.text.data, "+1 1\n*3[$7 message $1 a $1 b]\n+1 2\n"
                         "*4[$8 pmessage $2 a* $1 a $2 hi]\n+1 3\n"
                         "*3[$7 message $1 a $1 b]\n*1[+1 4]\n");
  feed_free(&f);
}

/* ---- what is malformed ---------------------------------------------------------------------- */

static const char *const bad[] = {
    "OK\r\n",
    "\r\n",
    "HTTP/1.1 400 Bad Request\r\n",
    ":\r\n",
    ":+\r\n",
    ":1a\r\n",
    ": 1\r\n",
    ":01\r\n",
    ":9223372036854775808\r\n",
    ":-9223372036854775809\r\n",
    "$\r\n",
    "$a\r\n",
    "$-2\r\n\r\n",
    "$05\r\nabcde\r\n",
    "$9223372036854775808\r\n",
    "$18446744073709551617\r\na\r\n",
    "$9223372036854775807\r\n",
    "$9223372036854775797\r\n",
    "$536870913\r\n",
    "$2147483648\r\n",
    "$3\r\nabcd\r\n",
    "$3\r\nabc\n\n",
    "$3\r\nabc\r\r",
    "$0\r\nab",
    "*\r\n",
    "*-2\r\n",
    "*01\r\n:1\r\n",
    "*2147483647\r\n",
    "*2147483648\r\n",
    "*4294967297\r\n:1\r\n",
    "*9223372036854775807\r\n",
    "*1001\r\n",
    "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:7\r\n",
    "*2\r\n:1\r\nx\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nbc\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$01\r\nb\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2147483647\r\nb\r\n",
};

static const char *const bad_resp3[] = {
    "!x\r\n",
    "!3\r\nabcd\r\n",
    "|x\r\n",
    "*1\r\n|1\r\n+a\r\n+b\r\n+c\r\n",
    "*1\r\n!1\r\na\r\n",
    "$?\r\n;1\r\na\r\n;0\r\n",
    "*?\r\n:1\r\n.\r\n",
    "#x\r\n",
    "#tt\r\n",
    "_x\r\n",
    ",1.5x\r\n",
    ",\r\n",
    ",infinity\r\n",
    "(12a\r\n",
    "=3\r\ntxt\r\n",
    "=5\r\ntxt-a\r\n",
    "%-2\r\n",
    "%501\r\n",
    "%1073741824\r\n",
    "%4611686018427387904\r\n",
    "%9223372036854775807\r\n",
    "~1001\r\n",
    ">1001\r\n",
    "=536870913\r\n",
    ">1\r\n>1\r\n>1\r\n>1\r\n>1\r\n>1\r\n>1\r\n>1\r\n:1\r\n",
};

TEST(malformed_replies_end_the_stream) {
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    check_every_cut(bad[i], strlen(bad[i]), "!EPROTO");
  for (size_t i = 0; i < sizeof bad_resp3 / sizeof *bad_resp3; i++)
    check_every_cut(bad_resp3[i], strlen(bad_resp3[i]), "!EPROTO");
}

TEST(replies_before_the_malformed_one_are_good) {
  check_every_cut("+OK\r\n" MESSAGE "x", strlen("+OK\r\n" MESSAGE) + 1,
                  "+2 OK\n*3[$7 message $1 a $1 b]\n!EPROTO");
}

/* Messages of one length whose first the read before has cut: all but that lie side by side in what
 * was kept, none was copied by the reader. */
TEST(what_is_kept_is_taken_where_it_lies) {
  static const mp_resp_limits limits = {1 << 20, 1000, 7};
  const size_t size = sizeof MESSAGE - 1, cut = 9;
  char bytes[40 * sizeof MESSAGE];
  const moonpool_reply *reply;
  mp_resp *resp = mp_resp_new(&mp_default_allocator, &limits);
  for (size_t i = 0; i < 40; i++) memcpy(bytes + i * size, MESSAGE, size);
  mp_resp_feed(resp, bytes, cut);
  CHECK_INT(mp_resp_next(resp, &reply), 0);
  CHECK(!mp_resp_is_lent(resp));
  mp_resp_feed(resp, bytes + cut, 40 * size - cut);
  CHECK(mp_resp_is_lent(resp));
  CHECK_INT(mp_resp_keep(resp), 0);
  CHECK(!mp_resp_is_lent(resp));
  memset(bytes, 'x', sizeof bytes);
  CHECK_INT(mp_resp_next(resp, &reply), 1);
  const char *before = NULL;
  for (size_t i = 1; i < 40; i++) {
    REQUIRE(mp_resp_next(resp, &reply) == 1);
    const moonpool_reply *payload = reply->u.list.first->next->next;
    CHECK(payload->u.string.len == 1 && *payload->u.string.data == 'b');
    CHECK(!before || payload->u.string.data == before + size);
    before = payload->u.string.data;
  }
  CHECK_INT(mp_resp_next(resp, &reply), 0);
  mp_resp_free(resp);
}

static const test_case tests[] = {
    TEST_CASE(replies_are_the_same_wherever_they_are_cut),
    TEST_CASE(the_types_of_resp3_need_hiredis_1),
    TEST_CASE(strings_may_hold_any_byte),
    TEST_CASE(large_replies_are_whole),
    TEST_CASE(kept_replies_are_there_without_a_read),
    TEST_CASE(what_is_kept_is_taken_where_it_lies),
    TEST_CASE(malformed_replies_end_the_stream),
    TEST_CASE(replies_before_the_malformed_one_are_good),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
