/* A gateway on a loop, and raw sockets that speak to it from the same thread. The client that it
 * belongs to has no Redis, unless the test starts one and says so. */
#ifndef GW_GATEWAY_FIXTURE_H
#define GW_GATEWAY_FIXTURE_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <moonpool_gateway.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"

enum { DEADLINE = 20000, TICK = 1, HEARD = 256 * 1024 };

typedef struct fixture {
  uv_loop_t loop;
  uv_timer_t tick; /* so that no turn of the loop lasts long */
  uint64_t deadline;
  int is_late;
  unsigned turns;
  test_heap heap;
  moonpool_options client_options;
  moonpool_gateway_options options; /* to be changed before open_gateway */
  moonpool *client;
  moonpool_gateway *gateway;
  char message[300];
  int port;
  int gone; /* callbacks of moonpool_gateway_close */
  int client_gone;
  void *more; /* of a fixture on top of this one */
} fixture;

/* One turn of the loop. Both ends are on it, so that most turns have something to do: it waits in
 * few of them only. */
static inline void turn(fixture *f) {
  uv_run(&f->loop, ++f->turns % 16 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
}

/* Runs the loop until `condition` holds; past the deadline the test fails. */
#define RUN_UNTIL(f, condition)                                                                    \
  do {                                                                                             \
    while (!(condition) && !(f)->is_late) turn(f);                                                 \
    CHECK(condition);                                                                              \
  } while (0)

static inline void on_tick(uv_timer_t *timer) {
  fixture *f = timer->data;
  if (uv_now(&f->loop) > f->deadline) f->is_late = 1;
}

static inline void set_up_loop(fixture *f) {
  memset(f, 0, sizeof *f);
  test_heap_init(&f->heap, 0);
  if (uv_loop_init(&f->loop)) abort();
  uv_timer_init(&f->loop, &f->tick);
  f->tick.data = f;
  uv_timer_start(&f->tick, on_tick, TICK, TICK);
  f->deadline = uv_now(&f->loop) + DEADLINE;
  moonpool_options_init(&f->client_options);
  f->client_options.url = "unix:///nonexistent/redis.sock";
  f->client_options.allocator = &f->heap.allocator;
  moonpool_gateway_options_init(&f->options);
  f->options.ctx = f;
}

#ifndef SET_UP_MORE
#define SET_UP_MORE(f) ((void)(f))
#endif

static inline void set_up(fixture *f) {
  set_up_loop(f);
  SET_UP_MORE(f);
}

static inline int open_client(fixture *f) {
  return moonpool_open(&f->client, &f->loop, &f->client_options, f->message, sizeof f->message);
}

/* Client and gateway, listening on a port of the system's choice. */
static inline int try_open(fixture *f) {
  int status = f->client ? 0 : open_client(f);
  if (!status)
    status = moonpool_gateway_open(&f->gateway, f->client, &f->loop, &f->options, f->message,
                                   sizeof f->message);
  if (!status)
    status = moonpool_gateway_listen(f->gateway, "127.0.0.1:0", -1, f->message, sizeof f->message);
  const char *address = status ? NULL : moonpool_gateway_address(f->gateway, 0);
  if (address) f->port = atoi(strrchr(address, ':') + 1);
  return status;
}

static inline void open_gateway(fixture *f) {
  int status = try_open(f);
  CHECK_INT(status, MOONPOOL_OK);
  if (status) {
    printf("  %s\n", f->message);
    exit(1);
  }
}

static inline void on_gateway_gone(void *ctx) {
  ((fixture *)ctx)->gone++;
}

static inline void on_client_gone(void *ctx) {
  ((fixture *)ctx)->client_gone++;
}

static inline void close_gateway(fixture *f) {
  int gone = f->gone;
  if (!f->gateway) return;
  moonpool_gateway_close(f->gateway, on_gateway_gone, f);
  RUN_UNTIL(f, f->gone == gone + 1);
  f->gateway = NULL;
}

/* Ends everything: no handle and no memory must be left. */
static inline void tear_down(fixture *f) {
  close_gateway(f);
  if (f->client) {
    moonpool_close(f->client, on_client_gone, f);
    RUN_UNTIL(f, f->client_gone);
  }
  uv_close((uv_handle_t *)&f->tick, NULL);
  uv_run(&f->loop, UV_RUN_DEFAULT);
  CHECK_INT(uv_loop_close(&f->loop), 0);
  CHECK_INT(f->heap.blocks, 0);
}

static inline moonpool_gateway_stats stats_of(const fixture *f) {
  moonpool_gateway_stats stats;
  moonpool_gateway_get_stats(f->gateway, &stats);
  return stats;
}

static inline int count_descriptors(void) {
  int count = 0;
  DIR *list = opendir("/proc/self/fd");
  while (list && readdir(list)) count++;
  if (list) closedir(list);
  return count;
}

/* ---- a raw peer --------------------------------------------------------------------------- */

typedef struct peer {
  fixture *f;
  int fd;      /* -1: closed by the test */
  int is_over; /* the gateway has ended it: 1 by its end, 2 by a reset */
  size_t len;
  char heard[HEARD + 1]; /* terminated */
} peer;

static inline peer *peer_adopt(fixture *f, int fd) {
  peer *p = calloc(1, sizeof *p);
  if (!p || fd < 0) abort();
  (void)fcntl(fd, F_SETFL, O_NONBLOCK);
  p->f = f;
  p->fd = fd;
  return p;
}

static inline peer *peer_connect(fixture *f) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&a, sizeof a)) abort();
  int on = 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return peer_adopt(f, fd);
}

static inline void peer_close(peer *p) {
  if (p->fd >= 0) close(p->fd);
  free(p);
}

