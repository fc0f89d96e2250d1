/* What the files of TLS share: tls.c (what a client's links share), tls_stream.c (one connection)
 * and tls_reason.c (failures in words). Nobody else includes it. */
#ifndef MP_TLS_PRIVATE_H
#define MP_TLS_PRIVATE_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls.h"

struct mp_tls {
  const moonpool_allocator *allocator;
  SSL_CTX *context;
  BIO_METHOD *method; /* of the streams' sockets */
  char *server_name;  /* whom to expect instead of the host; NULL: the host */
};

struct mp_tls_stream {
  mp_tls *tls;
  SSL *ssl;
  int fd;
  int first_byte;     /* that the peer sent; -1: none yet */
  int is_shaken;      /* the handshake is done */
  int is_cert_wanted; /* the server has asked for a certificate, and there was none */
  int is_from_buffer; /* OpenSSL reads what lies at `in`, not from the socket */
  const char *in;     /* `in_left` bytes that the socket gave */
  size_t in_left;
  int read_error, write_error; /* the socket's, which OpenSSL is not told; UV_EOF at its end */
  int is_over;                 /* no more is to be read, for the reason `end`: 0 or an error */
  int end;
  int status;       /* with `reason` */
  char reason[400]; /* why TLS failed; "": it did not */
  char name[256];   /* whom the server's certificate is to name */
};

/* ---- tls_reason.c ---- */

/* Writes why a file could not be used, from OpenSSL's queue of errors, which it empties: "no such
 * file or directory", or that there is no `what` in it. */
void mp_tls_explain_file(char *reason, size_t size, const char *what);

/* Fills in the stream's `status` and `reason`, from OpenSSL's queue of errors, which it empties. */
void mp_tls_explain(mp_tls_stream *stream);

/* OpenSSL asks whether a certificate will do: as it finds itself; but why not is written down. */
int mp_tls_on_verify(int is_good, X509_STORE_CTX *store);

/* ---- tls_stream.c ---- */

/* How OpenSSL reads and writes the sockets of streams. NULL without memory. */
BIO_METHOD *mp_tls_bio_method(void);

/* The stream that `ssl` belongs to. */
mp_tls_stream *mp_tls_stream_of(const SSL *ssl);

#endif
