/* A client and the peer that it talks to, on one loop. The peer answers the handshake and then only
 * says what the test has it say; what it hears is kept as text, "GET a\n". Every callback that is
 * made is counted, and may do something in its turn. */
#ifndef MP_CLIENT_FIXTURE_H
#define MP_CLIENT_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "resp_fixture.h"

enum { DEADLINE = 60000, TICK = 5, LINKS = 256 };

typedef struct fixture fixture;

/* The peer's end of one connection. */
typedef struct peer_link {
  fixture *f;
  int fd; /* -1: closed */
  uv_poll_t poll;
  mp_resp *in;
  mp_buf heard; /* commands after the handshake, terminated */
  int is_shaken, is_trusted, has_ended;
} peer_link;

struct fixture {
  uv_loop_t loop;
  uv_timer_t tick; /* so that no turn of the loop lasts until a timer of the program's */
  uint64_t deadline;
  int is_late;
  int fds; /* open, once the loop has its own; -1: not counted, another fixture opens some too */
  test_heap heap;
  moonpool_options options; /* to be changed before open_client */
  moonpool *client;
  int gone; /* close callbacks */

  int listener; /* -1: none */
  uv_poll_t accepting;
  char directory[40], path[60], url[80], address[80];
  peer_link links[LINKS];
  int link_count;
  /* Answers a command of the handshake; NULL: as Redis would. */
  void (*shake)(peer_link *link, const char *command);
  /* Is told of every later command; NULL: nobody is. */
  void (*hear)(peer_link *link, const moonpool_reply *command);
};

/* Runs the loop until `condition` holds; past the deadline the test fails. */
#define RUN_UNTIL(f, condition)                                                                    \
  do {                                                                                             \
    while (!(condition) && !(f)->is_late) uv_run(&(f)->loop, UV_RUN_ONCE);                         \
    CHECK(condition);                                                                              \
  } while (0)

/* ---- the peer ------------------------------------------------------------------------------- */

