/* A transport and a real socket as its peer, on one loop; what the transport told is counted. */
#ifndef MP_TRANSPORT_FIXTURE_H
#define MP_TRANSPORT_FIXTURE_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"
#include "transport.h"

enum { DEADLINE = 60000, TICK = 5, SCRATCH = 64 * 1024 };

typedef enum event { ON_NOTHING, ON_OPEN, ON_READ, ON_DRAIN, ON_END } event;

typedef struct fixture {
  uv_loop_t loop;
  uv_timer_t tick; /* so that no turn of the loop lasts until a timer of the program's */
  uint64_t deadline;
  int is_late;
  test_heap heap;
  mp_transport *transport;
  int opened, drained, ended, gone, status;
  event free_on; /* free the transport inside this event */
  char message[1024];
  mp_buf got;
  char room[SCRATCH];
  mp_scratch scratch;
  mp_tls *tls; /* given to the transport; the test's */

  int listener, peer; /* sockets, or -1 */
  uv_poll_t accepting;
  int is_accepting;
  char url[200], address[128];
  int fds; /* open, once the loop has its own */
} fixture;

static inline int count_fds(void) {
  int open = 0;
  for (int fd = 0; fd < 256; fd++) open += fcntl(fd, F_GETFD) >= 0;
  return open;
}

static inline void on_gone(void *ctx) {
  ((fixture *)ctx)->gone++;
}

static inline void free_transport(fixture *f) {
  mp_transport_free(f->transport, on_gone, f);
  f->transport = NULL;
}

static inline void count(fixture *f, int *counter, event event) {
  CHECK(f->transport);
  ++*counter;
  uv_stop(&f->loop); /* after a timer's event uv_run would wait for one more */
  if (f->free_on == event) free_transport(f);
}

static inline void on_open(void *ctx) {
  count(ctx, &((fixture *)ctx)->opened, ON_OPEN);
}

static inline void on_drain(void *ctx) {
  count(ctx, &((fixture *)ctx)->drained, ON_DRAIN);
}

static inline void on_read(void *ctx, const char *data, size_t len) {
  fixture *f = ctx;
  int ignored = 0;
  CHECK(len > 0);
  CHECK_INT(mp_buf_append(&f->got, data, len), MOONPOOL_OK);
  count(f, &ignored, ON_READ);
}

static inline void on_end(void *ctx, int status, const char *message) {
  fixture *f = ctx;
  f->status = status;
  snprintf(f->message, sizeof f->message, "%s", message);
  count(f, &f->ended, ON_END);
}

static inline void on_tick(uv_timer_t *tick) {
  fixture *f = tick->data;
  if (uv_now(tick->loop) >= f->deadline) f->is_late = 1;
}

/* Runs the loop until `condition` holds; past the deadline the test fails. */
#define RUN_UNTIL(f, condition)                                                                    \
  do {                                                                                             \
    while (!(condition) && !(f)->is_late) uv_run(&(f)->loop, UV_RUN_ONCE);                         \
    CHECK(condition);                                                                              \
  } while (0)

static inline void setup(fixture *f) {
  memset(f, 0, sizeof *f);
  f->listener = f->peer = -1;
  test_heap_init(&f->heap, 0);
  mp_buf_init(&f->got, &mp_default_allocator);
  uv_loop_init(&f->loop);
  f->fds = count_fds();
  uv_timer_init(&f->loop, &f->tick);
  f->tick.data = f;
  f->deadline = uv_now(&f->loop) + DEADLINE;
  uv_timer_start(&f->tick, on_tick, TICK, TICK);
}

static inline void close_peer(fixture *f) {
  if (f->peer >= 0) close(f->peer);
  f->peer = -1;
}

static inline void close_listener(fixture *f) {
  if (f->is_accepting) uv_close((uv_handle_t *)&f->accepting, NULL);
  if (f->listener >= 0) close(f->listener);
  f->is_accepting = 0;
  f->listener = -1;
}

/* Everything ends, and nothing is left: no handle, no memory, no file descriptor. */
static inline void teardown(fixture *f) {
  free_transport(f);
  close_listener(f);
  close_peer(f);
  uv_close((uv_handle_t *)&f->tick, NULL);
  uv_run(&f->loop, UV_RUN_DEFAULT);
  CHECK_INT(count_fds(), f->fds);
  CHECK_INT(uv_loop_close(&f->loop), 0);
  CHECK_INT(f->heap.blocks, 0);
  CHECK(!f->is_late);
  mp_buf_free(&f->got);
}

