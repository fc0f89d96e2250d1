/* Certificates that a test makes for itself: a CA, and what it signs; PEM files of them in a folder
 * of their own. */
#ifndef MP_CERTIFICATES_H
#define MP_CERTIFICATES_H

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "test.h"

typedef struct identity {
  X509 *cert;
  EVP_PKEY *key;
} identity;

/* What a certificate is to say. */
typedef struct identity_plan {
  const char *name;   /* CN */
  const char *hosts;  /* subjectAltName, such as "DNS:redis.test,IP:127.0.0.1"; NULL: none */
  long from, to;      /* seconds from now */
  const identity *by; /* NULL: by itself */
  int is_ca;
} identity_plan;

enum { DAY = 24 * 3600 };

static inline EVP_PKEY *make_key(void) {
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
  if (!ctx || EVP_PKEY_keygen_init(ctx) != 1 ||
      EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) != 1 ||
      EVP_PKEY_keygen(ctx, &key) != 1)
    abort();
  EVP_PKEY_CTX_free(ctx);
  return key;
}

static inline void add_extension(X509 *cert, int nid, const char *value) {
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
  if (!extension || X509_add_ext(cert, extension, -1) != 1) abort();
  X509_EXTENSION_free(extension);
}

static inline identity make_identity(const identity_plan *plan) {
  static long serial;
  identity made = {X509_new(), make_key()};
  X509_NAME *subject = X509_get_subject_name(made.cert);
  X509_set_version(made.cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.cert), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(made.cert), plan->from);
  X509_gmtime_adj(X509_getm_notAfter(made.cert), plan->to);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)plan->name, -1,
                             -1, 0);
  X509_set_issuer_name(made.cert, plan->by ? X509_get_subject_name(plan->by->cert) : subject);
  X509_set_pubkey(made.cert, made.key);
  if (plan->is_ca) add_extension(made.cert, NID_basic_constraints, "critical,CA:TRUE");
  if (plan->hosts) add_extension(made.cert, NID_subject_alt_name, plan->hosts);
  if (!X509_sign(made.cert, plan->by ? plan->by->key : made.key, EVP_sha256())) abort();
  return made;
}

static inline void free_identity(identity *i) {
  X509_free(i->cert);
  EVP_PKEY_free(i->key);
}

/* ---- files -------------------------------------------------------------------------------- */

typedef struct pem_folder {
  char path[40];
  char file[8][80]; /* paths of the files in it */
  int count;
} pem_folder;

static inline void make_folder(pem_folder *folder) {
  *folder = (pem_folder){.path = "/tmp/moonpool-test-XXXXXX"};
  if (!mkdtemp(folder->path)) abort();
}

static inline FILE *new_file(pem_folder *folder, const char *name) {
  char path[sizeof folder->file[0]];
  snprintf(path, sizeof path, "%.39s/%.30s", folder->path, name);
  FILE *file = fopen(path, "w");
  if (!file) abort();
  strcpy(folder->file[folder->count++], path);
  return file;
}

/* Each returns the file's path. */
static inline const char *write_text(pem_folder *folder, const char *name, const char *text) {
  FILE *file = new_file(folder, name);
  fputs(text, file);
  fclose(file);
  return folder->file[folder->count - 1];
}

static inline const char *write_cert(pem_folder *folder, const char *name, const identity *i) {
  FILE *file = new_file(folder, name);
  PEM_write_X509(file, i->cert);
  fclose(file);
  return folder->file[folder->count - 1];
}

static inline const char *write_key(pem_folder *folder, const char *name, const identity *i,
                                    const char *passphrase) {
  FILE *file = new_file(folder, name);
  PEM_write_PrivateKey(file, i->key, passphrase ? EVP_aes_256_cbc() : NULL, NULL, 0, NULL,
                       (void *)passphrase);
  fclose(file);
  return folder->file[folder->count - 1];
}

static inline void remove_folder(pem_folder *folder) {
  while (folder->count > 0) unlink(folder->file[--folder->count]);
  if (rmdir(folder->path)) perror(folder->path);
}

#endif
