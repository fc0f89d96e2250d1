#include "origins.h"

#include <stdio.h>

#include "mem.h"
#include "origin_parse.h"

struct gw_origins {
  int is_any;  /* "*" */
  int is_open; /* nobody is asked for a token */
  size_t count;
  gw_origin list[]; /* borrowed from the gateway's options */
};

static int is_any(const moonpool_gateway_options *options) {
  for (size_t i = 0; i < options->origin_count; i++)
    if (!strcmp(options->origins[i], "*")) return 1;
  return 0;
}

static int refuse(char *message, size_t size, const char *entry) {
  if (message)
    snprintf(
        message, size,
        "origins: \"%.100s\" is no origin: \"https://example.org\", with a port when it is not "
        "the scheme's, and nothing behind it; or \"*\"",
        entry);
  return MOONPOOL_EARG;
}

int gw_origins_new(moonpool_gateway *gateway, char *message, size_t size) {
  const moonpool_gateway_options *options = &gateway->options;
  size_t count = options->origins ? options->origin_count : 0;
  gw_origins *origins =
      mp_calloc(gateway->allocator, sizeof *origins + count * sizeof *origins->list);
  if (!origins) return MOONPOOL_ENOMEM;
  gateway->origins = origins;
  origins->is_any = count > 0 && is_any(options);
  origins->is_open = !options->secret.data && !options->judges[MOONPOOL_GATEWAY_AUTHENTICATE];
  for (; origins->count < count; origins->count++) {
    const char *entry = options->origins[origins->count];
    if (gw_origin_parse((moonpool_bytes){entry, strlen(entry)}, &origins->list[origins->count]) ||
        !strcmp(entry, "*"))
      continue;
    gw_origins_free(gateway);
    return refuse(message, size, entry);
  }
  return MOONPOOL_OK;
}

void gw_origins_free(moonpool_gateway *gateway) {
  mp_free(gateway->allocator, gateway->origins);
  gateway->origins = NULL;
}

static int is_listed(const gw_origins *origins, const gw_origin *origin) {
  for (size_t i = 0; i < origins->count; i++) {
    const gw_origin *entry = &origins->list[i];
    if (entry->port == origin->port && gw_origin_equal(entry->scheme, origin->scheme) &&
        gw_origin_equal(entry->host, origin->host))
      return 1;
  }
  return 0;
}

/* Behind a proxy the port of a Host without one is not ours but that of the page's scheme. */
static int is_same(const gw_origin *origin, moonpool_bytes host_header, int is_tls) {
  static const moonpool_bytes http = {"http", 4}, https = {"https", 5};
  gw_origin host;
  if (!gw_origin_equal(origin->scheme, https) && (is_tls || !gw_origin_equal(origin->scheme, http)))
    return 0;
  if (!gw_origin_parse_host(host_header, &host)) return 0;
  unsigned port = host.port ? host.port : gw_origin_port_of(origin->scheme);
  return port == origin->port && gw_origin_equal(host.host, origin->host);
}

static int is_foreign_name(const gw_origins *origins, moonpool_bytes host_header) {
  gw_origin host;
  if (!origins->is_open || !host_header.data || host_header.len == 0) return 0;
  if (!gw_origin_parse_host(host_header, &host)) return 1;
  if (gw_origin_is_loopback(host.host)) return 0;
  for (size_t i = 0; i < origins->count; i++)
    if (gw_origin_equal(origins->list[i].host, host.host)) return 0;
  return 1;
}

int gw_origins_allow(const gw_origins *origins, moonpool_bytes origin_header, moonpool_bytes host,
                     int is_tls) {
  gw_origin origin;
  if (origins->is_any) return 1;
  if (is_foreign_name(origins, host)) return 0;
  if (!origin_header.data) return 1;
  if (!gw_origin_parse(origin_header, &origin)) return 0;
  return origins->count ? is_listed(origins, &origin) : is_same(&origin, host, is_tls);
}