/* Bytes that no longer find a reader are lost. */
static inline void peer_say_bytes(peer_link *link, const char *data, size_t len) {
  while (len > 0 && link->fd >= 0) {
    ssize_t sent = send(link->fd, data, len, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return;
    if (sent < 0 && errno != EAGAIN) break;
    if (sent < 0) uv_run(&link->f->loop, UV_RUN_NOWAIT); /* the client is to read first */
    if (sent > 0) data += sent, len -= (size_t)sent;
    if (link->f->is_late) break;
  }
  CHECK(len == 0 || link->fd < 0);
}

static inline void peer_say(peer_link *link, const char *text) {
  peer_say_bytes(link, text, strlen(text));
}

static inline void on_link_closed(uv_handle_t *handle) {
  peer_link *link = handle->data;
  link->has_ended = 1;
}

static inline void peer_drop(peer_link *link) {
  if (link->fd < 0) return;
  uv_close((uv_handle_t *)&link->poll, on_link_closed);
  close(link->fd);
  link->fd = -1;
}

static inline int begins_with(const char *text, const char *beginning) {
  return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* RESP3 where the build has it. */
static inline void shake_as_redis(peer_link *link, const char *command) {
  if (begins_with(command, "HELLO"))
    peer_say(link, "%1\r\n+proto\r\n:3\r\n");
  else
    peer_say(link, begins_with(command, "PING") ? "+PONG\r\n" : "+OK\r\n");
  if (begins_with(command, "PING")) link->is_shaken = 1;
}

static inline void peer_take(peer_link *link, const moonpool_reply *command) {
  static char line[1000];
  size_t len = 0;
  const moonpool_reply *word = command->u.list.first;
  for (line[0] = '\0'; word; word = word->next) {
    int shown = word->u.string.len < 60 ? (int)word->u.string.len : 60;
    len += (size_t)snprintf(line + len, sizeof line - len, "%s%.*s", len ? " " : "", shown,
                            word->u.string.data);
    if (len > sizeof line - 100) break;
  }
  if (!link->is_shaken) {
    (link->f->shake ? link->f->shake : shake_as_redis)(link, line);
    return;
  }
  strcpy(line + len, "\n");
  if (mp_buf_append(&link->heard, line, len + 1)) abort();
  if (link->f->hear) link->f->hear(link, command);
}

static inline void on_heard(uv_poll_t *poll, int status, int events) {
  static char data[65536];
  peer_link *link = poll->data;
  const moonpool_reply *command;
  (void)status, (void)events;
  ssize_t got = recv(link->fd, data, sizeof data, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    peer_drop(link);
    return;
  }
  mp_resp_feed(link->in, data, (size_t)got);
  while (link->fd >= 0 && mp_resp_next(link->in, &command) == 1) peer_take(link, command);
  CHECK_INT(mp_resp_keep(link->in), 0);
}

static inline void peer_listen_to(peer_link *link, int is_listening) {
  if (link->fd < 0) return;
  if (is_listening)
    uv_poll_start(&link->poll, UV_READABLE, on_heard);
  else
    uv_poll_stop(&link->poll);
}

static inline void on_connection(uv_poll_t *poll, int status, int events) {
  static const mp_resp_limits limits = {0};
  fixture *f = poll->data;
  (void)events;
  CHECK_INT(status, 0);
  if (f->link_count >= LINKS) abort();
  peer_link *link = &f->links[f->link_count++];
  *link = (peer_link){.f = f, .fd = accept(f->listener, NULL, NULL)};
  CHECK(link->fd >= 0);
  fcntl(link->fd, F_SETFL, O_NONBLOCK);
  setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* or it is no TCP */
  link->in = mp_resp_new(&mp_default_allocator, &limits);
  mp_buf_init(&link->heard, &mp_default_allocator);
  uv_poll_init(&f->loop, &link->poll, link->fd);
  link->poll.data = link;
  peer_listen_to(link, 1);
}

/* What the link of that number has heard; "" when there is none yet. */
static inline const char *heard(fixture *f, int number) {
  if (number >= f->link_count || f->links[number].heard.len == 0) return "";
  mp_buf *text = &f->links[number].heard;
  if (!mp_buf_reserve(text, 1)) abort();
  text->data[text->len] = '\0';
  return text->data;
}

static inline int has_heard(fixture *f, int number, const char *text) {
  return !strcmp(heard(f, number), text);
}

static inline void forget_heard(fixture *f, int number) {
  f->links[number].heard.len = 0;
}

static inline int is_shaken(fixture *f, int number) {
  return number < f->link_count && f->links[number].is_shaken;
}

static inline void stop_listening(fixture *f) {
  if (f->listener < 0) return;
  uv_close((uv_handle_t *)&f->accepting, NULL);
  uv_run(&f->loop, UV_RUN_NOWAIT);
  close(f->listener);
  unlink(f->path);
  f->listener = -1;
}

static inline void start_listening(fixture *f) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", f->path);
  f->listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(f->listener, (struct sockaddr *)&address, sizeof address)) abort();
  if (listen(f->listener, LINKS)) abort();
  uv_poll_init(&f->loop, &f->accepting, f->listener);
  f->accepting.data = f;
  uv_poll_start(&f->accepting, UV_READABLE, on_connection);
}

/* ---- setup and end -------------------------------------------------------------------------- */

static inline int count_fds(void) {
  int open = 0;
  for (int fd = 0; fd < 256; fd++) open += fcntl(fd, F_GETFD) >= 0;
  return open;
}

static inline void on_tick(uv_timer_t *tick) {
  fixture *f = tick->data;
  if (uv_now(tick->loop) >= f->deadline) f->is_late = 1;
}

/* Without a listener: nobody is there. */
static inline void setup_alone(fixture *f) {
  memset(f, 0, sizeof *f);
  f->listener = -1;
  test_heap_init(&f->heap, 0);
  uv_loop_init(&f->loop);
  f->fds = count_fds();
  uv_timer_init(&f->loop, &f->tick);
  f->tick.data = f;
  f->deadline = uv_now(&f->loop) + DEADLINE;
  uv_timer_start(&f->tick, on_tick, TICK, TICK);
  strcpy(f->directory, "/tmp/moonpool-test-XXXXXX");
  if (!mkdtemp(f->directory)) abort();
  snprintf(f->path, sizeof f->path, "%s/s", f->directory);
  snprintf(f->url, sizeof f->url, "unix://%s", f->path);
  snprintf(f->address, sizeof f->address, "unix:%s", f->path);
  moonpool_options_init(&f->options);
  f->options.url = f->url;
  f->options.allocator = &f->heap.allocator;
  f->options.backoff_min = 1;
  f->options.backoff_max = 5;
}

