/* What waits for sockets that do not read, and the end of connections that have something waiting.
 */
#include "wire_fixture.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n"

static gw_conn *last_conn(fixture *f) {
  return wire_of(f)->last->conn;
}

/* Sends until the queue is full; returns how many were put in. */
static int fill(fixture *f, gw_conn *conn, size_t len) {
  char *text = calloc(1, len);
  int count = 0;
  memset(text, 'a', len);
  while (wire_send(conn, text, len) == GW_SENT && !f->is_late) {
    count++;
    turn(f);
  }
  free(text);
  return count;
}

TEST(a_turn_is_one_write) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  peer *p = peer_upgrade(&f);
  uint64_t before = stats_of(&f).bytes_out;
  for (int i = 0; i < 200; i++) CHECK_INT(wire_send(last_conn(&f), "abc", 3), GW_SENT);
  CHECK_INT(stats_of(&f).bytes_out, before);
  CHECK_INT(gw_conn_queued(last_conn(&f)), 1000);
  CHECK_INT(stats_of(&f).queued_bytes, 1000);
  uv_run(&f.loop, UV_RUN_NOWAIT);
  CHECK_INT(stats_of(&f).queued_bytes, 0);
  RUN_UNTIL(&f, (peer_listen(p), p->len == 1000));
  for (int i = 0; i < 200; i++)
    CHECK(!memcmp(p->heard + 5 * i,
                  "\x81\x03"
                  "abc",
                  5));
  peer_close(p);
  tear_down_wire(&f);
}

static void on_drained_once(gw_session *s) {
  s->w->on_drained = NULL;
  CHECK_INT(wire_send(s->conn, "again", 5), GW_SENT);
}

TEST(a_full_queue_says_so_and_tells_when_it_is_not) {
  fixture f;
  set_up(&f);
  f.options.max_queue = 100000;
  open_gateway(&f);
  wire *w = wire_of(&f);
  w->on_drained = on_drained_once;
  peer *p = peer_upgrade(&f);
  int count = fill(&f, last_conn(&f), 10000);
  CHECK(count >= 9);
  CHECK(gw_conn_queued(last_conn(&f)) <= 100000);
  CHECK_INT(stats_of(&f).overflows, 1);
  for (int i = 0; i < 50; i++) turn(&f);
  CHECK_INT(w->drained, 0);
  size_t total = 0;
  while (w->drained == 0 && !f.is_late) {
    peer_listen(p);
    total += p->len;
    peer_forget(p);
    turn(&f);
  }
  CHECK_INT(w->drained, 1);
  RUN_UNTIL(&f,
            (peer_listen(p), total += p->len, peer_forget(p), total == (size_t)count * 10004 + 7));
  CHECK_INT(gw_conn_queued(last_conn(&f)), 0);
  peer_close(p);
  tear_down_wire(&f);
}

/* A chunk that is longer than the whole queue may be has its turn when nothing waits. */
TEST(a_long_chunk_passes_an_empty_queue) {
  fixture f;
  set_up(&f);
  f.options.max_queue = 1000;
  open_gateway(&f);
  peer *p = peer_upgrade(&f);
  char text[5000] = "x";
  CHECK_INT(wire_send(last_conn(&f), text, sizeof text), GW_SENT);
  CHECK_INT(wire_send(last_conn(&f), text, sizeof text), GW_FULL);
  RUN_UNTIL(&f, wire_of(&f)->drained == 1);
  CHECK_INT(wire_send(last_conn(&f), text, sizeof text), GW_SENT);
  peer_close(p);
  tear_down_wire(&f);
}

TEST(answers_that_nobody_reads_end_the_connection) {
  fixture f;
  set_up(&f);
  f.options.max_queue = 100000;
  open_gateway(&f);
  peer *p = peer_upgrade(&f);
  char text[10000];
  memset(text, 'q', sizeof text);
  while (wire_of(&f)->last && !f.is_late) {
    peer_frame(p, 0x81, text, sizeof text);
    turn(&f);
    CHECK(stats_of(&f).queued_bytes <= 220000);
  }
  CHECK_INT(wire_of(&f)->closed, 1);
  char heard[20];
  unsigned opcode;
  while ((opcode = peer_next(p, heard, sizeof heard)) == 1) continue;
  CHECK_INT(opcode, 8);
  CHECK_INT((unsigned char)heard[0] << 8 | (unsigned char)heard[1], 1013);
  peer_close(p);
  tear_down_wire(&f);
}

/* ---- ends --------------------------------------------------------------------------------- */

