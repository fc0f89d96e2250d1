/* RFC 6455 case by case: framing, pings, reserved bits, opcodes, fragments, closing: sections 1 to
 * 5 and 7 of the Autobahn test suite. 6 and the large ones have files of their own. */
#include "ws_case.h"

static redis_server server;
static gateway_thread gateway;

/* ---- 1: framing ------------------------------------------------------------------------------ */

/* A message of exactly `len` bytes, whose ref fills it up; to be freed. */
static char *message_of(size_t len) {
  size_t envelope = sizeof JSON_START JSON_END - 1;
  char *text = malloc(len + 1);
  memcpy(text, JSON_START, sizeof JSON_START);
  memset(text + sizeof JSON_START - 1, '*', len - envelope);
  memcpy(text + len - 2, JSON_END, sizeof JSON_END);
  return text;
}

static void check_text(const char *id, size_t len, size_t chop) {
  char *text = message_of(len);
  ws_expected echo = {WS_ECHO, text + sizeof JSON_START - 1, len - sizeof JSON_START - 1, 0};
  ws_client c;
  CHECK(ws_open(&c, gateway.port));
  ws_send_frame(&c, WS_FIN | WS_TEXT, text, len, chop);
  CHECK(ws_expect(&c, id, &echo) && ws_finish(&c, id, 0));
  ws_end(&c);
  free(text);
}

/* At the borders between the three forms of a frame's length. 1.1.1, of no bytes, is below. */
TEST(section_1_1_texts) {
  check_text("1.1.2", 125, 0);
  check_text("1.1.3", 126, 0);
  check_text("1.1.4", 127, 0);
  check_text("1.1.5", 128, 0);
  check_text("1.1.6", 65535, 0);
  check_text("1.1.7", 65536, 0);
  check_text("1.1.8", 65536, 997);
}

/* The protocol knows no binary messages: 1003, whatever their length. */
TEST(section_1_2_binary_messages) {
  static const size_t lengths[] = {0, 125, 126, 127, 128, 65535, 65536, 65536};
  static const ws_expected closed = CLOSED(1003);
  char *data = malloc(65536);
  memset(data, 0xfe, 65536);
  for (size_t i = 0; i < 8; i++) {
    char id[10];
    ws_client c;
    snprintf(id, sizeof id, "1.2.%zu", i + 1);
    CHECK(ws_open(&c, gateway.port));
    ws_send_frame(&c, WS_FIN | WS_BINARY, data, lengths[i], i == 7 ? 997 : 0);
    CHECK(ws_expect(&c, id, &closed) && ws_finish(&c, id, 1003));
    ws_end(&c);
  }
  free(data);
}

/* ---- 2: pings and pongs ---------------------------------------------------------------------- */

#define FIVE(c) c c c c c
#define FE125 FIVE(FIVE(FIVE("\xfe")))
#define TEN(step)                                                                                  \
  step(0), step(1), step(2), step(3), step(4), step(5), step(6), step(7), step(8), step(9)
#define PING_N(n) PING("payload-" #n)
#define PONGED_N(n) PONGED("payload-" #n)

static const ws_case pings[] = {
    {"2.1", IN_ONE, {PING("")}, {PONGED("")}},
    {"2.2", IN_ONE, {PING("Hello, world!")}, {PONGED("Hello, world!")}},
    {"2.3",
     IN_ONE,
     {PING("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")},
     {PONGED("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")}},
    {"2.4", IN_ONE, {PING(FE125)}, {PONGED(FE125)}},
    {"2.5", IN_ONE, {PING(FE125 "\xfe")}, {CLOSED(1002)}},
    {"2.6", BY_BYTE, {PING(FE125)}, {PONGED(FE125)}},
    {"2.7", IN_ONE, {PONG("")}, {{0}}},
    {"2.8", IN_ONE, {PONG("unsolicited pong payload")}, {{0}}},
    {"2.9", IN_ONE, {PONG("unsolicited"), PING("ping payload")}, {PONGED("ping payload")}},
    {"2.10", IN_ONE, {TEN(PING_N)}, {TEN(PONGED_N)}},
    {"2.11", BY_BYTE, {TEN(PING_N)}, {TEN(PONGED_N)}},
};

TEST(section_2_pings) {
  WS_RUN_ALL(pings, gateway.port);
}

/* ---- 3: reserved bits; 4: reserved opcodes --------------------------------------------------- */

#define HELLO MESSAGE("Hello, world!")
#define HELLO_RSV(bits) FRAME(WS_FIN | RSV(bits) | WS_TEXT, "Hello, world!")

