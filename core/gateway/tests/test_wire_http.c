/* HTTP/1.1: requests of every kind, fed whole and byte by byte; and the way to a WebSocket. */
#include "page.h"
#include "wire_fixture.h"

typedef struct row {
  const char *name, *request;
  const char *statuses;    /* of the responses, "200 404" */
  const char *contains[3]; /* somewhere in them */
} row;

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\nHost: localhost\r\n"
#define LAST "Connection: close\r\n\r\n"
#define WS "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static const row rows[] = {
    {"health", GET("/healthz") LAST, "200", {"\r\n\r\nok\n", "Content-Length: 3\r\n", "Date: "}},
    {"a query is no part of the path", GET("/healthz?token=x") LAST, "200", {"ok\n"}},
    {"an absolute target", GET("http://localhost/healthz") LAST, "200", {"ok\n"}},
    {"no link to Redis", GET("/readyz") LAST, "503", {"no link to Redis"}},
    {"head",
     "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n" LAST,
     "200",
     {"Content-Length: 3\r\n"}},
    {"nothing there", GET("/nothing") LAST, "404", {"Not Found"}},
    {"keep-alive",
     GET("/healthz") "X-Empty:\r\nX: y\r\n\r\n" GET("/x") "\r\n" GET("/healthz") LAST,
     "200 404 200",
     {0}},
    {"HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n", "200", {"Connection: close\r\n"}},
    {"HTTP/1.0 that stays",
     "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n",
     "200 200",
     {"Connection: keep-alive\r\n"}},
    {"empty lines before it", "\r\n\r\n" GET("/healthz") LAST, "200", {0}},
    {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400", {0}},
    {"HTTP/3.0", "GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n", "505", {0}},
    {"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400", {0}},
    {"no method", "get / HTTP/1.1\r\n\r\n", "400", {"Connection: close\r\n"}},
    {"no host", "GET /healthz HTTP/1.1\r\n\r\n", "400", {0}},
    {"two hosts", GET("/healthz") "Host: other\r\n\r\n", "400", {0}},
    {"a space in a header's name", GET("/healthz") "X y: z\r\n\r\n", "400", {0}},
    {"a control character in a value", GET("/healthz") "X: \x01\r\n\r\n", "400", {0}},
    {"put",
     "PUT /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n" LAST "ab",
     "405",
     {"Allow: GET, HEAD\r\n"}},
    {"delete",
     "DELETE /rooms/a/messages HTTP/1.1\r\nHost: localhost\r\n" LAST,
     "405",
     {"Allow: POST, OPTIONS\r\n"}},
    {"post to events",
     POST("/rooms/a/events") "Content-Length: 0\r\n" LAST,
     "405",
     {"Allow: GET, OPTIONS\r\n"}},
    {"head of events", "HEAD /rooms/a/events HTTP/1.1\r\nHost: localhost\r\n" LAST, "405", {0}},
    {"connect", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n" LAST, "404", {0}},
    {"unknown expectation", GET("/healthz") "Expect: cake\r\n\r\n", "417", {0}},
    {"a body of a known length",
     POST("/rooms/a/messages") "Content-Length: 4\r\n" LAST "abcd",
     "201",
     {"{\"id\":\"1\"}", "Content-Type: application/json\r\n"}},
    {"a body in chunks",
     POST("/rooms/a/messages") "Transfer-Encoding: chunked\r\n" LAST
                               "2\r\nab\r\n2;x=y\r\ncd\r\n0\r\nTrailer: x\r\n\r\n",
     "201",
     {0}},
    {"no length", POST("/rooms/a/messages") LAST, "411", {0}},
    {"too long", POST("/rooms/a/messages") "Content-Length: 65537\r\n\r\n", "413", {0}},
    {"far too long",
     POST("/rooms/a/messages") "Content-Length: 99999999999999999999\r\n\r\n",
     "400",
     {0}},
    {"a length that is none", POST("/rooms/a/messages") "Content-Length: -1\r\n\r\n", "400", {0}},
    {"two lengths",
     POST("/rooms/a/messages") "Content-Length: 1\r\nContent-Length: 2\r\n\r\na",
     "400",
     {0}},
    {"length and chunks",
     POST("/rooms/a/messages") "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     "400",
     {0}},
    {"an encoding that is not known",
     POST("/rooms/a/messages") "Transfer-Encoding: gzip\r\n\r\n",
     "400",
     {0}},
    {"a chunk without a size",
     POST("/rooms/a/messages") "Transfer-Encoding: chunked\r\n\r\nz\r\n",
     "400",
     {0}},
    {"two posts in a row",
     POST("/rooms/a/messages") "Content-Length: 1\r\n\r\na" POST(
         "/rooms/b/messages") "Content-Length: 1\r\n" LAST "b",
     "201 201",
     {0}},
    {"a room's name that is not well encoded",
     POST("/rooms/%zz/messages") "Content-Length: 0\r\n" LAST,
     "400",
     {0}},
    {"a room without a name", POST("/rooms//messages") "Content-Length: 0\r\n" LAST, "404", {0}},
    {"a foreign origin",
     POST("/rooms/a/messages") "Origin: https://evil.example\r\nContent-Length: 0\r\n" LAST,
     "403",
     {0}},
    {"an offer of HTTP/2 is passed over",
     GET("/healthz") "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n" GET("/healthz")
         LAST,
     "200 200",
     {0}},
    {"a page of another origin asks before",
     "OPTIONS /rooms/a/messages HTTP/1.1\r\nHost: localhost:80\r\nOrigin: http://localhost\r\n"
     "Access-Control-Request-Method: POST\r\n" LAST,
     "204",
     {"Access-Control-Allow-Origin: http://localhost\r\nVary: Origin\r\n",
      "Access-Control-Allow-Methods: POST\r\n", "Access-Control-Allow-Headers: authorization, "}},
    {"a foreign page asks before",
     "OPTIONS /rooms/a/messages HTTP/1.1\r\nHost: localhost\r\n"
     "Origin: https://evil.example\r\n" LAST,
     "403",
     {0}},
    {"options elsewhere", "OPTIONS /healthz HTTP/1.1\r\nHost: localhost\r\n" LAST, "405", {0}},
    {"a page of the same origin posts",
     POST("/rooms/a/messages") "Origin: http://localhost\r\nContent-Length: 0\r\n" LAST,
     "201",
     {"Access-Control-Allow-Origin: http://localhost\r\n"}},
    /* upgrades */
    {"upgrade",
     GET("/socket") WS KEY "\r\n",
     "101",
     {"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"}},
    {"no upgrade",
     GET("/socket") LAST,
     "426",
     {"Upgrade: websocket\r\n", "Sec-WebSocket-Version: 13\r\n"}},
    {"another version",
     GET("/socket") "Upgrade: websocket\r\nConnection: Upgrade, close\r\n"
                    "Sec-WebSocket-Version: 8\r\n" KEY "\r\n",
     "426",
     {"Sec-WebSocket-Version: 13\r\n"}},
    {"no key", GET("/socket") WS LAST, "400", {"Sec-WebSocket-Key"}},
    {"a short key", GET("/socket") WS "Sec-WebSocket-Key: YWJj\r\n" LAST, "400", {0}},
    {"two keys", GET("/socket") WS KEY KEY LAST, "400", {0}},
    {"upgrade by HTTP/1.0",
     "GET /socket HTTP/1.0\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Version: 13\r\n" KEY "\r\n",
     "426",
     {0}},
    {"upgrade by POST", POST("/socket") WS KEY "Content-Length: 0\r\n" LAST, "405", {0}},
    {"upgrade of another address", GET("/healthz") WS KEY LAST, "200", {0}},
    {"upgrade from a foreign page",
     GET("/socket") WS KEY "Origin: https://evil.example\r\n" LAST,
     "403",
     {0}},
    {"upgrade by a foreign name",
     "GET /socket HTTP/1.1\r\nHost: evil.example\r\n" WS KEY LAST,
     "403",
     {0}},
};

static void read_statuses(const peer *p, char *to, size_t size) {
  size_t at = 0;
  to[0] = '\0';
  for (const char *line = p->heard; (line = strstr(line, "HTTP/1.1 ")) && at < size; line++)
    at += (size_t)snprintf(to + at, size - at, "%s%.3s", at ? " " : "", line + 9);
}

static int has_all(const peer *p, const row *r) {
  for (int i = 0; i < 3 && r->contains[i]; i++)
    if (!strstr(p->heard, r->contains[i])) return 0;
  return 1;
}

static void run_row(fixture *f, const row *r, int is_slow) {
  char statuses[100];
  peer *p = peer_connect(f);
  if (is_slow)
    peer_say_slowly(p, r->request, strlen(r->request));
  else
    peer_say(p, r->request);
  if (!strncmp(r->statuses, "101", 3)) {
    EXPECT(p, "\r\n\r\n");
  } else {
    EXPECT_END(p);
    CHECK_INT(p->is_over, 1);
  }
  read_statuses(p, statuses, sizeof statuses);
  if (f->is_late || strcmp(statuses, r->statuses) || !has_all(p, r))
    printf("  %s: %s\n", r->name, p->heard);
  CHECK_STR(statuses, r->statuses);
  CHECK(has_all(p, r));
  peer_close(p);
}

static void run_rows(int is_slow) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  for (size_t i = 0; i < sizeof rows / sizeof *rows && !f.is_late; i++)
    run_row(&f, &rows[i], is_slow);
  RUN_UNTIL(&f, stats_of(&f).connections == 0);
  tear_down_wire(&f);
}

