/* Requests that are slow, large or two in one: the right status, one response, the end of the
 * connection, and everybody else is served. */
#include "gateway_thread.h"
#include "ws_client.h"

static redis_server server;
static gateway_thread gateway, impatient; /* with short deadlines */
static ws_client bystander;               /* a connection from before the attacks */

/* Sends the bytes; the status of the one response, after which the gateway ends the connection. 0:
 * none came, -1: it did not end, -2: there was a second one. */
static int status_at(const gateway_thread *g, const char *bytes, size_t len) {
  ws_client c;
  if (!ws_connect(&c, g->port)) return 0;
  ws_send_bytes(&c, bytes, len, 0);
  int status = ws_read_status(&c), got = 1;
  size_t body = c.at;
  long long deadline = redis_clock_ms() + WS_DEADLINE;
  while (got > 0) got = ws_read_more(&c, deadline);
  if (got == 0) status = -1;
  if (mp_buf_append(&c.in, "", 1)) abort();
  if (status > 0 && strstr(c.in.data + body, "HTTP/1.")) status = -2;
  ws_end(&c);
  return status;
}

static int status_of(const char *bytes, size_t len) {
  return status_at(&gateway, bytes, len);
}

/* ---- two requests in one --------------------------------------------------------------------- */

static int is_answered(void) {
  ws_send_text(&bystander, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  if (ws_read_status(&bystander) != 200) return 0;
  const char *length = strstr(bystander.in.data, "Content-Length: ");
  size_t end = bystander.at + (length ? strtoul(length + 16, NULL, 10) : 0);
  while (bystander.in.len < end)
    if (ws_read_more(&bystander, redis_clock_ms() + WS_DEADLINE) < 1) return 0;
  bystander.at = bystander.in.len = 0;
  return 1;
}

typedef struct row {
  int status;
  const char *bytes;
  size_t len;
} row;

#define ROW(status, bytes)                                                                         \
  { status, bytes, sizeof(bytes) - 1 }
#define POST "POST /rooms/a/messages HTTP/1.1\r\nHost: localhost\r\n"
#define NEXT "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* RFC 9112, 6.3 and 11.2: what a proxy in front could end elsewhere is refused, and what is behind
 * it is not read. */
static const row smuggled[] = {
    ROW(400, POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT),
    ROW(400, POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" NEXT),
    ROW(400, POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}   " NEXT),
    ROW(400, POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n{}   " NEXT),
    ROW(400, POST "Content-Length: 5, 5\r\n\r\n{}   " NEXT),
    ROW(400, POST "Content-Length: +5\r\n\r\n{}   " NEXT),
    ROW(400, POST "Content-Length: -5\r\n\r\n{}   " NEXT),
    ROW(400, POST "Content-Length: 0x5\r\n\r\n{}   " NEXT),
    ROW(400, POST "Content-Length: 5 5\r\n\r\n{}   " NEXT),
    ROW(400, POST "Content-Length: \r\n\r\n{}   " NEXT),
    ROW(400, POST "Content-Length: 99999999999999999999\r\n\r\n{}" NEXT),
    ROW(400, POST "Content-Length : 5\r\n\r\n{}   " NEXT),
    ROW(400, POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" NEXT),
    ROW(400, POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" NEXT),
    ROW(400,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\n\r\n" NEXT),
    ROW(400, POST "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" NEXT),
    ROW(400, POST "Transfer-Encoding: \x0b"
                  "chunked\r\n\r\n0\r\n\r\n" NEXT),
    ROW(400,
        POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" NEXT),
    ROW(400, "POST /rooms/a/messages HTTP/1.0\r\nHost: localhost\r\n"
             "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT),
    ROW(400, POST " Content-Length: 5\r\n\r\n{}   " NEXT),
    ROW(400, POST "X: a\r\n b\r\nContent-Length: 5\r\n\r\n{}   " NEXT),
    ROW(400, POST "Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n" NEXT),
    ROW(400, POST "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" NEXT),
    ROW(413, POST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n\r\n" NEXT),
    ROW(400, POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n" NEXT),
    ROW(413, POST "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n{}" NEXT),
    ROW(413, POST "Content-Length: 268435455\r\n\r\n{}" NEXT),
};

static const row malformed[] = {
    ROW(400, "GET /healthz HTTP/1.1\nHost: localhost\n\n"),
    ROW(400, "GET /healthz HTTP/1.1\r\nHost: localhost\n\r\n"),
    ROW(400, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: b\nC: d\r\n\r\n"),
    ROW(400, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: b\rC: d\r\n\r\n"),
    ROW(400, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: b\0c\r\n\r\n"),
    ROW(400, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nA\0: b\r\n\r\n"),
    ROW(400, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n: b\r\n\r\n"),
    ROW(400, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n"),
    ROW(400, "GET /heal\x01thz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ROW(400, "GET /healthz HTTP/1.1\r\n\r\n"),
    ROW(400, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: example.org\r\n\r\n"),
    ROW(400, "GET /healthz HTTP/1.1 x\r\nHost: localhost\r\n\r\n"),
    ROW(400, "get /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ROW(400, "GET healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ROW(400, "GET /healthz HPTT/1.1\r\nHost: localhost\r\n\r\n"),
    ROW(400, "GET /healthz\r\n\r\n"),
    ROW(400, "GET  /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ROW(400, "GET /healthz  HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ROW(400, "GET /healthz HTTP/1.1 \r\nHost: localhost\r\n\r\n"),
    ROW(400, "GET /healthz HTTP/x.1\r\nHost: localhost\r\n\r\n"),
    ROW(400, "HTTP/1.1 200 OK\r\n\r\n"),
    ROW(400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ROW(400, "\0\0\0\0\0\0\0\0"),
    ROW(505, "GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n"),
    ROW(400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ROW(417, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\n\r\n"),
};

static void check_rows(const row *rows, size_t count) {
  for (size_t i = 0; i < count; i++) {
    int status = status_of(rows[i].bytes, rows[i].len);
    if (status != rows[i].status) printf("  %d: %s\n", status, rows[i].bytes);
    CHECK_INT(status, rows[i].status);
  }
  CHECK(is_answered());
}

TEST(what_could_be_two_requests_is_refused) {
  check_rows(smuggled, sizeof smuggled / sizeof *smuggled);
}

TEST(what_is_no_request_is_refused) {
  check_rows(malformed, sizeof malformed / sizeof *malformed);
}

/* ---- too large, too slow --------------------------------------------------------------------- */

TEST(a_megabyte_of_headers_is_refused) {
  static const char start[] = "GET / HTTP/1.1\r\nHost: localhost\r\n";
  size_t len = 1 << 20;
  char *bytes = calloc(1, len);
  memcpy(bytes, start, sizeof start);
  for (size_t i = sizeof start - 1; i + 16 <= len; i += 16)
    memcpy(bytes + i, "Abc: defghijkl\r\n", 16);
  CHECK_INT(status_of(bytes, len), 431);
  memset(bytes + sizeof start - 1, 'a', len - sizeof start + 1);
  CHECK_INT(status_of(bytes, len), 431);
  memset(bytes, 'a', len);
  memcpy(bytes, "GET /", 5);
  CHECK_INT(status_of(bytes, len), 414);
  free(bytes);
  CHECK(is_answered());
}

TEST(too_many_headers_are_refused) {
  char bytes[1000] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 100; i++) strcat(bytes, "A: b\r\n");
  strcat(bytes, "\r\n");
  CHECK_INT(status_of(bytes, strlen(bytes)), 431);
}

/* A byte now and then does not put the deadline off. */
TEST(slow_headers_end_at_their_deadline) {
  static const char bytes[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: 0123456789";
  ws_client c;
  long long start = redis_clock_ms();
  int got = 0;
  CHECK(ws_connect(&c, impatient.port));
  for (size_t i = 0; i + 1 < sizeof bytes && got == 0; i++) {
    ws_send_bytes(&c, bytes + i, 1, 0);
    got = ws_read_more(&c, redis_clock_ms() + 20);
  }
  CHECK_INT(ws_read_status(&c), 408);
  CHECK(ws_has_ended(&c));
  CHECK(redis_clock_ms() - start >= 300);
  ws_end(&c);
  CHECK(is_answered());
}

TEST(who_says_nothing_is_told_so) {
  CHECK_INT(status_at(&impatient, "", 0), 408);
}

TEST(a_slow_body_ends_at_its_deadline) {
  static const char bytes[] = POST "Content-Length: 10\r\n\r\n{";
  CHECK_INT(status_at(&impatient, bytes, sizeof bytes - 1), 408);
}

/* Who sends no more has no use of a stream: it ends, also when that was known before it began, and
 * behind something that came too early. */
static void check_stream(const char *rest) {
  ws_client c;
  CHECK(ws_connect(&c, gateway.port));
  ws_send_text(&c, "GET /rooms/a/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ws_send_text(&c, rest);
  shutdown(c.fd, SHUT_WR);
  CHECK(ws_has_ended(&c));
  ws_end(&c);
}

TEST(a_stream_ends_with_its_client) {
  check_stream("");
  check_stream("GET /");
  check_stream(NEXT);
}

/* ---- origins --------------------------------------------------------------------------------- */

static int upgrade_from(const char *origin) {
  char headers[200];
  ws_client c;
  snprintf(headers, sizeof headers, origin ? "Origin: %s\r\n" : "%s", origin ? origin : "");
  int status = ws_upgrade(&c, gateway.port, headers);
  ws_end(&c);
  return status;
}

TEST(a_foreign_page_is_refused) {
  char own[60], other_port[60];
  snprintf(own, sizeof own, "http://127.0.0.1:%d", gateway.port);
  snprintf(other_port, sizeof other_port, "http://127.0.0.1:%d", gateway.port - 1);
  CHECK_INT(upgrade_from(NULL), 101);
  CHECK_INT(upgrade_from(own), 101);
  CHECK_INT(upgrade_from(other_port), 403);
  CHECK_INT(upgrade_from("http://evil.example"), 403);
  CHECK_INT(upgrade_from("null"), 403);
  CHECK_INT(upgrade_from(""), 403);
}

/* The page of a foreign name that was made to lead to this host; also where no Origin is sent. */
TEST(a_foreign_name_is_refused) {
  static const char upgrade[] = "GET /socket HTTP/1.1\r\nHost: evil.example\r\n"
                                "Connection: Upgrade, close\r\nUpgrade: websocket\r\n"
                                "Sec-WebSocket-Version: 13\r\nOrigin: http://evil.example\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  static const char events[] = "GET /rooms/a/events HTTP/1.1\r\nHost: evil.example\r\n"
                               "Connection: close\r\n\r\n";
  static const char post[] = "POST /rooms/a/messages HTTP/1.1\r\nHost: evil.example\r\n"
                             "Origin: http://evil.example\r\nConnection: close\r\n"
                             "Content-Length: 0\r\n\r\n";
  CHECK_INT(status_of(upgrade, sizeof upgrade - 1), 403);
  CHECK_INT(status_of(events, sizeof events - 1), 403);
  CHECK_INT(status_of(post, sizeof post - 1), 403);
}

static const test_case tests[] = {
    TEST_CASE(what_could_be_two_requests_is_refused),
    TEST_CASE(what_is_no_request_is_refused),
    TEST_CASE(a_megabyte_of_headers_is_refused),
    TEST_CASE(too_many_headers_are_refused),
    TEST_CASE(slow_headers_end_at_their_deadline),
    TEST_CASE(who_says_nothing_is_told_so),
    TEST_CASE(a_slow_body_ends_at_its_deadline),
    TEST_CASE(a_stream_ends_with_its_client),
    TEST_CASE(a_foreign_page_is_refused),
    TEST_CASE(a_foreign_name_is_refused),
};

int main(int argc, char **argv) {
  if (!redis_start(&server)) return 1;
  gateway_thread_init(&gateway, &server);
  gateway_thread_init(&impatient, &server);
  impatient.options.header_timeout = impatient.options.request_timeout = 300;
  int is_up = gateway_thread_start(&gateway) & gateway_thread_start(&impatient);
  int failed = !is_up || !ws_connect(&bystander, gateway.port) || RUN_TESTS(tests, argc, argv);
  ws_end(&bystander);
  gateway_thread_stop(&impatient);
  gateway_thread_stop(&gateway);
  redis_stop(&server);
  return failed;
}