static inline void setup(fixture *f) {
  setup_alone(f);
  start_listening(f);
}

static inline int open_client(fixture *f) {
  char message[200];
  int status = moonpool_open(&f->client, &f->loop, &f->options, message, sizeof message);
  CHECK_INT(status == MOONPOOL_OK, f->client != NULL);
  return status;
}

static inline moonpool_state state_of(fixture *f) {
  return moonpool_get_state(f->client);
}

/* The command link is the peer's link 0, and ready. */
static inline void setup_ready(fixture *f) {
  setup(f);
  CHECK_INT(open_client(f), MOONPOOL_OK);
  RUN_UNTIL(f, state_of(f) == MOONPOOL_READY);
}

static inline void on_gone(void *ctx) {
  fixture *f = ctx;
  f->gone++;
  f->client = NULL;
}

static inline void close_client(fixture *f) {
  moonpool_close(f->client, on_gone, f);
}

/* Everything ends, and nothing is left: no handle, no memory, no file descriptor. */
static inline void teardown(fixture *f) {
  int was_open = f->client != NULL;
  if (was_open) {
    close_client(f);
    RUN_UNTIL(f, f->gone > 0);
  }
  CHECK_INT(f->gone, was_open || f->gone ? 1 : 0);
  stop_listening(f);
  for (int i = 0; i < f->link_count; i++) {
    peer_drop(&f->links[i]);
    mp_resp_free(f->links[i].in);
    mp_buf_free(&f->links[i].heard);
  }
  uv_close((uv_handle_t *)&f->tick, NULL);
  uv_run(&f->loop, UV_RUN_DEFAULT);
  if (f->fds >= 0) CHECK_INT(count_fds(), f->fds);
  CHECK_INT(uv_loop_close(&f->loop), 0);
  CHECK_INT(f->heap.blocks, 0);
  CHECK(!f->is_late);
  CHECK_INT(rmdir(f->directory), 0);
}

/* ---- commands ------------------------------------------------------------------------------- */

/* One callback that is expected, and what it is to do. */
typedef struct call {
  fixture *f;
  int count, status;
  char text[300], message[300]; /* the reply as put_reply writes it, "" for NULL; the error's */
  void (*then)(fixture *f, struct call *call);
} call;

static inline void take_call(call *c, const moonpool_reply *reply, const moonpool_error *error) {
  c->count++;
  c->status = error ? error->status : MOONPOOL_OK;
  snprintf(c->message, sizeof c->message, "%s", error ? error->message : "");
  c->text[0] = '\0';
  if (reply) {
    mp_buf text;
    mp_buf_init(&text, &mp_default_allocator);
    put_reply(&text, reply, 0);
    snprintf(c->text, sizeof c->text, "%.*s", (int)text.len, text.data);
    mp_buf_free(&text);
  }
  if (c->then) c->then(c->f, c);
}

static inline void on_reply(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  take_call(ctx, reply, error);
}

static inline void on_ready(moonpool *client, const moonpool_error *error, void *ctx) {
  call *c = ctx;
  CHECK(client == c->f->client);
  take_call(c, NULL, error);
}

/* Words of a command, one space between each. */
static inline size_t split(const char *line, moonpool_bytes *argv) {
  size_t argc = 0;
  while (*line) {
    size_t len = strcspn(line, " ");
    argv[argc++] = (moonpool_bytes){line, len};
    line += len + (line[len] == ' ');
  }
  return argc;
}

static inline int command_for(fixture *f, const char *line, uint64_t timeout, call *c) {
  moonpool_bytes argv[32];
  if (c) c->f = f;
  return moonpool_command(f->client, split(line, argv), argv, timeout, c ? on_reply : NULL, c);
}

static inline int command(fixture *f, const char *line, call *c) {
  return command_for(f, line, 0, c);
}

static inline void then_close(fixture *f, call *c) {
  (void)c;
  close_client(f);
}

#endif