TEST(requests_are_taken_whole) {
  run_rows(0);
}

TEST(requests_are_taken_byte_by_byte) {
  run_rows(1);
}

/* ---- what a session is told --------------------------------------------------------------- */

TEST(a_post_tells_its_session_all) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  wire *w = wire_of(&f);
  peer *p = peer_connect(&f);
  peer_say(p, "POST /rooms/caf%C3%A9%2Fbar%20x/messages?user=ann+b%21&token=t%2E1 HTTP/1.1\r\n"
              "Host: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: k 1\r\n"
              "Expect: 100-continue\r\nOrigin: http://localhost\r\nContent-Length: 10\r\n\r\n");
  EXPECT(p, "HTTP/1.1 100 Continue\r\n\r\n");
  CHECK_INT(w->opened, 0);
  peer_say(p, "{\"text\":1}");
  EXPECT(p, "HTTP/1.1 201 Created\r\n");
  CHECK_STR(w->room, "caf\xc3\xa9/bar x");
  CHECK_STR(w->asked, "ann b!");
  CHECK_STR(w->token, "t.1");
  CHECK_STR(w->key, "k 1");
  CHECK_STR(w->type, "application/json");
  CHECK_STR(w->origin, "http://localhost");
  CHECK_STR(w->body, "{\"text\":1}");
  RUN_UNTIL(&f, w->closed == 1);
  peer_close(p);
  tear_down_wire(&f);
}