static const ws_case reserved[] = {
    {"3.1", IN_ONE, {HELLO_RSV(1)}, {CLOSED(1002)}},
    {"3.2", IN_ONE, {HELLO, HELLO_RSV(2), PING("")}, {ECHOED("Hello, world!"), CLOSED(1002)}},
    {"3.3", BY_FRAME, {HELLO, HELLO_RSV(3), PING("")}, {ECHOED("Hello, world!"), CLOSED(1002)}},
    {"3.4", BY_BYTE, {HELLO, HELLO_RSV(4), PING("")}, {ECHOED("Hello, world!"), CLOSED(1002)}},
    {"3.5", IN_ONE, {FRAME(WS_FIN | RSV(5) | WS_BINARY, "\x00\xff\xfe")}, {CLOSED(1002)}},
    {"3.6", IN_ONE, {FRAME(WS_FIN | RSV(6) | WS_PING, "Hello, world!")}, {CLOSED(1002)}},
    {"3.7", IN_ONE, {FRAME(WS_FIN | RSV(7) | WS_CLOSE, "")}, {CLOSED(1002)}},
    {"4.1.1", IN_ONE, {FRAME(WS_FIN | 3, "")}, {CLOSED(1002)}},
    {"4.1.2", IN_ONE, {FRAME(WS_FIN | 4, "reserved opcode payload")}, {CLOSED(1002)}},
    {"4.1.3",
     IN_ONE,
     {HELLO, FRAME(WS_FIN | 5, ""), PING("")},
     {ECHOED("Hello, world!"), CLOSED(1002)}},
    {"4.1.4",
     IN_ONE,
     {HELLO, FRAME(WS_FIN | 6, "Hello, world!"), PING("")},
     {ECHOED("Hello, world!"), CLOSED(1002)}},
    {"4.1.5",
     BY_BYTE,
     {HELLO, FRAME(WS_FIN | 7, "Hello, world!"), PING("")},
     {ECHOED("Hello, world!"), CLOSED(1002)}},
    {"4.2.1", IN_ONE, {FRAME(WS_FIN | 11, "")}, {CLOSED(1002)}},
    {"4.2.2", IN_ONE, {FRAME(WS_FIN | 12, "reserved opcode payload")}, {CLOSED(1002)}},
    {"4.2.3",
     IN_ONE,
     {HELLO, FRAME(WS_FIN | 13, ""), PING("")},
     {ECHOED("Hello, world!"), CLOSED(1002)}},
    {"4.2.4",
     IN_ONE,
     {HELLO, FRAME(WS_FIN | 14, "Hello, world!"), PING("")},
     {ECHOED("Hello, world!"), CLOSED(1002)}},
    {"4.2.5",
     BY_BYTE,
     {HELLO, FRAME(WS_FIN | 15, "Hello, world!"), PING("")},
     {ECHOED("Hello, world!"), CLOSED(1002)}},
};

TEST(sections_3_and_4_what_is_reserved) {
  WS_RUN_ALL(reserved, gateway.port);
}

/* ---- 5: fragments ---------------------------------------------------------------------------- */

#define TWO START("fragment1"), END("fragment2")
#define TWO_ECHO ECHOED("fragment1fragment2")
#define PING_BETWEEN START("fragment1"), PING("ping payload"), END("fragment2")
#define PONGED_BETWEEN PONGED("ping payload"), TWO_ECHO
#define LONELY_LAST FRAME(WS_FIN | WS_REST, "non-continuation payload")
#define LONELY_MORE FRAME(WS_REST, "non-continuation payload")
#define ALL_LEGAL                                                                                  \
  START("fragment1"), MORE("fragment2"), PING("pongme 1!"), MORE("fragment3"), MORE("fragment4"),  \
      PING("pongme 2!"), END("fragment5")
#define ALL_LEGAL_ECHO                                                                             \
  PONGED("pongme 1!"), PONGED("pongme 2!"), ECHOED("fragment1fragment2fragment3fragment4fragment5")

