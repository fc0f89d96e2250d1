/* WebSockets that break rules, flood, or vanish: the right close code, nothing left behind, and
 * everybody else is served. */
#include "abuse.h"

static redis_server server;
static gateway_thread gateway;
static ws_client bystander;

/* The close code that comes after these raw bytes, and the end of the connection. */
static unsigned code_after(const char *bytes, size_t len) {
  ws_client c;
  CHECK(ws_open(&c, gateway.port));
  ws_send_bytes(&c, bytes, len, 0);
  unsigned code = ws_read_close(&c);
  CHECK(ws_has_ended(&c));
  ws_end(&c);
  CHECK(is_served(&bystander));
  return code;
}

#define CODE_AFTER(bytes) code_after(bytes, sizeof(bytes) - 1)

TEST(unmasked_frames_are_refused) {
  CHECK_INT(CODE_AFTER("\x81\x02{}"), 1002);
  CHECK_INT(CODE_AFTER("\x81\x00"), 1002);
  CHECK_INT(CODE_AFTER("\x89\x00"), 1002);
  CHECK_INT(CODE_AFTER("\x88\x02\x03\xe8"), 1002);
}

TEST(reserved_bits_are_refused) {
  CHECK_INT(CODE_AFTER("\xc1\x80\x01\x02\x03\x04"), 1002);
  CHECK_INT(CODE_AFTER("\xa1\x80\x01\x02\x03\x04"), 1002);
  CHECK_INT(CODE_AFTER("\x91\x80\x01\x02\x03\x04"), 1002);
  CHECK_INT(CODE_AFTER("\xf9\x80\x01\x02\x03\x04"), 1002);
}

/* Refused by what the header says, with the first byte behind it: nothing waits for all of them,
 * and no memory is taken. 2^63 and more is no length at all (RFC 6455, 5.2). */
TEST(huge_lengths_are_refused) {
  CHECK_INT(CODE_AFTER("\x81\xff\x80\0\0\0\0\0\0\0\1\2\3\4"
                       "x"),
            1002);
  CHECK_INT(CODE_AFTER("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\2\3\4"
                       "x"),
            1002);
  CHECK_INT(CODE_AFTER("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4"
                       "x"),
            1009);
  CHECK_INT(CODE_AFTER("\x81\xff\0\0\0\0\0\1\0\1\1\2\3\4"
                       "x"),
            1009);
  CHECK_INT(CODE_AFTER("\x01\x81\1\2\3\4x\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\2\3\4"
                       "x"),
            1009);
}

/* The shortest form of a length is a must (RFC 6455, 5.2). */
TEST(long_forms_of_short_lengths_are_refused) {
  CHECK_INT(CODE_AFTER("\x81\xfe\0\x7d\1\2\3\4"), 1002);
  CHECK_INT(CODE_AFTER("\x81\xff\0\0\0\0\0\0\xff\xff\1\2\3\4"), 1002);
}

/* `count` frames of the same kind, in one piece. */
static unsigned code_after_many(size_t count, unsigned first, unsigned later, const char *payload) {
  mp_buf out;
  mp_buf_init(&out, &mp_default_allocator);
  for (size_t i = 0; i < count; i++)
    ws_put_frame(&out, i ? later : first, payload, strlen(payload), 0);
  unsigned code = code_after(out.data, out.len);
  mp_buf_free(&out);
  return code;
}

TEST(fragments_of_one_byte_are_counted) {
  CHECK_INT(code_after_many(131072, WS_TEXT, WS_REST, "x"), 1008);
  CHECK_INT(code_after_many(131072, WS_TEXT, WS_REST, ""), 1008);
}

TEST(floods_are_ended) {
  static const unsigned ping = WS_FIN | WS_PING, pong = WS_FIN | WS_PONG, text = WS_FIN | WS_TEXT;
  CHECK_INT(code_after_many(20000, ping, ping, "ping"), 1008);
  CHECK_INT(code_after_many(20000, pong, pong, ""), 1008);
  CHECK_INT(code_after_many(20000, text, text, "{\"op\":\"ping\"}"), 1008);
}

