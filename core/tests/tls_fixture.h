/* A transport over TLS, and a real OpenSSL server as its peer: its bytes go through memory, so that
 * a test can have them arrive one by one. */
#ifndef MP_TLS_FIXTURE_H
#define MP_TLS_FIXTURE_H

#include <errno.h>

#include "certificates.h"
#include "transport_fixture.h"

typedef struct tls_peer {
  fixture *f;
  SSL_CTX *context;
  SSL *ssl;
  uv_poll_t poll;
  uv_idle_t idle;
  int is_polled, is_shaken, has_failed, is_ended;
  size_t piece;    /* bytes sent at once; 0: all that there are */
  mp_buf out, got; /* TLS that the socket has not taken; what was decrypted */
  size_t sent;
  mp_buf to_say; /* not yet encrypted */
  size_t said;
} tls_peer;

typedef struct tls_fixture {
  fixture f;
  tls_peer peer;
  identity ca, server;
  pem_folder folder;
  moonpool_options options;
  const char *ca_file;
} tls_fixture;

/* ---- the peer ----------------------------------------------------------------------------- */

static inline void peer_collect(tls_peer *p) {
  char bytes[16384];
  int got;
  while ((got = BIO_read(SSL_get_wbio(p->ssl), bytes, sizeof bytes)) > 0)
    if (mp_buf_append(&p->out, bytes, (size_t)got)) abort();
}

static inline void peer_transmit(tls_peer *p) {
  while (p->f->peer >= 0 && p->sent < p->out.len) {
    size_t len = p->out.len - p->sent;
    if (p->piece && len > p->piece) len = p->piece;
    ssize_t sent = send(p->f->peer, p->out.data + p->sent, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) break;
    p->sent += (size_t)sent;
    if (p->piece) break; /* the rest in a later turn */
  }
  if (p->sent == p->out.len) p->sent = p->out.len = 0;
}

static inline void peer_step(tls_peer *p) {
  char bytes[16384];
  int got;
  if (!p->is_shaken && !p->has_failed) {
    int result = SSL_do_handshake(p->ssl);
    p->is_shaken = result == 1;
    p->has_failed = result != 1 && SSL_get_error(p->ssl, result) != SSL_ERROR_WANT_READ;
  }
  while (p->is_shaken && p->said < p->to_say.len) {
    size_t len = p->to_say.len - p->said;
    int said = SSL_write(p->ssl, p->to_say.data + p->said, (int)(len < 100000 ? len : 100000));
    if (said <= 0) break;
    p->said += (size_t)said;
  }
  while (p->is_shaken && (got = SSL_read(p->ssl, bytes, sizeof bytes)) > 0)
    if (mp_buf_append(&p->got, bytes, (size_t)got)) abort();
  if (p->is_shaken && (SSL_get_shutdown(p->ssl) & SSL_RECEIVED_SHUTDOWN)) p->is_ended = 1;
  peer_collect(p);
  peer_transmit(p);
  ERR_clear_error();
}

static inline void on_peer_turn(uv_idle_t *idle) {
  tls_peer *p = idle->data;
  if (p->f->peer >= 0) peer_step(p);
}

static inline void on_peer_bytes(uv_poll_t *poll, int status, int events) {
  static char bytes[65536];
  tls_peer *p = poll->data;
  (void)status, (void)events;
  ssize_t got = recv(p->f->peer, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    p->is_ended = 1;
    uv_poll_stop(poll);
    return;
  }
  if (BIO_write(SSL_get_rbio(p->ssl), bytes, (int)got) != got) abort();
  peer_step(p);
}

/* Once the connection is accepted. */
static inline void peer_start(tls_peer *p) {
  uv_poll_init(&p->f->loop, &p->poll, p->f->peer);
  p->poll.data = p;
  p->is_polled = 1;
  uv_poll_start(&p->poll, UV_READABLE, on_peer_bytes);
}

static inline void peer_stop(tls_peer *p) {
  if (p->is_polled) uv_close((uv_handle_t *)&p->poll, NULL);
  p->is_polled = 0;
  close_peer(p->f);
}

static inline void peer_say(tls_peer *p, const char *data, size_t len) {
  if (mp_buf_append(&p->to_say, data, len)) abort();
}