/* ---- the transport ------------------------------------------------------------------------ */

static inline int open_url(fixture *f, const char *text, uint64_t timeout) {
  static const mp_transport_events events = {on_open, on_read, on_drain, on_end};
  f->scratch = (mp_scratch){.data = f->room, .size = sizeof f->room};
  mp_transport_config config = {&f->loop, &f->heap.allocator, &events, f, &f->scratch, f->tls};
  char message[200] = "";
  mp_url url;
  int status = mp_url_parse(&url, &mp_default_allocator, text, message, sizeof message);
  CHECK_STR(message, "");
  if (status) return status;
  status = mp_transport_open(&f->transport, &config, &url, timeout);
  mp_url_free(&url, &mp_default_allocator);
  return status;
}

/* Writes `len` bytes of `data`; the buffer is empty afterwards. */
static inline void write_bytes(fixture *f, const char *data, size_t len) {
  mp_buf buf;
  mp_buf_init(&buf, &f->heap.allocator);
  CHECK_INT(mp_buf_append(&buf, data, len), MOONPOOL_OK);
  CHECK_INT(mp_transport_write(f->transport, &buf), MOONPOOL_OK);
  CHECK_INT(buf.len, 0);
  mp_buf_free(&buf);
}

/* ---- the peer ----------------------------------------------------------------------------- */

static inline void on_connection(uv_poll_t *poll, int status, int events) {
  fixture *f = poll->data;
  CHECK_INT(status, 0);
  (void)events;
  f->peer = accept(f->listener, NULL, NULL);
  CHECK(f->peer >= 0);
  uv_poll_stop(poll);
}

/* Accepts one connection when it comes. */
static inline void start_accepting(fixture *f) {
  CHECK_INT(uv_poll_init(&f->loop, &f->accepting, f->listener), 0);
  f->accepting.data = f;
  f->is_accepting = 1;
  uv_poll_start(&f->accepting, UV_READABLE, on_connection);
}

/* A listening socket on `ip`; `port` 0 lets the system choose. Returns its port, 0 if there is
 * none. */
static inline int listen_tcp(fixture *f, const char *ip, int port, int backlog) {
  struct sockaddr_storage storage = {0};
  struct sockaddr *address = (struct sockaddr *)&storage;
  struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
  int is_v6 = strchr(ip, ':') != NULL, one = 1;
  socklen_t len = is_v6 ? sizeof *v6 : sizeof *v4;
  storage.ss_family = is_v6 ? AF_INET6 : AF_INET;
  inet_pton(storage.ss_family, ip, is_v6 ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr);
  v4->sin_port = htons((uint16_t)port); /* where sin6_port is too */
  int fd = socket(storage.ss_family, SOCK_STREAM, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (fd < 0 || bind(fd, address, len) || listen(fd, backlog) || getsockname(fd, address, &len)) {
    if (fd >= 0) close(fd);
    return 0;
  }
  f->listener = fd;
  port = ntohs(v4->sin_port);
  snprintf(f->address, sizeof f->address, is_v6 ? "[%s]:%d" : "%s:%d", ip, port);
  snprintf(f->url, sizeof f->url, "redis://%s", f->address);
  return port;
}

/* A path of our own in a directory of our own, which `remove_socket` takes away. */
static inline int listen_unix(fixture *f) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char directory[] = "/tmp/moonpool-test-XXXXXX";
  if (!mkdtemp(directory)) return 0;
  snprintf(address.sun_path, sizeof address.sun_path, "%s/s", directory);
  f->listener = socket(AF_UNIX, SOCK_STREAM, 0);
  snprintf(f->address, sizeof f->address, "unix:%s", address.sun_path);
  snprintf(f->url, sizeof f->url, "unix://%s", address.sun_path);
  return !bind(f->listener, (struct sockaddr *)&address, sizeof address) && !listen(f->listener, 1);
}

static inline void remove_socket(fixture *f) {
  char *path = f->address + strlen("unix:");
  CHECK_INT(unlink(path), 0);
  *strrchr(path, '/') = '\0';
  CHECK_INT(rmdir(path), 0);
}

/* Opens the transport to the listener and accepts it. */
static inline void connect_both(fixture *f) {
  start_accepting(f);
  CHECK_INT(open_url(f, f->url, DEADLINE), MOONPOOL_OK);
  RUN_UNTIL(f, f->opened && f->peer >= 0);
}

static inline void setup_connected(fixture *f) {
  setup(f);
  CHECK(listen_tcp(f, "127.0.0.1", 0, 1) != 0);
  connect_both(f);
}

#endif
