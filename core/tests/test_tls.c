/* Bytes over TLS: order, short reads and writes, the end, and being freed anywhere. */
#include "tls_fixture.h"

#include <signal.h>

enum { MANY = 4 << 20 };

static char *make_bytes(size_t len) {
  char *bytes = malloc(len);
  if (!bytes) abort();
  for (size_t i = 0; i < len; i++) bytes[i] = (char)(i % 251);
  return bytes;
}

static void check_round_trip(tls_fixture *t) {
  CHECK_INT(t->f.opened, 1);
  write_bytes(&t->f, "PING\r\n", 6);
  RUN_UNTIL(&t->f, t->peer.got.len == 6);
  CHECK(!memcmp(t->peer.got.data, "PING\r\n", 6));
  peer_say(&t->peer, "+PO\0NG", 6);
  RUN_UNTIL(&t->f, t->f.got.len == 6);
  CHECK(!memcmp(t->f.got.data, "+PO\0NG", 6));
  CHECK_INT(t->f.ended, 0);
}

TEST(carries_bytes) {
  tls_fixture t;
  set_up_tls(&t);
  connect_tls(&t);
  check_round_trip(&t);
  CHECK_STR(SSL_get_version(t.peer.ssl), "TLSv1.3");
  tear_down_tls(&t);
}

TEST(carries_bytes_with_tls_1_2) {
  tls_fixture t;
  set_up_tls(&t);
  SSL_CTX_set_max_proto_version(t.peer.context, TLS1_2_VERSION);
  peer_renew(&t.peer);
  connect_tls(&t);
  check_round_trip(&t);
  CHECK_STR(SSL_get_version(t.peer.ssl), "TLSv1.2");
  tear_down_tls(&t);
}

TEST(one_byte_at_a_time_will_do) {
  tls_fixture t;
  set_up_tls(&t);
  t.peer.piece = 1;
  connect_tls(&t);
  check_round_trip(&t);
  tear_down_tls(&t);
}

/* Pieces that end everywhere inside records. */
TEST(records_may_come_in_any_pieces) {
  static const size_t pieces[] = {5, 1000, 16384, 16385, 50000, 65536, 70001};
  char *bytes = make_bytes(200000);
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    tls_fixture t;
    set_up_tls(&t);
    t.peer.piece = pieces[i];
    connect_tls(&t);
    peer_say(&t.peer, bytes, pieces[i] < 100 ? 2000 : 200000);
    RUN_UNTIL(&t.f, t.f.got.len == t.peer.to_say.len);
    CHECK(!memcmp(t.f.got.data, bytes, t.f.got.len));
    tear_down_tls(&t);
  }
  free(bytes);
}

TEST(megabytes_go_both_ways_at_once) {
  tls_fixture t;
  char *bytes = make_bytes(MANY);
  set_up_tls(&t);
  connect_tls(&t);
  write_bytes(&t.f, bytes, MANY);
  CHECK(mp_transport_is_writing(t.f.transport));
  peer_say(&t.peer, bytes, MANY);
  RUN_UNTIL(&t.f, t.f.got.len == MANY && t.peer.got.len == MANY && t.f.drained);
  CHECK(!memcmp(t.f.got.data, bytes, MANY));
  CHECK(!memcmp(t.peer.got.data, bytes, MANY));
  CHECK_INT(t.f.drained, 1);
  write_bytes(&t.f, "end", 3);
  RUN_UNTIL(&t.f, t.peer.got.len == MANY + 3);
  CHECK(!memcmp(t.peer.got.data + MANY, "end", 3));
  tear_down_tls(&t);
  free(bytes);
}

