/* One attempt at a connection, from the name to the open socket, and its end. Its memory holds
 * libuv's handles, so it goes when the last of them is closed and no name is being resolved any
 * more (`held`): code that has called an event may still look at `phase`, which
 * mp_transport_free sets to MP_ENDED. */
#include "transport_private.h"

#include <assert.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>

#include "socket.h"

/* ---- the end ------------------------------------------------------------------------------ */

void mp_transport_end(mp_transport *t, int status, const char *format, ...) {
  char message[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  t->phase = MP_ENDED;
  mp_deadline_stop(&t->timer);
  if (t->is_polled && !uv_is_closing((uv_handle_t *)&t->poll)) uv_poll_stop(&t->poll);
  t->config.events->on_end(t->config.ctx, status, message);
}

static void free_memory(mp_transport *t) {
  void (*on_gone)(void *ctx) = t->on_gone;
  void *ctx = t->gone_ctx;
  uv_freeaddrinfo(t->resolved);
  mp_buf_free(&t->out);
  mp_free(t->config.allocator, t);
  if (on_gone) on_gone(ctx);
}

/* libuv has let go of one handle or request. The timer is held until mp_transport_free. */
static void let_go(mp_transport *t) {
  if (--t->held == 0) free_memory(t);
}

static void on_timer_closed(uv_handle_t *handle) {
  let_go(handle->data);
}

/* ---- addresses ---------------------------------------------------------------------------- */

static void connect_next(mp_transport *t);

static void on_poll_closed(uv_handle_t *handle) {
  mp_transport *t = handle->data;
  t->is_polled = 0;
  if (t->phase == MP_CONNECTING) connect_next(t);
  let_go(t);
}

static void close_socket(mp_transport *t) {
  if (!t->is_polled || uv_is_closing((uv_handle_t *)&t->poll)) return;
  uv_close((uv_handle_t *)&t->poll, on_poll_closed);
  mp_tls_stream_free(t->tls);
  t->tls = NULL;
  mp_socket_close(t->fd);
}

/* In words, why `tried` was of no use. */
static void write_reason(mp_transport *t, int error, char *reason, size_t size) {
  int is_shaking = t->phase == MP_TLS_HANDSHAKE;
  const char *where = is_shaking ? "TLS handshake: " : "";
  if (error == UV_EPROTO && is_shaking)
    snprintf(reason, size, "%s", mp_tls_reason(t->tls, &t->tls_status));
  else if (error == UV_ETIMEDOUT && t->share)
    snprintf(reason, size, "%sno answer within %" PRIu64 " ms%s", where, t->share,
             is_shaking ? "; a port without TLS takes redis://" : "");
  else if (error == UV_EOF)
    snprintf(reason, size, "%sthe peer closed the connection", where);
  else
    snprintf(reason, size, "%s%s", where, uv_strerror(error));
}

/* Why `tried` was of no use: kept for the message, should all fail. */
static void add_reason(mp_transport *t, int error) {
  char reason[400], ip[64] = "";
  size_t len = strlen(t->reasons);
  write_reason(t, error, reason, sizeof reason);
  if (t->is_named)
    getnameinfo(t->tried->ai_addr, t->tried->ai_addrlen, ip, sizeof ip, NULL, 0, NI_NUMERICHOST);
  snprintf(t->reasons + len, sizeof t->reasons - len, "%s%s%s%s%s", len ? "; " : "", reason,
           *ip ? " (" : "", ip, *ip ? ")" : "");
  t->failure = error;
}

static void attempt_failed(mp_transport *t, int error) {
  mp_deadline_stop(&t->timer);
  add_reason(t, error);
  if (t->tls_status) t->next = NULL;
  t->phase = MP_CONNECTING;
  close_socket(t); /* then on_poll_closed goes on with the next */
}

uint64_t mp_transport_deadline(const mp_transport *t) {
  return mp_deadline_after(t->timer.put_off, t->deadline);
}

/* An even part of what is left of the time, for `tried` and each address after it. */
static void start_share(mp_transport *t) {
  uint64_t now = uv_now(t->config.loop), end = mp_transport_deadline(t), count = 1;
  if (end == UINT64_MAX) return;
  for (const struct addrinfo *info = t->next; info; info = info->ai_next) count++;
  t->share = now < end ? (end - now) / count : 0;
  mp_deadline_watch(&t->timer, t->share ? now + t->share : end);
}

/* Starts on `tried`. Returns 0 or an error of libuv's, then with no socket left. */
static int start_attempt(mp_transport *t) {
  int error = mp_socket_connect(&t->fd, t->tried->ai_addr, t->tried->ai_addrlen);
  if (error) return error;
  error = uv_poll_init(t->config.loop, &t->poll, t->fd);
  if (error) {
    mp_socket_close(t->fd);
    return error;
  }
  t->poll.data = t;
  t->is_polled = 1;
  t->held++;
  uv_poll_start(&t->poll, UV_WRITABLE, mp_transport_on_poll);
  start_share(t);
  return 0;
}

static void connect_next(mp_transport *t) {
  t->phase = MP_CONNECTING;
  while (t->next) {
    t->tried = t->next;
    t->next = t->next->ai_next;
    int error = start_attempt(t);
    if (!error) return;
    add_reason(t, error);
  }
  int status = t->failure == UV_ETIMEDOUT ? MOONPOOL_ETIMEOUT : MOONPOOL_ECONN;
  mp_transport_end(t, t->tls_status ? t->tls_status : status, "connect to %s: %s", t->address,
                   t->reasons);
}

static void opened(mp_transport *t) {
  mp_deadline_stop(&t->timer);
  t->phase = MP_OPEN;
  mp_transport_watch(t);
  t->config.events->on_open(t->config.ctx);
}

/* With a `status` the socket has an error, of which OpenSSL's attempt to use it tells the most. */
static void shake(mp_transport *t, int status) {
  int events, error = mp_tls_shake(t->tls, &events);
  if (error == UV_EAGAIN && status) error = status;
  if (error == UV_EAGAIN)
    uv_poll_start(&t->poll, events, mp_transport_on_poll);
  else if (error)
    attempt_failed(t, error);
  else
    opened(t);
}

static void start_tls(mp_transport *t) {
  t->phase = MP_TLS_HANDSHAKE;
  t->tls = mp_tls_stream_new(t->config.tls, t->fd, t->host);
  if (t->tls)
    shake(t, 0);
  else
    attempt_failed(t, UV_ENOMEM);
}

static void attempt_done(mp_transport *t, int status) {
  int error = mp_socket_outcome(t->fd);
  if (error || status) {
    attempt_failed(t, error ? error : status);
    return;
  }
  if (t->tried != &t->unix_info) mp_socket_tune(t->fd);
  if (t->config.tls)
    start_tls(t);
  else
    opened(t);
}

void mp_transport_on_poll(uv_poll_t *poll, int status, int events) {
  mp_transport *t = poll->data;
  if (t->phase == MP_CONNECTING)
    attempt_done(t, status);
  else if (t->phase == MP_TLS_HANDSHAKE)
    shake(t, status);
  else
    mp_transport_exchange(t, status, events);
}

/* ---- names -------------------------------------------------------------------------------- */

static void resolve_failed(mp_transport *t, int error) {
  int host_len = (int)(strrchr(t->address, ':') - t->address);
  int is_unknown = error == UV_EAI_NONAME || error == UV_EAI_NODATA;
  mp_transport_end(t, MOONPOOL_ECONN, "resolve %.*s: %s", host_len, t->address,
                   is_unknown ? "unknown host" : uv_strerror(error));
}

static void resolve_timed_out(mp_transport *t) {
  int host_len = (int)(strrchr(t->address, ':') - t->address);
  mp_transport_end(t, MOONPOOL_ETIMEOUT, "resolve %.*s: no answer within %" PRIu64 " ms", host_len,
                   t->address, t->timeout);
}

static void on_resolved(uv_getaddrinfo_t *resolver, int status, struct addrinfo *addresses) {
  mp_transport *t = resolver->data;
  t->is_resolving = 0;
  t->resolved = addresses;
  if (t->phase == MP_RESOLVING) {
    mp_deadline_stop(&t->timer);
    t->next = addresses;
    if (status)
      resolve_failed(t, status);
    else
      connect_next(t);
  }
  let_go(t);
}

static void on_start(uv_timer_t *timer) {
  mp_transport *t = timer->data;
  if (t->failure)
    resolve_failed(t, t->failure);
  else
    connect_next(t);
}

static void on_due(void *ctx, uint64_t now) {
  mp_transport *t = ctx;
  (void)now;
  if (t->phase == MP_RESOLVING)
    resolve_timed_out(t);
  else
    attempt_failed(t, UV_ETIMEDOUT);
}

/* An address needs no resolver, and none of libuv's threads, which may all be waiting for names. */
static int parse_literal(mp_transport *t, const char *host, const char *port) {
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
  if (getaddrinfo(host, port, &hints, &t->resolved)) return 0;
  t->next = t->resolved;
  return 1;
}

static int start_tcp(mp_transport *t, const mp_url *url) {
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
  char port[8];
  snprintf(port, sizeof port, "%u", (unsigned)url->port);
  if (parse_literal(t, url->host, port)) return MOONPOOL_OK;
  t->is_named = 1;
  t->resolver.data = t;
  t->failure = uv_getaddrinfo(t->config.loop, &t->resolver, on_resolved, url->host, port, &hints);
  if (t->failure == UV_ENOMEM) return MOONPOOL_ENOMEM;
  if (t->failure) return MOONPOOL_OK; /* such as a name that is too long: on_end will tell */
  t->held++;
  t->is_resolving = 1;
  t->phase = MP_RESOLVING;
  return MOONPOOL_OK;
}

static int start_unix(mp_transport *t, const mp_url *url) {
  size_t len = strlen(url->path);
  if (len >= sizeof t->unix_address.sun_path) return MOONPOOL_EARG;
  t->unix_address.sun_family = AF_UNIX;
  memcpy(t->unix_address.sun_path, url->path, len + 1);
  t->unix_info.ai_addr = (struct sockaddr *)&t->unix_address;
  t->unix_info.ai_addrlen = sizeof t->unix_address;
  t->next = &t->unix_info;
  return MOONPOOL_OK;
}

/* ---- a transport's life ------------------------------------------------------------------- */

static mp_transport *make(const mp_transport_config *config, const mp_url *url, uint64_t timeout) {
  size_t address_size = strlen(url->address) + 1;
  size_t host_size = url->host ? strlen(url->host) + 1 : 0;
  mp_transport *t = mp_calloc(config->allocator, sizeof *t + address_size + host_size);
  if (!t) return NULL;
  memcpy(t->address, url->address, address_size);
  if (url->host) t->host = memcpy(t->address + address_size, url->host, host_size);
  t->config = *config;
  if (!url->tls) t->config.tls = NULL;
  mp_buf_init(&t->out, config->allocator);
  /* The loop's time is from before whatever its program has been doing since. */
  uv_update_time(config->loop);
  uint64_t now = uv_now(config->loop);
  t->timeout = timeout;
  t->deadline = timeout && timeout < UINT64_MAX - now ? now + timeout : UINT64_MAX;
  return t;
}

int mp_transport_open(mp_transport **transport, const mp_transport_config *config,
                      const mp_url *url, uint64_t timeout) {
  *transport = NULL;
  if (url->tls && !config->tls) return MOONPOOL_ENOSUPPORT;
  mp_transport *t = make(config, url, timeout);
  if (!t) return MOONPOOL_ENOMEM;
  int status = url->path ? start_unix(t, url) : start_tcp(t, url);
  if (status) {
    free_memory(t);
    return status;
  }
  mp_deadline_init(&t->timer, config->loop, on_due, t);
  t->timer.timer.data = t;
  t->timer.patience = timeout;
  t->held++;
  if (t->phase == MP_STARTING)
    uv_timer_start(&t->timer.timer, on_start, 0, 0);
  else
    mp_deadline_watch(&t->timer, t->deadline);
  *transport = t;
  return MOONPOOL_OK;
}

void mp_transport_free(mp_transport *t, void (*on_gone)(void *ctx), void *ctx) {
  if (!t) return;
  assert(!uv_is_closing((uv_handle_t *)&t->timer.timer));
  t->phase = MP_ENDED;
  t->on_gone = on_gone;
  t->gone_ctx = ctx;
  /* When a thread has begun with the name, on_resolved comes as late as its answer. */
  if (t->is_resolving) uv_cancel((uv_req_t *)&t->resolver);
  close_socket(t);
  uv_close((uv_handle_t *)&t->timer.timer, on_timer_closed);
}