static char logged[1000];

static void on_log(const char *level, const char *event, const char *fields, void *ctx) {
  (void)level, (void)event, (void)ctx;
  snprintf(logged, sizeof logged, "%s", fields);
}

/* What a part decodes to is no part of the address. */
TEST(parts_of_an_address_are_decoded_alone) {
  fixture f;
  set_up(&f);
  f.options.log = on_log;
  open_gateway(&f);
  wire *w = wire_of(&f);
  peer *p = peer_connect(&f);
  peer_say(p, POST("/rooms/a%3Fuser=x%2Fmessages/messages?key=%26user%3Deve&token=a%26user%3Deve"
                   "&user=ann&user=bob&last=%") "Content-Length: 0\r\n\r\n");
  EXPECT(p, "HTTP/1.1 201 ");
  CHECK_STR(w->room, "a?user=x/messages");
  CHECK_STR(w->token, "a&user=eve");
  CHECK_STR(w->asked, "ann");
  CHECK_STR(w->last_n, "");
  CHECK(strstr(logged, "\"path\":\"/rooms/a%3Fuser=x%2Fmessages/messages\""));
  peer_close(p);
  tear_down_wire(&f);
}

TEST(a_socket_tells_its_session_its_token) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  peer *p = peer_connect(&f);
  peer_say(p, UPGRADE "Sec-WebSocket-Protocol: token.a.b-c\r\n"
                      "Sec-WebSocket-Protocol: chat, moonpool.v1\r\n\r\n");
  EXPECT(p, "Sec-WebSocket-Protocol: moonpool.v1\r\n\r\n");
  CHECK(!peer_has(p, "token."));
  CHECK_STR(wire_of(&f)->token, "a.b-c");
  peer_close(p);
  p = peer_connect(&f);
  peer_say(p, UPGRADE "Authorization: bearer x.y\r\n\r\n");
  EXPECT(p, "\r\n\r\n");
  CHECK(!peer_has(p, "Sec-WebSocket-Protocol"));
  CHECK_STR(wire_of(&f)->token, "x.y");
  peer_close(p);
  tear_down_wire(&f);
}

