#include "proxies.h"

#include <stdio.h>
#include <stdlib.h>

#include "mem.h"

/* IPv4 as IPv6 has it: ::ffff:0:0/96 */
typedef struct block {
  unsigned char address[16];
  unsigned bits;
} block;

struct gw_proxies {
  int is_unix; /* who comes through a Unix socket is one */
  size_t count;
  block list[];
};

static const char unix_name[] = "unix";

static int is_unix(moonpool_bytes text) {
  return text.len == sizeof unix_name - 1 && !memcmp(text.data, unix_name, text.len);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static moonpool_bytes without_zone(moonpool_bytes text) {
  const char *zone = text.len ? memchr(text.data, '%', text.len) : NULL;
  return zone ? (moonpool_bytes){text.data, (size_t)(zone - text.data)} : text;
}

static int parse_address(moonpool_bytes text, unsigned char address[16], int *is_v4) {
  char copy[46];
  text = without_zone(text);
  if (text.len == 0 || text.len >= sizeof copy) return 0;
  memcpy(copy, text.data, text.len);
  copy[text.len] = '\0';
  memset(address, 0, 16);
  memset(address + 10, 0xff, 2);
  *is_v4 = uv_inet_pton(AF_INET, copy, address + 12) == 0;
  return *is_v4 || uv_inet_pton(AF_INET6, copy, address) == 0;
}

/* "::ffff:10.0.0.1" as "10.0.0.1". */
static moonpool_bytes undressed(moonpool_bytes text) {
  static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  unsigned char address[16];
  int is_v4;
  const char *dot = text.len ? memchr(text.data, '.', text.len) : NULL;
  if (!dot || !parse_address(text, address, &is_v4) || is_v4 || memcmp(address, mapped, 12) != 0)
    return text;
  while (dot > text.data && dot[-1] != ':') dot--;
  return (moonpool_bytes){dot, text.len - (size_t)(dot - text.data)};
}

/* "10.0.0.1:4711", "[::1]" and "[::1]:4711" as some proxies write them, without what is around the
 * address. */
static moonpool_bytes without_port(moonpool_bytes text) {
  char mark = text.len && text.data[0] == '[' ? ']' : ':';
  const char *end = text.len ? memchr(text.data, mark, text.len) : NULL;
  if (!end) return text;
  if (mark == ']') return (moonpool_bytes){text.data + 1, (size_t)(end - text.data) - 1};
  size_t left = text.len - (size_t)(end - text.data) - 1;
  return memchr(end + 1, ':', left) ? text : (moonpool_bytes){text.data, text.len - left - 1};
}

/* ---- the list -------------------------------------------------------------------------------- */

/* The number behind the slash; `max` when there is no slash. */
static int parse_bits(const char *slash, unsigned max, unsigned *bits) {
  *bits = max;
  if (!slash) return 1;
  size_t len = strlen(++slash);
  if (len < 1 || len > 3 || strspn(slash, "0123456789") != len) return 0;
  *bits = (unsigned)strtoul(slash, NULL, 10);
  return *bits <= max;
}

static int parse_block(const char *text, block *out) {
  const char *slash = strchr(text, '/');
  size_t len = slash ? (size_t)(slash - text) : strlen(text);
  int is_v4;
  if (!parse_address((moonpool_bytes){text, len}, out->address, &is_v4)) return 0;
  if (!parse_bits(slash, is_v4 ? 32 : 128, &out->bits)) return 0;
  if (is_v4) out->bits += 96;
  return 1;
}

static int is_in(const block *b, const unsigned char address[16]) {
  unsigned whole = b->bits / 8, rest = b->bits % 8;
  if (memcmp(b->address, address, whole) != 0) return 0;
  return !rest || (b->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

static int refuse(char *message, size_t size, const char *entry) {
  if (message)
    snprintf(message, size,
             "proxies: \"%.100s\" is no address (\"10.0.0.1\", \"::1\"), no block "
             "(\"10.0.0.0/8\") and not \"unix\"",
             entry);
  return MOONPOOL_EARG;
}

int gw_proxies_new(moonpool_gateway *gateway, char *message, size_t size) {
  const moonpool_gateway_options *options = &gateway->options;
  size_t count = options->proxies ? options->proxy_count : 0;
  gw_proxies *proxies =
      mp_calloc(gateway->allocator, sizeof *proxies + count * sizeof *proxies->list);
  if (!proxies) return MOONPOOL_ENOMEM;
  gateway->proxies = proxies;
  for (size_t i = 0; i < count; i++) {
    const char *entry = options->proxies[i];
    if (!strcmp(entry, unix_name)) {
      proxies->is_unix = 1;
    } else if (parse_block(entry, &proxies->list[proxies->count])) {
      proxies->count++;
    } else {
      gw_proxies_free(gateway);
      return refuse(message, size, entry);
    }
  }
  return MOONPOOL_OK;
}

void gw_proxies_free(moonpool_gateway *gateway) {
  mp_free(gateway->allocator, gateway->proxies);
  gateway->proxies = NULL;
}

static int is_trusted(const gw_proxies *proxies, moonpool_bytes text) {
  unsigned char address[16];
  int is_v4;
  if (!parse_address(text, address, &is_v4)) return 0;
  for (size_t i = 0; i < proxies->count; i++)
    if (is_in(&proxies->list[i], address)) return 1;
  return 0;
}

/* ---- the client ------------------------------------------------------------------------------ */

static int is_space(char c) {
  return c == ' ' || c == '\t';
}

/* Cuts the last element off the list; blank ones are elements, too. 0: the list is empty. */
static int cut_last(moonpool_bytes *list, moonpool_bytes *last) {
  if (!list->data) return 0;
  const char *begin = list->data, *end = begin + list->len, *at = end;
  while (at > begin && at[-1] != ',') at--;
  *list = at > begin ? (moonpool_bytes){begin, (size_t)(at - begin) - 1} : (moonpool_bytes){0};
  while (at < end && is_space(*at)) at++;
  while (end > at && is_space(end[-1])) end--;
  *last = (moonpool_bytes){at, (size_t)(end - at)};
  return 1;
}

int gw_proxies_client(const gw_proxies *proxies, moonpool_bytes peer, moonpool_bytes forwarded_for,
                      moonpool_bytes *address) {
  unsigned char parsed[16];
  moonpool_bytes hop;
  int is_v4, is_believed = 0;
  *address = undressed(peer);
  if (!(is_unix(peer) ? proxies->is_unix : is_trusted(proxies, peer))) return 0;
  while (cut_last(&forwarded_for, &hop)) {
    hop = without_port(hop);
    if (!parse_address(hop, parsed, &is_v4)) break;
    *address = undressed(hop);
    is_believed = 1;
    if (!is_trusted(proxies, hop)) break;
  }
  return is_believed;
}