TEST(a_peer_that_vanishes_leaves_nothing) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  int before = count_descriptors();
  long blocks = 0;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 300; i++) {
      peer *p = peer_connect(&f);
      if (i % 3 == 1) peer_say(p, GET("/heal"));
      if (i % 3 == 2) peer_say(p, UPGRADE "\r\n\x81\x85");
      struct linger hard = {1, 0};
      if (i % 2) setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
      if (i % 5) turn(&f);
      peer_close(p);
    }
    RUN_UNTIL(&f, stats_of(&f).accepted == 300u * (unsigned)(round + 1));
    RUN_UNTIL(&f, stats_of(&f).connections == 0);
    for (int i = 0; i < 10; i++) turn(&f);
    if (round == 1) blocks = f.heap.blocks;
  }
  CHECK_INT(f.heap.blocks, blocks);
  CHECK_INT(count_descriptors(), before);
  CHECK_INT(stats_of(&f).sockets, 0);
  tear_down_wire(&f);
}

TEST(closing_says_goodbye_to_all) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  peer *p = peer_upgrade(&f), *stream = peer_connect(&f), *kept = peer_connect(&f);
  peer_say(stream, GET("/rooms/a/events") "\r\n");
  EXPECT(stream, "\r\n\r\n");
  peer_say(kept, GET("/healthz") "\r\n");
  EXPECT(kept, "ok\n");
  CHECK_INT(wire_send(last_conn(&f), ":\n\n", 3), GW_SENT);
  close_gateway(&f);
  CHECK_INT(peer_close_code(p), 1001);
  EXPECT_END(stream);
  EXPECT_END(kept);
  peer_close(p);
  peer_close(stream);
  peer_close(kept);
  tear_down_wire(&f);
}

static void on_text_close(gw_session *s, const char *text, size_t len) {
  (void)text, (void)len;
  fixture *f = s->data;
  moonpool_gateway_close(f->gateway, on_gateway_gone, f);
}

TEST(a_session_may_close_the_gateway) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  peer *p = peer_upgrade(&f);
  wire_of(&f)->on_text = on_text_close;
  wire_of(&f)->last->data = &f;
  peer_text(p, "end it");
  RUN_UNTIL(&f, f.gone == 1);
  f.gateway = NULL;
  EXPECT(p, "end it");
  CHECK_INT(peer_next(p, (char[20]){0}, 20), 1);
  CHECK_INT(peer_close_code(p), 1001);
  peer_close(p);
  tear_down_wire(&f);
}

static void on_drain_done(void *ctx) {
  ++*(int *)ctx;
}

TEST(draining_spreads_the_end) {
  enum { PEERS = 20, SPREAD = 300 };
  fixture f;
  set_up(&f);
  open_gateway(&f);
  peer *peers[PEERS], *kept = peer_connect(&f);
  for (int i = 0; i < PEERS; i++) peers[i] = peer_upgrade(&f);
  peer_say(kept, GET("/healthz") "\r\n");
  EXPECT(kept, "ok\n");
  int done = 0, first = 0;
  uint64_t began = uv_now(&f.loop);
  moonpool_gateway_drain(f.gateway, SPREAD, on_drain_done, &done);
  moonpool_gateway_drain(f.gateway, 0, NULL, NULL);
  peer_forget(kept);
  peer_say(kept, GET("/readyz") "\r\n");
  EXPECT(kept, "HTTP/1.1 503 ");
  EXPECT(kept, "draining");
  EXPECT(kept, "Connection: close");
  RUN_UNTIL(&f, stats_of(&f).sockets <= PEERS / 2);
  first = (int)(uv_now(&f.loop) - began);
  CHECK(first >= SPREAD / 4);
  CHECK_INT(done, 0);
  for (int i = 0; i < PEERS; i++) {
    CHECK_INT(peer_close_code(peers[i]), 1012);
    peer_frame(peers[i], 0x88, "\x03\xf4", 2);
  }
  CHECK(uv_now(&f.loop) - began >= SPREAD - 50);
  for (int i = 0; i < PEERS; i++) peer_close(peers[i]);
  peer_close(kept);
  RUN_UNTIL(&f, done);
  for (int i = 0; i < 20; i++) turn(&f);
  CHECK_INT(done, 1);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f.port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK_INT(connect(fd, (struct sockaddr *)&a, sizeof a), -1);
  close(fd);
  tear_down_wire(&f);
}

TEST(closing_ends_draining) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  peer *p = peer_upgrade(&f), *q = peer_upgrade(&f); /* one ends soon, one after half the time */
  int done = 0;
  moonpool_gateway_drain(f.gateway, 100000, on_drain_done, &done);
  RUN_UNTIL(&f, stats_of(&f).sockets == 1);
  CHECK_INT(done, 0);
  close_gateway(&f);
  CHECK_INT(done, 1);
  CHECK_INT(peer_close_code(p) + peer_close_code(q), 1001 + 1012);
  peer_close(p);
  peer_close(q);
  tear_down_wire(&f);
}

TEST(closing_at_once_leaves_nothing) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  moonpool_gateway_close(f.gateway, on_gateway_gone, &f);
  moonpool_gateway_close(f.gateway, on_gateway_gone, &f);
  moonpool_gateway_close(NULL, on_gateway_gone, &f);
  CHECK_INT(f.gone, 0);
  RUN_UNTIL(&f, f.gone == 1);
  f.gateway = NULL;
  for (int i = 0; i < 20; i++) turn(&f);
  CHECK_INT(f.gone, 1);
  tear_down_wire(&f);
}

