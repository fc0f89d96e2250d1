/* Takes Redis URLs apart. Every string of the result is the caller's. */
#include "url_private.h"

#include <stddef.h>
#include <stdio.h>
#include <strings.h>
#include <sys/un.h>

enum { REDIS_PORT = 6379, SENTINEL_PORT = 26379, MAX_SERVICE = 255 };

/* ---- queries ------------------------------------------------------------------------------- */

typedef struct option {
  const char *name;
  int (*is_known)(const mp_url *url); /* to a URL of that kind */
  int (*take)(mp_url_parser *p, mp_span value);
  size_t string; /* where in mp_url its value is kept, if there is no `take` */
} option;

static int is_unix(const mp_url *url) {
  return url->path != NULL;
}

static int is_of_sentinels(const mp_url *url) {
  return url->service != NULL;
}

static int has_tls(const mp_url *url) {
  return url->tls;
}

static int take_tls_verify(mp_url_parser *p, mp_span value) {
  p->url->tls_no_verify = mp_span_is(value, "false");
  if (p->url->tls_no_verify || mp_span_is(value, "true")) return MOONPOOL_OK;
  return mp_url_fail(p, MOONPOOL_EARG, "bad URL: tls_verify is neither true nor false");
}

#define STRING(field, is_known)                                                                    \
  { #field, is_known, NULL, offsetof(mp_url, field) }

static const option options[] = {
    {"db", is_unix, mp_url_parse_db, 0},
    STRING(sentinel_username, is_of_sentinels),
    STRING(sentinel_password, is_of_sentinels),
    STRING(tls_ca_file, has_tls),
    STRING(tls_ca_dir, has_tls),
    STRING(tls_cert_file, has_tls),
    STRING(tls_key_file, has_tls),
    STRING(tls_server_name, has_tls),
    {"tls_verify", has_tls, take_tls_verify, 0},
};

enum { OPTION_COUNT = sizeof options / sizeof *options };

/* The index of the option that this URL may have, or OPTION_COUNT. */
static unsigned find_option(const mp_url *url, mp_span key) {
  unsigned i = 0;
  for (; i < OPTION_COUNT; i++) {
    const option *o = &options[i];
    if (mp_span_is(key, o->name) && o->is_known(url)) break;
  }
  return i;
}

static int refuse_option(mp_url_parser *p, mp_span key) {
  int is_of_tls = key.len > 4 && !memcmp(key.data, "tls_", 4) && !p->url->tls;
  return mp_url_fail(p, MOONPOOL_EARG, "bad URL: unknown option \"%.*s\" in the query%s",
                     mp_span_quoted(key), key.data, is_of_tls ? "; TLS is rediss://" : "");
}

static int take_option(mp_url_parser *p, const option *o, mp_span value) {
  char **string = (char **)((char *)p->url + o->string);
  return o->take ? o->take(p, value) : mp_url_decode(p, value, o->name, string);
}

/* "key=value&key=value". Values may be secrets, keys are not. */
static int parse_query(mp_url_parser *p, mp_span query) {
  unsigned taken = 0;
  int status = MOONPOOL_OK;
  while (!status && query.data) {
    mp_span rest = mp_span_split(&query, '&'), key = query, value = mp_span_split(&key, '=');
    unsigned i = find_option(p->url, key);
    if (query.len && (i == OPTION_COUNT || !value.data)) return refuse_option(p, key);
    if (query.len && (taken & 1u << i))
      return mp_url_fail(p, MOONPOOL_EARG, "bad URL: option \"%s\" is there twice",
                         options[i].name);
    if (query.len) {
      taken |= 1u << i;
      status = take_option(p, &options[i], value);
    }
    query = rest;
  }
  return status;
}

/* ---- schemes ------------------------------------------------------------------------------ */

/* An '@' after the hosts means that what looked like the first of them is a user name. */
static int check_no_at(mp_url_parser *p, mp_span path, mp_span query) {
  if (mp_span_find(query, '@') == query.len && mp_span_find(path, '@') == path.len)
    return MOONPOOL_OK;
  return mp_url_fail(p, MOONPOOL_EARG,
                     "bad URL: '@' after the host: in a user name or password, '/' "
                     "is written as %%2F, '?' as %%3F and '@' as %%40");
}

/* What follows "redis://": [user:password@]host[:port][/db]. */
static int parse_redis(mp_url_parser *p, mp_span rest) {
  mp_span query = mp_span_split(&rest, '?'), db = mp_span_split(&rest, '/');
  int status = check_no_at(p, db, query);
  if (!status) status = mp_url_take_userinfo(p, &rest);
  if (!status) status = mp_url_parse_host(p, rest, p->url, REDIS_PORT);
  if (!status && db.len) status = mp_url_parse_db(p, db);
  return status ? status : parse_query(p, query);
}

static int parse_rediss(mp_url_parser *p, mp_span rest) {
  p->url->tls = 1;
  return parse_redis(p, rest);
}

/* "host[:port],host[:port],…". */
static int parse_sentinels(mp_url_parser *p, mp_span hosts) {
  size_t count = 1;
  for (size_t i = 0; i < hosts.len; i++) count += hosts.data[i] == ',';
  if (count > MP_URL_MAX_SENTINELS)
    return mp_url_fail(p, MOONPOOL_EARG, "bad URL: more than %d sentinels", MP_URL_MAX_SENTINELS);
  p->url->sentinels = mp_calloc(p->allocator, count * sizeof *p->url->sentinels);
  if (!p->url->sentinels) return mp_url_fail_nomem(p);
  for (size_t i = 0; i < count; i++) {
    mp_span rest = mp_span_split(&hosts, ',');
    p->url->sentinel_count = i + 1;
    int status = mp_url_parse_host(p, hosts, &p->url->sentinels[i], SENTINEL_PORT);
    if (status) return status;
    hosts = rest;
  }
  return MOONPOOL_OK;
}

static int parse_service(mp_url_parser *p, mp_span service) {
  if (!service.len)
    return mp_url_fail(p, MOONPOOL_EARG,
                       "bad URL: no service; the master's name follows the sentinels, as in "
                       "redis+sentinel://host1,host2/mymaster");
  if (service.len > MAX_SERVICE)
    return mp_url_fail(p, MOONPOOL_EARG, "bad URL: the service is longer than %d bytes",
                       MAX_SERVICE);
  int status = mp_url_decode(p, service, "the service", &p->url->service);
  if (status) return status;
  for (const char *at = p->url->service; *at; at++)
    if (mp_is_control(*at) || *at == ' ')
      return mp_url_fail(p, MOONPOOL_EARG, "bad URL: the service has a space or control character");
  return MOONPOOL_OK;
}

/* What follows "redis+sentinel://": [user:password@]host[:port],host[:port].../service[/db]. */
static int parse_of_sentinels(mp_url_parser *p, mp_span rest) {
  mp_span query = mp_span_split(&rest, '?'), service = mp_span_split(&rest, '/');
  int status = check_no_at(p, service, query);
  mp_span db = mp_span_split(&service, '/');
  if (!status) status = mp_url_take_userinfo(p, &rest);
  if (!status) status = parse_sentinels(p, rest);
  if (!status) status = parse_service(p, service);
  if (!status && db.len) status = mp_url_parse_db(p, db);
  return status ? status : parse_query(p, query);
}

static int parse_of_sentinels_with_tls(mp_url_parser *p, mp_span rest) {
  p->url->tls = 1;
  return parse_of_sentinels(p, rest);
}

static int parse_socket_path(mp_url_parser *p, mp_span path) {
  const size_t limit = sizeof((struct sockaddr_un *)0)->sun_path - 1;
  int status = mp_url_decode(p, path, "the socket's path", &p->url->path);
  if (status) return status;
  size_t len = strlen(p->url->path);
  if (len > limit)
    return mp_url_fail(p, MOONPOOL_EARG,
                       "bad URL: the socket's path is %zu bytes long; the system allows %zu", len,
                       limit);
  for (size_t i = 0; i < len; i++)
    if (mp_is_control(p->url->path[i]))
      return mp_url_fail(p, MOONPOOL_EARG, "bad URL: the socket's path has a control character");
  return MOONPOOL_OK;
}

/* What follows "unix://": [user:password@]/path[?db=N]. */
static int parse_unix(mp_url_parser *p, mp_span rest) {
  mp_span query = mp_span_split(&rest, '?');
  size_t slash = mp_span_find(rest, '/');
  mp_span authority = {rest.data, slash};
  int status = mp_url_take_userinfo(p, &authority);
  if (status) return status;
  if (authority.len || slash == rest.len)
    return mp_url_fail(p, MOONPOOL_EARG,
                       "bad URL: the socket's path must be absolute, as in "
                       "unix:///run/redis.sock");
  status = parse_socket_path(p, mp_span_from(rest, slash));
  return status ? status : parse_query(p, query);
}

typedef struct scheme {
  const char *name;
  int (*parse)(mp_url_parser *p, mp_span rest);
  const char *missing; /* with no `parse`: what this build lacks */
} scheme;

static const scheme schemes[] = {
    {"redis", parse_redis, NULL},
    {"unix", parse_unix, NULL},
    {"rediss", parse_rediss, NULL},
    {"redis+sentinel", parse_of_sentinels, NULL},
    {"rediss+sentinel", parse_of_sentinels_with_tls, NULL},
    {"redis+cluster", NULL, "Redis Cluster"},
};

static int parse_scheme(mp_url_parser *p, mp_span text) {
  mp_span name = text, rest = mp_span_split(&name, ':');
  int is_named = name.len > 0 && rest.len >= 2 && !memcmp(rest.data, "//", 2);
  for (size_t i = 0; is_named && i < name.len; i++)
    is_named = mp_is_alnum(name.data[i]) || strchr("+-.", name.data[i]);
  if (!is_named)
    return mp_url_fail(p, MOONPOOL_EARG, "bad URL: no scheme; it begins with redis:// or unix://");
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    const scheme *s = &schemes[i];
    if (strlen(s->name) != name.len || strncasecmp(s->name, name.data, name.len)) continue;
    if (s->parse) return s->parse(p, mp_span_from(rest, 2));
    return mp_url_fail(p, MOONPOOL_ENOSUPPORT, "%s:// is not supported: this build has no %s",
                       s->name, s->missing);
  }
  return mp_url_fail(
      p, MOONPOOL_EARG,
      "bad URL: unknown scheme \"%.*s\"; redis, rediss, unix and redis+sentinel are known",
      mp_span_quoted(name), name.data);
}

