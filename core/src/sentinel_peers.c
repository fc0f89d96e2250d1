/* Which sentinels are known: those of the client's URL, and as many of those that they name as
 * there is room for. */
#include "sentinel_private.h"

static int add(mp_sentinel *s, moonpool_bytes host, uint16_t port, int is_given) {
  mp_peer *peer = &s->peers[s->peer_count];
  int status = mp_url_at(&peer->url, s->allocator, &s->like, host, port);
  if (status != MOONPOOL_OK) return status;
  peer->is_given = is_given;
  peer->seen = s->locator.round;
  s->peer_count++;
  return MOONPOOL_OK;
}

int mp_peers_init(mp_sentinel *s) {
  int status = MOONPOOL_OK;
  for (size_t i = 0; status == MOONPOOL_OK && i < s->url->sentinel_count; i++) {
    const mp_url *url = &s->url->sentinels[i];
    status = add(s, (moonpool_bytes){url->host, strlen(url->host)}, url->port, 1);
  }
  return status;
}

static void forget(mp_sentinel *s, size_t i) {
  mp_url_free(&s->peers[i].url, s->allocator);
  s->peer_count--;
  memmove(&s->peers[i], &s->peers[i + 1], (s->peer_count - i) * sizeof *s->peers);
}

void mp_peers_free(mp_sentinel *s) {
  while (s->peer_count) forget(s, s->peer_count - 1);
}

void mp_peers_see(mp_sentinel *s, moonpool_bytes host, uint16_t port) {
  for (size_t i = 0; i < s->peer_count; i++) {
    const mp_url *url = &s->peers[i].url;
    if (url->port != port || strlen(url->host) != host.len) continue;
    if (memcmp(url->host, host.data, host.len) != 0) continue;
    s->peers[i].seen = s->locator.round;
    return;
  }
  if (s->peer_count < MP_MAX_PEERS) add(s, host, port, 0); /* without memory: not this time */
}

void mp_peers_sort(mp_sentinel *s, size_t best) {
  mp_peer first = s->peers[best];
  memmove(&s->peers[1], &s->peers[0], best * sizeof *s->peers);
  s->peers[0] = first;
  for (size_t i = s->peer_count; i > 1; i--) {
    const mp_peer *peer = &s->peers[i - 1];
    if (!peer->is_given && peer->seen != s->locator.round) forget(s, i - 1);
  }
}
