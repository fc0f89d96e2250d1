/* One connection's TLS. OpenSSL reads and writes the socket through functions of ours, which send
 * without SIGPIPE and never tell it of an error: what the socket says is kept in the stream, and
 * OpenSSL only hears "not now". So its state stays good whatever the socket does, and the errors
 * that it reports are those of TLS itself.
 *
 * One read of the socket goes into the far end of the caller's buffer, and is decrypted towards its
 * beginning. What is decrypted is never longer than what it was made of: the latter's bytes, and
 * those of an unfinished record that OpenSSL kept from the read before, for which LEAD leaves room.
 */
#include <arpa/inet.h>
#include <limits.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "socket.h"
#include "tls_private.h"

enum { LEAD = 20 * 1024, MAX_RECORD = 5 + 16384 + 2048 };
_Static_assert(LEAD > MAX_RECORD && MP_TLS_MIN_READ > 2 * LEAD, "room for an unfinished record");

/* ---- how OpenSSL reaches the socket --------------------------------------------------------- */

static ssize_t take_in(mp_tls_stream *s, char *to, size_t size) {
  size_t len = s->in_left < size ? s->in_left : size;
  if (!len) return UV_EAGAIN;
  memcpy(to, s->in, len);
  s->in += len;
  s->in_left -= len;
  return (ssize_t)len;
}

static int on_bio_read(BIO *bio, char *to, int size) {
  mp_tls_stream *s = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  ssize_t got =
      s->is_from_buffer ? take_in(s, to, (size_t)size) : mp_socket_recv(s->fd, to, (size_t)size);
  if (got > 0) {
    if (s->first_byte < 0) s->first_byte = (unsigned char)*to;
    return (int)got;
  }
  if (got != UV_EAGAIN) s->read_error = got ? (int)got : UV_EOF;
  BIO_set_retry_read(bio);
  return -1;
}

static int on_bio_write(BIO *bio, const char *data, int len) {
  mp_tls_stream *s = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (len <= 0) return 0;
  ssize_t sent = s->write_error ? 0 : mp_socket_send(s->fd, data, (size_t)len);
  if (sent > 0) return (int)sent;
  if (sent < 0) s->write_error = (int)sent;
  BIO_set_retry_write(bio);
  return -1;
}

static long on_bio_ctrl(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH; /* nothing is held back */
}

BIO_METHOD *mp_tls_bio_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "moonpool socket");
  if (!method) return NULL;
  BIO_meth_set_read(method, on_bio_read);
  BIO_meth_set_write(method, on_bio_write);
  BIO_meth_set_ctrl(method, on_bio_ctrl);
  return method;
}

static int attach_bio(mp_tls_stream *s) {
  BIO *bio = BIO_new(s->tls->method);
  if (!bio) return 0;
  BIO_set_data(bio, s);
  BIO_set_init(bio, 1);
  SSL_set_bio(s->ssl, bio, bio); /* owns it now */
  return 1;
}

mp_tls_stream *mp_tls_stream_of(const SSL *ssl) {
  return SSL_get_app_data(ssl);
}

/* ---- whom to expect ------------------------------------------------------------------------- */

