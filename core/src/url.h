/* redis:// rediss:// unix:// URLs, taken apart. */
#ifndef MP_URL_H
#define MP_URL_H

#include "mem.h"

typedef struct mp_url {
  char *path;     /* Unix socket; NULL: TCP */
  char *host;     /* name or address, without brackets; NULL with a path */
  uint16_t port;  /* 6379 unless given */
  int tls;        /* rediss:// */
  char *username; /* NULL: none */
  char *password; /* NULL: none; "" for a user without one, as `nopass` users are */
  long db;        /* 0 unless given */
  char *address;  /* as errors name it: "host:port", "[::1]:6379" or "unix:/path" */
} mp_url;

/* Takes `text` apart into *url, whose strings the caller owns (mp_url_free). On failure returns
 * EARG, ENOSUPPORT (a scheme that moonpool knows but this build cannot do) or ENOMEM, writes a line
 * that names what was wrong and where into `message`, and leaves *url all zero. A password is never
 * written into a message. Percent-encoding in user, password and path is decoded (RFC 3986).
 * `?db=N` names the database after a Unix socket's path; any other query is refused by name. */
int mp_url_parse(mp_url *url, const moonpool_allocator *allocator, const char *text, char *message,
                 size_t size);
void mp_url_free(mp_url *url, const moonpool_allocator *allocator);

#endif