/* A client need not wait for the answer to its upgrade before it speaks. */
TEST(frames_may_follow_at_once) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  peer *p = peer_connect(&f);
  char text[600];
  size_t len = (size_t)sprintf(text, "%s", GET("/healthz") "\r\n" UPGRADE "\r\n");
  len += make_frame(text + len, 0x81, "early", 5);
  peer_say_bytes(p, text, len);
  EXPECT(p, "\x81\x05"
            "early");
  peer_close(p);
  tear_down_wire(&f);
}

TEST(what_follows_a_request_waits_for_its_answer) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  wire *w = wire_of(&f);
  w->is_late = 1;
  peer *p = peer_connect(&f);
  peer_say(p, POST("/rooms/a/messages") "Content-Length: 1\r\n\r\na" GET("/healthz") "\r\n");
  RUN_UNTIL(&f, w->opened == 1);
  peer_say(p, GET("/nothing") LAST);
  for (int i = 0; i < 100; i++) turn(&f);
  CHECK_INT(p->len, 0);
  gw_conn_respond(w->last->conn, 403, "text/plain", "no", 2);
  EXPECT_END(p);
  char statuses[100];
  read_statuses(p, statuses, sizeof statuses);
  CHECK_STR(statuses, "403 200 404");
  peer_close(p);
  tear_down_wire(&f);
}

TEST(a_client_that_has_ended_its_side_is_answered) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  wire *w = wire_of(&f);
  w->is_late = 1;
  peer *p = peer_connect(&f);
  peer_say(p, POST("/rooms/a/messages") "Content-Length: 1\r\n\r\na");
  shutdown(p->fd, SHUT_WR);
  RUN_UNTIL(&f, w->opened == 1);
  for (int i = 0; i < 100; i++) turn(&f);
  gw_conn_respond(w->last->conn, 201, "text/plain", "yes", 3);
  EXPECT_END(p);
  CHECK(peer_has(p, "yes"));
  peer_close(p);
  RUN_UNTIL(&f, stats_of(&f).connections == 0);
  tear_down_wire(&f);
}

TEST(a_stream_is_a_body_without_end) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  wire *w = wire_of(&f);
  peer *p = peer_connect(&f);
  peer_say(p, GET("/rooms/a/events?since=1-1-a&last=5") "Last-Event-ID: 2-2-b\r\n\r\n");
  EXPECT(p, "Content-Type: text/event-stream\r\n");
  CHECK_STR(w->since, "2-2-b");
  CHECK_STR(w->last_n, "5");
  CHECK_INT(stats_of(&f).streams, 1);
  gw_chunk *chunk = gw_chunk_new(f.client_options.allocator, 16);
  REQUIRE(chunk);
  gw_chunk_append(f.client_options.allocator, &chunk, "data: x\n\n", 9);
  CHECK_INT(gw_conn_send(w->last->conn, chunk), GW_SENT);
  EXPECT(p, "\r\n\r\ndata: x\n\n");
  gw_conn_close(w->last->conn, GW_CLOSE_REVOKED, "no");
  CHECK_INT(gw_conn_send(w->last->conn, chunk), GW_GONE);
  gw_chunk_unref(f.client_options.allocator, chunk);
  EXPECT_END(p);
  CHECK_INT(w->closed, 1);
  CHECK_INT(stats_of(&f).streams, 0);
  peer_close(p);
  tear_down_wire(&f);
}

