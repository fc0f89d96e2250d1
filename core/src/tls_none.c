/* What stands for TLS in a build without OpenSSL. No stream is ever made. */
#include <stdio.h>
#include <uv.h>

#include "tls.h"

const char *mp_tls_version(void) {
  return NULL;
}

int mp_tls_new(mp_tls **tls, const moonpool_allocator *allocator, const mp_url *url,
               const moonpool_options *options, char *message, size_t size) {
  (void)allocator, (void)options;
  *tls = NULL;
  if (!url->tls) return MOONPOOL_OK;
  snprintf(message, size,
           "rediss:// is not supported: this build has no TLS (it was made without "
           "OpenSSL)");
  return MOONPOOL_ENOSUPPORT;
}

void mp_tls_free(mp_tls *tls) {
  (void)tls;
}

mp_tls_stream *mp_tls_stream_new(mp_tls *tls, int fd, const char *host) {
  (void)tls, (void)fd, (void)host;
  return NULL;
}

void mp_tls_stream_free(mp_tls_stream *stream) {
  (void)stream;
}

int mp_tls_shake(mp_tls_stream *stream, int *events) {
  (void)stream, (void)events;
  return UV_ENOTSUP;
}

ssize_t mp_tls_send(mp_tls_stream *stream, const char *data, size_t len) {
  (void)stream, (void)data, (void)len;
  return UV_ENOTSUP;
}

ssize_t mp_tls_recv(mp_tls_stream *stream, char *data, size_t size) {
  (void)stream, (void)data, (void)size;
  return UV_ENOTSUP;
}

int mp_tls_is_over(const mp_tls_stream *stream) {
  (void)stream;
  return 1;
}

const char *mp_tls_reason(const mp_tls_stream *stream, int *status) {
  (void)stream;
  *status = MOONPOOL_ENOSUPPORT;
  return "";
}
