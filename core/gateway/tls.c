/* OpenSSL writes to the socket and reads from the bytes that were read of it, through functions of
 * ours that send without SIGPIPE and never tell it of an error but "not now"; so its state stays
 * good whatever the socket does. A stream that is idle has no buffers. */
#include "tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>
#include <stdio.h>

#include "conn_private.h"
#include "socket.h"

struct gw_tls {
  SSL_CTX *context;
  BIO_METHOD *method;
  char *plain; /* GW_SCRATCH bytes: what is decrypted of one read */
};

struct gw_tls_stream {
  SSL *ssl;
  gw_conn *conn;
  struct gw_tls *tls;
  const char *in; /* what the socket gave */
  size_t in_left;
  int write_error;
};

/* ---- how OpenSSL reaches the socket ------------------------------------------------------- */

static int on_bio_read(BIO *bio, char *to, int size) {
  gw_tls_stream *s = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  size_t len = s->in_left < (size_t)size ? s->in_left : (size_t)size;
  if (!len) {
    BIO_set_retry_read(bio);
    return -1;
  }
  memcpy(to, s->in, len);
  s->in += len;
  s->in_left -= len;
  return (int)len;
}

static int on_bio_write(BIO *bio, const char *data, int len) {
  gw_tls_stream *s = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (len <= 0) return 0;
  ssize_t sent = s->write_error ? 0 : mp_socket_send(s->conn->fd, data, (size_t)len);
  if (sent > 0) return (int)sent;
  if (sent < 0) s->write_error = (int)sent;
  BIO_set_retry_write(bio);
  return -1;
}

static long on_bio_ctrl(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH; /* nothing is held back */
}

static BIO_METHOD *make_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "moonpool gateway's socket");
  if (!method) return NULL;
  BIO_meth_set_read(method, on_bio_read);
  BIO_meth_set_write(method, on_bio_write);
  BIO_meth_set_ctrl(method, on_bio_ctrl);
  return method;
}

/* ---- certificate and key ------------------------------------------------------------------ */

static int refuse_file(const char *option, const char *path, const char *what, char *message,
                       size_t size) {
  unsigned long first = ERR_peek_error(), last = ERR_peek_last_error();
  const char *text = ERR_reason_error_string(last);
  if (ERR_GET_LIB(first) == ERR_LIB_SYS)
    text = uv_strerror(uv_translate_sys_error(ERR_GET_REASON(first)));
  if (ERR_GET_LIB(last) == ERR_LIB_X509 && ERR_GET_REASON(last) == X509_R_KEY_VALUES_MISMATCH)
    snprintf(message, size, "%s %s: the key does not belong to the certificate", option, path);
  else
    snprintf(message, size, "%s %s: no %s in PEM form (%s)", option, path, what,
             text ? text : "unknown error");
  ERR_clear_error();
  return MOONPOOL_EARG;
}

/* A passphrase is never asked for: OpenSSL would do it on the terminal. */
static int on_passphrase(char *to, int size, int is_writing, void *ctx) {
  (void)to, (void)size, (void)is_writing, (void)ctx;
  return -1;
}

static int load(SSL_CTX *context, const moonpool_gateway_options *o, char *message, size_t size) {
  SSL_CTX_set_default_passwd_cb(context, on_passphrase);
  if (SSL_CTX_use_certificate_chain_file(context, o->tls_cert_file) != 1)
    return refuse_file("tls_cert_file", o->tls_cert_file, "certificate", message, size);
  if (SSL_CTX_use_PrivateKey_file(context, o->tls_key_file, SSL_FILETYPE_PEM) != 1)
    return refuse_file("tls_key_file", o->tls_key_file, "private key without a passphrase", message,
                       size);
  return MOONPOOL_OK;
}

static void configure(SSL_CTX *context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets do */
  SSL_CTX_set_num_tickets(context, 1);
}

int gw_tls_new(moonpool_gateway *g, char *message, size_t size) {
  if (!g->options.tls_cert_file) return MOONPOOL_OK;
  struct gw_tls *tls = mp_calloc(g->allocator, sizeof *tls);
  if (!tls) return MOONPOOL_ENOMEM;
  g->tls = tls;
  ERR_clear_error();
  tls->plain = mp_alloc(g->allocator, GW_SCRATCH);
  tls->context = SSL_CTX_new(TLS_server_method());
  tls->method = make_method();
  if (!tls->plain || !tls->context || !tls->method) {
    ERR_clear_error();
    return MOONPOOL_ENOMEM;
  }
  configure(tls->context);
  return load(tls->context, &g->options, message, size);
}

void gw_tls_free(moonpool_gateway *g) {
  struct gw_tls *tls = g->tls;
  g->tls = NULL;
  if (!tls) return;
  SSL_CTX_free(tls->context);
  BIO_meth_free(tls->method);
  mp_free(g->allocator, tls->plain);
  mp_free(g->allocator, tls);
}

/* ---- streams ------------------------------------------------------------------------------ */

gw_tls_stream *gw_tls_stream_new(struct gw_tls *tls, gw_conn *conn) {
  gw_tls_stream *s = mp_calloc(gw_conn_allocator(conn), sizeof *s);
  if (!s) return NULL;
  s->conn = conn;
  s->tls = tls;
  s->ssl = SSL_new(tls->context);
  BIO *bio = s->ssl ? BIO_new(tls->method) : NULL;
  if (!bio) {
    ERR_clear_error();
    gw_tls_stream_free(s);
    return NULL;
  }
  BIO_set_data(bio, s);
  BIO_set_init(bio, 1);
  SSL_set_bio(s->ssl, bio, bio); /* owns it now */
  SSL_set_accept_state(s->ssl);
  return s;
}

void gw_tls_stream_free(gw_tls_stream *s) {
  if (!s) return;
  SSL_free(s->ssl);
  mp_free(gw_conn_allocator(s->conn), s);
}

int gw_tls_is_shaken(const gw_tls_stream *s) {
  return SSL_is_init_finished(s->ssl);
}

/* Why OpenSSL has no more. */
static int end_of(gw_tls_stream *s, int result) {
  int error = SSL_get_error(s->ssl, result);
  ERR_clear_error();
  if (s->write_error) return s->write_error;
  if (error == SSL_ERROR_WANT_WRITE) s->conn->is_blocked = 1;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return 0;
  return error == SSL_ERROR_ZERO_RETURN ? UV_EOF : UV_EPROTO;
}

int gw_tls_feed(gw_tls_stream *s, const char *data, size_t len) {
  int result;
  s->in = data;
  s->in_left = len;
  do {
    ERR_clear_error();
    result = SSL_read(s->ssl, s->tls->plain, GW_SCRATCH);
    if (result > 0) gw_conn_feed(s->conn, s->tls->plain, (size_t)result);
  } while (result > 0);
  return end_of(s, result);
}

ssize_t gw_tls_send(gw_tls_stream *s, const char *data, size_t len) {
  ERR_clear_error();
  int result = SSL_write(s->ssl, data, (int)len);
  if (result > 0) return result;
  int error = end_of(s, result);
  return error ? error : 0;
}

void gw_tls_shut(gw_tls_stream *s) {
  if (!gw_tls_is_shaken(s) || s->write_error) return;
  ERR_clear_error();
  SSL_shutdown(s->ssl);
  ERR_clear_error();
}