static const ws_case fragments[] = {
    {"5.1",
     IN_ONE,
     {FRAME(WS_PING, "fragment1"), FRAME(WS_FIN | WS_REST, "fragment2")},
     {CLOSED(1002)}},
    {"5.2",
     IN_ONE,
     {FRAME(WS_PONG, "fragment1"), FRAME(WS_FIN | WS_REST, "fragment2")},
     {CLOSED(1002)}},
    {"5.3", IN_ONE, {TWO}, {TWO_ECHO}},
    {"5.4", BY_FRAME, {TWO}, {TWO_ECHO}},
    {"5.5", BY_BYTE, {TWO}, {TWO_ECHO}},
    {"5.6", IN_ONE, {PING_BETWEEN}, {PONGED_BETWEEN}},
    {"5.7", BY_FRAME, {PING_BETWEEN}, {PONGED_BETWEEN}},
    {"5.8", BY_BYTE, {PING_BETWEEN}, {PONGED_BETWEEN}},
    {"5.9", IN_ONE, {LONELY_LAST, HELLO}, {CLOSED(1002)}},
    {"5.10", BY_FRAME, {LONELY_LAST, HELLO}, {CLOSED(1002)}},
    {"5.11", BY_BYTE, {LONELY_LAST, HELLO}, {CLOSED(1002)}},
    {"5.12", IN_ONE, {LONELY_MORE, HELLO}, {CLOSED(1002)}},
    {"5.13", BY_FRAME, {LONELY_MORE, HELLO}, {CLOSED(1002)}},
    {"5.14", BY_BYTE, {LONELY_MORE, HELLO}, {CLOSED(1002)}},
    {"5.15",
     IN_ONE,
     {TWO, FRAME(WS_REST, "fragment3"), MESSAGE("fragment4")},
     {TWO_ECHO, CLOSED(1002)}},
    {"5.16", IN_ONE, {FRAME(WS_REST, "fragment1"), TWO, MORE("fragment1"), TWO}, {CLOSED(1002)}},
    {"5.17", IN_ONE, {FRAME(WS_FIN | WS_REST, "fragment1"), TWO, LONELY_LAST, TWO}, {CLOSED(1002)}},
    {"5.18", IN_ONE, {START("fragment1"), MESSAGE("fragment2")}, {CLOSED(1002)}},
    {"5.19", IN_ONE, {ALL_LEGAL}, {ALL_LEGAL_ECHO}},
    {"5.20", BY_FRAME, {ALL_LEGAL}, {ALL_LEGAL_ECHO}},
};

TEST(section_5_fragments) {
  WS_RUN_ALL(fragments, gateway.port);
}

/* 5.19 waits in the middle: the first ping is answered before the message has ended. */
TEST(a_ping_is_answered_inside_of_a_message) {
  static const ws_expected pong = PONGED("pongme 1!"), echo = ECHOED("fragment1fragment2");
  ws_client c;
  CHECK(ws_open(&c, gateway.port));
  ws_send_frame(&c, WS_TEXT, JSON_START "fragment1", sizeof JSON_START "fragment1" - 1, 0);
  ws_send_frame(&c, WS_FIN | WS_PING, "pongme 1!", 9, 0);
  CHECK(ws_expect(&c, "5.19", &pong));
  ws_send_frame(&c, WS_FIN | WS_REST, "fragment2" JSON_END, sizeof "fragment2" JSON_END - 1, 0);
  CHECK(ws_expect(&c, "5.19", &echo) && ws_finish(&c, "5.19", 0));
  ws_end(&c);
}

/* ---- 7: closing ------------------------------------------------------------------------------ */

#define NORMAL "\x03\xe8"
#define A41 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NOT_UTF8 "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64"

/* A close with no code is answered by one with no code. 7.1.6 is below. */
static const ws_case closing[] = {
    {"7.1.1",
     IN_ONE,
     {MESSAGE("Hello World!"), CLOSE(NORMAL)},
     {ECHOED("Hello World!"), CLOSED(1000)}},
    {"7.1.2", IN_ONE, {CLOSE(NORMAL), CLOSE("")}, {CLOSED(1000)}},
    {"7.1.3", IN_ONE, {CLOSE(NORMAL), PING("")}, {CLOSED(1000)}},
    {"7.1.4", IN_ONE, {CLOSE(NORMAL), MESSAGE("Hello World!")}, {CLOSED(1000)}},
    {"7.1.5", IN_ONE, {START("fragment1"), CLOSE(NORMAL), END("fragment2")}, {CLOSED(1000)}},
    {"7.3.1", IN_ONE, {CLOSE("")}, {CLOSED(1005)}},
    {"7.3.2", IN_ONE, {CLOSE("a")}, {CLOSED(1002)}},
    {"7.3.3", IN_ONE, {CLOSE(NORMAL)}, {CLOSED(1000)}},
    {"7.3.4", IN_ONE, {CLOSE(NORMAL "Hello World!")}, {CLOSED(1000)}},
    {"7.3.5", IN_ONE, {CLOSE(NORMAL A41 A41 A41)}, {CLOSED(1000)}},
    {"7.3.6", IN_ONE, {CLOSE(NORMAL A41 A41 A41 "a")}, {CLOSED(1002)}},
    {"7.5.1", IN_ONE, {CLOSE(NORMAL NOT_UTF8)}, {CLOSED(1007)}},
};

