/* What a client may not: too much, too often, too slowly; and what it gets for it. */
#include <sys/resource.h>

#include "server.h"
#include "wire_fixture.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n"

static void expect_status(peer *p, const char *status) {
  EXPECT(p, status);
  EXPECT_END(p);
  CHECK_INT(p->is_over, 1);
  peer_close(p);
}

/* ---- requests ----------------------------------------------------------------------------- */

TEST(slow_requests_end) {
  fixture f;
  set_up(&f);
  f.options.header_timeout = 60;
  f.options.request_timeout = 60;
  f.options.ping = 0;
  f.options.idle = 100;
  open_gateway(&f);
  peer *silent = peer_connect(&f), *slow = peer_connect(&f), *body = peer_connect(&f);
  peer *kept = peer_connect(&f);
  peer_say(slow, "GET / HTTP/1.1\r\nHost: loc");
  peer_say(body,
           "POST /rooms/a/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\na");
  peer_say(kept, GET("/healthz") "\r\n");
  expect_status(silent, "HTTP/1.1 408 ");
  expect_status(slow, "HTTP/1.1 408 ");
  expect_status(body, "HTTP/1.1 408 ");
  EXPECT_END(kept);
  CHECK(peer_has(kept, "HTTP/1.1 200 ") && !peer_has(kept, " 408 "));
  peer_close(kept);
  tear_down_wire(&f);
}

/* A byte now and then does not put the deadline off. */
TEST(a_dripping_header_ends) {
  fixture f;
  set_up(&f);
  f.options.header_timeout = 100;
  open_gateway(&f);
  peer *p = peer_connect(&f);
  peer_say(p, GET("/"));
  uint64_t next = 0;
  while (!peer_is_over(p) && !f.is_late) {
    if (uv_now(&f.loop) >= next) peer_say(p, "x"), next = uv_now(&f.loop) + 10;
    turn(&f);
  }
  CHECK(peer_has(p, "HTTP/1.1 408 "));
  peer_close(p);
  tear_down_wire(&f);
}

TEST(long_headers_are_refused) {
  fixture f;
  set_up(&f);
  f.options.max_headers = 10;
  open_gateway(&f);
  size_t len = 1024 * 1024;
  char *text = malloc(len + 1);
  REQUIRE(text);
  memset(text, 'a', len);
  text[len] = '\0';
  peer *p = peer_connect(&f);
  peer_say(p, GET("/") "X: ");
  peer_say(p, text);
  expect_status(p, "HTTP/1.1 431 ");
  p = peer_connect(&f);
  peer_say(p, "GET /");
  peer_say(p, text);
  expect_status(p, "HTTP/1.1 414 ");
  p = peer_connect(&f);
  peer_say(p, GET("/"));
  for (int i = 0; i < 10; i++) peer_say(p, "X: y\r\n");
  expect_status(p, "HTTP/1.1 431 ");
  free(text);
  tear_down_wire(&f);
}

