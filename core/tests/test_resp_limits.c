/* Replies that are too large, too deep or endless, and memory that is refused: a bounded amount is
 * used, and the stream ends with a message that tells the limit. */
#include "resp.h"

#include <hiredis/hiredis.h>

#include "resp_fixture.h"

#define MESSAGE "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n"

static const mp_resp_limits limits = {1 << 20, 1000, 7};

/* ---- limits --------------------------------------------------------------------------------- */

/* The message that `bytes` fail with under these limits, "" when they do not. */
static const char *outcome(mp_resp_limits under, const char *bytes) {
  static char message[200];
  feed f;
  if (!feed_init(&f, &mp_default_allocator, &under)) abort();
  feed_bytes(&f, bytes, strlen(bytes));
  snprintf(message, sizeof message, "%s", mp_resp_message(f.resp));
  CHECK_INT(f.status, message[0] ? MOONPOOL_EPROTO : MOONPOOL_OK);
  feed_free(&f);
  return message;
}

TEST(messages_tell_the_limit) {
  mp_resp_limits under = {1000, 10, 3};
  CHECK_STR(outcome(under, "$1000\r\n"), "");
  CHECK_STR(outcome(under, "$1001\r\n"), "a bulk string of 1001 bytes is over the limit of 1000");
  CHECK_STR(outcome(under, "*10\r\n"), "");
  CHECK_STR(outcome(under, "*11\r\n"), "an array of 11 elements is over the limit of 10");
  CHECK_STR(outcome(under, "*1\r\n*1\r\n*0\r\n"), "");
  CHECK_STR(outcome(under, "*1\r\n*1\r\n*1\r\n*0\r\n"), "a reply is nested deeper than 3 levels");
  CHECK_STR(outcome(under, "$2\r\nabc\r"), "a bulk string of 2 bytes does not end with CRLF");
  CHECK_STR(outcome(under, "*2\r\n:1\r\n$1001\r\n"),
            "a bulk string of 1001 bytes is over the limit of 1000");
  CHECK(strstr(outcome(under, "HTTP"), "\"H\""));
}

TEST(zero_is_no_limit) {
  mp_resp_limits none = {0, 0, 0};
  CHECK_STR(outcome(none, "*2147483647\r\n"), "");
  CHECK_STR(outcome(none, "$9223372036854775797\r\nabc"), "");
  if (mp_resp_version() < 3) return;
  CHECK(*outcome(none, "%4611686018427387904\r\n")); /* twice that is no number of elements */
  CHECK(*outcome(none, "%9223372036854775807\r\n"));
}

TEST(nesting_is_limited_even_without_a_limit) {
  mp_resp_limits none = {0, 0, 0};
  int most = mp_resp_version() >= 3 ? 128 : 8; /* hiredis 0.14 has a limit of its own */
  char bytes[1000] = "";
  for (int i = 0; i < most; i++) strcat(bytes, "*1\r\n");
  CHECK_STR(outcome(none, bytes), "");
  CHECK(*outcome(none, strcat(bytes, "*1\r\n")));
}

/* Many small elements are memory too, though no string is long. */
TEST(the_elements_of_a_reply_count_against_its_bytes) {
  mp_resp_limits under = {100000, 0, 7};
  feed f;
  REQUIRE(feed_init(&f, &mp_default_allocator, &under));
  feed_read(&f, "*1000000\r\n", 10, SIZE_MAX);
  int elements = 0;
  for (; elements < 1000000 && !f.status; elements++) feed_read(&f, ":1\r\n", 4, SIZE_MAX);
  CHECK_INT(f.status, MOONPOOL_EPROTO);
  CHECK_STR(mp_resp_message(f.resp), "a reply takes more than the limit of 100000 bytes");
  CHECK(elements > 1000 && elements < 10000);
  feed_free(&f);
}

/* Lines that never end, whatever they begin with. */
TEST(endless_lines_are_refused) {
  static const char *const beginnings[] = {
      "+",    "-",         ":1",   "$1",   "*1", "*2\r\n$3\r\nabc\r\n+",
      "$5\r", "$5\rx\r\r", "*3\r", ":1\r", "+\r"};
  static char piece[1000];
  memset(piece, '1', sizeof piece);
  for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
    feed f;
    size_t fed = 0;
    REQUIRE(feed_init(&f, &mp_default_allocator, &limits));
    feed_read(&f, beginnings[i], strlen(beginnings[i]), SIZE_MAX);
    for (; !f.status && fed < 200000; fed += sizeof piece)
      feed_read(&f, piece, sizeof piece, SIZE_MAX);
    CHECK_INT(f.status, MOONPOOL_EPROTO);
    CHECK(fed > 60000 && fed < 80000);
    CHECK_STR(mp_resp_message(f.resp), "a line is longer than 65536 bytes");
    feed_free(&f);
  }
}

TEST(announced_elements_take_no_memory) {
  test_heap heap;
  feed f;
  mp_resp_limits none = {0, 0, 0};
  test_heap_init(&heap, 0);
  REQUIRE(feed_init(&f, &heap.allocator, &none));
  feed_read(&f, "*2147483647\r\n*2147483647\r\n", 26, SIZE_MAX);
  CHECK_INT(f.status, MOONPOOL_OK);
  CHECK_INT(heap.blocks, 2); /* the parser and one block of its arena */
  feed_free(&f);
  CHECK_INT(heap.blocks, 0);
}

