/* What the TLS connections of a client share, made once from its options: which servers it trusts,
 * and its own certificate. */
#include <stdio.h>
#include <sys/stat.h>

#include "tls_private.h"

/* The options, each from where it was given. */
typedef struct settings {
  const char *ca_file, *ca_dir, *cert_file, *key_file, *server_name;
  int is_verifying;
  char *message;
  size_t size;
} settings;

const char *mp_tls_version(void) {
  return OpenSSL_version(OPENSSL_VERSION);
}

static const char *either(const char *option, const char *of_url) {
  return option ? option : of_url;
}

static settings collect(const mp_url *url, const moonpool_options *options) {
  return (settings){.ca_file = either(options->tls_ca_file, url->tls_ca_file),
                    .ca_dir = either(options->tls_ca_dir, url->tls_ca_dir),
                    .cert_file = either(options->tls_cert_file, url->tls_cert_file),
                    .key_file = either(options->tls_key_file, url->tls_key_file),
                    .server_name = either(options->tls_server_name, url->tls_server_name),
                    .is_verifying = options->tls_verify && !url->tls_no_verify};
}

/* ---- files -------------------------------------------------------------------------------- */

static int refuse_file(const settings *s, const char *option, const char *path, const char *what) {
  char reason[200];
  mp_tls_explain_file(reason, sizeof reason, what);
  snprintf(s->message, s->size, "%s %s: %s", option, path, reason);
  return MOONPOOL_EARG;
}

/* OpenSSL looks into the directory when it first needs to, and then says nothing of what it finds.
 */
static int check_directory(const settings *s) {
  struct stat info;
  int error = stat(s->ca_dir, &info) ? errno : S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
  if (!error) return MOONPOOL_OK;
  snprintf(s->message, s->size, "tls_ca_dir %s: %s", s->ca_dir,
           uv_strerror(uv_translate_sys_error(error)));
  return MOONPOOL_EARG;
}

static int load_trusted(SSL_CTX *context, const settings *s) {
  if (!s->is_verifying) {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    return MOONPOOL_OK;
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, mp_tls_on_verify);
  if (!s->ca_file && !s->ca_dir && SSL_CTX_set_default_verify_paths(context) != 1)
    return refuse_file(s, "the system's CAs", "", "certificate");
  if (s->ca_file && SSL_CTX_load_verify_locations(context, s->ca_file, NULL) != 1)
    return refuse_file(s, "tls_ca_file", s->ca_file, "certificate");
  if (s->ca_dir && check_directory(s)) return MOONPOOL_EARG;
  if (s->ca_dir && SSL_CTX_load_verify_locations(context, NULL, s->ca_dir) != 1)
    return refuse_file(s, "tls_ca_dir", s->ca_dir, "certificate");
  return MOONPOOL_OK;
}

/* A passphrase is never asked for: OpenSSL would do it on the terminal. */
static int on_passphrase(char *to, int size, int is_writing, void *ctx) {
  (void)to, (void)size, (void)is_writing;
  *(int *)ctx = 1;
  return -1;
}

static int load_key(SSL_CTX *context, const settings *s) {
  const char *option = s->key_file ? "tls_key_file" : "tls_cert_file";
  const char *path = s->key_file ? s->key_file : s->cert_file;
  int is_locked = 0;
  SSL_CTX_set_default_passwd_cb(context, on_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context, &is_locked);
  int is_loaded = SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM);
  SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
  if (is_loaded == 1) return MOONPOOL_OK;
  if (!is_locked) return refuse_file(s, option, path, "private key");
  ERR_clear_error();
  snprintf(s->message, s->size,
           "%s %s: the key needs a passphrase, which cannot be given; `openssl pkey` takes it off",
           option, path);
  return MOONPOOL_EARG;
}

static int load_own(SSL_CTX *context, const settings *s) {
  if (s->key_file && !s->cert_file) {
    snprintf(s->message, s->size, "tls_key_file needs tls_cert_file, the key's certificate");
    return MOONPOOL_EARG;
  }
  if (!s->cert_file) return MOONPOOL_OK;
  if (SSL_CTX_use_certificate_chain_file(context, s->cert_file) != 1)
    return refuse_file(s, "tls_cert_file", s->cert_file, "certificate");
  return load_key(context, s);
}

/* ---- the whole ---------------------------------------------------------------------------- */

static int on_cert_wanted(SSL *ssl, X509 **cert, EVP_PKEY **key) {
  (void)cert, (void)key;
  mp_tls_stream_of(ssl)->is_cert_wanted = 1;
  return 0; /* none */
}

static int check_settings(const mp_url *url, const settings *s) {
  int is_given = s->ca_file || s->ca_dir || s->cert_file || s->key_file || s->server_name;
  if (!url->tls && (is_given || !s->is_verifying)) {
    snprintf(s->message, s->size, "options of TLS (tls_…) need a URL with TLS: rediss://");
    return MOONPOOL_EARG;
  }
  size_t len = s->server_name ? strlen(s->server_name) : 1;
  if (len > 0 && len < sizeof((mp_tls_stream *)0)->name) return MOONPOOL_OK;
  snprintf(s->message, s->size, "tls_server_name: no name, or one longer than 255 bytes");
  return MOONPOOL_EARG;
}

static int make_context(mp_tls *tls, const settings *s) {
  tls->context = SSL_CTX_new(TLS_client_method());
  tls->method = mp_tls_bio_method();
  if (!tls->context || !tls->method) return MOONPOOL_ENOMEM;
  SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
  SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                     SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_client_cert_cb(tls->context, on_cert_wanted);
  int status = load_trusted(tls->context, s);
  return status ? status : load_own(tls->context, s);
}

static int fill(mp_tls *tls, const moonpool_allocator *allocator, const settings *s) {
  tls->allocator = allocator;
  if (s->server_name) {
    tls->server_name = mp_strndup(allocator, s->server_name, strlen(s->server_name));
    if (!tls->server_name) return MOONPOOL_ENOMEM;
  }
  return make_context(tls, s);
}

int mp_tls_new(mp_tls **tls, const moonpool_allocator *allocator, const mp_url *url,
               const moonpool_options *options, char *message, size_t size) {
  settings s = collect(url, options);
  s.message = message, s.size = size;
  *tls = NULL;
  int status = check_settings(url, &s);
  if (status || !url->tls) return status;
  mp_tls *made = mp_calloc(allocator, sizeof *made);
  if (!made) return MOONPOOL_ENOMEM;
  ERR_clear_error();
  status = fill(made, allocator, &s);
  ERR_clear_error(); /* the queue is the thread's: nobody else is to find our errors in it */
  if (status)
    mp_tls_free(made);
  else
    *tls = made;
  return status;
}

void mp_tls_free(mp_tls *tls) {
  if (!tls) return;
  SSL_CTX_free(tls->context);
  BIO_meth_free(tls->method);
  mp_free(tls->allocator, tls->server_name);
  mp_free(tls->allocator, tls);
}
