/* Why TLS failed, in words for whoever runs the program: what is wrong with whose certificate, and
 * what to do about it where that is known. Names in a certificate are its maker's: they are cut,
 * and what is no printable ASCII in them is not shown as it is. */
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>

#include "tls_private.h"

enum { MAX_NAMES = 4 }; /* of a certificate, in a message */

/* Received alerts are numbers of OpenSSL's from here on: so in 1.1.1 and in 3. */
enum { ALERTS = SSL_AD_REASON_OFFSET };

__attribute__((format(printf, 3, 4))) static void set_reason(mp_tls_stream *s, int status,
                                                             const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(s->reason, sizeof s->reason, format, args);
  va_end(args);
  s->status = status;
}

/* ---- files -------------------------------------------------------------------------------- */

void mp_tls_explain_file(char *reason, size_t size, const char *what) {
  unsigned long first = ERR_peek_error(), last = ERR_peek_last_error();
  const char *text = ERR_reason_error_string(last);
  if (ERR_GET_LIB(first) == ERR_LIB_SYS)
    snprintf(reason, size, "%s", uv_strerror(uv_translate_sys_error(ERR_GET_REASON(first))));
  else if (ERR_GET_LIB(last) == ERR_LIB_X509 && ERR_GET_REASON(last) == X509_R_KEY_VALUES_MISMATCH)
    snprintf(reason, size, "the key does not belong to the certificate");
  else
    snprintf(reason, size, "no %s in PEM form in it (%s)", what, text ? text : "unknown error");
  ERR_clear_error();
}

/* ---- what a certificate says ---------------------------------------------------------------- */

/* Appends to `text`; what does not fit is cut. */
__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size,
                                                         const char *format, ...) {
  size_t len = strlen(text);
  va_list args;
  va_start(args, format);
  vsnprintf(text + len, size - len, format, args);
  va_end(args);
}

static void append_ascii(char *text, size_t size, const unsigned char *bytes, int len) {
  for (int i = 0; i < len; i++)
    append(text, size, "%c", bytes[i] > ' ' && bytes[i] < 0x7f ? bytes[i] : '?');
}

/* "CN=Some CA,O=Some Company", at most `size` bytes of it. */
static void write_name(char *text, size_t size, const X509_NAME *name) {
  BIO *out = BIO_new(BIO_s_mem());
  int len = -1;
  if (out && X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) >= 0)
    len = BIO_read(out, text, (int)size - 1);
  text[len > 0 ? len : 0] = '\0';
  BIO_free(out);
}

static void write_time(char *text, size_t size, const ASN1_TIME *time) {
  struct tm tm;
  if (ASN1_TIME_to_tm(time, &tm) != 1 || !strftime(text, size, "%Y-%m-%d %H:%M:%S UTC", &tm))
    snprintf(text, size, "an unknown time");
}

static int append_ip(char *text, size_t size, const ASN1_OCTET_STRING *ip) {
  char address[64];
  int len = ASN1_STRING_length(ip);
  if (len != 4 && len != 16) return 0;
  if (uv_inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), address,
                   sizeof address))
    return 0;
  append(text, size, "%s", address);
  return 1;
}

static int append_alternative(char *text, size_t size, const GENERAL_NAME *name) {
  if (name->type == GEN_IPADD) return append_ip(text, size, name->d.iPAddress);
  if (name->type != GEN_DNS) return 0;
  append_ascii(text, size, ASN1_STRING_get0_data(name->d.dNSName),
               ASN1_STRING_length(name->d.dNSName));
  return 1;
}

/* Whom the certificate names: hosts and addresses, or else its subject. */
static void write_subjects(char *text, size_t size, X509 *cert) {
  GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
  int count = 0, len = names ? sk_GENERAL_NAME_num(names) : 0;
  text[0] = '\0';
  for (int i = 0; i < len && count < MAX_NAMES; i++) {
    char one[80] = "";
    if (!append_alternative(one, sizeof one, sk_GENERAL_NAME_value(names, i))) continue;
    append(text, size, "%s%s", count++ ? ", " : "", one);
  }
  if (count == MAX_NAMES && len > count) append(text, size, ", …");
  if (!count) write_name(text, size, X509_get_subject_name(cert));
  GENERAL_NAMES_free(names);
}

/* ---- certificates that we refuse ------------------------------------------------------------ */

static void explain_time(mp_tls_stream *s, X509 *cert, const char *whose, int is_expired) {
  char time[40];
  write_time(time, sizeof time, is_expired ? X509_get0_notAfter(cert) : X509_get0_notBefore(cert));
  set_reason(s, MOONPOOL_EAUTH, is_expired ? "%s expired on %s" : "%s is not valid before %s",
             whose, time);
}

static void explain_issuer(mp_tls_stream *s, X509 *cert) {
  char issuer[120];
  write_name(issuer, sizeof issuer, X509_get_issuer_name(cert));
  set_reason(s, MOONPOOL_EAUTH,
             "the server's certificate is from a CA that is not trusted: %s (tls_ca_file names one "
             "to trust)",
             issuer);
}

