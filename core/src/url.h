/* redis:// rediss:// unix:// redis+sentinel:// URLs, taken apart. */
#ifndef MP_URL_H
#define MP_URL_H

#include "mem.h"

enum { MP_URL_MAX_SENTINELS = 16 };

/* One server; or, with a `service`, the sentinels that know which server that is. */
typedef struct mp_url {
  char *path;               /* Unix socket; NULL: TCP */
  char *host;               /* name or address, without brackets; NULL with a path or service */
  uint16_t port;            /* 6379 unless given */
  int tls;                  /* rediss:// */
  char *username;           /* NULL: none */
  char *password;           /* NULL: none; "" for a user without one, as `nopass` users are */
  long db;                  /* 0 unless given */
  char *address;            /* as errors name it: "host:port", "[::1]:6379", "unix:/path" or
                               "sentinel service mymaster" */
  char *service;            /* the master's name at its sentinels; NULL: none */
  struct mp_url *sentinels; /* with a service: host, port (26379 unless given), address of each */
  size_t sentinel_count;
  char *sentinel_username, *sentinel_password; /* of the sentinels themselves; NULL: none */
  /* With `tls`, as in moonpool_options; NULL: not given. */
  char *tls_ca_file, *tls_ca_dir, *tls_cert_file, *tls_key_file, *tls_server_name;
  int tls_no_verify; /* tls_verify=false */
} mp_url;

/* Takes `text` apart into *url, whose strings the caller owns (mp_url_free). On failure returns
 * EARG, ENOSUPPORT (a scheme that moonpool knows but this build cannot do) or ENOMEM, writes a line
 * that names what was wrong and where into `message`, and leaves *url all zero. A password is never
 * written into a message. Percent-encoding in user, password and path is decoded (RFC 3986).
 * `?db=N` names the database after a Unix socket's path; `?sentinel_username=` and
 * `sentinel_password=` follow a service; the options of TLS, by their names in moonpool_options, go
 * with rediss://; any other query is refused by name. */
int mp_url_parse(mp_url *url, const moonpool_allocator *allocator, const char *text, char *message,
                 size_t size);

/* The URL of another TCP server that is to be talked to as `like` says (user, password, database,
 * TLS): `host` as some server named it, a name or an IP address without brackets. EARG when that is
 * none, or the port 0; ENOMEM. */
int mp_url_at(mp_url *url, const moonpool_allocator *allocator, const mp_url *like,
              moonpool_bytes host, uint16_t port);

void mp_url_free(mp_url *url, const moonpool_allocator *allocator);

#endif
