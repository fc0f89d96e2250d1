/* What the URL parser's files share: url.c (schemes, queries, the whole) and url_parts.c (the parts
 * that every scheme is made of). Nobody else includes it.
 *
 * A password with an unescaped '/' or '?', or in a URL whose host was forgotten, stands where other
 * parts are expected: messages never quote a port, a query's value or what is in brackets, and
 * anything else after those only. */
#ifndef MP_URL_PRIVATE_H
#define MP_URL_PRIVATE_H

#include "url.h"

enum { MP_URL_MAX_QUOTED = 64 };

/* A part of the text that is not yet taken apart. */
typedef moonpool_bytes mp_span;

typedef struct mp_url_parser {
  mp_url *url;
  const moonpool_allocator *allocator;
  char *message;
  size_t size;
} mp_url_parser;

/* Writes the message and returns the status. */
__attribute__((format(printf, 3, 4))) int mp_url_fail(mp_url_parser *p, int status,
                                                      const char *format, ...);
int mp_url_fail_nomem(mp_url_parser *p);

/* For "%.*s": what may be quoted of a span. */
int mp_span_quoted(mp_span s);

/* Where `byte` is first in `s`, or s.len. */
size_t mp_span_find(mp_span s, char byte);

int mp_span_is(mp_span s, const char *text);

/* What follows the first `start` bytes. */
mp_span mp_span_from(mp_span s, size_t start);

/* Cuts `s` before its first `byte`; what follows that byte is returned, with data NULL if there is
 * no such byte. */
mp_span mp_span_split(mp_span *s, char byte);

/* A decimal number of digits alone, from 0 to `max`; -1 if it is none. */
long mp_span_number(mp_span s, long max);

int mp_is_control(char byte);
int mp_is_alnum(char byte);

/* Stores in *to a decoded copy of `s`; `what` names the part in messages. */
int mp_url_decode(mp_url_parser *p, mp_span s, const char *what, char **to);

/* Takes "user:password@" off the authority. A user without a password gets the empty one, which
 * `nopass` users accept. */
int mp_url_take_userinfo(mp_url_parser *p, mp_span *authority);

int mp_url_parse_db(mp_url_parser *p, mp_span db);

/* "host[:port]" or "[address][:port]" into *url (host, port and address), which is p->url or one of
 * its sentinels. */
int mp_url_parse_host(mp_url_parser *p, mp_span text, mp_url *url, uint16_t default_port);

#endif