static int check_bytes(mp_url_parser *p, mp_span text) {
  for (size_t i = 0; i < text.len; i++) {
    if (mp_is_control(text.data[i]))
      return mp_url_fail(p, MOONPOOL_EARG, "bad URL: control character 0x%02X at byte %zu",
                         (unsigned char)text.data[i], i + 1);
    if (text.data[i] == '#')
      return mp_url_fail(p, MOONPOOL_EARG, "bad URL: '#' at byte %zu; it is written as %%23",
                         i + 1);
  }
  return MOONPOOL_OK;
}

/* Of a URL that has no host of its own. */
static int name_address(mp_url_parser *p) {
  const char *prefix = p->url->path ? "unix:" : "sentinel service ";
  const char *name = p->url->path ? p->url->path : p->url->service;
  size_t size = strlen(prefix) + strlen(name) + 1;
  p->url->address = mp_alloc(p->allocator, size);
  if (!p->url->address) return mp_url_fail_nomem(p);
  snprintf(p->url->address, size, "%s%s", prefix, name);
  return MOONPOOL_OK;
}

int mp_url_parse(mp_url *url, const moonpool_allocator *allocator, const char *text, char *message,
                 size_t size) {
  mp_url_parser p = {url, allocator, message, size};
  mp_span all = {text, strlen(text)};
  memset(url, 0, sizeof *url);
  int status = check_bytes(&p, all);
  if (!status) status = parse_scheme(&p, all);
  if (!status && !url->address) status = name_address(&p);
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
  mp_free(allocator, url->service);
  for (unsigned i = 0; i < OPTION_COUNT; i++)
    if (!options[i].take) mp_free(allocator, *(char **)((char *)url + options[i].string));
  for (size_t i = 0; i < url->sentinel_count; i++) mp_url_free(&url->sentinels[i], allocator);
  mp_free(allocator, url->sentinels);
  memset(url, 0, sizeof *url);
}
