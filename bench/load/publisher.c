/* The publisher: one blocking connection, to Redis or to an HTTP endpoint. Its replies are read in
 * between, and must not be errors. */
#include "load.h"
#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fd = -1;
static char *buffer;

/* Socket to "/path" or to "host:port", by hiredis, which does just that well. */
static int connect_to(const char *address) {
  char host[256];
  int port = split_address(address, host, sizeof host);
  redisContext *context = port ? redisConnect(host, port) : redisConnectUnix(address);
  if (!context || context->err)
    die(PROGRAM, "%s: %s", address, context ? context->errstr : "no memory");
  int own = dup(context->fd), one = 1;
  redisFree(context);
  if (own < 0) die(PROGRAM, "dup: %s", strerror(errno));
  if (port) setsockopt(own, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return own;
}

/* In RESP an error begins a line; a refusal of HTTP has a status from 300 on. */
static void check_replies(const char *data) {
  const char *bad = data[0] == '-' ? data : strstr(data, "\n-");
  if (opt.kind->is_published_by_http) {
    bad = strstr(data, "HTTP/1.1 ");
    while (bad && bad[9] == '2') bad = strstr(bad + 9, "HTTP/1.1 ");
  }
  if (bad) die(PROGRAM, "the publication was refused: %.200s", bad);
}

static void on_readable(void) {
  char data[65536];
  ssize_t n = recv(fd, data, sizeof data - 1, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) die(PROGRAM, "the publisher's connection was closed");
  data[n] = '\0';
  check_replies(data);
}

void publisher_open(void) {
  fd = connect_to(opt.kind->is_published_by_http ? opt.publisher : opt.redis);
  buffer = malloc((size_t)opt.burst * ((size_t)opt.text + 1024));
  if (!buffer) die(PROGRAM, "out of memory");
  conns_watch(fd, on_readable);
}

void publish(long first, long count) {
  char room[16], *end = buffer;
  room_name(room, 0);
  for (long i = first; i < first + count; i++) end = opt.kind->publish(end, i, room);
  for (const char *at = buffer; at < end;) {
    ssize_t n = write(fd, at, (size_t)(end - at));
    if (n < 0 && errno != EINTR) die(PROGRAM, "publish: %s", strerror(errno));
    if (n > 0) at += n;
  }
}
