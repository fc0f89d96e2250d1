/* What listens: sockets from which connections are accepted, up to the limits. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bind.h"
#include "conn_private.h"
#include "socket.h"

/* Of a socket that several processes listen on, each takes few at once, so that all get some. */
enum { ACCEPTS_A_TURN = 64, SHARED_ACCEPTS_A_TURN = 4, RETRY_MS = 100 };

typedef struct gw_listener {
  uv_poll_t poll; /* first */
  struct gw_listener *next;
  gw_server *server;
  gw_bound bound;
  int is_inherited;
  int is_path_ours; /* made by us: removed at the end */
} gw_listener;

/* ---- accepting ---------------------------------------------------------------------------- */

/* Who is over max_connections is still told so, if there are not too many of them. */
enum { TURNED_AWAY = 64 };

static int is_over(const moonpool_gateway *g, size_t more) {
  size_t max = g->options.max_connections;
  return max && g->stats.connections >= max + more;
}

static void drop(gw_server *s, int fd) {
  s->gateway->stats.refused++;
  mp_socket_close(fd);
}

static void admit(gw_server *s, int fd, const struct sockaddr *peer) {
  moonpool_gateway *g = s->gateway;
  int is_full = is_over(g, 0);
  char address[GW_ADDRESS_SIZE];
  gw_bind_host(peer, address, sizeof address);
  if (peer->sa_family != AF_UNIX) mp_socket_tune(fd);
  gw_conn *c = is_over(g, TURNED_AWAY) ? NULL : gw_conn_new(s, fd, address);
  if (!c)
    drop(s, fd);
  else if (is_full)
    gw_conn_refuse(c, 503);
  else if (!gw_client_accept(c))
    gw_conn_refuse(c, 429);
  else
    g->stats.accepted++;
}

/* There are no descriptors left: one is kept for this, to take who waits off the list and turn him
 * away. */
static int turn_away(gw_listener *l) {
  gw_server *s = l->server;
  if (s->reserve < 0) return 0;
  close(s->reserve);
  int fd = accept4(l->bound.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) close(fd);
  s->gateway->stats.refused += fd >= 0;
  s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return fd >= 0;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_retry(uv_timer_t *timer) {
  gw_server *s = timer->data;
  for (gw_listener *l = s->listeners; l; l = l->next) uv_poll_start(&l->poll, UV_READABLE, on_poll);
  if (s->reserve < 0) s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* The system is out of something, and whoever waits keeps the listener readable: all rest. */
static int rest(gw_server *s) {
  for (gw_listener *l = s->listeners; l; l = l->next) uv_poll_stop(&l->poll);
  uv_timer_start(&s->retry, on_retry, RETRY_MS, 0);
  return 0;
}

static int is_passing(int error) {
  return error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM;
}

static int accept_one(gw_listener *l) {
  struct sockaddr_storage peer = {0};
  socklen_t len = sizeof peer;
  int fd = accept4(l->bound.fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    admit(l->server, fd, (struct sockaddr *)&peer);
    return 1;
  }
  if (is_passing(errno)) return 1;
  if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
  return ((errno == EMFILE || errno == ENFILE) && turn_away(l)) || rest(l->server);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  gw_listener *l = (gw_listener *)poll;
  int max = l->is_inherited ? SHARED_ACCEPTS_A_TURN : ACCEPTS_A_TURN;
  for (int i = 0; i < max && accept_one(l); i++) continue;
}

/* ---- life --------------------------------------------------------------------------------- */

static int listen_with(moonpool_gateway *g, gw_bound *bound, int is_inherited, char *message,
                       size_t size) {
  gw_listener *l = mp_calloc(g->allocator, sizeof *l);
  int error = l ? uv_poll_init_socket(g->loop, &l->poll, bound->fd) : UV_ENOMEM;
  if (error) {
    snprintf(message, size, "%s: %s", bound->text, uv_strerror(error));
    mp_free(g->allocator, l);
    return error == UV_ENOMEM ? MOONPOOL_ENOMEM : MOONPOOL_ESYS;
  }
  gw_listener **last = &g->server->listeners;
  while (*last) last = &(*last)->next;
  *last = l;
  l->server = g->server;
  l->bound = *bound;
  l->is_inherited = is_inherited;
  l->is_path_ours = !is_inherited && !strncmp(bound->text, "unix:", 5);
  gw_hold(g);
  uv_poll_start(&l->poll, UV_READABLE, on_poll);
  return MOONPOOL_OK;
}

static int is_open_to_all(const moonpool_gateway *g) {
  return !g->options.secret.data && !g->options.judges[MOONPOOL_GATEWAY_AUTHENTICATE];
}

static int adopt(moonpool_gateway *g, int fd, gw_bound *bound, char *message, size_t size) {
  int status = gw_bind_adopt(fd, bound, message, size);
  if (status || bound->is_loopback || !is_open_to_all(g)) return status;
  snprintf(message, size,
           "%s: not a loopback address, although nobody is asked for a token: set a secret",
           bound->text);
  return MOONPOOL_EARG;
}

int moonpool_gateway_listen(moonpool_gateway *g, const char *address, int fd, char *message,
                            size_t size) {
  gw_bound bound;
  if (g->is_draining) {
    snprintf(message, size, "the gateway is ending");
    return MOONPOOL_ECLOSED;
  }
  int status = fd >= 0 ? adopt(g, fd, &bound, message, size)
                       : gw_bind(address, is_open_to_all(g), &bound, message, size);
  if (status) return status;
  status = listen_with(g, &bound, fd >= 0, message, size);
  if (status && fd < 0) close(bound.fd);
  return status;
}

const char *moonpool_gateway_address(const moonpool_gateway *g, size_t n) {
  const gw_listener *l = g->server->listeners;
  while (l && n--) l = l->next;
  return l ? l->bound.text : NULL;
}

static void on_closed(uv_handle_t *handle) {
  gw_listener *l = (gw_listener *)handle;
  moonpool_gateway *g = l->server->gateway;
  mp_free(g->allocator, l);
  gw_release(g);
}

void gw_listeners_close(gw_server *s) {
  while (s->listeners) {
    gw_listener *l = s->listeners;
    s->listeners = l->next;
    if (l->is_path_ours) unlink(l->bound.text + 5);
    uv_close((uv_handle_t *)&l->poll, on_closed);
    close(l->bound.fd);
  }
}
