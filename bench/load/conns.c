/* The sockets: connecting, upgrading, reading frames (RFC 6455), counting messages. A frame costs
 * as little as can be: its length, and the digits at the end of its text. */
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (256 * 1024)
#define MAX_EVENTS 1024
#define MAX_OPENING 100 /* sockets that connect and join at the same time */
#define SLOW_RCVBUF 4096
#define SECONDS_TO_OPEN 60

conn *conns;
totals total;

static int epoll_fd = -1, watched_fd = -1;
static void (*on_watched)(void);
static char *bytes; /* what one read brings, behind what was kept */
static size_t tail; /* bytes from a message's number to the frame's end; 0: not known yet */
static long long last_byte;

static int index_of(const conn *c) {
  return (int)(c - conns);
}

/* ---- sending -------------------------------------------------------------------------------- */

/* Small and rare: a full socket is an error. */
static void send_all(conn *c, const char *data, size_t len) {
  ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
  if (n != (ssize_t)len && c->state != STATE_CLOSED && errno != EPIPE && errno != ECONNRESET)
    die(PROGRAM, "socket %d: cannot send: %s", index_of(c), strerror(errno));
}

/* Masked, as a client's must be, with the key 0. */
static void send_frame(conn *c, int opcode, const char *data, size_t len) {
  char frame[256 + 6] = {(char)(0x80 | opcode), (char)(0x80 | len)};
  if (len > 125) die(PROGRAM, "a frame too large to send");
  memcpy(frame + 6, data, len);
  send_all(c, frame, len + 6);
}

void conn_send_text(conn *c, const char *data) {
  send_frame(c, 1, data, strlen(data));
}

/* ---- frames --------------------------------------------------------------------------------- */

static void close_conn(conn *c, int code) {
  if (c->state == STATE_CLOSED) return;
  if (c->state == STATE_READY) total.ready--;
  c->state = STATE_CLOSED;
  c->close_code = (uint16_t)code;
  total.closed++;
  close(c->fd);
  c->fd = -1;
}

static void become_ready(conn *c) {
  c->state = STATE_READY;
  total.ready++;
}

/* Its first message tells where the number is. */
static void learn_tail(text frame) {
  const char *at = memmem(frame.data, frame.len, "\"text\":\"", 8);
  const char *hash = at ? memchr(at, '#', frame.len - (size_t)(at - frame.data)) : NULL;
  if (hash) tail = frame.len - (size_t)(hash - frame.data) - 1;
}

/* 1 and the number, or 0: no message. */
static int read_number(text frame, uint32_t *n) {
  if (!tail) learn_tail(frame);
  if (!tail || frame.len <= tail) return 0;
  const char *at = frame.data + frame.len - tail;
  if (at[-1] != '#') return 0;
  *n = 0;
  for (int i = 0; i < NUMBER_BYTES; i++) *n = *n * 10 + (uint32_t)(at[i] - '0');
  return 1;
}

static void on_number(conn *c, uint32_t n) {
  if (n < c->next) {
    total.doubled++;
    return;
  }
  if (n > c->next) {
    c->skipped += n - c->next;
    total.skipped += n - c->next;
  }
  c->next = n + 1;
  c->got++;
  if (!c->is_slow) on_delivery(n);
}

/* The number within a room's id ("<ms>-<number>-<tag>") that is a member of the frame; -1: none. */
static long read_seq(text frame, const char *member) {
  const char *at = memmem(frame.data, frame.len, member, strlen(member));
  const char *dash = at ? memchr(at, '-', (size_t)(frame.len - (size_t)(at - frame.data))) : NULL;
  return dash ? atol(dash + 1) : -1;
}

/* What lies between the two ids, both of which the client has or will have. */
static void on_gap(conn *c, text frame) {
  long from = read_seq(frame, "\"from\":\""), to = read_seq(frame, "\"to\":\"");
  c->gaps++;
  if (from >= 0 && to > from) c->told += (uint32_t)(to - from - 1);
}

static void on_other(conn *c, text frame) {
  const char *answer = opt.kind->answer ? opt.kind->answer(frame) : NULL;
  total.others++;
  if (answer) conn_send_text(c, answer);
  if (memmem(frame.data, frame.len, "\"op\":\"gap\"", 10)) on_gap(c, frame);
}

static void on_text(conn *c, text frame) {
  uint32_t n;
  if (c->state == STATE_JOINING && opt.kind->is_joined(frame)) {
    become_ready(c);
  } else if (read_number(frame, &n)) {
    on_number(c, n);
  } else {
    on_other(c, frame);
  }
}

static void on_frame(conn *c, int first, text payload) {
  const unsigned char *code = (const unsigned char *)payload.data;
  switch (first) {
  case 0x81: on_text(c, payload); break;
  case 0x88: close_conn(c, payload.len < 2 ? 1005 : code[0] << 8 | code[1]); break;
  case 0x89: send_frame(c, 10, payload.data, payload.len); break;
  case 0x8a: break;
  default: die(PROGRAM, "socket %d: a frame that begins with 0x%02x", index_of(c), first);
  }
}

/* Takes whole frames; returns the bytes taken. */
static size_t take_frames(conn *c, const char *data, size_t len) {
  size_t taken = 0;
  while (len - taken >= 2 && c->state != STATE_CLOSED) {
    const unsigned char *at = (const unsigned char *)data + taken;
    size_t size = at[1], header = 2;
    if (size >= 126) {
      size_t digits = size == 126 ? 2 : 8;
      header += digits;
      if (len - taken < header) break;
      size = 0;
      for (size_t i = 0; i < digits; i++) size = size << 8 | at[2 + i];
      if (size > READ_BYTES) die(PROGRAM, "socket %d: a frame of %zu bytes", index_of(c), size);
    }
    if (len - taken < header + size) break;
    on_frame(c, at[0], (text){data + taken + header, size});
    taken += header + size;
  }
  return taken;
}

