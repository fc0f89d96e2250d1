/* Options: their defaults, and the gateway's own copy of them, checked. */
#include <stdio.h>

#include "gateway.h"
#include "mem.h"

enum { MIN_SECRET = 32 }; /* bytes, as RFC 7518, 3.2 asks of HS256 */

void moonpool_gateway_options_init(moonpool_gateway_options *o) {
  *o = (moonpool_gateway_options){.max_connections = 20000,
                                  .max_header = 16384,
                                  .max_headers = 100,
                                  .header_timeout = 10000,
                                  .request_timeout = 30000,
                                  .max_rooms = 100,
                                  .max_members = 100000,
                                  .max_message = 65536,
                                  .max_fragments = 1024,
                                  .messages_per_second = 50,
                                  .pings_per_second = 10,
                                  .max_requests = 256,
                                  .max_queue = 1024 * 1024,
                                  .ping = 25000,
                                  .idle = 60000,
                                  .auth_timeout = 10000,
                                  .close_timeout = 2000,
                                  .typing = 1000,
                                  .query_timeout = 10000};
}

/* ---- checks ------------------------------------------------------------------------------- */

static int refuse(char *message, size_t size, const char *why) {
  snprintf(message, size, "%s", why);
  return MOONPOOL_EARG;
}

static int check(const moonpool_gateway_options *o, char *message, size_t size) {
  if (o->secret.data && o->secret.len < MIN_SECRET)
    return refuse(message, size, "secret: shorter than 32 bytes, which HS256 needs");
  if (o->secret.data && o->judges[MOONPOOL_GATEWAY_AUTHENTICATE])
    return refuse(message, size, "secret and a judge of AUTHENTICATE: only one of them can decide");
  if (!o->tls_cert_file != !o->tls_key_file)
    return refuse(message, size, "tls_cert_file and tls_key_file: neither does without the other");
  if (!(o->messages_per_second >= 0) || !(o->pings_per_second >= 0))
    return refuse(message, size, "messages_per_second, pings_per_second: below 0, or no number");
  if (o->ping && o->idle && o->idle <= o->ping)
    return refuse(message, size, "idle: not above ping, so that no pong could come in time");
  return MOONPOOL_OK;
}

/* ---- the copy ----------------------------------------------------------------------------- */

static int copy_string(const moonpool_allocator *allocator, const char **text) {
  if (!*text) return 1;
  *text = mp_strndup(allocator, *text, strlen(*text));
  return *text != NULL;
}

static void free_strings(const moonpool_allocator *allocator, const char *const *list,
                         size_t count) {
  for (size_t i = 0; list && i < count; i++) mp_free(allocator, (char *)list[i]);
  mp_free(allocator, (void *)list);
}

static int copy_strings(const moonpool_allocator *allocator, const char *const **list,
                        size_t count) {
  const char *const *from = *list;
  *list = NULL;
  if (!from) return 1;
  const char **to = mp_calloc(allocator, (count + 1) * sizeof *to);
  if (!to) return 0;
  *list = to;
  for (size_t i = 0; i < count; i++) {
    to[i] = from[i];
    if (!copy_string(allocator, &to[i])) return 0;
  }
  return 1;
}

static int copy_rules(const moonpool_allocator *allocator, moonpool_gateway_options *o) {
  const moonpool_overflow_rule *from = o->overflow;
  o->overflow = NULL;
  if (!from) return 1;
  moonpool_overflow_rule *to = mp_calloc(allocator, (o->overflow_count + 1) * sizeof *to);
  if (!to) return 0;
  o->overflow = to;
  for (size_t i = 0; i < o->overflow_count; i++) {
    to[i] = from[i];
    if (!copy_string(allocator, &to[i].pattern)) return 0;
  }
  return 1;
}

static int copy_room(const moonpool_allocator *allocator, moonpool_gateway_options *o) {
  if (!o->room) return 1;
  moonpool_room_options *room = mp_alloc(allocator, sizeof *room);
  if (room) *room = *o->room;
  o->room = room;
  return room && copy_string(allocator, &room->backlog);
}

/* All that points elsewhere is replaced before the first copy is made, so that whatever fails, what
 * is there is ours. */
static int copy(const moonpool_allocator *a, moonpool_gateway_options *to,
                const moonpool_gateway_options *from) {
  *to = *from;
  to->secret.data = to->tls_cert_file = to->tls_key_file = NULL;
  to->origins = to->proxies = NULL;
  to->overflow = NULL;
  to->room = NULL;
  if (from->secret.data && !(to->secret.data = mp_strndup(a, from->secret.data, from->secret.len)))
    return 0;
  to->tls_cert_file = from->tls_cert_file;
  if (!copy_string(a, &to->tls_cert_file)) return 0;
  to->tls_key_file = from->tls_key_file;
  if (!copy_string(a, &to->tls_key_file)) return 0;
  to->origins = from->origins;
  if (!copy_strings(a, &to->origins, to->origin_count)) return 0;
  to->proxies = from->proxies;
  if (!copy_strings(a, &to->proxies, to->proxy_count)) return 0;
  to->overflow = from->overflow;
  if (!copy_rules(a, to)) return 0;
  to->room = from->room;
  return copy_room(a, to);
}

int gw_options_copy(moonpool_gateway *g, const moonpool_gateway_options *options, char *message,
                    size_t size) {
  int status = check(options, message, size);
  if (status) return status;
  return copy(g->allocator, &g->options, options) ? MOONPOOL_OK : MOONPOOL_ENOMEM;
}

void gw_options_free(moonpool_gateway *g) {
  const moonpool_allocator *a = g->allocator;
  moonpool_gateway_options *o = &g->options;
  mp_free(a, (char *)o->secret.data);
  mp_free(a, (char *)o->tls_cert_file);
  mp_free(a, (char *)o->tls_key_file);
  free_strings(a, o->origins, o->origin_count);
  free_strings(a, o->proxies, o->proxy_count);
  for (size_t i = 0; o->overflow && i < o->overflow_count; i++)
    mp_free(a, (char *)o->overflow[i].pattern);
  mp_free(a, (void *)o->overflow);
  if (o->room) mp_free(a, (char *)o->room->backlog);
  mp_free(a, (void *)o->room);
}