TEST(section_7_closing) {
  WS_RUN_ALL(closing, gateway.port);
}

/* The answer to a close with `code`. */
static unsigned answer_to_close(unsigned code) {
  ws_client c;
  CHECK(ws_open(&c, gateway.port));
  ws_send_close(&c, code);
  unsigned answer = ws_read_close(&c);
  CHECK(ws_has_ended(&c));
  ws_end(&c);
  return answer;
}

TEST(section_7_7_codes_that_may_be_sent) {
  static const unsigned codes[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009,
                                   1010, 1011, 3000, 3999, 4000, 4999};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    CHECK_INT(answer_to_close(codes[i]), codes[i]);
}

TEST(section_7_9_codes_that_may_not) {
  static const unsigned codes[] = {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    CHECK_INT(answer_to_close(codes[i]), 1002);
}

/* Undefined by the RFC; here, as what may not be sent. */
TEST(section_7_13_codes_past_all_ranges) {
  CHECK_INT(answer_to_close(5000), 1002);
  CHECK_INT(answer_to_close(65535), 1002);
}

/* 7.1.6: a large message's answer is on its way when the close comes; it is sent first. */
TEST(a_close_waits_for_the_answers_before_it) {
  size_t len = 256 << 10;
  char *text = message_of(len);
  ws_expected echo = {WS_ECHO, text + sizeof JSON_START - 1, len - sizeof JSON_START - 1, 0};
  static const ws_expected hello = ECHOED("Hello World!"), closed = CLOSED(1000);
  ws_client c;
  CHECK(ws_open(&c, gateway.port));
  ws_send_frame(&c, WS_FIN | WS_TEXT, text, len, 0);
  ws_send_message(&c, JSON_START "Hello World!" JSON_END);
  ws_send_close(&c, 1000);
  ws_send_frame(&c, WS_FIN | WS_PING, "", 0, 0);
  CHECK(ws_expect(&c, "7.1.6", &echo) && ws_expect(&c, "7.1.6", &hello));
  CHECK(ws_expect(&c, "7.1.6", &closed) && ws_has_ended(&c));
  ws_end(&c);
  free(text);
}

/* An empty message (1.1.1, 6.1.1, 6.1.2) is well-formed, but no JSON: an error, and the socket goes
 * on. */
static const ws_case empty[] = {
    {"1.1.1", IN_ONE, {FRAME(WS_FIN | WS_TEXT, ""), HELLO}, {FAULT, ECHOED("Hello, world!")}},
    {"6.1.2",
     IN_ONE,
     {FRAME(WS_TEXT, ""), MORE(""), FRAME(WS_FIN | WS_REST, ""), HELLO},
     {FAULT, ECHOED("Hello, world!")}},
    {"6.1.3",
     IN_ONE,
     {FRAME(WS_TEXT, ""), MORE(JSON_START "middle" JSON_END), FRAME(WS_FIN | WS_REST, "")},
     {ECHOED("middle")}},
};

TEST(sections_1_1_1_and_6_1_empty_frames) {
  WS_RUN_ALL(empty, gateway.port);
}

TEST(nothing_is_left_of_them) {
  moonpool_gateway_stats stats = gateway_thread_stats(&gateway);
  CHECK_INT(stats.sockets, 0);
  CHECK_INT(stats.queued_bytes, 0);
}

static const test_case tests[] = {
    TEST_CASE(section_1_1_texts),
    TEST_CASE(section_1_2_binary_messages),
    TEST_CASE(section_2_pings),
    TEST_CASE(sections_3_and_4_what_is_reserved),
    TEST_CASE(section_5_fragments),
    TEST_CASE(a_ping_is_answered_inside_of_a_message),
    TEST_CASE(section_7_closing),
    TEST_CASE(section_7_7_codes_that_may_be_sent),
    TEST_CASE(section_7_9_codes_that_may_not),
    TEST_CASE(section_7_13_codes_past_all_ranges),
    TEST_CASE(a_close_waits_for_the_answers_before_it),
    TEST_CASE(sections_1_1_1_and_6_1_empty_frames),
    TEST_CASE(nothing_is_left_of_them),
};

int main(int argc, char **argv) {
  if (!redis_start(&server)) return 1;
  int failed = !ws_case_gateway(&gateway, &server) || RUN_TESTS(tests, argc, argv);
  gateway_thread_stop(&gateway);
  redis_stop(&server);
  return failed;
}
