/* Who may do what, at a gateway with a secret: tokens that are missing, wrong, expired or forged,
 * rooms that they do not name, ids that nobody gave out; and what ends a socket later. */
#include "abuse.h"
#include "token.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static redis_server server;
static gateway_thread gateway;

typedef struct token {
  char text[1200];
} token;

/* What `claims` lacks is put in front: sub ann, who may enter team-*. */
static token sign(const char *secret, const char *claims, int seconds) {
  token made;
  char json[600];
  mp_buf out;
  snprintf(json, sizeof json, "{\"sub\":\"ann\",\"rooms\":[\"team-*\"],\"exp\":%lld%s}",
           (long long)time(NULL) + seconds, claims);
  mp_buf_init(&out, &mp_default_allocator);
  if (gw_token_sign(&out, (moonpool_bytes){secret, strlen(secret)},
                    (moonpool_bytes){json, strlen(json)}))
    abort();
  snprintf(made.text, sizeof made.text, "%.*s", (int)out.len, out.data);
  mp_buf_free(&out);
  return made;
}

static token good(void) {
  return sign(SECRET, "", 3600);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

/* A WebSocket whose first frame is a hello with the token; NULL: with none. */
static int open_hello(ws_client *c, const char *text) {
  char hello[1300];
  if (ws_upgrade(c, gateway.port, "") != 101) return 0;
  snprintf(hello, sizeof hello, text ? "{\"op\":\"hello\",\"token\":\"%s\"}" : "{\"op\":\"hello\"}",
           text);
  ws_send_message(c, hello);
  return 1;
}

/* A WebSocket with the token as second subprotocol. */
static int open_protocol(ws_client *c, const char *text) {
  char header[1300];
  snprintf(header, sizeof header, "Sec-WebSocket-Protocol: moonpool.v1, token.%s\r\n", text);
  return ws_upgrade(c, gateway.port, header) == 101;
}

/* In the first frame, in the subprotocol and in an event stream's request. */
static void check_refused(const char *text) {
  char request[1500];
  ws_client c;
  CHECK(open_hello(&c, text));
  CHECK(ws_hears(&c, "{\"op\":\"error\",\"code\":\"EAUTH\""));
  CHECK_INT(ws_read_close(&c), 4401);
  CHECK(ws_has_ended(&c));
  ws_end(&c);
  CHECK(open_protocol(&c, text));
  CHECK_INT(ws_read_close(&c), 4401);
  CHECK(ws_has_ended(&c));
  ws_end(&c);
  snprintf(request, sizeof request,
           "GET /rooms/team-1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
           "\r\n",
           text);
  CHECK(ws_connect(&c, gateway.port));
  ws_send_text(&c, request);
  CHECK_INT(ws_read_status(&c), 401);
  ws_end(&c);
}

static void flip(token *t, size_t from_end) {
  char *at = t->text + strlen(t->text) - from_end;
  *at = *at == 'A' ? 'B' : 'A';
}

TEST(tokens_that_are_none_are_refused) {
  token expired = sign(SECRET, "", -1), early = sign(SECRET, ",\"nbf\":99999999999", 3600);
  token foreign = sign("another secret of 32 bytes, yes!!", "", 3600);
  token doubled = sign(SECRET, ",\"sub\":\"root\"", 3600), signature = good(), claims = good();
  flip(&signature, 10);
  flip(&claims, 60);
  check_refused(expired.text);
  check_refused(early.text);
  check_refused(foreign.text);
  check_refused(doubled.text);
  check_refused(signature.text);
  check_refused(claims.text);
  check_refused("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjk5OTk5OTk5OTl9.");
  check_refused("x");
}

TEST(without_a_token_nobody_is_let_in) {
  ws_client c;
  CHECK(open_hello(&c, NULL));
  CHECK_INT(ws_read_close(&c), 4401);
  ws_end(&c);
  CHECK_INT(ws_upgrade(&c, gateway.port, ""), 101);
  ws_send_message(&c, "{\"op\":\"hello\",\"user\":\"ann\"}");
  CHECK_INT(ws_read_close(&c), 4401);
  ws_end(&c);
}

TEST(before_hello_nothing_is_done) {
  static const char *const asks[] = {"{\"op\":\"join\",\"room\":\"team-1\"}",
                                     "{\"op\":\"say\",\"room\":\"team-1\",\"text\":\"x\"}",
                                     "{\"op\":\"who\",\"room\":\"team-1\"}",
                                     "{\"op\":\"history\",\"room\":\"team-1\"}",
                                     "{\"op\":\"leave\",\"room\":\"team-1\"}",
                                     "{\"op\":\"typing\",\"room\":\"team-1\"}",
                                     "{\"op\":\"rooms\"}"};
  ws_client c;
  CHECK_INT(ws_upgrade(&c, gateway.port, ""), 101);
  for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
    ws_send_message(&c, asks[i]);
    CHECK(ws_hears(&c, "{\"op\":\"error\",\"code\":\"EAUTH\""));
  }
  ws_end(&c);
}

/* ---- rooms and ids --------------------------------------------------------------------------- */

static int open_good(ws_client *c) {
  return open_hello(c, good().text) && ws_hears(c, "{\"op\":\"ok\",\"user\":\"ann\"");
}

/* Also with an id that nobody gave out: whether the room is there is not told. */
TEST(rooms_that_the_token_does_not_name_are_closed) {
  static const char *const asks[] = {
      "{\"op\":\"join\",\"room\":\"other\"}",
      "{\"op\":\"join\",\"room\":\"room:other\",\"since\":\"1-1-1-1\"}",
      "{\"op\":\"say\",\"room\":\"team\",\"text\":\"x\"}",
      "{\"op\":\"who\",\"room\":\"xteam-1\"}",
      "{\"op\":\"history\",\"room\":\"other\",\"last\":10}",
      "{\"op\":\"typing\",\"room\":\"Team-1\"}"};
  ws_client c;
  CHECK(open_good(&c));
  for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
    ws_send_message(&c, asks[i]);
    CHECK(ws_hears(&c, "{\"op\":\"error\",\"code\":\"EPERM\""));
  }
  CHECK(is_served(&c));
  ws_end(&c);
}

