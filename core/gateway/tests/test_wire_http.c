/* The way from a TCP connection to a WebSocket, and pages. */
#include "wire_fixture.h"

TEST(a_socket_opens_and_closes) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  peer *p = peer_connect(&f);
  peer_say(p, UPGRADE "Sec-WebSocket-Protocol: token.abc, moonpool.v1\r\n\r\n");
  EXPECT(p, "HTTP/1.1 101 Switching Protocols\r\n");
  EXPECT(p, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
  EXPECT(p, "Sec-WebSocket-Protocol: moonpool.v1\r\n\r\n");
  CHECK(!peer_has(p, "token."));
  CHECK_INT(stats_of(&f).sockets, 1);
  peer_close(p);
  RUN_UNTIL(&f, stats_of(&f).connections == 0);
  tear_down_wire(&f);
}

TEST(a_close_is_returned) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  peer *p = peer_upgrade(&f);
  peer_frame(p, 0x89, "abc", 3);
  char text[200];
  CHECK_INT(peer_next(p, text, sizeof text), 10);
  CHECK_STR(text, "abc");
  peer_frame(p, 0x88,
             "\x03\xe8"
             "bye",
             5);
  CHECK_INT(peer_close_code(p), 1000);
  EXPECT_END(p);
  peer_close(p);
  tear_down_wire(&f);
}

TEST(requests_are_answered_one_after_the_other) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  peer *p = peer_connect(&f);
  peer_say(p, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Empty:\r\nX: y\r\n\r\n"
              "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
              "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_END(p);
  char *first = strstr(p->heard, "HTTP/1.1 200 OK"), *second = strstr(p->heard, "HTTP/1.1 404 ");
  CHECK(first == p->heard && second > first && strstr(second, "HTTP/1.1 200 OK"));
  peer_close(p);
  tear_down_wire(&f);
}

static const test_case tests[] = {
    TEST_CASE(a_socket_opens_and_closes),
    TEST_CASE(a_close_is_returned),
    TEST_CASE(requests_are_answered_one_after_the_other),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
