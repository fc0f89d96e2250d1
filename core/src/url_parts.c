/* The parts of Redis URLs: spans of text, percent-encoding, user and password, hosts and ports. */
#include "url_private.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

enum { MAX_HOST = 253 };

int mp_url_fail(mp_url_parser *p, int status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (p->message && p->size) vsnprintf(p->message, p->size, format, args);
  va_end(args);
  return status;
}

int mp_url_fail_nomem(mp_url_parser *p) {
  return mp_url_fail(p, MOONPOOL_ENOMEM, "out of memory");
}

int mp_span_quoted(mp_span s) {
  return s.len < MP_URL_MAX_QUOTED ? (int)s.len : MP_URL_MAX_QUOTED;
}

/* ---- spans -------------------------------------------------------------------------------- */

size_t mp_span_find(mp_span s, char byte) {
  const char *at = s.len ? memchr(s.data, byte, s.len) : NULL;
  return at ? (size_t)(at - s.data) : s.len;
}

int mp_span_is(mp_span s, const char *text) {
  return s.len == strlen(text) && !memcmp(s.data, text, s.len);
}

mp_span mp_span_from(mp_span s, size_t start) {
  return (mp_span){s.data + start, s.len - start};
}

mp_span mp_span_split(mp_span *s, char byte) {
  size_t at = mp_span_find(*s, byte);
  if (at == s->len) return (mp_span){NULL, 0};
  mp_span rest = mp_span_from(*s, at + 1);
  s->len = at;
  return rest;
}

int mp_is_control(char byte) {
  return (unsigned char)byte < 0x20 || byte == 0x7f;
}

int mp_is_alnum(char byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
         (byte >= 'A' && byte <= 'Z');
}

/* Of a name (also an internationalised one) or an IPv4 address. */
static int is_host_byte(char byte) {
  return mp_is_alnum(byte) || byte == '.' || byte == '_' || byte == '-' || (byte & 0x80);
}