TEST(three_messages_in_a_row_that_are_no_json_are_the_last) {
  static const unsigned text = WS_FIN | WS_TEXT;
  CHECK_INT(code_after_many(3, text, text, "nonsense"), 1008);
  CHECK_INT(code_after_many(3, text, text, "[]"), 1008);
  CHECK_INT(code_after_many(3, text, text, ""), 1008);
}

/* jansson reads no deeper than 2048. */
TEST(deep_json_is_no_json) {
  ws_client c;
  char *deep = malloc(60001);
  memset(deep, '[', 60000);
  deep[60000] = '\0';
  CHECK(ws_open(&c, gateway.port));
  ws_send_message(&c, deep);
  CHECK(ws_hears(&c, "{\"op\":\"error\""));
  CHECK(is_served(&c));
  ws_end(&c);
  free(deep);
}

/* Rooms of long names, and a pattern that takes long to fail: what is left out is told. */
TEST(costly_patterns_are_cut_short) {
  char name[501], ask[700];
  ws_client c;
  memset(name, 'a', 500);
  CHECK(ws_open(&c, gateway.port));
  for (int i = 0; i < 60; i++) {
    snprintf(name + 497, 4, "%03d", i);
    snprintf(ask, sizeof ask, "{\"op\":\"say\",\"room\":\"%s\",\"text\":\"x\"}", name);
    ws_send_message(&c, ask);
    CHECK(ws_hears(&c, "{\"op\":\"ok\""));
  }
  snprintf(ask, sizeof ask, "{\"op\":\"rooms\",\"pattern\":\"*[%.450s]b\"}", name);
  ws_send_message(&c, ask);
  CHECK(ws_hears(&c, "{\"op\":\"ok\",\"rooms\":[],\"truncated\":true}"));
  snprintf(ask, sizeof ask, "{\"op\":\"rooms\",\"pattern\":\"*[%.500s]bcdefghijklm\"}", name);
  ws_send_message(&c, ask);
  CHECK(ws_hears(&c, "{\"op\":\"error\",\"code\":\"EARG\""));
  ws_end(&c);
}

/* Somebody who floods and never reads: its own queue is full, and it is closed. */
TEST(who_does_not_read_is_closed) {
  ws_client c;
  CHECK(ws_open(&c, gateway.port));
  uint64_t before = gateway_thread_stats(&gateway).connections;
  char ask[4000];
  memset(ask, 'a', sizeof ask);
  memcpy(ask, "{\"op\":\"ping\",\"ref\":\"", 20);
  memcpy(ask + sizeof ask - 3, "\"}", 3);
  mp_buf out;
  mp_buf_init(&out, &mp_default_allocator);
  for (int i = 0; i < 4000; i++) ws_put_frame(&out, WS_FIN | WS_TEXT, ask, strlen(ask), 0);
  size_t at = 0;
  struct pollfd io = {.fd = c.fd, .events = POLLOUT};
  while (at < out.len && poll(&io, 1, 100) == 1) {
    ssize_t sent = send(c.fd, out.data + at, out.len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) break;
    at += (size_t)sent;
  }
  CHECK(has_connections(&gateway, before - 1));
  CHECK(is_served(&bystander));
  ws_end(&c);
  mp_buf_free(&out);
}

/* ---- who connects and vanishes --------------------------------------------------------------- */

