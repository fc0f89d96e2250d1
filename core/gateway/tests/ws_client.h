/* A client of raw bytes: it sends what RFC 6455 forbids as readily as what it allows. Blocking,
 * with a deadline for all that it waits for. */
#ifndef GW_WS_CLIENT_H
#define GW_WS_CLIENT_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "redis_server.h"
#include "test.h"

enum { WS_DEADLINE = 60000 }; /* ms */
enum { WS_FIN = 0x80, WS_REST = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING, WS_PONG };

typedef struct ws_client {
  int fd; /* -1: none */
  int is_unmasked;
  mp_buf in; /* what was read, from `at` on not yet taken */
  size_t at;
} ws_client;

/* A frame as it came; its payload lies in the client's buffer until the next is read. */
typedef struct ws_frame {
  unsigned first; /* FIN, RSV, opcode */
  const char *data;
  size_t len;
} ws_frame;

/* ---- bytes ----------------------------------------------------------------------------------- */

static inline int ws_connect(ws_client *c, int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  int one = 1;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  *c = (ws_client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  mp_buf_init(&c->in, &mp_default_allocator);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return c->fd >= 0 && connect(c->fd, (struct sockaddr *)&to, sizeof to) == 0;
}

static inline void ws_end(ws_client *c) {
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
  mp_buf_free(&c->in);
}

/* Reads once. 0: nothing came before the deadline; -1: the peer has ended. */
static inline int ws_read_more(ws_client *c, long long deadline) {
  struct pollfd in = {.fd = c->fd, .events = POLLIN};
  long long left = deadline - redis_clock_ms();
  if (poll(&in, 1, left > 0 ? (int)left : 0) < 1) return 0;
  char *to = mp_buf_reserve(&c->in, 65536);
  if (!to) abort();
  ssize_t got = read(c->fd, to, 65536);
  if (got <= 0) return -1;
  c->in.len += (size_t)got;
  return 1;
}

/* Sends all, in pieces of `chop` bytes (0: at once), and reads meanwhile, as a peer whose answers
 * nobody takes may stop reading. The peer may end before it has all: that is no failure. */
static inline void ws_send_bytes(ws_client *c, const char *data, size_t len, size_t chop) {
  long long deadline = redis_clock_ms() + WS_DEADLINE;
  while (len > 0 && redis_clock_ms() < deadline) {
    size_t piece = chop && chop < len ? chop : len;
    ssize_t sent = send(c->fd, data, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) data += sent, len -= (size_t)sent;
    if (sent >= 0) continue;
    if (errno != EAGAIN && errno != EINTR) return;
    struct pollfd io = {.fd = c->fd, .events = POLLIN | POLLOUT};
    poll(&io, 1, 1000);
    if ((io.revents & POLLIN) && ws_read_more(c, deadline) < 0) return;
  }
}

static inline void ws_send_text(ws_client *c, const char *text) {
  ws_send_bytes(c, text, strlen(text), 0);
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* Appends a frame, masked; its length in the shortest form. */
static inline void ws_put_frame(mp_buf *out, unsigned first, const char *data, size_t len,
                                int is_unmasked) {
  static const unsigned char mask[4] = {0x5a, 0xc3, 0x01, 0xff};
  size_t extra = len < 126 ? 0 : len < 65536 ? 2 : 8;
  unsigned char *to = (unsigned char *)mp_buf_reserve(out, len + 14);
  if (!to) abort();
  *to++ = (unsigned char)first;
  *to++ = (unsigned char)((is_unmasked ? 0 : 0x80) | (extra == 0 ? len : extra == 2 ? 126 : 127));
  for (size_t i = extra; i > 0; i--) *to++ = (unsigned char)((uint64_t)len >> (8 * (i - 1)));
  if (!is_unmasked) memcpy(to, mask, 4), to += 4;
  for (size_t i = 0; i < len; i++)
    to[i] = (unsigned char)(data[i] ^ (is_unmasked ? 0 : mask[i % 4]));
  out->len += len + 2 + extra + (is_unmasked ? 0 : 4);
}

static inline void ws_send_frame(ws_client *c, unsigned first, const char *data, size_t len,
                                 size_t chop) {
  mp_buf out;
  mp_buf_init(&out, &mp_default_allocator);
  ws_put_frame(&out, first, data, len, c->is_unmasked);
  ws_send_bytes(c, out.data, out.len, chop);
  mp_buf_free(&out);
}

static inline void ws_send_message(ws_client *c, const char *text) {
  ws_send_frame(c, WS_FIN | WS_TEXT, text, strlen(text), 0);
}

static inline void ws_send_close(ws_client *c, unsigned code) {
  char payload[2] = {(char)(code >> 8), (char)code};
  ws_send_frame(c, WS_FIN | WS_CLOSE, payload, 2, 0);
}

/* Is a whole frame there? A server's is not masked. */
static inline int ws_cut_frame(ws_client *c, ws_frame *frame) {
  const unsigned char *at = (const unsigned char *)c->in.data + c->at;
  size_t left = c->in.len - c->at, len, extra;
  if (left < 2) return 0;
  len = at[1] & 0x7f;
  extra = len == 126 ? 2 : len == 127 ? 8 : 0;
  if (left < 2 + extra) return 0;
  if (extra) len = 0;
  for (size_t i = 0; i < extra; i++) len = len << 8 | at[2 + i];
  if (left < 2 + extra + len) return 0;
  *frame = (ws_frame){at[0], (const char *)at + 2 + extra, len};
  c->at += 2 + extra + len;
  return 1;
}

/* 1; 0: none came before the deadline; -1: the peer ended. */
static inline int ws_read_frame(ws_client *c, ws_frame *frame) {
  long long deadline = redis_clock_ms() + WS_DEADLINE;
  if (c->at == c->in.len) c->at = c->in.len = 0;
  while (!ws_cut_frame(c, frame)) {
    int got = ws_read_more(c, deadline);
    if (got < 1) return got;
  }
  return 1;
}

/* What a close frame says; 1005: nothing. */
static inline unsigned ws_close_code(const ws_frame *frame) {
  if (frame->len < 2) return 1005;
  return (unsigned)(unsigned char)frame->data[0] << 8 | (unsigned char)frame->data[1];
}

/* Reads on to the close frame: its code; 1006: it ended, or nothing came, without one. */
static inline unsigned ws_read_close(ws_client *c) {
  ws_frame frame;
  while (ws_read_frame(c, &frame) == 1)
    if ((frame.first & 15) == WS_CLOSE) return ws_close_code(&frame);
  return 1006;
}

/* Has the peer ended the connection, within the deadline? What else comes is dropped. */
static inline int ws_has_ended(ws_client *c) {
  long long deadline = redis_clock_ms() + WS_DEADLINE;
  int got;
  while ((got = ws_read_more(c, deadline)) > 0) c->in.len = c->at;
  return got < 0;
}

/* Reads the next text message: does it begin with `start`? */
static inline int ws_hears(ws_client *c, const char *start) {
  ws_frame frame;
  if (ws_read_frame(c, &frame) != 1) return 0;
  if (frame.first == (WS_FIN | WS_TEXT) && frame.len >= strlen(start) &&
      !memcmp(frame.data, start, strlen(start)))
    return 1;
  printf("  heard %02x %.*s, not %s\n", frame.first, (int)(frame.len < 300 ? frame.len : 300),
         frame.data, start);
  return 0;
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

/* Reads to the end of a response's headers: its status, 0: none came. The headers stay in `in`,
 * terminated; `at` is behind them. */
static inline int ws_read_status(ws_client *c) {
  long long deadline = redis_clock_ms() + WS_DEADLINE;
  size_t start = c->at;
  for (;;) {
    if (mp_buf_append(&c->in, "", 1)) abort();
    c->in.len--;
    char *head = c->in.data + start, *end = strstr(head, "\r\n\r\n");
    if (end) {
      c->at = (size_t)(end + 4 - c->in.data);
      return strncmp(head, "HTTP/1.1 ", 9) ? 0 : atoi(head + 9);
    }
    if (ws_read_more(c, deadline) < 1) return 0;
  }
}

/* Asks for a WebSocket with more header lines, each with its CRLF; the status. */
static inline int ws_upgrade(ws_client *c, int port, const char *headers) {
  char request[9000];
  if (!ws_connect(c, port)) return 0;
  snprintf(request, sizeof request,
           "GET /socket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\n"
           "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
           port, headers);
  ws_send_text(c, request);
  return ws_read_status(c);
}

/* A WebSocket of the user `ann`, without a token. */
static inline int ws_open(ws_client *c, int port) {
  if (ws_upgrade(c, port, "") != 101) return 0;
  ws_send_message(c, "{\"op\":\"hello\",\"user\":\"ann\",\"ref\":0}");
  return ws_hears(c, "{\"op\":\"ok\"");
}

#endif
