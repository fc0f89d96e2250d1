/* Commands encoded. */
#include "resp.h"

#include "fuzz.h"
#include "test.h"

static const mp_resp_limits limits = {1 << 20, 1000, 7};

/* ---- encoding ------------------------------------------------------------------------------- */

TEST(a_command_is_an_array_of_bulk_strings) {
  moonpool_bytes argv[] = {{"SET", 3}, {"a\0b", 3}, {"\r\n", 2}, {NULL, 0}};
  static const char expected[] = "*4\r\n$3\r\nSET\r\n$3\r\na\0b\r\n$2\r\n\r\n\r\n$0\r\n\r\n";
  mp_buf out;
  mp_buf_init(&out, &mp_default_allocator);
  CHECK_INT(mp_resp_encode(&out, 4, argv), MOONPOOL_OK);
  CHECK_INT(out.len, sizeof expected - 1);
  CHECK_INT(mp_resp_encoded_size(4, argv), sizeof expected - 1);
  CHECK(!memcmp(out.data, expected, sizeof expected - 1));
  mp_buf_free(&out);
}

TEST(sizes_are_known_before) {
  static const size_t lengths[] = {0, 1, 9, 10, 11, 99, 100, 999, 1000, 9999, 10000, 100000};
  static char payload[100000];
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    moonpool_bytes argv[] = {{"PUBLISH", 7}, {payload, lengths[i]}};
    mp_buf out;
    mp_buf_init(&out, &mp_default_allocator);
    CHECK_INT(mp_resp_encode(&out, 2, argv), MOONPOOL_OK);
    CHECK_INT(out.len, mp_resp_encoded_size(2, argv));
    mp_buf_free(&out);
  }
  moonpool_bytes huge = {NULL, 10000000000};
  CHECK_INT(mp_resp_encoded_size(1, &huge), 4 + 14 + 10000000000 + 2);
}

/* What is encoded reads back as what it was. */
TEST(random_commands_come_back) {
  fuzz random = fuzz_new("commands");
  for (int round = 0; round < 300; round++) {
    moonpool_bytes argv[20];
    char bytes[20][150];
    size_t argc = 1 + fuzz_below(&random, 20);
    mp_buf out;
    const moonpool_reply *reply;
    mp_buf_init(&out, &mp_default_allocator);
    for (size_t i = 0; i < argc; i++) {
      argv[i] = (moonpool_bytes){bytes[i], fuzz_below(&random, 150)};
      for (size_t j = 0; j < argv[i].len; j++) bytes[i][j] = (char)fuzz_next(&random);
    }
    CHECK_INT(mp_resp_encode(&out, argc, argv), MOONPOOL_OK);
    mp_resp *resp = mp_resp_new(&mp_default_allocator, &limits);
    mp_resp_feed(resp, out.data, out.len);
    REQUIRE(mp_resp_next(resp, &reply) == 1 && reply->u.list.count == argc);
    reply = reply->u.list.first;
    for (size_t i = 0; i < argc; i++, reply = reply->next) {
      REQUIRE(reply->u.string.len == argv[i].len);
      CHECK(!memcmp(reply->u.string.data, bytes[i], argv[i].len));
    }
    mp_resp_free(resp);
    mp_buf_free(&out);
  }
}

TEST(without_memory_nothing_is_appended) {
  moonpool_bytes argv[] = {{"PING", 4}};
  test_heap heap;
  mp_buf out;
  test_heap_init(&heap, 2);
  mp_buf_init(&out, &heap.allocator);
  CHECK_INT(mp_resp_encode(&out, 1, argv), MOONPOOL_OK);
  size_t before = out.len;
  out.cap = before;
  CHECK_INT(mp_resp_encode(&out, 1, argv), MOONPOOL_ENOMEM);
  CHECK_INT(out.len, before);
  CHECK(!memcmp(out.data, "*1\r\n$4\r\nPING\r\n", before));
  mp_buf_free(&out);
  CHECK_INT(heap.blocks, 0);
}

static const test_case tests[] = {

    TEST_CASE(a_command_is_an_array_of_bulk_strings),
    TEST_CASE(sizes_are_known_before),
    TEST_CASE(random_commands_come_back),
    TEST_CASE(without_memory_nothing_is_appended),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