TEST(requests_wait_while_responses_do) {
  fixture f;
  set_up(&f);
  f.options.ping = 0;
  f.options.idle = 300;
  open_gateway(&f);
  peer *p = peer_connect(&f);
  size_t most = 0;
  for (int i = 0; i < 3000; i++) {
    static const char request[] = GET("/metrics") "\r\n" GET("/metrics") "\r\n" GET("/x") "\r\n";
    if (send(p->fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0) break;
    turn(&f);
    size_t queued = stats_of(&f).queued_bytes;
    if (queued > most) most = queued;
  }
  CHECK(most > 0 && most < 128 * 1024);
  RUN_UNTIL(&f, stats_of(&f).connections == 0); /* it takes nothing for as long as `idle` */
  peer_close(p);
  tear_down_wire(&f);
}

TEST(a_connection_that_was_answered_late_ends_in_time) {
  fixture f;
  set_up(&f);
  f.options.ping = 0;
  f.options.idle = 60;
  open_gateway(&f);
  wire_of(&f)->is_late = 1;
  peer *p = peer_connect(&f);
  peer_say(p, "POST /rooms/a/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
  RUN_UNTIL(&f, wire_of(&f)->opened == 1);
  uint64_t until = uv_now(&f.loop) + 150;
  while (uv_now(&f.loop) < until) turn(&f);
  CHECK_INT(peer_is_over(p), 0);
  gw_conn_respond(wire_of(&f)->last->conn, 201, "text/plain", "yes", 3);
  EXPECT_END(p);
  CHECK(peer_has(p, "yes"));
  peer_close(p);
  tear_down_wire(&f);
}

TEST(a_body_in_chunks_has_a_limit) {
  fixture f;
  set_up(&f);
  f.options.max_message = 1000;
  open_gateway(&f);
  peer *p = peer_connect(&f);
  peer_say(p, "POST /rooms/a/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 200 && !p->is_over; i++) peer_say(p, "8\r\nabcdefgh\r\n"), peer_listen(p);
  expect_status(p, "HTTP/1.1 413 ");
  tear_down_wire(&f);
}

/* ---- connections -------------------------------------------------------------------------- */

TEST(connections_are_limited) {
  fixture f;
  set_up(&f);
  f.options.max_connections = 2;
  open_gateway(&f);
  peer *a = peer_upgrade(&f), *b = peer_upgrade(&f);
  peer *c = peer_connect(&f);
  peer_say(c, GET("/healthz") "\r\n");
  expect_status(c, "HTTP/1.1 503 ");
  CHECK_INT(stats_of(&f).refused, 1);
  peer_close(a);
  RUN_UNTIL(&f, stats_of(&f).connections == 1);
  a = peer_upgrade(&f);
  peer_close(a);
  peer_close(b);
  tear_down_wire(&f);
}

TEST(connections_of_an_address_are_limited) {
  fixture f;
  set_up(&f);
  f.options.max_connections_per_address = 2;
  open_gateway(&f);
  peer *a = peer_upgrade(&f), *b = peer_upgrade(&f), *c = peer_connect(&f);
  peer_say(c, GET("/healthz") "\r\n");
  expect_status(c, "HTTP/1.1 429 ");
  peer_close(a);
  RUN_UNTIL(&f, stats_of(&f).connections == 1);
  a = peer_upgrade(&f);
  peer_close(a);
  peer_close(b);
  tear_down_wire(&f);
}

static peer *come_through_proxy(fixture *f, const char *client) {
  peer *p = peer_connect(f);
  peer_say(p, GET("/rooms/a/events") "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: ");
  peer_say(p, client);
  peer_say(p, "\r\n\r\n");
  EXPECT(p, "\r\n\r\n");
  return p;
}

TEST(a_proxy_s_clients_are_told_apart) {
  fixture f;
  set_up(&f);
  static const char *const proxies[] = {"127.0.0.0/8"};
  f.options.proxies = proxies;
  f.options.proxy_count = 1;
  f.options.max_connections_per_address = 1;
  open_gateway(&f);
  peer *a = come_through_proxy(&f, "203.0.113.1"), *b = come_through_proxy(&f, "203.0.113.2");
  CHECK(peer_has(a, "HTTP/1.1 200 ") && peer_has(b, "HTTP/1.1 200 "));
  moonpool_bytes address = gw_conn_address(wire_of(&f)->last->conn);
  CHECK(address.len == 11 && !memcmp(address.data, "203.0.113.2", 11));
  peer *c = come_through_proxy(&f, "203.0.113.1");
  expect_status(c, "HTTP/1.1 429 ");
  peer_close(a);
  RUN_UNTIL(&f, stats_of(&f).connections == 1);
  c = come_through_proxy(&f, "203.0.113.1");
  CHECK(peer_has(c, "HTTP/1.1 200 "));
  peer_close(b);
  peer_close(c);
  tear_down_wire(&f);
}

/* Valgrind keeps descriptors of its own, and closes what is accepted past the limit itself. */
static int is_valgrind(void) {
  const char *preload = getenv("LD_PRELOAD");
  return preload && strstr(preload, "vgpreload");
}

/* Who waits is taken off the list and turned away, so that the loop does not spin on him. */
TEST(no_descriptors_left_is_survived) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  peer *a = peer_upgrade(&f), *b = peer_connect(&f);
  struct rlimit old, low;
  REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
  int spare = dup(0);
  low = old;
  low.rlim_cur = (rlim_t)spare;
  close(spare);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
  EXPECT_END(b);
  peer_text(a, "still here");
  EXPECT(a, "still here");
  if (!is_valgrind()) CHECK_INT(stats_of(&f).refused, 1);
  setrlimit(RLIMIT_NOFILE, &old);
  peer_close(b);
  b = peer_upgrade(&f);
  peer_close(a);
  peer_close(b);
  tear_down_wire(&f);
}

/* Without a descriptor to give up either, accepting rests, and is tried again. */
TEST(no_spare_descriptor_is_survived) {
  fixture f;
  if (is_valgrind()) return;
  set_up(&f);
  open_gateway(&f);
  peer *p = peer_connect(&f);
  struct rlimit old, low;
  REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
  close(f.gateway->server->reserve);
  int spare = f.gateway->server->reserve;
  f.gateway->server->reserve = -1;
  low = old;
  low.rlim_cur = (rlim_t)spare;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
  for (int i = 0; i < 50; i++) turn(&f);
  CHECK_INT(stats_of(&f).accepted, 0);
  CHECK(!peer_is_over(p));
  setrlimit(RLIMIT_NOFILE, &old);
  peer_say(p, GET("/healthz") "\r\n");
  EXPECT(p, "ok\n");
  CHECK(f.gateway->server->reserve >= 0);
  peer_close(p);
  tear_down_wire(&f);
}

/* ---- messages ----------------------------------------------------------------------------- */

static void expect_code(peer *p, unsigned code) {
  CHECK_INT(peer_close_code(p), code);
  EXPECT_END(p);
  CHECK_INT(p->is_over, 1);
  peer_close(p);
}

TEST(messages_and_pings_have_a_rate) {
  fixture f;
  set_up(&f);
  f.options.messages_per_second = 5;
  f.options.pings_per_second = 2;
  open_gateway(&f);
  wire_of(&f)->is_silent = 1;
  peer *p = peer_upgrade(&f);
  for (int i = 0; i < 30; i++) peer_text(p, "x");
  expect_code(p, 1008);
  CHECK(wire_of(&f)->texts >= 10 && wire_of(&f)->texts < 20);
  p = peer_upgrade(&f);
  for (int i = 0; i < 20; i++) peer_frame(p, 0x89, "", 0);
  expect_code(p, 1008);
  p = peer_upgrade(&f);
  for (int i = 0; i < 20; i++) peer_frame(p, 0x8a, "", 0);
  expect_code(p, 1008);
  CHECK_INT(stats_of(&f).protocol_errors, 3);
  tear_down_wire(&f);
}

static char *make_fragments(size_t count, size_t *len) {
  char *text = malloc(count * 7);
  *len = 0;
  for (size_t i = 0; text && i < count; i++) {
    unsigned first = (i ? 0x00 : 0x01) | (i + 1 == count ? 0x80 : 0);
    *len += make_frame(text + *len, first, "x", 1);
  }
  return text;
}

TEST(fragments_are_limited) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  size_t len;
  char *text = make_fragments(131072, &len);
  REQUIRE(text);
  peer *p = peer_upgrade(&f);
  peer_say_bytes(p, text, len);
  expect_code(p, 1008);
  CHECK_INT(wire_of(&f)->texts, 0);
  free(text);
  tear_down_wire(&f);
}

TEST(fragments_without_a_limit_cost_little) {
  fixture f;
  set_up(&f);
  f.options.max_fragments = 0;
  f.options.max_message = 1 << 20;
  open_gateway(&f);
  wire_of(&f)->is_silent = 1;
  size_t len;
  char *text = make_fragments(131072, &len);
  REQUIRE(text);
  peer *p = peer_upgrade(&f);
  long requests = f.heap.requests;
  peer_say_bytes(p, text, len);
  RUN_UNTIL(&f, wire_of(&f)->texts == 1);
  CHECK_INT(wire_of(&f)->text_bytes, 131072);
  CHECK(f.heap.requests - requests < 40);
  peer_close(p);
  free(text);
  tear_down_wire(&f);
}

/* ---- silence ------------------------------------------------------------------------------ */

TEST(silence_is_asked_and_then_ended) {
  fixture f;
  set_up(&f);
  f.options.ping = 60;
  f.options.idle = 300;
  f.options.close_timeout = 60;
  open_gateway(&f);
  peer *answers = peer_upgrade(&f), *silent = peer_upgrade(&f);
  char text[200];
  uint64_t until = uv_now(&f.loop) + 600;
  while (uv_now(&f.loop) < until) {
    unsigned opcode = peer_next(answers, text, sizeof text);
    CHECK_INT(opcode, 9);
    if (opcode != 9) break;
    peer_frame(answers, 0x8a, "", 0);
  }
  CHECK(!peer_is_over(answers));
  CHECK_INT(peer_next(silent, text, sizeof text), 9);
  expect_code(silent, 1001);
  peer_close(answers);
  tear_down_wire(&f);
}

TEST(a_stream_is_kept_alive) {
  fixture f;
  set_up(&f);
  f.options.ping = 40;
  open_gateway(&f);
  peer *p = peer_connect(&f);
  peer_say(p, GET("/rooms/a/events") "\r\n");
  EXPECT(p, "\r\n\r\n:\n\n:\n\n");
  peer_close(p);
  RUN_UNTIL(&f, stats_of(&f).connections == 0);
  tear_down_wire(&f);
}

TEST(who_does_not_close_is_closed) {
  fixture f;
  set_up(&f);
  f.options.close_timeout = 60;
  open_gateway(&f);
  peer *p = peer_upgrade(&f);
  gw_conn_close(wire_of(&f)->last->conn, GW_CLOSE_REVOKED, "go");
  gw_conn_close(wire_of(&f)->last->conn, GW_CLOSE_TOO_SLOW, "twice");
  CHECK_INT(wire_of(&f)->closed, 0);
  CHECK_INT(peer_close_code(p), 4403);
  CHECK_INT(wire_of(&f)->closed, 1);
  RUN_UNTIL(&f, stats_of(&f).connections == 0);
  EXPECT_END(p);
  peer_close(p);
  tear_down_wire(&f);
}

static const test_case tests[] = {
    TEST_CASE(slow_requests_end),
    TEST_CASE(a_dripping_header_ends),
    TEST_CASE(long_headers_are_refused),
    TEST_CASE(requests_wait_while_responses_do),
    TEST_CASE(a_connection_that_was_answered_late_ends_in_time),
    TEST_CASE(a_body_in_chunks_has_a_limit),
    TEST_CASE(connections_are_limited),
    TEST_CASE(connections_of_an_address_are_limited),
    TEST_CASE(a_proxy_s_clients_are_told_apart),
    TEST_CASE(no_descriptors_left_is_survived),
    TEST_CASE(no_spare_descriptor_is_survived),
    TEST_CASE(messages_and_pings_have_a_rate),
    TEST_CASE(fragments_are_limited),
    TEST_CASE(fragments_without_a_limit_cost_little),
    TEST_CASE(silence_is_asked_and_then_ended),
    TEST_CASE(a_stream_is_kept_alive),
    TEST_CASE(who_does_not_close_is_closed),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