long mp_span_number(mp_span s, long max) {
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
static int decode_escape(mp_span s) {
  if (s.len < 3) return -1;
  int high = hex_digit(s.data[1]), low = hex_digit(s.data[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

int mp_url_decode(mp_url_parser *p, mp_span s, const char *what, char **to) {
  char *out = *to = mp_alloc(p->allocator, s.len + 1);
  if (!out) return mp_url_fail_nomem(p);
  for (size_t i = 0; i < s.len; i++) {
    int byte = s.data[i];
    if (byte == '%') {
      byte = decode_escape(mp_span_from(s, i));
      if (byte < 0)
        return mp_url_fail(p, MOONPOOL_EARG,
                           "bad URL: %s has a %% that two hex digits do not follow", what);
      if (byte == 0) return mp_url_fail(p, MOONPOOL_EARG, "bad URL: %s has a %%00", what);
      i += 2;
    }
    *out++ = (char)byte;
  }
  *out = '\0';
  return MOONPOOL_OK;
}

/* ---- parts -------------------------------------------------------------------------------- */

/* "user:password". A user without a password gets the empty one, which `nopass` users accept. */
static int parse_userinfo(mp_url_parser *p, mp_span user) {
  mp_span password = mp_span_split(&user, ':');
  int status = MOONPOOL_OK;
  if (user.len) status = mp_url_decode(p, user, "the user name", &p->url->username);
  if (!status && (user.len || password.len))
    status = mp_url_decode(p, password, "the password", &p->url->password);
  return status;
}

int mp_url_take_userinfo(mp_url_parser *p, mp_span *authority) {
  size_t end = authority->len;
  while (end && authority->data[end - 1] != '@') end--;
  if (!end) return MOONPOOL_OK;
  mp_span userinfo = {authority->data, end - 1};
  *authority = mp_span_from(*authority, end);
  return parse_userinfo(p, userinfo);
}

int mp_url_parse_db(mp_url_parser *p, mp_span db) {
  p->url->db = mp_span_number(db, INT_MAX);
  if (p->url->db >= 0) return MOONPOOL_OK;
  return mp_url_fail(p, MOONPOOL_EARG, "bad URL: database \"%.*s\" is not a number",
                     mp_span_quoted(db), db.data);
}

/* ---- hosts -------------------------------------------------------------------------------- */

static int parse_port(mp_url_parser *p, mp_span port, mp_url *url) {
  if (!port.data) return MOONPOOL_OK;
  long number = mp_span_number(port, 65535);
  if (number < 1)
    return mp_url_fail(p, MOONPOOL_EARG,
                       "bad URL: the port after \"%.*s\" is not a number from 1 to 65535",
                       MP_URL_MAX_QUOTED, url->host);
  url->port = (uint16_t)number;
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
static int take_ipv6(mp_url_parser *p, mp_span *authority, mp_url *url) {
  mp_span host = mp_span_from(*authority, 1), rest = mp_span_split(&host, ']');
  if (!rest.data) return mp_url_fail(p, MOONPOOL_EARG, "bad URL: no ] after the IPv6 address");
  if (rest.len && rest.data[0] != ':')
    return mp_url_fail(p, MOONPOOL_EARG, "bad URL: something other than a port follows the ]");
  *authority = rest;
  int status = mp_url_decode(p, host, "the IPv6 address", &url->host);
  if (status || is_ipv6(url->host)) return status;
  return mp_url_fail(p, MOONPOOL_EARG, "bad URL: what is in the brackets is no IPv6 address");
}

static int check_host(mp_url_parser *p, mp_span host) {
  if (!host.len) return mp_url_fail(p, MOONPOOL_EARG, "bad URL: no host");
  if (host.len > MAX_HOST)
    return mp_url_fail(p, MOONPOOL_EARG, "bad URL: the host is longer than %d bytes", MAX_HOST);
  for (size_t i = 0; i < host.len; i++)
    if (!is_host_byte(host.data[i]))
      return mp_url_fail(p, MOONPOOL_EARG, "bad URL: '%c' in the host", host.data[i]);
  return MOONPOOL_OK;
}

static int set_address(mp_url_parser *p, mp_url *url) {
  size_t size = strlen(url->host) + sizeof "[]:65535";
  url->address = mp_alloc(p->allocator, size);
  if (!url->address) return mp_url_fail_nomem(p);
  snprintf(url->address, size, strchr(url->host, ':') ? "[%s]:%u" : "%s:%u", url->host,
           (unsigned)url->port);
  return MOONPOOL_OK;
}

static int parse_name(mp_url_parser *p, mp_span name, mp_url *url) {
  mp_span port = mp_span_split(&name, ':');
  if (port.len && mp_span_find(port, ':') < port.len)
    return mp_url_fail(p, MOONPOOL_EARG,
                       "bad URL: more than one ':' after the host; an IPv6 address "
                       "needs brackets, as in [::1]:6379");
  int status = check_host(p, name);
  if (status) return status;
  url->host = mp_strndup(p->allocator, name.data, name.len);
  return url->host ? parse_port(p, port, url) : mp_url_fail_nomem(p);
}

static int parse_address(mp_url_parser *p, mp_span text, mp_url *url) {
  int status = take_ipv6(p, &text, url);
  if (status) return status;
  return parse_port(p, text.len ? mp_span_from(text, 1) : (mp_span){NULL, 0}, url);
}

int mp_url_parse_host(mp_url_parser *p, mp_span text, mp_url *url, uint16_t default_port) {
  url->port = default_port;
  int is_address = text.len && text.data[0] == '[';
  int status = is_address ? parse_address(p, text, url) : parse_name(p, text, url);
  return status ? status : set_address(p, url);
}

/* ---- the server that another one names ---------------------------------------------------- */

static int copy_text(mp_url_parser *p, const char *text, char **to) {
  if (!text) return MOONPOOL_OK;
  *to = mp_strndup(p->allocator, text, strlen(text));
  return *to ? MOONPOOL_OK : MOONPOOL_ENOMEM;
}

static int copy_host(mp_url_parser *p, moonpool_bytes host, mp_url *url) {
  if (host.len == 0 || host.len > MAX_HOST || memchr(host.data, 0, host.len)) return MOONPOOL_EARG;
  url->host = mp_strndup(p->allocator, host.data, host.len);
  if (!url->host) return MOONPOOL_ENOMEM;
  return is_ipv6(url->host) ? MOONPOOL_OK : check_host(p, host);
}

int mp_url_at(mp_url *url, const moonpool_allocator *allocator, const mp_url *like,
              moonpool_bytes host, uint16_t port) {
  mp_url_parser p = {url, allocator, NULL, 0};
  *url = (mp_url){.port = port, .tls = like->tls, .db = like->db};
  int status = port ? copy_host(&p, host, url) : MOONPOOL_EARG;
  if (!status) status = copy_text(&p, like->username, &url->username);
  if (!status) status = copy_text(&p, like->password, &url->password);
  if (!status) status = set_address(&p, url);
  if (status) mp_url_free(url, allocator);
  return status;
}