TEST(ids_that_are_none_are_refused) {
  static const char *const ids[] = {"\"x\"",    "\"\"",    "7",        "[]",
                                    "\"-1-1\"", "\"1-1\"", "\"1-1-\"", "\"1-1-1-1-1\"",
                                    "{}",       "\"*\""};
  char ask[200];
  ws_client c;
  CHECK(open_good(&c));
  for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
    snprintf(ask, sizeof ask, "{\"op\":\"join\",\"room\":\"team-1\",\"since\":%s}", ids[i]);
    ws_send_message(&c, ask);
    CHECK(ws_hears(&c, "{\"op\":\"error\",\"room\":\"team-1\",\"code\":\"EARG\""));
  }
  CHECK(is_served(&c));
  ws_end(&c);
}

TEST(http_asks_for_the_room_too) {
  static const char *const paths[][2] = {{"GET /rooms/other/events", ""},
                                         {"POST /rooms/other/messages", "{\"text\":\"x\"}"}};
  for (size_t i = 0; i < 2; i++) {
    char request[1600];
    ws_client c;
    snprintf(request, sizeof request,
             "%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             paths[i][0], good().text, strlen(paths[i][1]), paths[i][1]);
    CHECK(ws_connect(&c, gateway.port));
    ws_send_text(&c, request);
    CHECK_INT(ws_read_status(&c), 403);
    ws_end(&c);
  }
}

/* The name is the token's, whatever the message says. */
TEST(nobody_speaks_as_another) {
  ws_client c;
  ws_frame frame;
  int is_heard = 0;
  CHECK(open_good(&c));
  ws_send_message(&c, "{\"op\":\"join\",\"room\":\"team-2\"}");
  CHECK(ws_hears(&c, "{\"op\":\"ok\",\"room\":\"team-2\""));
  ws_send_message(&c, "{\"op\":\"say\",\"room\":\"team-2\",\"text\":\"hi\",\"user\":\"root\","
                      "\"bot\":true}");
  while (!is_heard && ws_read_frame(&c, &frame) == 1)
    is_heard = memmem(frame.data, frame.len, "\"text\":\"hi\"", 11) != NULL;
  CHECK(is_heard);
  CHECK(memmem(frame.data, frame.len, "\"user\":\"ann\"", 12));
  CHECK(!memmem(frame.data, frame.len, "root", 4));
  CHECK(!memmem(frame.data, frame.len, "bot", 3));
  ws_end(&c);
}

/* ---- later ----------------------------------------------------------------------------------- */

/* Opened before the other tests, as it takes a while. */
static ws_client silent, doomed;

static int open_those_that_end(void) {
  return ws_upgrade(&silent, gateway.port, "") == 101 &&
         open_protocol(&doomed, sign(SECRET, "", 2).text) &&
         ws_hears(&doomed, "{\"op\":\"ok\",\"user\":\"ann\"");
}

TEST(who_says_nothing_is_closed) {
  CHECK_INT(ws_read_close(&silent), 4401);
  ws_end(&silent);
}

TEST(a_socket_ends_with_its_token) {
  CHECK_INT(ws_read_close(&doomed), 4401);
  ws_end(&doomed);
}

static void revoke_ann(gateway_thread *g, void *ctx) {
  *(size_t *)ctx = moonpool_gateway_revoke(g->gateway, (moonpool_bytes){"ann", 3}, "banned");
}

TEST(a_user_that_is_revoked_loses_his_sockets) {
  ws_client ann, other_ann, bob;
  size_t count = 0;
  CHECK(open_good(&ann) && open_good(&other_ann));
  CHECK(open_hello(&bob, sign(SECRET, "", 3600).text));
  CHECK(ws_hears(&bob, "{\"op\":\"ok\""));
  ws_end(&bob);
  CHECK(has_connections(&gateway, 2));
  gateway_thread_call(&gateway, revoke_ann, &count);
  CHECK_INT(count, 2);
  CHECK_INT(ws_read_close(&ann), 4403);
  CHECK_INT(ws_read_close(&other_ann), 4403);
  ws_end(&ann);
  ws_end(&other_ann);
}

static const test_case tests[] = {
    TEST_CASE(tokens_that_are_none_are_refused),
    TEST_CASE(without_a_token_nobody_is_let_in),
    TEST_CASE(before_hello_nothing_is_done),
    TEST_CASE(rooms_that_the_token_does_not_name_are_closed),
    TEST_CASE(ids_that_are_none_are_refused),
    TEST_CASE(http_asks_for_the_room_too),
    TEST_CASE(nobody_speaks_as_another),
    TEST_CASE(who_says_nothing_is_closed),
    TEST_CASE(a_socket_ends_with_its_token),
    TEST_CASE(a_user_that_is_revoked_loses_his_sockets),
};

int main(int argc, char **argv) {
  if (!redis_start(&server)) return 1;
  gateway_thread_init(&gateway, &server);
  gateway.options.secret = (moonpool_bytes){SECRET, sizeof SECRET - 1};
  gateway.options.auth_timeout = 1500;
  gateway.options.close_timeout = 100;
  int failed =
      !gateway_thread_start(&gateway) || !open_those_that_end() || RUN_TESTS(tests, argc, argv);
  gateway_thread_stop(&gateway);
  redis_stop(&server);
  return failed;
}
