/* Sections 9 and 10 of the Autobahn test suite: large messages, in one frame, in fragments, in
 * pieces; many round trips; and what is past the limits. Its sizes, up to 16 MiB, are divided by
 * GATEWAY_TEST_SCALE (8): 1 runs them as they are. */
#include "ws_case.h"

static redis_server server;
static gateway_thread gateway;
static size_t scale = 8;

/* A message whose ref is `len` bytes of a repeated text, so that a piece that is lost or doubled
 * is seen; to be freed. */
static char *message_of(size_t len, size_t *total) {
  static const char pattern[] = "BAsd7&jh23.";
  char *text = malloc(len + sizeof JSON_START JSON_END), *to = text + sizeof JSON_START - 1;
  memcpy(text, JSON_START, sizeof JSON_START);
  for (size_t i = 0; i < len; i++) to[i] = pattern[i % (sizeof pattern - 1)];
  memcpy(to + len, JSON_END, sizeof JSON_END);
  *total = len + sizeof JSON_START JSON_END - 1;
  return text;
}

static void put_fragments(mp_buf *out, const char *data, size_t len, unsigned opcode, size_t size) {
  for (size_t at = 0; at < len; at += size) {
    size_t part = len - at < size ? len - at : size;
    ws_put_frame(out, (at ? WS_REST : opcode) | (at + part == len ? WS_FIN : 0u), data + at, part,
                 0);
  }
}

/* `fragment`, `chop`: 0: none. A binary message is refused with its first frame. */
static void check(const char *id, size_t len, unsigned opcode, size_t fragment, size_t chop) {
  size_t total;
  char *text = message_of(len / scale, &total);
  ws_expected echo = {WS_ECHO, text + sizeof JSON_START - 1, len / scale, 0};
  static const ws_expected refused = CLOSED(1003);
  const ws_expected *expected = opcode == WS_TEXT ? &echo : &refused;
  mp_buf out;
  ws_client c;
  mp_buf_init(&out, &mp_default_allocator);
  put_fragments(&out, text, total, opcode, fragment ? fragment : total);
  CHECK(ws_open(&c, gateway.port));
  ws_send_bytes(&c, out.data, out.len, chop);
  CHECK(ws_expect(&c, id, expected) && ws_finish(&c, id, expected->code));
  ws_end(&c);
  mp_buf_free(&out);
  free(text);
}

static void check_opcode(unsigned opcode) {
  static const size_t sizes[] = {64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, 16 << 20};
  char id[16];
  for (int i = 0; i < 6; i++) {
    snprintf(id, sizeof id, "9.%u.%d", opcode, i + 1);
    check(id, sizes[i], opcode, 0, 0);
  }
  for (int i = 0; i < 9; i++) {
    snprintf(id, sizeof id, "9.%u.%d", opcode + 2, i + 1);
    check(id, 4 << 20, opcode, (size_t)64 << 2 * i, 0);
  }
  for (int i = 0; i < 6; i++) {
    snprintf(id, sizeof id, "9.%u.%d", opcode + 4, i + 1);
    check(id, 1 << 20, opcode, 0, (size_t)64 << i);
  }
}

TEST(sections_9_1_9_3_9_5_texts) {
  check_opcode(WS_TEXT);
}

TEST(sections_9_2_9_4_9_6_binary_messages) {
  check_opcode(WS_BINARY);
}

TEST(section_9_7_round_trips) {
  static const size_t sizes[] = {0, 16, 64, 256, 1024, 4096};
  for (size_t i = 0; i < 6; i++) {
    size_t total;
    char *text = message_of(sizes[i], &total);
    ws_expected echo = {WS_ECHO, text + sizeof JSON_START - 1, sizes[i], 0};
    ws_client c;
    CHECK(ws_open(&c, gateway.port));
    for (size_t round = 0; round < 1000 / scale; round++) {
      ws_send_frame(&c, WS_FIN | WS_TEXT, text, total, 0);
      if (!ws_expect(&c, "9.7", &echo)) break;
    }
    CHECK(ws_finish(&c, "9.7", 0));
    ws_end(&c);
    free(text);
  }
}

/* 9.9.1: fragments without an end are taken up to the limit of a message's size. */
TEST(section_9_9_a_message_without_an_end) {
  static const ws_expected refused = CLOSED(1009);
  char *piece = malloc(65536);
  memset(piece, '*', 65536);
  ws_client c;
  CHECK(ws_open(&c, gateway.port));
  ws_send_frame(&c, WS_TEXT, piece, 65536, 0);
  for (int i = 0; i < 270; i++) ws_send_frame(&c, WS_REST, piece, 65536, 0);
  CHECK(ws_expect(&c, "9.9.1", &refused) && ws_finish(&c, "9.9.1", 1009));
  ws_end(&c);
  free(piece);
}

TEST(section_10_1_fragments_of_1300) {
  check("10.1.1", 65536 * scale, WS_TEXT, 1300, 0);
}

static const test_case tests[] = {
    TEST_CASE(sections_9_1_9_3_9_5_texts),     TEST_CASE(sections_9_2_9_4_9_6_binary_messages),
    TEST_CASE(section_9_7_round_trips),        TEST_CASE(section_9_9_a_message_without_an_end),
    TEST_CASE(section_10_1_fragments_of_1300),
};

int main(int argc, char **argv) {
  const char *given = getenv("GATEWAY_TEST_SCALE");
  if (given && atoi(given) > 0) scale = (size_t)atoi(given);
  if (!redis_start(&server)) return 1;
  int failed = !ws_case_gateway(&gateway, &server) || RUN_TESTS(tests, argc, argv);
  gateway_thread_stop(&gateway);
  redis_stop(&server);
  return failed;
}