/* ---- memory --------------------------------------------------------------------------------- */

/* Everything that takes memory: several blocks, a large one, a kept rest. What was read before the
 * memory was refused is right. Returns the status. */
static int read_much(const moonpool_allocator *allocator, mp_buf *text) {
  static char payload[70000];
  char head[32];
  feed f;
  if (!feed_init(&f, allocator, &limits)) return MOONPOOL_ENOMEM;
  memset(payload, 'x', sizeof payload);
  feed_read(&f, "+OK\r\n" MESSAGE MESSAGE, 5 + 2 * strlen(MESSAGE), 1);
  snprintf(head, sizeof head, "*2\r\n$%zu\r\n", sizeof payload);
  feed_read(&f, head, strlen(head), 1);
  feed_read(&f, payload, sizeof payload, SIZE_MAX);
  feed_read(&f, "\r\n+OK\r\n*900\r\n", 13, SIZE_MAX);
  for (int i = 0; i < 900; i++) feed_read(&f, "$1\r\n1\r\n", 7, SIZE_MAX);
  int status = f.status;
  CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
  mp_buf_append(text, f.text.data, f.text.len);
  feed_free(&f);
  return status;
}

/* Is `part`, but for the "!ENOMEM" at its end, the beginning of `whole`? */
static int is_beginning(const mp_buf *part, const mp_buf *whole) {
  size_t len = part->len < 7 ? 0 : part->len - 7;
  return len <= whole->len && (len == 0 || !memcmp(part->data, whole->data, len));
}

TEST(each_failed_allocation_is_told) {
  test_heap heap;
  mp_buf whole, part;
  mp_buf_init(&whole, &mp_default_allocator);
  mp_buf_init(&part, &mp_default_allocator);
  test_heap_init(&heap, 0);
  CHECK_INT(read_much(&heap.allocator, &whole), MOONPOOL_OK);
  CHECK_INT(heap.blocks, 0);
  long requests = heap.requests;
  CHECK(requests > 5);
  for (long n = 1; n <= requests; n++) {
    test_heap_init(&heap, n);
    part.len = 0;
    CHECK_INT(read_much(&heap.allocator, &part), MOONPOOL_ENOMEM);
    CHECK(is_beginning(&part, &whole));
    CHECK_INT(heap.blocks, 0);
  }
  mp_buf_free(&whole);
  mp_buf_free(&part);
}

#if HIREDIS_MAJOR >= 1
static long their_requests, their_fail_at;

static int is_refused(void) {
  return ++their_requests == their_fail_at;
}

static void *their_malloc(size_t size) {
  return is_refused() ? NULL : malloc(size);
}

static void *their_calloc(size_t count, size_t size) {
  return is_refused() ? NULL : calloc(count, size);
}

static void *their_realloc(void *block, size_t size) {
  return is_refused() ? NULL : realloc(block, size);
}

static char *their_strdup(const char *text) {
  return is_refused() ? NULL : strdup(text);
}

TEST(each_failed_allocation_of_hiredis_is_told) {
  hiredisAllocFuncs functions = {their_malloc, their_calloc, their_realloc, their_strdup, free};
  mp_buf text;
  mp_buf_init(&text, &mp_default_allocator);
  hiredisSetAllocators(&functions);
  CHECK_INT(read_much(&mp_default_allocator, &text), MOONPOOL_OK);
  long requests = their_requests;
  CHECK(requests > 10);
  for (their_fail_at = 1; their_fail_at <= requests; their_fail_at++) {
    their_requests = 0;
    CHECK_INT(read_much(&mp_default_allocator, &text), MOONPOOL_ENOMEM);
  }
  their_fail_at = 0;
  hiredisResetAllocators();
  mp_buf_free(&text);
}
#endif

/* Nobody asks for the replies that are there. */
TEST(what_is_left_unread_is_limited) {
  mp_resp_limits under = {1000, 10, 3};
  mp_resp *resp = mp_resp_new(&mp_default_allocator, &under);
  const size_t size = sizeof MESSAGE - 1;
  size_t kept = 0;
  int status = 0;
  for (; kept < 10u << 20 && status == 0; kept += size) {
    mp_resp_feed(resp, MESSAGE, size);
    status = mp_resp_keep(resp);
  }
  CHECK_INT(status, MOONPOOL_EPROTO);
  CHECK(kept > 1u << 20 && kept < 2u << 20);
  CHECK(strstr(mp_resp_message(resp), "bytes of replies were left unread, over the limit of 1000"));
  mp_resp_free(resp);
}

static const test_case tests[] = {
    TEST_CASE(what_is_left_unread_is_limited),
    TEST_CASE(messages_tell_the_limit),
    TEST_CASE(zero_is_no_limit),
    TEST_CASE(nesting_is_limited_even_without_a_limit),
    TEST_CASE(the_elements_of_a_reply_count_against_its_bytes),
    TEST_CASE(endless_lines_are_refused),
    TEST_CASE(announced_elements_take_no_memory),
    TEST_CASE(each_failed_allocation_is_told),
#if HIREDIS_MAJOR >= 1
    TEST_CASE(each_failed_allocation_of_hiredis_is_told),
#endif
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
