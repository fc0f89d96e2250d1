/* TLS in the gateway, with OpenSSL's client as the peer. */
#include "certificates.h"
#include "wire_fixture.h"

typedef struct tls_fixture {
  fixture f;
  identity own;
  pem_folder folder;
  SSL_CTX *context;
} tls_fixture;

static void set_up_tls(tls_fixture *t) {
  set_up(&t->f);
  make_folder(&t->folder);
  t->own = make_identity(
      &(identity_plan){.name = "localhost", .hosts = "DNS:localhost", .from = -DAY, .to = DAY});
  t->f.options.tls_cert_file = write_cert(&t->folder, "cert", &t->own);
  t->f.options.tls_key_file = write_key(&t->folder, "key", &t->own, NULL);
  t->context = SSL_CTX_new(TLS_client_method());
}

static void tear_down_tls(tls_fixture *t) {
  SSL_CTX_free(t->context);
  free_identity(&t->own);
  remove_folder(&t->folder);
  tear_down_wire(&t->f);
}

/* A peer whose bytes go through TLS. */
typedef struct tls_peer {
  peer *raw;
  SSL *ssl;
  BIO *in, *out;
  size_t piece; /* sent at once; 0: all */
  int is_ended;
  size_t len;
  char heard[64 * 1024 + 1];
} tls_peer;

static tls_peer *tls_connect(tls_fixture *t) {
  tls_peer *p = calloc(1, sizeof *p);
  p->raw = peer_connect(&t->f);
  p->ssl = SSL_new(t->context);
  p->in = BIO_new(BIO_s_mem());
  p->out = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(p->in, -1);
  SSL_set_bio(p->ssl, p->in, p->out);
  SSL_set_connect_state(p->ssl);
  return p;
}

static void tls_close(tls_peer *p) {
  peer_close(p->raw);
  SSL_free(p->ssl);
  free(p);
}

static void tls_send_out(tls_peer *p) {
  char bytes[4096];
  int len;
  while ((len = BIO_read(p->out, bytes, sizeof bytes)) > 0) {
    if (p->piece)
      peer_say_slowly(p->raw, bytes, (size_t)len);
    else
      peer_say_bytes(p->raw, bytes, (size_t)len);
  }
}

static void tls_step(tls_peer *p) {
  peer_listen(p->raw);
  if (p->raw->len) BIO_write(p->in, p->raw->heard, (int)p->raw->len);
  peer_forget(p->raw);
  int got = SSL_read(p->ssl, p->heard + p->len, (int)(sizeof p->heard - 1 - p->len));
  if (got > 0) p->len += (size_t)got;
  p->heard[p->len] = '\0';
  if (got <= 0 && SSL_get_error(p->ssl, got) == SSL_ERROR_ZERO_RETURN) p->is_ended = 1;
  ERR_clear_error();
  tls_send_out(p);
}

#define TLS_EXPECT(p, condition)                                                                   \
  do {                                                                                             \
    while (!(condition) && !(p)->raw->f->is_late) tls_step(p), turn((p)->raw->f);                  \
    CHECK(condition);                                                                              \
  } while (0)

static void tls_say(tls_peer *p, const char *data, size_t len) {
  TLS_EXPECT(p, SSL_is_init_finished(p->ssl));
  CHECK_INT(SSL_write(p->ssl, data, (int)len), len);
  tls_send_out(p);
}

static void talk(tls_fixture *t, int version, size_t piece) {
  SSL_CTX_set_min_proto_version(t->context, version);
  SSL_CTX_set_max_proto_version(t->context, version);
  tls_peer *p = tls_connect(t);
  char frame[100];
  p->piece = piece;
  tls_say(p, UPGRADE "\r\n", strlen(UPGRADE "\r\n"));
  TLS_EXPECT(p, strstr(p->heard, "\r\n\r\n"));
  p->len = 0;
  tls_say(p, frame, make_frame(frame, 0x81, "over TLS", 8));
  TLS_EXPECT(p, strstr(p->heard, "\x81\x08over TLS"));
  tls_say(p, frame, make_frame(frame, 0x88, "\x03\xe8", 2));
  TLS_EXPECT(p, p->is_ended);
  CHECK(memmem(p->heard, p->len, "\x88\x02\x03\xe8", 4) != NULL);
  tls_close(p);
}