static void reset(ws_client *c) {
  struct linger hard = {.l_onoff = 1, .l_linger = 0};
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

static void end(ws_client *c, unsigned number) {
  if (number % 2) reset(c);
  ws_end(c);
}

enum { STREAM = 7, POST, STAGES };

/* What a client sends that speaks HTTP to its end. */
static const char *request_of(unsigned stage) {
  switch (stage) {
  case 0: return "";
  case 1: return "GET /socket HTTP/1.1\r\nHost: loc";
  case 2:
    return "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
           "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  case STREAM: return "GET /rooms/abuse/events?last=5 HTTP/1.1\r\nHost: localhost\r\n\r\n";
  default:
    return "POST /rooms/abuse/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n"
           "Content-Type: application/json\r\n\r\n{\"text\":\"hi\"}";
  }
}

/* What it does that has a WebSocket: nothing, a join, half a frame, a close. */
static void begin_socket(ws_client *c, unsigned stage) {
  static const char half[] = "\x01\xfe\x10\x00\1\2\3\4{\"op\":";
  if (stage >= 4) ws_send_message(c, "{\"op\":\"join\",\"room\":\"abuse\",\"last\":5}");
  if (stage == 5) ws_send_bytes(c, half, sizeof half - 1, 0);
  if (stage == 6) ws_send_close(c, 1000);
}

/* A client that gets so far, and goes; half of them by a reset. */
static void vanish_at(unsigned stage, unsigned number) {
  ws_client c;
  int has_socket = stage >= 3 && stage < STREAM;
  CHECK(has_socket ? ws_open(&c, gateway.port) : ws_connect(&c, gateway.port));
  if (has_socket)
    begin_socket(&c, stage);
  else
    ws_send_text(&c, request_of(stage));
  end(&c, number);
}

typedef struct left {
  long blocks;
  uint64_t connections, sockets, members, queued;
} left;

static test_heap heap;

static void take_left(gateway_thread *g, void *ctx) {
  moonpool_gateway_stats stats;
  moonpool_gateway_get_stats(g->gateway, &stats);
  *(left *)ctx =
      (left){heap.blocks, stats.connections, stats.sockets, stats.members, stats.queued_bytes};
}

static void vanish_all(unsigned count, left *after) {
  long long deadline = redis_clock_ms() + WS_DEADLINE;
  for (unsigned i = 0; i < count; i++) vanish_at(i % STAGES, i / STAGES);
  CHECK(has_connections(&gateway, 1));
  do gateway_thread_call(&gateway, take_left, after);
  while (after->members && redis_clock_ms() < deadline);
}

/* What is left at one stage of nine comes more than a thousand times; SOME is what the gateway
 * and its client keep for a while: links to Redis, spare readers, a room that was just left. */
TEST(ten_thousand_vanish_at_every_stage) {
  enum { VANISHING = 10000, SOME = 100 };
  left first, second;
  vanish_all(1000, &first);
  int descriptors = count_descriptors();
  vanish_all(VANISHING, &second);
  CHECK(count_descriptors() < descriptors + SOME);
  CHECK_INT(second.sockets, 1);
  CHECK_INT(second.members, 0);
  CHECK_INT(second.queued, 0);
  CHECK(second.blocks < first.blocks + SOME);
  CHECK(is_served(&bystander));
}

static const test_case tests[] = {
    TEST_CASE(unmasked_frames_are_refused),
    TEST_CASE(reserved_bits_are_refused),
    TEST_CASE(huge_lengths_are_refused),
    TEST_CASE(long_forms_of_short_lengths_are_refused),
    TEST_CASE(fragments_of_one_byte_are_counted),
    TEST_CASE(floods_are_ended),
    TEST_CASE(three_messages_in_a_row_that_are_no_json_are_the_last),
    TEST_CASE(deep_json_is_no_json),
    TEST_CASE(costly_patterns_are_cut_short),
    TEST_CASE(who_does_not_read_is_closed),
    TEST_CASE(ten_thousand_vanish_at_every_stage),
};

int main(int argc, char **argv) {
  if (!redis_start(&server)) return 1;
  test_heap_init(&heap, 0);
  gateway_thread_init(&gateway, &server);
  gateway.allocator = &heap.allocator;
  gateway.options.close_timeout = 500;
  int failed = !gateway_thread_start(&gateway) || !ws_open(&bystander, gateway.port) ||
               RUN_TESTS(tests, argc, argv);
  ws_end(&bystander);
  gateway_thread_stop(&gateway);
  if (heap.blocks) printf("%ld blocks were not freed\n", heap.blocks);
  redis_stop(&server);
  return failed || heap.blocks;
}