TEST(a_session_may_close_at_once) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  wire_of(&f)->close_at_open = GW_CLOSE_AUTH;
  peer *p = peer_upgrade(&f);
  CHECK_INT(peer_close_code(p), 4401);
  peer_frame(p, 0x88, "\x11\x31", 2);
  EXPECT_END(p);
  peer_close(p);
  p = peer_connect(&f);
  peer_say(p, POST("/rooms/a/messages") "Content-Length: 0\r\n\r\n");
  EXPECT(p, "HTTP/1.1 401 ");
  peer_close(p);
  wire_of(&f)->close_at_open = 0;
  wire_of(&f)->is_refusing = 1;
  p = peer_upgrade(&f);
  CHECK_INT(peer_close_code(p), 1011);
  peer_close(p);
  tear_down_wire(&f);
}

/* ---- files -------------------------------------------------------------------------------- */

static void ask_for(peer *p, const gw_page_file *file, const char *fields) {
  char text[400];
  snprintf(text, sizeof text, "GET /%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", file->name, fields);
  peer_forget(p);
  peer_say(p, text);
  EXPECT(p, "\r\n\r\n");
}

static void check_file(fixture *f, const gw_page_file *file) {
  char line[200];
  peer *p = peer_connect(f);
  ask_for(p, file, "");
  CHECK(peer_has(p, "HTTP/1.1 200 OK\r\n"));
  CHECK(peer_has(p, "X-Content-Type-Options: nosniff\r\n"));
  CHECK(peer_has(p, "Content-Security-Policy: default-src 'none'; "));
  CHECK(!peer_has(p, "application/octet-stream"));
  snprintf(line, sizeof line, "ETag: %s\r\n", file->etag);
  CHECK(peer_has(p, line));
  char *body = strstr(p->heard, "\r\n\r\n") + 4;
  size_t head = (size_t)(body - p->heard);
  RUN_UNTIL(f, (peer_listen(p), p->len == head + file->len));
  CHECK(!memcmp(body, file->data, file->len));
  snprintf(line, sizeof line, "If-None-Match: \"x\", W/%s\r\n", file->etag);
  ask_for(p, file, line);
  CHECK(peer_has(p, "HTTP/1.1 304 Not Modified\r\n") && !peer_has(p, "Content-Length"));
  CHECK_STR(strstr(p->heard, "\r\n\r\n"), "\r\n\r\n");
  ask_for(p, file, "If-None-Match: \"x\"\r\nConnection: close\r\n");
  CHECK(peer_has(p, "HTTP/1.1 200 OK\r\n"));
  EXPECT_END(p);
  peer_close(p);
}

TEST(files_are_served) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  for (const gw_page_file *file = gw_page_files; file->name; file++) check_file(&f, file);
  tear_down_wire(&f);
}

TEST(the_page_may_be_off) {
  fixture f;
  set_up(&f);
  f.options.is_page_off = 1;
  open_gateway(&f);
  peer *p = peer_connect(&f);
  peer_say(p, GET("/") "\r\n");
  EXPECT(p, "HTTP/1.1 404 ");
  for (const gw_page_file *file = gw_page_files; file->name; file++) {
    ask_for(p, file, "If-None-Match: *\r\n");
    CHECK(peer_has(p, strcmp(file->name, "moonpool.js") ? "HTTP/1.1 404 " : "HTTP/1.1 304 "));
  }
  peer_close(p);
  tear_down_wire(&f);
}

static const test_case tests[] = {
    TEST_CASE(files_are_served),
    TEST_CASE(the_page_may_be_off),
    TEST_CASE(requests_are_taken_whole),
    TEST_CASE(requests_are_taken_byte_by_byte),
    TEST_CASE(a_post_tells_its_session_all),
    TEST_CASE(parts_of_an_address_are_decoded_alone),
    TEST_CASE(a_socket_tells_its_session_its_token),
    TEST_CASE(frames_may_follow_at_once),
    TEST_CASE(what_follows_a_request_waits_for_its_answer),
    TEST_CASE(a_client_that_has_ended_its_side_is_answered),
    TEST_CASE(a_stream_is_a_body_without_end),
    TEST_CASE(a_session_may_close_at_once),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