/* TLS 1.3's rekeying: the peer asks for it amid its bytes, and ours go on under the new key. */
TEST(keys_may_be_renewed) {
  tls_fixture t;
  set_up_tls(&t);
  connect_tls(&t);
  for (int i = 0; i < 3; i++) {
    CHECK_INT(SSL_key_update(t.peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    peer_say(&t.peer, "abc", 3);
    RUN_UNTIL(&t.f, t.f.got.len == (size_t)(i + 1) * 3);
    write_bytes(&t.f, "xyz", 3);
    RUN_UNTIL(&t.f, t.peer.got.len == (size_t)(i + 1) * 3);
  }
  CHECK_INT(t.f.ended, 0);
  tear_down_tls(&t);
}

/* ---- the end ------------------------------------------------------------------------------ */

static void check_end(int has_goodbye) {
  tls_fixture t;
  char wanted[250];
  set_up_tls(&t);
  connect_tls(&t);
  peer_say(&t.peer, "bye", 3);
  peer_step(&t.peer);
  if (has_goodbye) SSL_shutdown(t.peer.ssl);
  peer_step(&t.peer);
  peer_stop(&t.peer);
  RUN_UNTIL(&t.f, t.f.ended);
  snprintf(wanted, sizeof wanted, "%s closed the connection", t.f.address);
  CHECK_STR(t.f.message, wanted);
  CHECK_INT(t.f.status, MOONPOOL_ECONN);
  CHECK_INT(t.f.got.len, 3);
  tear_down_tls(&t);
}

TEST(the_end_comes_after_its_bytes_with_a_goodbye_or_without) {
  check_end(1);
  check_end(0);
}

/* A goodbye ends it, though the peer leaves the socket open and silent. */
TEST(a_goodbye_alone_is_the_end) {
  tls_fixture t;
  set_up_tls(&t);
  connect_tls(&t);
  peer_say(&t.peer, "bye", 3);
  peer_step(&t.peer);
  SSL_shutdown(t.peer.ssl);
  RUN_UNTIL(&t.f, t.f.ended);
  CHECK_INT(t.f.got.len, 3);
  tear_down_tls(&t);
}

TEST(the_peer_hears_our_goodbye) {
  tls_fixture t;
  set_up_tls(&t);
  connect_tls(&t);
  free_transport(&t.f);
  RUN_UNTIL(&t.f, t.peer.is_ended);
  CHECK(SSL_get_shutdown(t.peer.ssl) & SSL_RECEIVED_SHUTDOWN);
  tear_down_tls(&t);
}

TEST(bytes_that_were_changed_on_the_way_end_it) {
  tls_fixture t;
  set_up_tls(&t);
  connect_tls(&t);
  t.peer.piece = 1; /* so that nothing of it is out yet */
  peer_say(&t.peer, "good", 4);
  RUN_UNTIL(&t.f, t.f.got.len == 4);
  peer_say(&t.peer, "evil", 4);
  peer_step(&t.peer);
  t.peer.out.data[t.peer.out.len - 1] ^= 1;
  RUN_UNTIL(&t.f, t.f.ended);
  CHECK_INT(t.f.got.len, 4);
  CHECK_INT(t.f.status, MOONPOOL_EPROTO);
  CHECK(strstr(t.f.message, "TLS failed: "));
  CHECK(strstr(t.f.message, t.f.address));
  tear_down_tls(&t);
}

TEST(a_peer_that_goes_amid_a_large_write_ends_it) {
  tls_fixture t;
  char *bytes = make_bytes(MANY);
  set_up_tls(&t);
  connect_tls(&t);
  write_bytes(&t.f, bytes, MANY);
  peer_stop(&t.peer);
  RUN_UNTIL(&t.f, t.f.ended);
  CHECK_INT(t.f.status, MOONPOOL_ECONN);
  CHECK_INT(t.f.drained, 0);
  tear_down_tls(&t);
  free(bytes);
}

/* ---- freed anywhere ----------------------------------------------------------------------- */

TEST(may_be_freed_in_each_event) {
  for (event free_on = ON_OPEN; free_on <= ON_END; free_on++) {
    tls_fixture t;
    char *bytes = make_bytes(MANY);
    set_up_tls(&t);
    t.f.free_on = free_on;
    CHECK_INT(open_tls(&t, "127.0.0.1", DEADLINE), MOONPOOL_OK);
    RUN_UNTIL(&t.f, t.f.peer >= 0);
    peer_start(&t.peer);
    RUN_UNTIL(&t.f, t.f.opened);
    if (free_on == ON_DRAIN) write_bytes(&t.f, bytes, MANY);
    if (free_on == ON_READ) peer_say(&t.peer, bytes, MANY);
    if (free_on == ON_END) peer_stop(&t.peer);
    RUN_UNTIL(&t.f, t.f.gone);
    CHECK_INT(t.f.ended, free_on == ON_END);
    tear_down_tls(&t);
    free(bytes);
  }
}

TEST(may_be_freed_amid_the_handshake) {
  for (int turns = 0; turns < 6; turns++) {
    tls_fixture t;
    set_up_tls(&t);
    t.peer.piece = 100;
    CHECK_INT(open_tls(&t, "127.0.0.1", DEADLINE), MOONPOOL_OK);
    RUN_UNTIL(&t.f, t.f.peer >= 0);
    peer_start(&t.peer);
    for (int i = 0; i < turns; i++) uv_run(&t.f.loop, UV_RUN_NOWAIT);
    free_transport(&t.f);
    RUN_UNTIL(&t.f, t.f.gone);
    CHECK_INT(t.f.ended, 0);
    tear_down_tls(&t);
  }
}

/* Opens, exchanges a few bytes, ends. Nonzero if memory was refused on the way. */
static int exchange(tls_fixture *t) {
  mp_buf buf;
  int status = open_tls(t, "127.0.0.1", DEADLINE);
  if (status == MOONPOOL_ENOMEM) return 1;
  CHECK_INT(status, MOONPOOL_OK);
  RUN_UNTIL(&t->f, t->f.peer >= 0);
  peer_start(&t->peer);
  RUN_UNTIL(&t->f, t->f.opened || t->f.ended);
  if (t->f.ended) {
    CHECK(strstr(t->f.message, "not enough memory"));
    return 1;
  }
  mp_buf_init(&buf, &t->f.heap.allocator);
  int is_refused = mp_buf_append(&buf, "PING\r\n", 6) == MOONPOOL_ENOMEM;
  CHECK_INT(mp_transport_write(t->f.transport, &buf), MOONPOOL_OK);
  mp_buf_free(&buf);
  peer_stop(&t->peer);
  RUN_UNTIL(&t->f, t->f.ended);
  return is_refused;
}

TEST(each_failed_allocation_leaves_nothing) {
  long n = 0;
  for (int is_refused = 1; is_refused;) {
    tls_fixture t;
    set_up_tls(&t);
    t.options.tls_server_name = "localhost";
    n++;
    test_heap_fail(&t.f.heap, n, n + 1);
    is_refused = exchange(&t);
    CHECK(is_refused || t.f.heap.requests < n);
    tear_down_tls(&t);
  }
  CHECK(n > 4);
}

static const test_case tests[] = {
    TEST_CASE(carries_bytes),
    TEST_CASE(carries_bytes_with_tls_1_2),
    TEST_CASE(one_byte_at_a_time_will_do),
    TEST_CASE(records_may_come_in_any_pieces),
    TEST_CASE(megabytes_go_both_ways_at_once),
    TEST_CASE(keys_may_be_renewed),
    TEST_CASE(the_end_comes_after_its_bytes_with_a_goodbye_or_without),
    TEST_CASE(a_goodbye_alone_is_the_end),
    TEST_CASE(the_peer_hears_our_goodbye),
    TEST_CASE(bytes_that_were_changed_on_the_way_end_it),
    TEST_CASE(a_peer_that_goes_amid_a_large_write_ends_it),
    TEST_CASE(may_be_freed_in_each_event),
    TEST_CASE(may_be_freed_amid_the_handshake),
    TEST_CASE(each_failed_allocation_leaves_nothing),
};

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_DFL); /* it would end us */
  return RUN_TESTS(tests, argc, argv);
}