/* A new connection's state. */
static inline void peer_renew(tls_peer *p) {
  SSL_free(p->ssl);
  p->ssl = SSL_new(p->context);
  SSL_set_bio(p->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  BIO_set_mem_eof_return(SSL_get_rbio(p->ssl), -1);
  SSL_set_accept_state(p->ssl);
  p->is_shaken = p->has_failed = p->is_ended = 0;
  p->out.len = p->got.len = p->to_say.len = p->sent = p->said = 0;
}

/* ---- both --------------------------------------------------------------------------------- */

static inline void set_up_tls(tls_fixture *t) {
  memset(t, 0, sizeof *t);
  setup(&t->f);
  REQUIRE(listen_tcp(&t->f, "127.0.0.1", 0, 8));
  make_folder(&t->folder);
  t->ca = make_identity(&(identity_plan){.name = "Pool CA", .to = DAY, .is_ca = 1});
  t->server = make_identity(&(identity_plan){
      .name = "pool", .hosts = "DNS:localhost,IP:127.0.0.1", .to = DAY, .by = &t->ca});
  t->ca_file = write_cert(&t->folder, "ca", &t->ca);
  moonpool_options_init(&t->options);
  t->options.tls_ca_file = t->ca_file;
  tls_peer *p = &t->peer;
  p->f = &t->f;
  mp_buf_init(&p->out, &mp_default_allocator);
  mp_buf_init(&p->got, &mp_default_allocator);
  mp_buf_init(&p->to_say, &mp_default_allocator);
  p->context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(p->context, t->server.cert);
  SSL_CTX_use_PrivateKey(p->context, t->server.key);
  uv_idle_init(&t->f.loop, &p->idle);
  p->idle.data = p;
  uv_idle_start(&p->idle, on_peer_turn);
  peer_renew(p);
}

static inline void tear_down_tls(tls_fixture *t) {
  tls_peer *p = &t->peer;
  free_transport(&t->f);
  peer_stop(p);
  uv_close((uv_handle_t *)&p->idle, NULL);
  uv_run(&t->f.loop, UV_RUN_NOWAIT);
  mp_tls_free(t->f.tls);
  SSL_free(p->ssl);
  SSL_CTX_free(p->context);
  mp_buf_free(&p->out);
  mp_buf_free(&p->got);
  mp_buf_free(&p->to_say);
  free_identity(&t->ca);
  free_identity(&t->server);
  remove_folder(&t->folder);
  teardown(&t->f);
}

/* The server shows that certificate from now on. */
static inline void show(tls_fixture *t, const identity_plan *plan) {
  free_identity(&t->server);
  t->server = make_identity(plan);
  SSL_CTX_use_certificate(t->peer.context, t->server.cert);
  SSL_CTX_use_PrivateKey(t->peer.context, t->server.key);
  peer_renew(&t->peer);
}

static inline void rediss_url(tls_fixture *t, char *url, size_t size, const char *host) {
  snprintf(url, size, "rediss://%s%s", host, strrchr(t->f.address, ':'));
}

/* MOONPOOL_OK or a status, with the transport connecting to `host`. */
static inline int open_tls(tls_fixture *t, const char *host, uint64_t timeout) {
  char url[100], message[300] = "";
  mp_url parsed;
  rediss_url(t, url, sizeof url, host);
  if (mp_url_parse(&parsed, &mp_default_allocator, url, message, sizeof message)) abort();
  int status = MOONPOOL_OK;
  if (!t->f.tls)
    status =
        mp_tls_new(&t->f.tls, &t->f.heap.allocator, &parsed, &t->options, message, sizeof message);
  mp_url_free(&parsed, &mp_default_allocator);
  if (status) return status;
  start_accepting(&t->f);
  return open_url(&t->f, url, timeout);
}

/* Connected; the peer speaks. */
static inline void connect_tls(tls_fixture *t) {
  CHECK_INT(open_tls(t, "127.0.0.1", DEADLINE), MOONPOOL_OK);
  RUN_UNTIL(&t->f, t->f.peer >= 0);
  peer_start(&t->peer);
  RUN_UNTIL(&t->f, (t->f.opened && t->peer.is_shaken) || t->f.ended);
  CHECK_STR(t->f.message, "");
}

/* The attempt is refused; its message is in f.message. */
static inline void fail_tls(tls_fixture *t, const char *host) {
  CHECK_INT(open_tls(t, host, DEADLINE), MOONPOOL_OK);
  RUN_UNTIL(&t->f, t->f.peer >= 0 || t->f.ended);
  if (t->f.peer >= 0) peer_start(&t->peer);
  RUN_UNTIL(&t->f, t->f.opened || t->f.ended);
}

#endif