/* Takes what has come; runs nothing. */
static inline void peer_listen(peer *p) {
  while (!p->is_over && p->len < HEARD) {
    ssize_t got = recv(p->fd, p->heard + p->len, HEARD - p->len, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) p->is_over = got < 0 ? 2 : 1;
    if (got > 0) p->len += (size_t)got;
    p->heard[p->len] = '\0';
  }
}

/* Sends all; bytes that find no reader any more are lost. */
static inline void peer_say_bytes(peer *p, const void *data, size_t len) {
  const char *at = data;
  while (len && !p->f->is_late) {
    ssize_t sent = send(p->fd, at, len, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return;
    if (sent < 0) uv_run(&p->f->loop, UV_RUN_NOWAIT), peer_listen(p);
    if (sent > 0) at += sent, len -= (size_t)sent;
  }
}

static inline void peer_say(peer *p, const char *text) {
  peer_say_bytes(p, text, strlen(text));
}

/* One byte a turn of the loop. */
static inline void peer_say_slowly(peer *p, const void *data, size_t len) {
  for (size_t i = 0; i < len && !p->is_over; i++) {
    peer_say_bytes(p, (const char *)data + i, 1);
    uv_run(&p->f->loop, UV_RUN_NOWAIT);
    peer_listen(p);
  }
}

static inline int peer_has(peer *p, const char *text) {
  peer_listen(p);
  return strstr(p->heard, text) != NULL;
}

static inline int peer_is_over(peer *p) {
  peer_listen(p);
  return p->is_over;
}

static inline void peer_forget(peer *p) {
  p->len = 0;
  p->heard[0] = '\0';
}

#define EXPECT(p, text)                                                                            \
  do {                                                                                             \
    while (!peer_has((p), (text)) && !(p)->is_over && !(p)->f->is_late) turn((p)->f);              \
    if (!peer_has((p), (text))) printf("  heard: %s\n", (p)->heard);                               \
    CHECK(peer_has((p), (text)));                                                                  \
  } while (0)

#define EXPECT_END(p) RUN_UNTIL((p)->f, peer_is_over(p))

/* ---- a WebSocket -------------------------------------------------------------------------- */

#define UPGRADE                                                                                    \
  "GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"       \
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

static inline peer *peer_upgrade(fixture *f) {
  peer *p = peer_connect(f);
  peer_say(p, UPGRADE "Sec-WebSocket-Protocol: moonpool.v1\r\n\r\n");
  EXPECT(p, "\r\n\r\n");
  CHECK(!strncmp(p->heard, "HTTP/1.1 101 ", 13));
  char *end = strstr(p->heard, "\r\n\r\n");
  if (end) {
    p->len -= (size_t)(end + 4 - p->heard);
    memmove(p->heard, end + 4, p->len + 1);
  }
  return p;
}

/* Writes a masked frame; `first` is its first byte. Returns its length. */
static inline size_t make_frame(char *to, unsigned first, const void *data, size_t len) {
  static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
  size_t at = 0;
  to[at++] = (char)first;
  int bytes = len < 126 ? 0 : len < 65536 ? 2 : 8;
  to[at++] = (char)(0x80 | (bytes == 0 ? len : bytes == 2 ? 126 : 127));
  for (int i = bytes - 1; i >= 0; i--) to[at++] = (char)((uint64_t)len >> 8 * i);
  memcpy(to + at, key, 4);
  at += 4;
  for (size_t i = 0; i < len; i++) to[at++] = (char)(((const unsigned char *)data)[i] ^ key[i % 4]);
  return at;
}

static inline void peer_frame(peer *p, unsigned first, const void *data, size_t len) {
  char *frame = malloc(len + 14);
  peer_say_bytes(p, frame, make_frame(frame, first, data, len));
  free(frame);
}

static inline void peer_text(peer *p, const char *text) {
  peer_frame(p, 0x81, text, strlen(text));
}

/* One whole frame at the beginning of what was heard: its length, 0: not yet. */
static inline size_t first_frame(peer *p, unsigned *opcode, const char **data, size_t *len) {
  const unsigned char *h = (unsigned char *)p->heard;
  peer_listen(p);
  if (p->len < 2) return 0;
  size_t header = h[1] < 126 ? 2 : h[1] == 126 ? 4 : 10;
  if (p->len < header) return 0;
  *len = h[1] < 126 ? h[1] : 0;
  for (size_t i = 2; i < header; i++) *len = *len << 8 | h[i];
  *opcode = h[0] & 15;
  *data = p->heard + header;
  return p->len >= header + *len ? header + *len : 0;
}

/* The next frame, into `text`, which is terminated. Its opcode; 0: the peer is over. */
static inline unsigned peer_next(peer *p, char *text, size_t size) {
  unsigned opcode = 0;
  const char *data = NULL;
  size_t len = 0, used = 0;
  memset(text, 0, size);
  while (!(used = first_frame(p, &opcode, &data, &len)) && !p->is_over && !p->f->is_late)
    turn(p->f);
  if (!used) return 0;
  size_t kept = len < size - 1 ? len : size - 1;
  memcpy(text, data, kept);
  text[kept] = '\0';
  p->len -= used;
  memmove(p->heard, p->heard + used, p->len + 1);
  return opcode;
}

/* The code of the close frame that comes, other frames being skipped; 1005: without one; 1006: none
 * came. */
static inline unsigned peer_close_code(peer *p) {
  char text[200];
  unsigned opcode;
  do opcode = peer_next(p, text, sizeof text);
  while (opcode && opcode != 8);
  if (!opcode) return 1006;
  unsigned code = (unsigned)(unsigned char)text[0] << 8 | (unsigned char)text[1];
  return code ? code : 1005;
}

#endif
