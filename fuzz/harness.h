/* A gateway for a fuzzer, beside a real Redis: each input speaks to it over a socket of its own,
 * and when that is closed, the gateway must let go of the connection. What it answers is looked at,
 * too.
 */
#ifndef FUZZ_HARNESS_H
#define FUZZ_HARNESS_H

#include <fcntl.h>
#include <jansson.h>
#include <sys/socket.h>

#include "conn_private.h"
#include "redis_server.h"
#include "server.h"
#include "utf8.h"

enum { PATIENCE = 10000 }; /* ms until a connection that does not end is a fault */

typedef struct harness {
  redis_server redis;
  uv_loop_t loop;
  moonpool *client;
  moonpool_gateway *gateway;
  int fd;     /* the input's end */
  mp_buf out; /* what the gateway has sent */
  unsigned long runs;
} harness;

static harness fuzz;

static inline void fail(const char *what) {
  fprintf(stderr, "FAULT: %s\n%.*s\n", what, (int)fuzz.out.len, fuzz.out.data ? fuzz.out.data : "");
  abort();
}

/* ---- the gateway, once ----------------------------------------------------------------------- */

static inline void harness_on_reply(const moonpool_reply *reply, const moonpool_error *error,
                                    void *ctx) {
  (void)reply, (void)error, (void)ctx;
}

/* What the inputs have said is not to fill the memory. */
static inline void harness_flush(void) {
  moonpool_bytes flush = {"FLUSHALL", 8};
  if (fuzz.runs++ % 2000 == 0)
    (void)moonpool_command(fuzz.client, 1, &flush, 1000, harness_on_reply, NULL);
}

static inline void harness_stop(void) {
  redis_stop(&fuzz.redis);
}

/* Limits are low, so that short inputs reach them. */
static inline void harness_limit(moonpool_gateway_options *o) {
  o->max_message = 4096;
  o->max_header = 2048;
  o->max_headers = 20;
  o->max_fragments = 8;
  o->max_requests = 16;
  o->max_rooms = 4;
  o->max_queue = 65536;
  o->query_timeout = 2000;
  o->close_timeout = 100;
}

static inline void harness_start(void) {
  static const char *const proxies[] = {"unix", "10.0.0.0/8", "::1"};
  char message[300];
  moonpool_options client;
  moonpool_gateway_options options;
  if (!redis_start(&fuzz.redis)) exit(1);
  atexit(harness_stop);
  moonpool_options_init(&client);
  moonpool_gateway_options_init(&options);
  client.url = fuzz.redis.url;
  options.proxies = proxies;
  options.proxy_count = 3;
  harness_limit(&options);
  uv_loop_init(&fuzz.loop);
  mp_buf_init(&fuzz.out, &mp_default_allocator);
  if (moonpool_open(&fuzz.client, &fuzz.loop, &client, message, sizeof message) ||
      moonpool_gateway_open(&fuzz.gateway, fuzz.client, &fuzz.loop, &options, message,
                            sizeof message))
    fail(message);
}

/* ---- one input ------------------------------------------------------------------------------- */

static inline void harness_read(void) {
  char *to;
  ssize_t got;
  do {
    if (!(to = mp_buf_reserve(&fuzz.out, 65536))) abort();
    got = recv(fuzz.fd, to, 65536, MSG_DONTWAIT);
    if (got > 0) fuzz.out.len += (size_t)got;
  } while (got > 0);
}

static inline void harness_turn(void) {
  uv_run(&fuzz.loop, UV_RUN_NOWAIT);
  harness_read();
}

static inline void harness_open(void) {
  int ends[2];
  if (!fuzz.gateway) harness_start();
  harness_flush();
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends)) abort();
  fuzz.fd = ends[0];
  fuzz.out.len = 0;
  uv_update_time(&fuzz.loop);
  if (!gw_conn_new(fuzz.gateway->server, ends[1], "unix")) abort();
}

static inline void harness_send(const void *data, size_t len) {
  const char *at = data;
  while (len) {
    ssize_t sent = send(fuzz.fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) return;
    if (sent > 0) at += sent, len -= (size_t)sent;
    harness_turn();
  }
}

/* In pieces of `piece` bytes (0: at once). */
static inline void harness_send_pieces(const uint8_t *data, size_t len, size_t piece) {
  for (size_t at = 0; at < len;) {
    size_t part = piece && piece < len - at ? piece : len - at;
    harness_send(data + at, part);
    at += part;
  }
}

static inline void harness_close(void) {
  long long deadline = redis_clock_ms() + PATIENCE;
  for (int i = 0; i < 3; i++) harness_turn();
  shutdown(fuzz.fd, SHUT_WR);
  while (fuzz.gateway->stats.connections) {
    harness_turn();
    if (redis_clock_ms() > deadline) fail("a connection does not end");
  }
  harness_read();
  close(fuzz.fd);
}

/* ---- what comes back ------------------------------------------------------------------------- */

static inline void harness_check_text(const char *text, size_t len) {
  json_t *json = gw_utf8_is_valid(text, len) ? json_loadb(text, len, JSON_ALLOW_NUL, NULL) : NULL;
  if (!json_is_string(json_object_get(json, "op"))) fail("what was sent is no message");
  json_decref(json);
}

/* One frame of the gateway's: how long it is; 0: it is not whole. */
static inline size_t harness_check_frame(const unsigned char *at, size_t left) {
  size_t extra, len;
  if (left < 2) return 0;
  extra = (at[1] & 127) == 126 ? 2 : (at[1] & 127) == 127 ? 8 : 0;
  if (at[1] & 128) fail("a frame of the gateway's is masked");
  if (left < 2 + extra) return 0;
  len = extra ? 0 : at[1];
  for (size_t i = 0; i < extra; i++) len = len << 8 | at[2 + i];
  if (left < 2 + extra + len) return 0;
  if (at[0] != 0x81 && at[0] != 0x88 && at[0] != 0x89 && at[0] != 0x8a) fail("a strange frame");
  if (at[0] == 0x81) harness_check_text((const char *)at + 2 + extra, len);
  if (at[0] == 0x88 && left > 2 + extra + len) fail("something comes behind the close");
  return 2 + extra + len;
}

static inline void harness_check_frames(size_t from) {
  size_t step = 1;
  while (from < fuzz.out.len && step) {
    step = harness_check_frame((const unsigned char *)fuzz.out.data + from, fuzz.out.len - from);
    from += step;
  }
}

/* ---- a WebSocket ----------------------------------------------------------------------------- */

/* Returns where the frames begin in what comes back. */
static inline size_t harness_upgrade(void) {
  static const char request[] = "GET /socket?user=ann HTTP/1.1\r\nHost: localhost\r\n"
                                "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                                "Sec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  harness_open();
  harness_send(request, sizeof request - 1);
  for (int i = 0; i < 100; i++) {
    if (mp_buf_append(&fuzz.out, "", 1)) abort();
    fuzz.out.len--;
    const char *end = strstr(fuzz.out.data, "\r\n\r\n");
    if (end) return (size_t)(end + 4 - fuzz.out.data);
    harness_turn();
  }
  fail("no WebSocket");
  return 0;
}

/* A whole frame with a mask of zeros. */
static inline void harness_frame(unsigned first, const void *data, size_t len) {
  unsigned char header[14] = {(unsigned char)first};
  size_t extra = len < 126 ? 0 : 2;
  header[1] = (unsigned char)(0x80 | (extra ? 126 : len));
  if (extra) header[2] = (unsigned char)(len >> 8), header[3] = (unsigned char)len;
  harness_send(header, 2 + extra + 4);
  harness_send(data, len);
}

#endif