TEST(sockets_speak_tls) {
  tls_fixture t = {0};
  set_up_tls(&t);
  open_gateway(&t.f);
  talk(&t, TLS1_2_VERSION, 0);
  talk(&t, TLS1_3_VERSION, 0);
  talk(&t, TLS1_2_VERSION, 1);
  talk(&t, TLS1_3_VERSION, 1);
  RUN_UNTIL(&t.f, stats_of(&t.f).connections == 0);
  tear_down_tls(&t);
}

/* Much more than the socket takes, in chunks that fit into no record. */
TEST(much_goes_out) {
  enum { CHUNK = 30000, CHUNKS = 30 };
  tls_fixture t = {0};
  set_up_tls(&t);
  open_gateway(&t.f);
  tls_peer *p = tls_connect(&t);
  tls_say(p, UPGRADE "\r\n", strlen(UPGRADE "\r\n"));
  TLS_EXPECT(p, strstr(p->heard, "\r\n\r\n"));
  size_t total = 0;
  char *text = malloc(CHUNK);
  p->len = 0;
  for (int i = 0; i < CHUNKS; i++) {
    memset(text, 'a' + i % 26, CHUNK);
    CHECK_INT(wire_send(wire_of(&t.f)->last->conn, text, CHUNK), GW_SENT);
    if (i % 3 == 0) turn(&t.f);
  }
  size_t bad = 0;
  while (total < CHUNKS * (CHUNK + 4) && !t.f.is_late) {
    tls_step(p);
    for (size_t i = 0; i < p->len; i++, total++) {
      size_t at = total % (CHUNK + 4);
      if (at >= 4 && p->heard[i] != (char)('a' + total / (CHUNK + 4) % 26)) bad++;
    }
    p->len = 0;
    turn(&t.f);
  }
  CHECK_INT(bad, 0);
  CHECK_INT(total, CHUNKS * (CHUNK + 4));
  free(text);
  tls_close(p);
  tear_down_tls(&t);
}

TEST(plain_http_is_told) {
  tls_fixture t = {0};
  set_up_tls(&t);
  open_gateway(&t.f);
  peer *p = peer_connect(&t.f);
  peer_say(p, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT(p, "HTTP/1.1 400 ");
  EXPECT(p, "https://\n");
  EXPECT_END(p);
  peer_close(p);
  p = peer_connect(&t.f);
  peer_say_bytes(p, "\x16\x03\x01\x00\x05hello", 10);
  EXPECT_END(p);
  peer_close(p);
  tear_down_tls(&t);
}

TEST(a_handshake_has_a_deadline) {
  tls_fixture t = {0};
  set_up_tls(&t);
  t.f.options.header_timeout = 50;
  open_gateway(&t.f);
  peer *p = peer_connect(&t.f);
  peer_say(p, "\x16\x03\x01");
  EXPECT_END(p);
  CHECK_INT(p->len, 0);
  peer_close(p);
  tear_down_tls(&t);
}

TEST(vanishing_leaves_nothing) {
  tls_fixture t = {0};
  set_up_tls(&t);
  open_gateway(&t.f);
  for (int i = 0; i < 40; i++) {
    tls_peer *p = tls_connect(&t);
    for (int k = 0; k < i % 8; k++) tls_step(p), turn(&t.f);
    tls_close(p);
  }
  RUN_UNTIL(&t.f, stats_of(&t.f).accepted == 40 && stats_of(&t.f).connections == 0);
  tear_down_tls(&t);
}

TEST(a_key_of_another_is_refused) {
  tls_fixture t = {0};
  set_up_tls(&t);
  identity other = make_identity(&(identity_plan){.name = "other", .from = -DAY, .to = DAY});
  t.f.options.tls_key_file = write_key(&t.folder, "other", &other, NULL);
  CHECK_INT(try_open(&t.f), MOONPOOL_EARG);
  CHECK(strstr(t.f.message, "the key does not belong to the certificate"));
  t.f.options.tls_key_file = write_key(&t.folder, "locked", &other, "passphrase");
  CHECK_INT(try_open(&t.f), MOONPOOL_EARG);
  CHECK(strstr(t.f.message, "private key without a passphrase"));
  free_identity(&other);
  tear_down_tls(&t);
}

static const test_case tests[] = {
    TEST_CASE(sockets_speak_tls),        TEST_CASE(much_goes_out),
    TEST_CASE(plain_http_is_told),       TEST_CASE(a_handshake_has_a_deadline),
    TEST_CASE(vanishing_leaves_nothing), TEST_CASE(a_key_of_another_is_refused),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
