/* Takes Redis URLs apart. Every string of the result is the caller's. A password with an unescaped
 * '/' or '?', or in a URL whose host was forgotten, stands where other parts are expected: messages
 * never quote a port, a query's value or what is in brackets, and anything else after those only.
 */
#include "url.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <sys/un.h>

enum { DEFAULT_PORT = 6379, MAX_HOST = 253, MAX_QUOTED = 64 };

/* A part of the text that is not yet taken apart. */
typedef moonpool_bytes span;

typedef struct parser {
  mp_url *url;
  const moonpool_allocator *allocator;
  char *message;
  size_t size;
} parser;

__attribute__((format(printf, 3, 4))) static int fail(parser *p, int status, const char *format,
                                                      ...) {
  va_list args;
  va_start(args, format);
  if (p->message && p->size) vsnprintf(p->message, p->size, format, args);
  va_end(args);
  return status;
}

static int fail_nomem(parser *p) {
  return fail(p, MOONPOOL_ENOMEM, "out of memory");
}

/* For "%.*s": what may be quoted of a span. */
static int quoted(span s) {
  return s.len < MAX_QUOTED ? (int)s.len : MAX_QUOTED;
}

/* ---- spans -------------------------------------------------------------------------------- */

/* Where `byte` is first in `s`, or s.len. */
static size_t find(span s, char byte) {
  const char *at = s.len ? memchr(s.data, byte, s.len) : NULL;
  return at ? (size_t)(at - s.data) : s.len;
}

static span from(span s, size_t start) {
  return (span){s.data + start, s.len - start};
}

/* Cuts `s` before its first `byte`; what follows that byte is returned, with data NULL if there is
 * no such byte. */
static span split(span *s, char byte) {
  size_t at = find(*s, byte);
  if (at == s->len) return (span){NULL, 0};
  span rest = from(*s, at + 1);
  s->len = at;
  return rest;
}

static int is_control(char byte) {
  return (unsigned char)byte < 0x20 || byte == 0x7f;
}

static int is_alnum(char byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
         (byte >= 'A' && byte <= 'Z');
}

/* Of a name (also an internationalised one) or an IPv4 address. */
static int is_host_byte(char byte) {
  return is_alnum(byte) || byte == '.' || byte == '_' || byte == '-' || (byte & 0x80);
}

/* A decimal number of digits alone, from 0 to `max`; -1 if it is none. */
static long parse_number(span s, long max) {
  if (!s.len) return -1;
  long number = 0;
  for (size_t i = 0; i < s.len; i++) {
    if (s.data[i] < '0' || s.data[i] > '9') return -1;
    int digit = s.data[i] - '0';
    if (number > (max - digit) / 10) return -1;
    number = number * 10 + digit;
  }
  return number;
}