TEST(a_user_is_revoked) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  wire_of(&f)->user = "ann";
  peer *p = peer_upgrade(&f), *q = peer_upgrade(&f);
  CHECK_INT(moonpool_gateway_revoke(f.gateway, (moonpool_bytes){"bob", 3}, "no"), 0);
  CHECK_INT(moonpool_gateway_revoke(f.gateway, (moonpool_bytes){"ann", 3}, "no"), 2);
  CHECK_INT(moonpool_gateway_revoke(f.gateway, (moonpool_bytes){"ann", 3}, "no"), 0);
  CHECK_INT(peer_close_code(p), 4403);
  CHECK_INT(peer_close_code(q), 4403);
  peer_close(p);
  peer_close(q);
  tear_down_wire(&f);
}

/* ---- the log ------------------------------------------------------------------------------ */

static char lines[8000];

static void on_log(const char *level, const char *event, const char *fields, void *ctx) {
  (void)ctx;
  size_t len = strlen(lines);
  snprintf(lines + len, sizeof lines - len, "%s %s %s\n", level, event, fields);
}

TEST(requests_and_ends_are_logged) {
  fixture f;
  set_up(&f);
  lines[0] = '\0';
  f.options.log = on_log;
  open_gateway(&f);
  wire_of(&f)->user = "ann \"\\\x01\xff";
  peer *p = peer_connect(&f);
  peer_say(p, GET("/x%22?token=secret") "\r\n");
  EXPECT(p, "HTTP/1.1 404 ");
  peer_close(p);
  p = peer_connect(&f);
  peer_say(p, "GET /socket?token=secret HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
              "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: token.secret\r\n\r\n");
  EXPECT(p, "\r\n\r\n");
  gw_conn_close(last_conn(&f), GW_CLOSE_POLICY, "too \"much\"");
  EXPECT(p, "much");
  peer_close(p);
  RUN_UNTIL(&f, stats_of(&f).connections == 0);
  CHECK(strstr(lines, "info access {\"status\":404,\"bytes\":10,\"ms\":"));
  CHECK(strstr(lines, "\"method\":\"GET\",\"path\":\"/x%22\",\"address\":\"127.0.0.1\"}\n"));
  CHECK(strstr(lines, "info access {\"status\":101,\"bytes\":0,\"ms\":"));
  CHECK(strstr(lines, "\"path\":\"/socket\""));
  CHECK(strstr(lines, "info close {\"code\":1008,\"seconds\":"));
  CHECK(strstr(lines,
               "\"user\":\"ann \\\"\\\\\\u0001\xef\xbf\xbd\",\"reason\":\"too \\\"much\\\"\""));
  CHECK(!strstr(lines, "secret"));
  tear_down_wire(&f);
}

static void on_metrics(void (*append)(void *to, const char *text, size_t len), void *to,
                       void *ctx) {
  (void)ctx;
  append(to, "mine 1\n", 7);
}

TEST(metrics_are_told) {
  fixture f;
  set_up(&f);
  f.options.metrics = on_metrics;
  open_gateway(&f);
  peer *p = peer_upgrade(&f), *q = peer_connect(&f);
  peer_say(q, GET("/metrics") "\r\n");
  EXPECT(q, "\nmine 1\n");
  CHECK(peer_has(q, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  CHECK(peer_has(q, "# TYPE moonpool_gateway_sockets gauge\nmoonpool_gateway_sockets 1\n"));
  CHECK(peer_has(q, "# TYPE moonpool_gateway_accepted_total counter\n"));
  CHECK(peer_has(q, "\nmoonpool_gateway_redis_up 0\n"));
  CHECK(peer_has(q, "\nmoonpool_gateway_loop_lag_seconds "));
  CHECK(peer_has(q, "\nmoonpool_gateway_queue_max_bytes 0\n"));
  peer_close(p);
  peer_close(q);
  tear_down_wire(&f);
}

static const test_case tests[] = {
    TEST_CASE(a_turn_is_one_write),
    TEST_CASE(a_full_queue_says_so_and_tells_when_it_is_not),
    TEST_CASE(a_long_chunk_passes_an_empty_queue),
    TEST_CASE(answers_that_nobody_reads_end_the_connection),
    TEST_CASE(a_peer_that_vanishes_leaves_nothing),
    TEST_CASE(closing_says_goodbye_to_all),
    TEST_CASE(a_session_may_close_the_gateway),
    TEST_CASE(draining_spreads_the_end),
    TEST_CASE(closing_ends_draining),
    TEST_CASE(closing_at_once_leaves_nothing),
    TEST_CASE(a_user_is_revoked),
    TEST_CASE(requests_and_ends_are_logged),
    TEST_CASE(metrics_are_told),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
