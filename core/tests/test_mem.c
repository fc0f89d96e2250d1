/* The growable buffer, with memory and without. */
#include <stdint.h>

#include "test.h"

TEST(an_empty_buffer_holds_nothing) {
  test_heap heap;
  mp_buf buf;
  test_heap_init(&heap, 0);
  mp_buf_init(&buf, &heap.allocator);
  CHECK_INT(buf.len, 0);
  mp_buf_clear(&buf, 0);
  CHECK_INT(mp_buf_append(&buf, NULL, 0), MOONPOOL_OK);
  mp_buf_free(&buf);
  mp_buf_free(&buf);
  mp_buf_free(NULL);
  CHECK_INT(heap.blocks, 0);
}

TEST(appended_bytes_stay_in_order) {
  mp_buf buf;
  mp_buf_init(&buf, &mp_default_allocator);
  for (int i = 0; i < 100000; i++) {
    char byte = (char)i;
    REQUIRE(mp_buf_append(&buf, &byte, 1) == MOONPOOL_OK);
  }
  CHECK_INT(buf.len, 100000);
  int wrong = 0;
  for (int i = 0; i < 100000; i++) wrong += buf.data[i] != (char)i;
  CHECK_INT(wrong, 0);
  mp_buf_free(&buf);
  CHECK(!buf.data && !buf.len && !buf.cap);
}

TEST(growing_is_linear) {
  test_heap heap;
  mp_buf buf;
  test_heap_init(&heap, 0);
  mp_buf_init(&buf, &heap.allocator);
  for (int i = 0; i < 1000000; i++) REQUIRE(mp_buf_append(&buf, "x", 1) == MOONPOOL_OK);
  CHECK(heap.requests < 30);
  CHECK_INT(heap.blocks, 1);
  mp_buf_free(&buf);
  CHECK_INT(heap.blocks, 0);
}

TEST(reserved_room_is_there_but_not_counted) {
  mp_buf buf;
  mp_buf_init(&buf, &mp_default_allocator);
  char *room = mp_buf_reserve(&buf, 1000);
  REQUIRE(room);
  memset(room, 'x', 1000);
  CHECK_INT(buf.len, 0);
  CHECK(buf.cap >= 1000);
  buf.len = 1000;
  CHECK(mp_buf_reserve(&buf, buf.cap - 1000) == buf.data + 1000);
  mp_buf_free(&buf);
}

TEST(clearing_keeps_small_blocks_only) {
  test_heap heap;
  mp_buf buf;
  test_heap_init(&heap, 0);
  mp_buf_init(&buf, &heap.allocator);
  REQUIRE(mp_buf_reserve(&buf, 5000));
  buf.len = 5000;
  mp_buf_clear(&buf, buf.cap);
  CHECK(buf.data && !buf.len);
  mp_buf_clear(&buf, buf.cap - 1);
  CHECK(!buf.data && !buf.cap);
  CHECK_INT(heap.blocks, 0);
  CHECK_INT(mp_buf_append(&buf, "again", 5), MOONPOOL_OK);
  mp_buf_free(&buf);
}

TEST(sizes_that_overflow_are_refused) {
  test_heap heap;
  mp_buf buf;
  test_heap_init(&heap, 0);
  mp_buf_init(&buf, &heap.allocator);
  REQUIRE(mp_buf_append(&buf, "abc", 3) == MOONPOOL_OK);
  long requests = heap.requests;
  CHECK(!mp_buf_reserve(&buf, SIZE_MAX));
  CHECK(!mp_buf_reserve(&buf, SIZE_MAX - 2));
  CHECK(!mp_strndup(&heap.allocator, "abc", SIZE_MAX));
  CHECK_INT(heap.requests, requests);
  CHECK_INT(buf.len, 3);
  mp_buf_free(&buf);
}

/* What each round does is undone by nothing but mp_buf_free. */
static int fill(const moonpool_allocator *allocator) {
  mp_buf buf;
  int status = MOONPOOL_OK;
  mp_buf_init(&buf, allocator);
  for (size_t len = 1; !status && len < 1 << 20; len *= 3) {
    size_t before = buf.len;
    char *block = mp_calloc(allocator, len);
    status = block ? mp_buf_append(&buf, block, len) : MOONPOOL_ENOMEM;
    mp_free(allocator, block);
    CHECK_INT(buf.len, status ? before : before + len);
  }
  mp_buf_free(&buf);
  return status;
}

TEST(each_failed_allocation_loses_nothing) {
  test_heap heap;
  test_heap_init(&heap, 0);
  CHECK_INT(fill(&heap.allocator), MOONPOOL_OK);
  long requests = heap.requests;
  for (long n = 1; n <= requests; n++) {
    test_heap_init(&heap, n);
    CHECK_INT(fill(&heap.allocator), MOONPOOL_ENOMEM);
    CHECK_INT(heap.blocks, 0);
  }
}

TEST(copies_are_terminated) {
  test_heap heap;
  test_heap_init(&heap, 0);
  char *copy = mp_strndup(&heap.allocator, "a\0bc", 3);
  REQUIRE(copy);
  CHECK(!memcmp(copy, "a\0b", 4));
  mp_free(&heap.allocator, copy);
  copy = mp_strndup(&heap.allocator, NULL, 0);
  CHECK_STR(copy, "");
  mp_free(&heap.allocator, copy);
  mp_free(&heap.allocator, NULL);
  CHECK_INT(heap.blocks, 0);
}

static const test_case tests[] = {
    TEST_CASE(an_empty_buffer_holds_nothing),
    TEST_CASE(appended_bytes_stay_in_order),
    TEST_CASE(growing_is_linear),
    TEST_CASE(reserved_room_is_there_but_not_counted),
    TEST_CASE(clearing_keeps_small_blocks_only),
    TEST_CASE(sizes_that_overflow_are_refused),
    TEST_CASE(each_failed_allocation_loses_nothing),
    TEST_CASE(copies_are_terminated),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
