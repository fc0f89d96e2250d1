/* Outgoing frames' headers at the edges of RFC 6455's lengths; chunks that grow and are shared. */
#include "chunk.h"
#include "ws_frame.h"

#include "mem.h"
#include "test.h"

static void check_header(uint64_t len, const char *expected, size_t size) {
  char header[GW_FRAME_MAX_HEADER];
  CHECK_INT(gw_frame_header(header, GW_TEXT, len), size);
  CHECK(memcmp(header, expected, size) == 0);
}

TEST(lengths_take_the_shortest_form) {
  check_header(0, "\x81\x00", 2);
  check_header(125, "\x81\x7d", 2);
  check_header(126, "\x81\x7e\x00\x7e", 4);
  check_header(65535, "\x81\x7e\xff\xff", 4);
  check_header(65536, "\x81\x7f\0\0\0\0\0\x01\0\0", 10);
}

TEST(a_chunk_grows_and_ends_with_its_last_reference) {
  gw_chunk *chunk = gw_chunk_new(&mp_default_allocator, 2);
  REQUIRE(chunk);
  CHECK_INT(gw_chunk_append(&mp_default_allocator, &chunk, "abc", 3), MOONPOOL_OK);
  CHECK_INT(gw_chunk_append(&mp_default_allocator, &chunk, "defgh", 5), MOONPOOL_OK);
  CHECK_INT(chunk->len, 8);
  CHECK(memcmp(chunk->data, "abcdefgh", 8) == 0);
  gw_chunk *shared = gw_chunk_ref(chunk);
  gw_chunk_unref(&mp_default_allocator, chunk);
  CHECK_INT(shared->refs, 1);
  gw_chunk_unref(&mp_default_allocator, shared);
  gw_chunk_unref(&mp_default_allocator, NULL);
}

static const test_case tests[] = {
    TEST_CASE(lengths_take_the_shortest_form),
    TEST_CASE(a_chunk_grows_and_ends_with_its_last_reference),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