static int is_ip(const char *name) {
  unsigned char address[sizeof(struct in6_addr)];
  return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* Without the zone of an IPv6 address, and without the dot that may end a full name. */
static void set_name(mp_tls_stream *s, const char *host) {
  snprintf(s->name, sizeof s->name, "%s", host);
  if (strchr(s->name, ':')) s->name[strcspn(s->name, "%")] = '\0';
  size_t len = strlen(s->name);
  if (len > 1 && s->name[len - 1] == '.') s->name[len - 1] = '\0';
}

/* A name is also sent to the server, which may have several certificates (SNI, RFC 6066: no
 * addresses). */
static int expect(mp_tls_stream *s) {
  X509_VERIFY_PARAM *wanted = SSL_get0_param(s->ssl);
  if (is_ip(s->name)) return X509_VERIFY_PARAM_set1_ip_asc(wanted, s->name);
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(wanted, s->name, 0) == 1 &&
         SSL_set_tlsext_host_name(s->ssl, s->name) == 1;
}

/* ---- a stream's life ------------------------------------------------------------------------ */

mp_tls_stream *mp_tls_stream_new(mp_tls *tls, int fd, const char *host) {
  mp_tls_stream *s = mp_calloc(tls->allocator, sizeof *s);
  if (!s) return NULL;
  s->tls = tls;
  s->fd = fd;
  s->first_byte = -1;
  set_name(s, tls->server_name ? tls->server_name : host);
  ERR_clear_error();
  s->ssl = SSL_new(tls->context);
  if (s->ssl && attach_bio(s) && SSL_set_app_data(s->ssl, s) && expect(s)) {
    SSL_set_connect_state(s->ssl);
    return s;
  }
  ERR_clear_error();
  mp_tls_stream_free(s);
  return NULL;
}

void mp_tls_stream_free(mp_tls_stream *s) {
  if (!s) return;
  if (s->is_shaken && !s->reason[0] && !s->write_error) {
    SSL_shutdown(s->ssl);
    ERR_clear_error();
  }
  SSL_free(s->ssl);
  mp_free(s->tls->allocator, s);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

int mp_tls_shake(mp_tls_stream *s, int *events) {
  ERR_clear_error();
  int result = SSL_do_handshake(s->ssl);
  if (result == 1) {
    s->is_shaken = 1;
    return 0;
  }
  int error = SSL_get_error(s->ssl, result);
  *events = error == SSL_ERROR_WANT_WRITE ? UV_WRITABLE : UV_READABLE;
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
    mp_tls_explain(s);
    return UV_EPROTO;
  }
  if (s->read_error) return s->read_error;
  return s->write_error ? s->write_error : UV_EAGAIN;
}

ssize_t mp_tls_send(mp_tls_stream *s, const char *data, size_t len) {
  size_t sent = 0;
  ERR_clear_error();
  while (sent < len) {
    int part = SSL_write(s->ssl, data + sent, len - sent < INT_MAX ? (int)(len - sent) : INT_MAX);
    if (part > 0) {
      sent += (size_t)part;
      continue;
    }
    int error = SSL_get_error(s->ssl, part);
    if (s->write_error) return s->write_error;
    if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) break;
    mp_tls_explain(s);
    return UV_EPROTO;
  }
  return (ssize_t)sent;
}

static void end_reading(mp_tls_stream *s, int end) {
  s->is_over = 1;
  s->end = end;
}

/* Why OpenSSL has no more: all is decrypted, or the end. */
static void look_why(mp_tls_stream *s, int result) {
  int error = SSL_get_error(s->ssl, result);
  if (error == SSL_ERROR_WANT_READ && !s->in_left) return;
  if (error == SSL_ERROR_ZERO_RETURN) {
    end_reading(s, 0);
    return;
  }
  mp_tls_explain(s);
  end_reading(s, UV_EPROTO);
}

/* Decrypts what lies at `in`, inside `data`: how many bytes that made. */
static size_t decrypt(mp_tls_stream *s, char *data) {
  size_t made = 0;
  int result;
  s->is_from_buffer = 1;
  do {
    size_t room = (size_t)(s->in - data) - made;
    ERR_clear_error();
    result = SSL_read(s->ssl, data + made, room < INT_MAX ? (int)room : INT_MAX);
    if (result > 0) made += (size_t)result;
  } while (result > 0);
  look_why(s, result);
  s->is_from_buffer = 0;
  return made;
}

ssize_t mp_tls_recv(mp_tls_stream *s, char *data, size_t size) {
  while (!s->is_over) {
    ssize_t got = mp_socket_recv(s->fd, data + LEAD, size - LEAD);
    if (got <= 0) return got;
    s->in = data + LEAD;
    s->in_left = (size_t)got;
    size_t made = decrypt(s, data);
    if (made) return (ssize_t)made;
  }
  return s->end;
}

int mp_tls_is_over(const mp_tls_stream *s) {
  return s->is_over;
}

const char *mp_tls_reason(const mp_tls_stream *s, int *status) {
  *status = s->status;
  return s->reason;
}
