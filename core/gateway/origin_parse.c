#include "origin_parse.h"

#include <string.h>
#include <uv.h>

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

int gw_origin_equal(moonpool_bytes a, moonpool_bytes b) {
  if (a.len != b.len) return 0;
  for (size_t i = 0; i < a.len; i++)
    if (lower(a.data[i]) != lower(b.data[i])) return 0;
  return 1;
}

static int is_word(moonpool_bytes text, const char *word) {
  return gw_origin_equal(text, (moonpool_bytes){word, strlen(word)});
}

unsigned gw_origin_port_of(moonpool_bytes scheme) {
  if (is_word(scheme, "https") || is_word(scheme, "wss")) return 443;
  return is_word(scheme, "http") || is_word(scheme, "ws") ? 80 : 0;
}

static int is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static int is_scheme(moonpool_bytes text) {
  if (text.len == 0 || !is_alphanumeric(text.data[0]) || text.data[0] <= '9') return 0;
  for (size_t i = 1; i < text.len; i++) {
    char c = text.data[i];
    if (!is_alphanumeric(c) && c != '+' && c != '-' && c != '.') return 0;
  }
  return 1;
}

/* How many bytes of a host lie at the beginning: a name, an IPv4 address, or "[...]". */
static size_t host_length(moonpool_bytes text) {
  size_t i = 0;
  if (text.len && text.data[0] == '[') {
    for (i = 1; i < text.len &&
                (is_alphanumeric(text.data[i]) || text.data[i] == ':' || text.data[i] == '.');)
      i++;
    return i < text.len && text.data[i] == ']' ? i + 1 : 0;
  }
  while (i < text.len && (is_alphanumeric(text.data[i]) || text.data[i] == '-' ||
                          text.data[i] == '.' || text.data[i] == '_'))
    i++;
  return i;
}

/* ":8443", or nothing, which leaves *port as it is. */
static int parse_port(moonpool_bytes text, unsigned *port) {
  unsigned number = 0;
  if (text.len == 0) return 1;
  if (text.len < 2 || text.len > 6 || text.data[0] != ':') return 0;
  for (size_t i = 1; i < text.len; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return 0;
    number = number * 10 + (unsigned)(text.data[i] - '0');
  }
  *port = number;
  return number > 0 && number <= 65535;
}

int gw_origin_parse_host(moonpool_bytes text, gw_origin *host) {
  size_t len = host_length(text);
  *host = (gw_origin){.host = {text.data, len}};
  return len > 0 && parse_port((moonpool_bytes){text.data + len, text.len - len}, &host->port);
}

int gw_origin_parse(moonpool_bytes text, gw_origin *origin) {
  const char *colon = text.len ? memchr(text.data, ':', text.len) : NULL;
  moonpool_bytes scheme = {text.data, colon ? (size_t)(colon - text.data) : 0};
  if (!is_scheme(scheme) || text.len - scheme.len < 4 || memcmp(colon, "://", 3) != 0) return 0;
  moonpool_bytes rest = {colon + 3, text.len - scheme.len - 3};
  if (!gw_origin_parse_host(rest, origin)) return 0;
  origin->scheme = scheme;
  if (!origin->port) origin->port = gw_origin_port_of(scheme);
  return 1;
}

int gw_origin_is_loopback(moonpool_bytes host) {
  static const char name[] = "localhost";
  char text[16];
  unsigned char address[4];
  size_t len = sizeof name - 1;
  if (host.len > len + 1 && host.data[host.len - len - 1] == '.')
    host = (moonpool_bytes){host.data + host.len - len, len};
  if (is_word(host, name) || is_word(host, "[::1]")) return 1;
  if (host.len >= sizeof text || host.len == 0) return 0;
  memcpy(text, host.data, host.len);
  text[host.len] = '\0';
  return uv_inet_pton(AF_INET, text, address) == 0 && address[0] == 127;
}