static int hex_digit(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

/* The byte that the "%XX" at `s` stands for, or -1. */
static int decode_escape(span s) {
  if (s.len < 3) return -1;
  int high = hex_digit(s.data[1]), low = hex_digit(s.data[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Stores in *to a decoded copy of `s`; `what` names the part in messages. */
static int decode(parser *p, span s, const char *what, char **to) {
  char *out = *to = mp_alloc(p->allocator, s.len + 1);
  if (!out) return fail_nomem(p);
  for (size_t i = 0; i < s.len; i++) {
    int byte = s.data[i];
    if (byte == '%') {
      byte = decode_escape(from(s, i));
      if (byte < 0)
        return fail(p, MOONPOOL_EARG, "bad URL: %s has a %% that two hex digits do not follow",
                    what);
      if (byte == 0) return fail(p, MOONPOOL_EARG, "bad URL: %s has a %%00", what);
      i += 2;
    }
    *out++ = (char)byte;
  }
  *out = '\0';
  return MOONPOOL_OK;
}

/* ---- parts -------------------------------------------------------------------------------- */

/* "user:password". A user without a password gets the empty one, which `nopass` users accept. */
static int parse_userinfo(parser *p, span user) {
  span password = split(&user, ':');
  int status = MOONPOOL_OK;
  if (user.len) status = decode(p, user, "the user name", &p->url->username);
  if (!status && (user.len || password.len))
    status = decode(p, password, "the password", &p->url->password);
  return status;
}

/* Takes "user:password@" off the authority. */
static int take_userinfo(parser *p, span *authority) {
  size_t end = authority->len;
  while (end && authority->data[end - 1] != '@') end--;
  if (!end) return MOONPOOL_OK;
  span userinfo = {authority->data, end - 1};
  *authority = from(*authority, end);
  return parse_userinfo(p, userinfo);
}

static int parse_db(parser *p, span db) {
  p->url->db = parse_number(db, INT_MAX);
  if (p->url->db >= 0) return MOONPOOL_OK;
  return fail(p, MOONPOOL_EARG, "bad URL: database \"%.*s\" is not a number", quoted(db), db.data);
}

/* "key=value&key=value". Values may be secrets, keys are not. */
static int parse_query(parser *p, span query) {
  while (query.data) {
    span rest = split(&query, '&'), key = query, value = split(&key, '=');
    if (p->url->path && value.data && key.len == 2 && !memcmp(key.data, "db", 2)) {
      int status = parse_db(p, value);
      if (status) return status;
    } else if (query.len) {
      return fail(p, MOONPOOL_EARG, "bad URL: unknown option \"%.*s\" in the query", quoted(key),
                  key.data);
    }
    query = rest;
  }
  return MOONPOOL_OK;
}

static int parse_port(parser *p, span port) {
  p->url->port = DEFAULT_PORT;
  if (!port.data) return MOONPOOL_OK;
  long number = parse_number(port, 65535);
  if (number < 1)
    return fail(p, MOONPOOL_EARG,
                "bad URL: the port after \"%.*s\" is not a number from 1 to 65535", MAX_QUOTED,
                p->url->host);
  p->url->port = (uint16_t)number;
  return MOONPOOL_OK;
}

/* An IPv6 address, perhaps with a zone, such as "fe80::1%eth0". */
static int is_ipv6(const char *text) {
  char address[INET6_ADDRSTRLEN];
  struct in6_addr parsed;
  size_t len = strcspn(text, "%");
  if (len >= sizeof address) return 0;
  memcpy(address, text, len);
  address[len] = '\0';
  if (inet_pton(AF_INET6, address, &parsed) != 1) return 0;
  if (!text[len]) return 1;
  const char *zone = text + len + 1, *at = zone;
  while (is_host_byte(*at)) at++;
  return at > zone && !*at;
}

/* Takes "[address]" off the authority. A zone comes as "%25zone" (RFC 6874). */
static int take_ipv6(parser *p, span *authority) {
  span host = from(*authority, 1), rest = split(&host, ']');
  if (!rest.data) return fail(p, MOONPOOL_EARG, "bad URL: no ] after the IPv6 address");
  if (rest.len && rest.data[0] != ':')
    return fail(p, MOONPOOL_EARG, "bad URL: something other than a port follows the ]");
  *authority = rest;
  int status = decode(p, host, "the IPv6 address", &p->url->host);
  if (status || is_ipv6(p->url->host)) return status;
  return fail(p, MOONPOOL_EARG, "bad URL: what is in the brackets is no IPv6 address");
}

static int check_host(parser *p, span host) {
  if (!host.len) return fail(p, MOONPOOL_EARG, "bad URL: no host");
  if (host.len > MAX_HOST)
    return fail(p, MOONPOOL_EARG, "bad URL: the host is longer than %d bytes", MAX_HOST);
  for (size_t i = 0; i < host.len; i++)
    if (!is_host_byte(host.data[i]))
      return fail(p, MOONPOOL_EARG, "bad URL: '%c' in the host", host.data[i]);
  return MOONPOOL_OK;
}

/* "host:port" or "[address]:port". */
static int parse_host_and_port(parser *p, span authority) {
  int status;
  if (authority.len && authority.data[0] == '[') {
    status = take_ipv6(p, &authority);
    return status ? status : parse_port(p, authority.len ? from(authority, 1) : (span){NULL, 0});
  }
  span port = split(&authority, ':');
  if (port.len && find(port, ':') < port.len)
    return fail(p, MOONPOOL_EARG,
                "bad URL: more than one ':' after the host; an IPv6 address "
                "needs brackets, as in [::1]:6379");
  if ((status = check_host(p, authority))) return status;
  p->url->host = mp_strndup(p->allocator, authority.data, authority.len);
  return p->url->host ? parse_port(p, port) : fail_nomem(p);
}

static int set_address(parser *p) {
  const mp_url *url = p->url;
  const char *format = url->path ? "unix:%s" : strchr(url->host, ':') ? "[%s]:%u" : "%s:%u";
  const char *name = url->path ? url->path : url->host;
  size_t size = strlen(name) + sizeof "[]:65535";
  p->url->address = mp_alloc(p->allocator, size);
  if (!p->url->address) return fail_nomem(p);
  snprintf(p->url->address, size, format, name, (unsigned)url->port);
  return MOONPOOL_OK;
}

/* ---- schemes ------------------------------------------------------------------------------ */

/* What follows "redis://": [user:password@]host[:port][/db]. An '@' further on means that what
 * looked like the host is a user name. */
static int parse_redis(parser *p, span rest) {
  span query = split(&rest, '?'), db = split(&rest, '/');
  if (find(query, '@') < query.len || find(db, '@') < db.len)
    return fail(p, MOONPOOL_EARG,
                "bad URL: '@' after the host: in a user name or password, '/' "
                "is written as %%2F, '?' as %%3F and '@' as %%40");
  int status = take_userinfo(p, &rest);
  if (!status) status = parse_host_and_port(p, rest);
  if (!status && db.len) status = parse_db(p, db);
  return status ? status : parse_query(p, query);
}

static int parse_socket_path(parser *p, span path) {
  const size_t limit = sizeof((struct sockaddr_un *)0)->sun_path - 1;
  int status = decode(p, path, "the socket's path", &p->url->path);
  if (status) return status;
  size_t len = strlen(p->url->path);
  if (len > limit)
    return fail(p, MOONPOOL_EARG,
                "bad URL: the socket's path is %zu bytes long; the system allows %zu", len, limit);
  for (size_t i = 0; i < len; i++)
    if (is_control(p->url->path[i]))
      return fail(p, MOONPOOL_EARG, "bad URL: the socket's path has a control character");
  return MOONPOOL_OK;
}

/* What follows "unix://": [user:password@]/path[?db=N]. */
static int parse_unix(parser *p, span rest) {
  span query = split(&rest, '?');
  size_t slash = find(rest, '/');
  span authority = {rest.data, slash};
  int status = take_userinfo(p, &authority);
  if (status) return status;
  if (authority.len || slash == rest.len)
    return fail(p, MOONPOOL_EARG,
                "bad URL: the socket's path must be absolute, as in "
                "unix:///run/redis.sock");
  status = parse_socket_path(p, from(rest, slash));
  return status ? status : parse_query(p, query);
}

typedef struct scheme {
  const char *name;
  int (*parse)(parser *p, span rest);
  const char *missing; /* with no `parse`: what this build lacks */
} scheme;

static const scheme schemes[] = {
    {"redis", parse_redis, NULL},
    {"unix", parse_unix, NULL},
    {"rediss", NULL, "TLS"},
    {"redis+sentinel", NULL, "Sentinel"},
    {"redis+cluster", NULL, "Redis Cluster"},
};

static int parse_scheme(parser *p, span text) {
  span name = text, rest = split(&name, ':');
  int is_named = name.len > 0 && rest.len >= 2 && !memcmp(rest.data, "//", 2);
  for (size_t i = 0; is_named && i < name.len; i++)
    is_named = is_alnum(name.data[i]) || strchr("+-.", name.data[i]);
  if (!is_named)
    return fail(p, MOONPOOL_EARG, "bad URL: no scheme; it begins with redis:// or unix://");
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    const scheme *s = &schemes[i];
    if (strlen(s->name) != name.len || strncasecmp(s->name, name.data, name.len)) continue;
    if (s->parse) return s->parse(p, from(rest, 2));
    return fail(p, MOONPOOL_ENOSUPPORT, "%s:// is not supported: this build has no %s", s->name,
                s->missing);
  }
  return fail(p, MOONPOOL_EARG, "bad URL: unknown scheme \"%.*s\"; redis and unix are known",
              quoted(name), name.data);
}

static int check_bytes(parser *p, span text) {
  for (size_t i = 0; i < text.len; i++) {
    if (is_control(text.data[i]))
      return fail(p, MOONPOOL_EARG, "bad URL: control character 0x%02X at byte %zu",
                  (unsigned char)text.data[i], i + 1);
    if (text.data[i] == '#')
      return fail(p, MOONPOOL_EARG, "bad URL: '#' at byte %zu; it is written as %%23", i + 1);
  }
  return MOONPOOL_OK;
}

int mp_url_parse(mp_url *url, const moonpool_allocator *allocator, const char *text, char *message,
                 size_t size) {
  parser p = {url, allocator, message, size};
  span all = {text, strlen(text)};
  memset(url, 0, sizeof *url);
  int status = check_bytes(&p, all);
  if (!status) status = parse_scheme(&p, all);
  if (!status) status = set_address(&p);
  if (status) mp_url_free(url, allocator);
  return status;
}

void mp_url_free(mp_url *url, const moonpool_allocator *allocator) {
  if (!url) return;
  mp_free(allocator, url->path);
  mp_free(allocator, url->host);
  mp_free(allocator, url->username);
  mp_free(allocator, url->password);
  mp_free(allocator, url->address);
  memset(url, 0, sizeof *url);
}