static void explain_mismatch(mp_tls_stream *s, X509 *cert) {
  char names[160];
  write_subjects(names, sizeof names, cert);
  set_reason(s, MOONPOOL_EAUTH, "the server's certificate is for %s, not for %s",
             names[0] ? names : "nobody", s->name);
}

static void explain_refused(mp_tls_stream *s, X509 *cert, int error, int depth) {
  char whose[160] = "the server's certificate";
  if (depth > 0) {
    char name[100];
    write_name(name, sizeof name, X509_get_subject_name(cert));
    snprintf(whose, sizeof whose, "the certificate of the CA %s", name);
  }
  switch (error) {
  case X509_V_ERR_CERT_HAS_EXPIRED: explain_time(s, cert, whose, 1); break;
  case X509_V_ERR_CERT_NOT_YET_VALID: explain_time(s, cert, whose, 0); break;
  case X509_V_ERR_HOSTNAME_MISMATCH:
  case X509_V_ERR_IP_ADDRESS_MISMATCH: explain_mismatch(s, cert); break;
  case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    set_reason(
        s, MOONPOOL_EAUTH,
        "the server's certificate is self-signed, and not trusted (tls_ca_file names what to "
        "trust)");
    break;
  case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
  case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
  case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: explain_issuer(s, cert); break;
  default:
    set_reason(s, MOONPOOL_EAUTH, "%s was refused: %s", whose,
               X509_verify_cert_error_string(error));
  }
}

/* Of several errors the first one tells; OpenSSL asks for each certificate, the CA's first. */
int mp_tls_on_verify(int is_good, X509_STORE_CTX *store) {
  mp_tls_stream *s =
      mp_tls_stream_of(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  X509 *cert = X509_STORE_CTX_get_current_cert(store);
  if (!is_good && cert && !s->reason[0])
    explain_refused(s, cert, X509_STORE_CTX_get_error(store),
                    X509_STORE_CTX_get_error_depth(store));
  return is_good;
}

/* ---- alerts, and the rest ------------------------------------------------------------------- */

/* What the server says of our certificate; NULL: something else. */
static const char *fault_of_client(int alert) {
  switch (alert) {
  case SSL_AD_UNKNOWN_CA: return "it does not trust the CA";
  case SSL_AD_CERTIFICATE_EXPIRED: return "it has expired";
  case SSL_AD_CERTIFICATE_REVOKED: return "it was revoked";
  case SSL_AD_BAD_CERTIFICATE:
  case SSL_AD_UNSUPPORTED_CERTIFICATE:
  case SSL_AD_CERTIFICATE_UNKNOWN:
  case SSL_AD_ACCESS_DENIED:
  case SSL_AD_DECRYPT_ERROR: return SSL_alert_desc_string_long(alert);
  default: return NULL;
  }
}

static void explain_alert(mp_tls_stream *s, int alert) {
  const char *fault = fault_of_client(alert);
  int is_refusal =
      fault || alert == SSL_AD_HANDSHAKE_FAILURE || alert == SSL_AD_CERTIFICATE_REQUIRED;
  if (s->is_cert_wanted && is_refusal)
    set_reason(s, MOONPOOL_EAUTH, "the server requires a client certificate (tls_cert_file)");
  else if (fault)
    set_reason(s, MOONPOOL_EAUTH, "the server refused the client certificate: %s", fault);
  else if (alert == SSL_AD_PROTOCOL_VERSION)
    set_reason(s, MOONPOOL_EPROTO, "the server has no TLS version from 1.2 on");
  else if (alert == SSL_AD_UNRECOGNIZED_NAME)
    set_reason(s, MOONPOOL_EPROTO, "the server does not know the name %s", s->name);
  else
    set_reason(s, MOONPOOL_EPROTO, "the server refused TLS: %s", SSL_alert_desc_string_long(alert));
}

/* A TLS peer begins with a record of its handshake or with an alert. */
static int is_tls(int first_byte) {
  return first_byte == SSL3_RT_HANDSHAKE || first_byte == SSL3_RT_ALERT;
}

void mp_tls_explain(mp_tls_stream *s) {
  unsigned long error = ERR_peek_error();
  int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
  const char *text = ERR_reason_error_string(error);
  if (s->reason[0]) {
    /* told when the certificate was refused */
  } else if (s->first_byte >= 0 && !is_tls(s->first_byte)) {
    set_reason(s, MOONPOOL_EPROTO,
               "the peer does not speak TLS (a port without it takes redis://)");
  } else if (reason == SSL_R_UNSUPPORTED_PROTOCOL) {
    explain_alert(s, SSL_AD_PROTOCOL_VERSION);
  } else if (reason >= ALERTS && reason < ALERTS + 256) {
    explain_alert(s, reason - ALERTS);
  } else {
    set_reason(s, MOONPOOL_EPROTO, "TLS failed: %s", text ? text : "unknown error");
  }
  ERR_clear_error();
}
