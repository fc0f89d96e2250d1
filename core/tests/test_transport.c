/* Bytes over a transport that is open: order, short writes, the end, and being freed anywhere. */
#include "transport_fixture.h"

#include <signal.h>

enum { MANY = 8 << 20 };

/* Every 7th byte differs from its neighbours', so that a hole or a repetition shows. */
static char *make_bytes(size_t len) {
  char *bytes = malloc(len);
  if (!bytes) abort();
  for (size_t i = 0; i < len; i++) bytes[i] = (char)(i % 251);
  return bytes;
}

static void check_round_trip(fixture *f) {
  char bytes[8] = "";
  CHECK_INT(f->opened, 1);
  write_bytes(f, "PING\r\n", 6);
  CHECK(!mp_transport_is_writing(f->transport));
  CHECK_INT(recv(f->peer, bytes, sizeof bytes, 0), 6);
  CHECK(!memcmp(bytes, "PING\r\n", 6));
  CHECK_INT(send(f->peer, "+PO\0NG", 6, 0), 6);
  RUN_UNTIL(f, f->got.len == 6);
  CHECK(!memcmp(f->got.data, "+PO\0NG", 6));
  CHECK_INT(f->ended, 0);
}

static void check_round_trip_at(const char *ip) {
  fixture f;
  setup(&f);
  if (listen_tcp(&f, ip, 0, 1)) {
    connect_both(&f);
    check_round_trip(&f);
  } else {
    printf("  no %s on this machine\n", ip);
  }
  teardown(&f);
}

TEST(carries_bytes_over_ipv4) {
  check_round_trip_at("127.0.0.1");
}

TEST(carries_bytes_over_ipv6) {
  check_round_trip_at("::1");
}

TEST(carries_bytes_over_a_unix_socket) {
  fixture f;
  setup(&f);
  REQUIRE(listen_unix(&f));
  connect_both(&f);
  check_round_trip(&f);
  remove_socket(&f);
  teardown(&f);
}

/* ---- large writes ------------------------------------------------------------------------- */

typedef struct reader {
  uv_poll_t poll;
  mp_buf got;
} reader;

static void on_peer_readable(uv_poll_t *poll, int status, int events) {
  reader *r = poll->data;
  char bytes[4096];
  (void)status, (void)events;
  ssize_t got = recv(poll->io_watcher.fd, bytes, sizeof bytes, 0);
  if (got > 0) mp_buf_append(&r->got, bytes, (size_t)got);
}

static void start_reading(fixture *f, reader *r) {
  mp_buf_init(&r->got, &mp_default_allocator);
  CHECK_INT(uv_poll_init(&f->loop, &r->poll, f->peer), 0);
  r->poll.data = r;
  uv_poll_start(&r->poll, UV_READABLE, on_peer_readable);
}

static void stop_reading(reader *r) {
  uv_close((uv_handle_t *)&r->poll, NULL);
  mp_buf_free(&r->got);
}

TEST(a_slow_reader_gets_every_byte_in_order) {
  fixture f;
  reader r;
  char *bytes = make_bytes(MANY);
  setup_connected(&f);
  write_bytes(&f, bytes, MANY);
  CHECK(mp_transport_is_writing(f.transport));
  CHECK(mp_transport_unwritten(f.transport) > 0);
  CHECK(mp_transport_unwritten(f.transport) < MANY);
  start_reading(&f, &r);
  RUN_UNTIL(&f, f.drained);
  CHECK(!mp_transport_is_writing(f.transport));
  CHECK_INT(mp_transport_unwritten(f.transport), 0);
  write_bytes(&f, "end", 3);
  RUN_UNTIL(&f, r.got.len == MANY + 3);
  CHECK(!memcmp(r.got.data, bytes, MANY) && !memcmp(r.got.data + MANY, "end", 3));
  CHECK_INT(f.drained, 1);
  stop_reading(&r);
  teardown(&f);
  free(bytes);
}

typedef struct sender {
  uv_poll_t poll;
  const char *bytes;
  size_t left;
} sender;

static void on_peer_writable(uv_poll_t *poll, int status, int events) {
  sender *s = poll->data;
  (void)status, (void)events;
  ssize_t sent = send(poll->io_watcher.fd, s->bytes, s->left, MSG_NOSIGNAL);
  if (sent > 0) s->bytes += sent, s->left -= (size_t)sent;
  if (!s->left) uv_poll_stop(poll);
}

static void start_sending(fixture *f, sender *s, const char *bytes, size_t len) {
  s->bytes = bytes;
  s->left = len;
  CHECK_INT(uv_poll_init(&f->loop, &s->poll, f->peer), 0);
  s->poll.data = s;
  uv_poll_start(&s->poll, UV_WRITABLE, on_peer_writable);
}