/* ---- upgrading ------------------------------------------------------------------------------ */

static void send_request(conn *c) {
  char room[16], path[128], request[512];
  room_name(room, index_of(c) % opt.rooms);
  snprintf(path, sizeof path, opt.kind->path, room);
  int len = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     "Sec-WebSocket-Version: 13\r\n%s\r\n",
                     path, opt.port, opt.kind->headers);
  c->state = STATE_UPGRADING;
  send_all(c, request, (size_t)len);
}

/* Returns the bytes of the response; 0: its end has not come yet. */
static size_t take_response(conn *c, const char *data, size_t len) {
  static const char accept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; /* RFC 6455, 1.3: of that key */
  const char *end = memmem(data, len, "\r\n\r\n", 4);
  char room[16];
  if (!end) return 0;
  if (memcmp(data, "HTTP/1.1 101", 12) != 0 || !memmem(data, len, accept, sizeof accept - 1))
    die(PROGRAM, "socket %d was not upgraded: %.*s", index_of(c), (int)(end - data), data);
  room_name(room, index_of(c) % opt.rooms);
  if (opt.kind->greet) {
    c->state = STATE_JOINING;
    opt.kind->greet(c, index_of(c), room);
  } else {
    become_ready(c);
  }
  return (size_t)(end - data) + 4;
}

/* ---- reading -------------------------------------------------------------------------------- */

static void keep(conn *c, const char *data, size_t len) {
  if (len > c->kept_cap) {
    c->kept_cap = len < 1024 ? 1024 : len;
    char *grown = malloc(c->kept_cap);
    if (!grown) die(PROGRAM, "out of memory");
    memcpy(grown, data, len);
    free(c->kept);
    c->kept = grown;
  } else {
    memmove(c->kept, data, len);
  }
  c->kept_len = len;
}

static void on_bytes(conn *c, size_t len) {
  size_t taken = 0;
  if (c->state == STATE_UPGRADING) taken = take_response(c, bytes, len);
  if (c->state != STATE_UPGRADING) taken += take_frames(c, bytes + taken, len - taken);
  if (c->state == STATE_CLOSED) return;
  if (taken < len)
    keep(c, bytes + taken, len - taken);
  else
    c->kept_len = 0;
}

static void on_readable(conn *c) {
  if (c->kept_len) memcpy(bytes, c->kept, c->kept_len);
  ssize_t n = recv(c->fd, bytes + c->kept_len, READ_BYTES, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    if (c->state != STATE_READY) die(PROGRAM, "socket %d was closed", index_of(c));
    close_conn(c, 1006);
    return;
  }
  on_bytes(c, c->kept_len + (size_t)n);
}

/* ---- the loop ------------------------------------------------------------------------------- */

void conns_watch(int fd, void (*on_readable_fd)(void)) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  watched_fd = fd;
  on_watched = on_readable_fd;
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
    die(PROGRAM, "epoll_ctl: %s", strerror(errno));
}

void conns_poll(int timeout_ms) {
  static struct epoll_event events[MAX_EVENTS];
  int count = epoll_wait(epoll_fd, events, MAX_EVENTS, timeout_ms);
  if (count < 0 && errno != EINTR) die(PROGRAM, "epoll_wait: %s", strerror(errno));
  if (count > 0) last_byte = wall_ns();
  for (int i = 0; i < count; i++) {
    conn *c = events[i].data.ptr;
    if (!c) {
      on_watched();
    } else if (c->state != STATE_CLOSED) {
      on_readable(c);
    }
  }
}

void conns_settle(int quiet_ms) {
  last_byte = wall_ns();
  while (wall_ns() - last_byte < quiet_ms * 1000000ll) conns_poll(quiet_ms);
}

static void watch_conn(conn *c) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0)
    die(PROGRAM, "epoll_ctl: %s", strerror(errno));
}

/* ---- opening -------------------------------------------------------------------------------- */

static void open_conn(conn *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
  struct linger reset = {.l_onoff = 1, .l_linger = 0}; /* thousands of ports in TIME_WAIT */
  int one = 1, small = SLOW_RCVBUF;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0) die(PROGRAM, "socket %d: %s", index_of(c), strerror(errno));
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (c->is_slow) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
    die(PROGRAM, "socket %d: connect: %s", index_of(c), strerror(errno));
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  watch_conn(c);
  send_request(c);
}

void conns_open(void) {
  long long deadline = wall_ns() + SECONDS_TO_OPEN * 1000000000ll;
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  conns = calloc((size_t)opt.sockets, sizeof *conns);
  bytes = malloc(2 * READ_BYTES + 64);
  if (epoll_fd < 0 || !conns || !bytes) die(PROGRAM, "out of memory");
  for (long opened = 0; total.ready < opt.sockets;) {
    while (opened < opt.sockets && opened - total.ready < MAX_OPENING) {
      conns[opened].is_slow = opened < opt.slow;
      open_conn(&conns[opened++]);
    }
    conns_poll(100);
    if (total.closed) die(PROGRAM, "a socket was closed while it joined");
    if (wall_ns() > deadline)
      die(PROGRAM, "only %ld of %ld sockets are in their room", total.ready, opt.sockets);
  }
}

/* ---- slow ones ------------------------------------------------------------------------------ */

void conns_stop_reading(void) {
  for (long i = 0; i < opt.slow; i++) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, conns[i].fd, NULL);
}

void conns_read_again(void) {
  for (long i = 0; i < opt.slow; i++) watch_conn(&conns[i]);
}
