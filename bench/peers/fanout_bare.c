/* The least that bringing messages to many WebSockets can cost: what one read of Redis brings is
 * made frames once, and sent to each socket by one send(). It is no server: it knows one room,
 * takes every request for the load client's upgrade, and whoever does not keep up is not waited
 * for. Prints "ready PID PORT WHAT IT IS"; ends when standard input does. usage: fanout_bare
 * HOST:PORT ROOM */
#define PROGRAM "fanout_bare"
#include "peer.h"
#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_SOCKETS 20000
#define OUT_BYTES (16 * 1024 * 1024)

static redisContext *redis;
static int epoll_fd, listener, sockets[MAX_SOCKETS], socket_count;
static char out[OUT_BYTES];

static void watch(int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
    die(PROGRAM, "epoll_ctl: %s", strerror(errno));
}

static void subscribe(const char *address, const char *room) {
  char host[256];
  int port = split_address(address, host, sizeof host);
  redis = port ? redisConnect(host, port) : redisConnectUnix(address);
  if (!redis || redis->err) die(PROGRAM, "cannot connect: %s", redis ? redis->errstr : "no memory");
  redisReply *reply = redisCommand(redis, "SUBSCRIBE %s", room);
  if (!reply || reply->type == REDIS_REPLY_ERROR) die(PROGRAM, "SUBSCRIBE failed");
  freeReplyObject(reply);
  watch(redis->fd);
}

static int listen_anywhere(void) {
  struct sockaddr_in at = {.sin_family = AF_INET};
  socklen_t size = sizeof at;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  listener = socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&at, size) != 0 ||
      listen(listener, 1024) != 0 || getsockname(listener, (struct sockaddr *)&at, &size) != 0)
    die(PROGRAM, "cannot listen: %s", strerror(errno));
  watch(listener);
  return ntohs(at.sin_port);
}

static void on_connection(void) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
  if (fd < 0) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  watch(fd);
}

static void forget(int fd) {
  for (int i = 0; i < socket_count; i++)
    if (sockets[i] == fd) sockets[i] = sockets[--socket_count];
  close(fd);
}

/* The accept key is that of RFC 6455's example, which the load client sends. */
static void on_request(int fd) {
  static const char response[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  char bytes[4096];
  ssize_t got = read(fd, bytes, sizeof bytes);
  if (got <= 0) {
    forget(fd);
  } else if (got > 4 && memcmp(bytes, "GET ", 4) == 0 && socket_count < MAX_SOCKETS) {
    send(fd, response, sizeof response - 1, MSG_NOSIGNAL);
    sockets[socket_count++] = fd;
  }
}

static char *put_frame(char *at, const char *data, size_t len) {
  if (len > 65535 || at + len + 4 > out + OUT_BYTES) die(PROGRAM, "too much for one turn");
  *at++ = (char)0x81;
  if (len < 126) {
    *at++ = (char)len;
  } else {
    *at++ = 126;
    *at++ = (char)(len >> 8);
    *at++ = (char)len;
  }
  memcpy(at, data, len);
  return at + len;
}

static void on_messages(void) {
  void *reply;
  char *end = out;
  if (redisBufferRead(redis) != REDIS_OK) die(PROGRAM, "Redis: %s", redis->errstr);
  while (redisGetReplyFromReader(redis, &reply) == REDIS_OK && reply) {
    const redisReply *message = reply;
    end = put_frame(end, message->element[2]->str, message->element[2]->len);
    freeReplyObject(reply);
  }
  if (end == out) return;
  for (int i = 0; i < socket_count; i++) send(sockets[i], out, (size_t)(end - out), MSG_NOSIGNAL);
}

int main(int argc, char **argv) {
  if (argc != 3) die(PROGRAM, "usage: %s HOST:PORT ROOM", PROGRAM);
  struct epoll_event events[64];
  raise_descriptors();
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  subscribe(argv[1], argv[2]);
  watch(STDIN_FILENO);
  printf("ready %ld %d send() alone\n", (long)getpid(), listen_anywhere());
  fflush(stdout);
  for (;;) {
    int count = epoll_wait(epoll_fd, events, 64, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == STDIN_FILENO) return 0;
      if (fd == listener)
        on_connection();
      else if (fd == redis->fd)
        on_messages();
      else
        on_request(fd);
    }
  }
}