TEST(megabytes_arrive_in_order) {
  fixture f;
  sender s;
  char *bytes = make_bytes(MANY);
  setup_connected(&f);
  start_sending(&f, &s, bytes, MANY);
  RUN_UNTIL(&f, f.got.len == MANY);
  CHECK(!memcmp(f.got.data, bytes, MANY));
  uv_close((uv_handle_t *)&s.poll, NULL);
  teardown(&f);
  free(bytes);
}

/* ---- the end ------------------------------------------------------------------------------ */

TEST(the_end_of_the_stream_comes_after_its_bytes) {
  fixture f;
  char wanted[250];
  setup_connected(&f);
  CHECK_INT(send(f.peer, "bye", 3, 0), 3);
  close_peer(&f);
  RUN_UNTIL(&f, f.ended);
  snprintf(wanted, sizeof wanted, "%s closed the connection", f.address);
  CHECK_STR(f.message, wanted);
  CHECK_INT(f.status, MOONPOOL_ECONN);
  CHECK_INT(f.got.len, 3);
  write_bytes(&f, "late", 4); /* is discarded */
  uv_run(&f.loop, UV_RUN_NOWAIT);
  CHECK_INT(f.ended, 1);
  teardown(&f);
}

TEST(a_reset_is_named) {
  const struct linger at_once = {1, 0};
  fixture f;
  char wanted[250];
  setup_connected(&f);
  setsockopt(f.peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close_peer(&f);
  RUN_UNTIL(&f, f.ended);
  snprintf(wanted, sizeof wanted,
           "read from %s: connection reset by peer (a port for TLS takes rediss://)", f.address);
  CHECK_STR(f.message, wanted);
  CHECK_INT(f.status, MOONPOOL_ECONN);
  teardown(&f);
}

TEST(a_port_for_tls_is_told) {
  fixture f;
  char wanted[250];
  setup_connected(&f);
  CHECK_INT(send(f.peer, "\x15\x03\x03\0\2\2\x46", 7, 0), 7); /* protocol_version */
  RUN_UNTIL(&f, f.ended);
  snprintf(wanted, sizeof wanted, "%s speaks TLS: its URL begins with rediss://", f.address);
  CHECK_STR(f.message, wanted);
  CHECK_INT(f.status, MOONPOOL_EPROTO);
  CHECK_INT(f.got.len, 0);
  teardown(&f);
}

/* The write's failure must neither hide what the peer said last nor raise SIGPIPE. */
TEST(the_last_words_are_read_though_writing_fails) {
  fixture f;
  setup(&f);
  REQUIRE(listen_unix(&f));
  connect_both(&f);
  CHECK_INT(send(f.peer, "-ERR max\r\n", 10, 0), 10);
  close_peer(&f);
  write_bytes(&f, "PING\r\n", 6);
  write_bytes(&f, "PING\r\n", 6);
  CHECK_INT(f.got.len + (size_t)f.ended, 0);
  RUN_UNTIL(&f, f.ended);
  CHECK_INT(f.got.len, 10);
  CHECK_INT(f.status, MOONPOOL_ECONN);
  CHECK(strstr(f.message, f.address));
  remove_socket(&f);
  teardown(&f);
}

/* A peer that reads no more but still writes: the failure is the write's. */
TEST(a_failed_write_ends_the_transport) {
  fixture f;
  char wanted[250];
  setup(&f);
  REQUIRE(listen_unix(&f));
  connect_both(&f);
  CHECK_INT(shutdown(f.peer, SHUT_RD), 0);
  write_bytes(&f, "PING\r\n", 6);
  RUN_UNTIL(&f, f.ended);
  snprintf(wanted, sizeof wanted, "write to %s: broken pipe", f.address);
  CHECK_STR(f.message, wanted);
  remove_socket(&f);
  teardown(&f);
}

TEST(a_peer_that_goes_amid_a_large_write_ends_it) {
  fixture f;
  char *bytes = make_bytes(MANY);
  setup_connected(&f);
  write_bytes(&f, bytes, MANY);
  CHECK(mp_transport_is_writing(f.transport));
  close_peer(&f);
  RUN_UNTIL(&f, f.ended);
  CHECK_INT(f.status, MOONPOOL_ECONN);
  CHECK_INT(f.drained, 0);
  teardown(&f);
  free(bytes);
}

/* ---- freed inside each event -------------------------------------------------------------- */

TEST(may_be_freed_in_on_open) {
  fixture f;
  setup(&f);
  f.free_on = ON_OPEN;
  REQUIRE(listen_tcp(&f, "127.0.0.1", 0, 1));
  CHECK_INT(open_url(&f, f.url, DEADLINE), MOONPOOL_OK);
  RUN_UNTIL(&f, f.gone);
  teardown(&f);
  CHECK_INT(f.gone, 1);
  CHECK_INT(f.opened, 1);
  CHECK_INT(f.ended, 0);
}

TEST(may_be_freed_in_on_read_with_more_to_read) {
  fixture f;
  sender s;
  char *bytes = make_bytes(MANY);
  setup_connected(&f);
  f.free_on = ON_READ;
  start_sending(&f, &s, bytes, MANY);
  RUN_UNTIL(&f, f.gone);
  CHECK(f.got.len <= SCRATCH);
  CHECK_INT(f.ended, 0);
  uv_close((uv_handle_t *)&s.poll, NULL);
  teardown(&f);
  free(bytes);
}

TEST(may_be_freed_in_on_drain) {
  fixture f;
  reader r;
  char *bytes = make_bytes(MANY);
  setup_connected(&f);
  f.free_on = ON_DRAIN;
  write_bytes(&f, bytes, MANY);
  start_reading(&f, &r);
  RUN_UNTIL(&f, f.gone);
  CHECK_INT(f.ended, 0);
  stop_reading(&r);
  teardown(&f);
  free(bytes);
}

TEST(may_be_freed_in_on_end) {
  fixture f;
  setup_connected(&f);
  f.free_on = ON_END;
  close_peer(&f);
  RUN_UNTIL(&f, f.gone);
  CHECK_INT(f.ended, 1);
  teardown(&f);
}

TEST(may_be_freed_amid_a_write_or_after_a_failed_one) {
  for (int is_failed = 0; is_failed < 2; is_failed++) {
    fixture f;
    char *bytes = make_bytes(MANY);
    setup_connected(&f);
    if (is_failed) shutdown(f.peer, SHUT_RDWR), close_peer(&f);
    write_bytes(&f, bytes, MANY);
    free_transport(&f);
    RUN_UNTIL(&f, f.gone);
    CHECK_INT(f.ended, 0);
    teardown(&f);
    free(bytes);
  }
}

/* ---- memory ------------------------------------------------------------------------------- */

/* Opens, exchanges a few bytes, ends. Nonzero if memory was refused on the way. */
static int exchange(fixture *f) {
  mp_buf buf;
  start_accepting(f);
  if (open_url(f, f->url, DEADLINE) == MOONPOOL_ENOMEM) return 1;
  RUN_UNTIL(f, f->opened && f->peer >= 0);
  mp_buf_init(&buf, &f->heap.allocator);
  int is_refused = mp_buf_append(&buf, "PING\r\n", 6) == MOONPOOL_ENOMEM;
  CHECK_INT(mp_transport_write(f->transport, &buf), MOONPOOL_OK);
  mp_buf_free(&buf);
  close_peer(f);
  RUN_UNTIL(f, f->ended);
  return is_refused;
}

TEST(each_failed_allocation_leaves_nothing) {
  long n = 0;
  for (int is_refused = 1; is_refused;) {
    fixture f;
    setup(&f);
    n++;
    test_heap_fail(&f.heap, n, n + 1);
    REQUIRE(listen_tcp(&f, "127.0.0.1", 0, 1));
    is_refused = exchange(&f);
    CHECK(is_refused || f.heap.requests < n);
    teardown(&f);
  }
  CHECK(n > 2);
}

static const test_case tests[] = {
    TEST_CASE(carries_bytes_over_ipv4),
    TEST_CASE(carries_bytes_over_ipv6),
    TEST_CASE(carries_bytes_over_a_unix_socket),
    TEST_CASE(a_slow_reader_gets_every_byte_in_order),
    TEST_CASE(megabytes_arrive_in_order),
    TEST_CASE(the_end_of_the_stream_comes_after_its_bytes),
    TEST_CASE(a_reset_is_named),
    TEST_CASE(a_port_for_tls_is_told),
    TEST_CASE(the_last_words_are_read_though_writing_fails),
    TEST_CASE(a_failed_write_ends_the_transport),
    TEST_CASE(a_peer_that_goes_amid_a_large_write_ends_it),
    TEST_CASE(may_be_freed_in_on_open),
    TEST_CASE(may_be_freed_in_on_read_with_more_to_read),
    TEST_CASE(may_be_freed_in_on_drain),
    TEST_CASE(may_be_freed_in_on_end),
    TEST_CASE(may_be_freed_amid_a_write_or_after_a_failed_one),
    TEST_CASE(each_failed_allocation_leaves_nothing),
};

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_DFL); /* it would end us */
  return RUN_TESTS(tests, argc, argv);
}
