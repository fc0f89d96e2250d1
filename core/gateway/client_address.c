/* Whose connection it is: its peer's, or, when that is a proxy that is trusted, that of the client
 * which X-Forwarded-For names. */
#include "addresses.h"
#include "bind.h"
#include "http.h"
#include "proxies.h"

static moonpool_bytes peer_of(const gw_conn *c, char *text, size_t size) {
  struct sockaddr_storage peer = {0};
  socklen_t len = sizeof peer;
  text[0] = '\0';
  if (!getpeername(c->fd, (struct sockaddr *)&peer, &len))
    gw_bind_host((struct sockaddr *)&peer, text, size);
  return (moonpool_bytes){text, strlen(text)};
}

/* All of the headers' values, as one list. Without memory: none, so that the proxy is the client.
 */
static moonpool_bytes forwarded(const gw_http *h, mp_buf *joined) {
  const gw_field *fields = (const gw_field *)h->fields.data;
  for (size_t i = 0; i < h->fields.len / sizeof *fields; i++) {
    moonpool_bytes name = {h->head.data + fields[i].name, fields[i].name_len};
    if (!gw_http_is(name, "x-forwarded-for")) continue;
    if (joined->len && mp_buf_append(joined, ",", 1)) return (moonpool_bytes){NULL, 0};
    if (mp_buf_append(joined, h->head.data + fields[i].value, fields[i].value_len))
      return (moonpool_bytes){NULL, 0};
  }
  return (moonpool_bytes){joined->len ? joined->data : NULL, joined->len};
}

static int is_proxy(const gw_conn *c, moonpool_bytes peer) {
  moonpool_bytes address, any = {"192.0.2.1", 9};
  return gw_proxies_client(c->server->gateway->proxies, peer, any, &address);
}

int gw_client_accept(gw_conn *c) {
  return is_proxy(c, gw_conn_address(c)) || gw_addresses_enter(c);
}

int gw_client_find(gw_conn *c) {
  char text[GW_ADDRESS_SIZE];
  if (!gw_conn_options(c)->proxy_count) return 1;
  moonpool_bytes peer = peer_of(c, text, sizeof text), address;
  if (!is_proxy(c, peer)) return 1;
  mp_buf joined;
  mp_buf_init(&joined, gw_conn_allocator(c));
  gw_addresses_leave(c);
  gw_proxies_client(c->server->gateway->proxies, peer, forwarded(c->http, &joined), &address);
  size_t len = address.len < sizeof c->address - 1 ? address.len : sizeof c->address - 1;
  memcpy(c->address, address.data, len);
  c->address[len] = '\0';
  mp_buf_free(&joined);
  return gw_addresses_enter(c);
}
