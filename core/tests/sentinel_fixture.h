/* A service that fake sentinels watch, on the loopback: three sentinels and two servers, on the
 * fixture's loop. Each says what the test has it say; by default all name server 0, the master. */
#ifndef MP_SENTINEL_FIXTURE_H
#define MP_SENTINEL_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "hub_fixture.h"

enum { SENTINELS = 3, SERVERS = 2, FAKES = SENTINELS + SERVERS };

typedef struct world world;

typedef struct fake {
  world *w;
  int listener; /* -1: connections are refused */
  int port;
  uv_poll_t accepting;
  int accepted; /* connections so far */
  int is_mute;  /* it answers nothing */
  const char *password;
  /* Of a sentinel: the port that it names, 0: it knows no such master; -1 for an epoch that it does
   * not tell; what it says of the master and of other sentinels instead, as it is. */
  int names;
  long long epoch;
  const char *master, *listed;
  /* Of a server: what it answers to ROLE, as it is. */
  const char *role;
  /* Of either: commands that it does not answer, and what it is to do then. */
  void (*then)(world *w, peer_link *link, const char *line);
} fake;

struct world {
  fixture f; /* the first */
  fake fakes[FAKES];
  fake *servers; /* the last ones */
  fake *of[LINKS];
  char url[200];
};

#define ROLE_MASTER "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
#define ROLE_REPLICA "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:0\r\n"

/* ---- what they say ----------------------------------------------------------------------------
 */

static inline void say_master(peer_link *link, const fake *s) {
  char text[100], port[8];
  if (s->master) {
    peer_say(link, s->master);
    return;
  }
  int len = snprintf(port, sizeof port, "%d", s->names);
  snprintf(text, sizeof text, "*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%s\r\n", len, port);
  peer_say(link, s->names ? text : "*-1\r\n");
}

static inline void say_epoch(peer_link *link, const fake *s) {
  char text[100], epoch[24];
  int len = snprintf(epoch, sizeof epoch, "%lld", s->epoch);
  snprintf(text, sizeof text, "*4\r\n$4\r\nname\r\n$1\r\nm\r\n$12\r\nconfig-epoch\r\n$%d\r\n%s\r\n",
           len, epoch);
  peer_say(link, s->epoch < 0 ? "-NOPERM no\r\n" : text);
}

/* The kind of entry that stands in the list of SENTINEL SENTINELS. */
static inline void put_listed(char *text, size_t size, const char *host, int port) {
  char number[8];
  int len = snprintf(number, sizeof number, "%d", port);
  snprintf(text, size, "*4\r\n$2\r\nip\r\n$%zu\r\n%s\r\n$4\r\nport\r\n$%d\r\n%s\r\n", strlen(host),
           host, len, number);
}

static inline void answer_as_sentinel(peer_link *link, const fake *s, const char *line) {
  if (begins_with(line, "SENTINEL GET-MASTER-ADDR-BY-NAME m\n"))
    say_master(link, s);
  else if (begins_with(line, "SENTINEL MASTER m\n"))
    say_epoch(link, s);
  else if (begins_with(line, "SENTINEL SENTINELS m\n"))
    peer_say(link, s->listed ? s->listed : "*0\r\n");
  else if (begins_with(line, "SUBSCRIBE"))
    peer_confirm(link, "subscribe", "+switch-master", 1);
  else
    peer_say(link, "-ERR unknown command\r\n");
}

static inline int is_refused(const peer_link *link, const fake *s, const char *line) {
  char secret[100];
  if (!s->password || link->is_trusted) return 0;
  snprintf(secret, sizeof secret, " %s\n", s->password);
  return !strstr(line, secret);
}

static inline void answer(peer_link *link, fake *s, const char *line,
                          const moonpool_reply *command) {
  if (is_refused(link, s, line)) {
    peer_say(link, strstr(line, "AUTH ") ? "-WRONGPASS no\r\n" : "-NOAUTH no\r\n");
    return;
  }
  link->is_trusted = 1;
  if (begins_with(line, "HELLO"))
    peer_say(link, moonpool_resp_version() >= 3 ? "%1\r\n+proto\r\n:3\r\n" : "-ERR unknown\r\n");
  else if (begins_with(line, "PING"))
    peer_say(link, "+PONG\r\n");
  else if (begins_with(line, "CLIENT") || begins_with(line, "AUTH") || begins_with(line, "SELECT"))
    peer_say(link, "+OK\r\n");
  else if (begins_with(line, "ROLE"))
    peer_say(link, s->role);
  else if (s->role)
    hear_as_redis(link, command);
  else
    answer_as_sentinel(link, s, line);
}

/* What a link has heard last, with its end of line. */
static inline const char *last_heard(fixture *f, int number) {
  const char *text = heard(f, number), *at = text + strlen(text);
  if (at > text) at--;
  while (at > text && at[-1] != '\n') at--;
  return at;
}

static inline void hear_in_world(peer_link *link, const moonpool_reply *command) {
  world *w = (world *)link->f;
  int number = (int)(link - w->f.links);
  fake *s = w->of[number];
  char line[300];
  snprintf(line, sizeof line, "%s", last_heard(&w->f, number));
  if (s->then) s->then(w, link, line);
  if (!s->is_mute && link->fd >= 0) answer(link, s, line, command);
}

/* ---- places -----------------------------------------------------------------------------------
 */

static inline void on_world_connection(uv_poll_t *poll, int status, int events) {
  fake *s = poll->data;
  fixture *f = &s->w->f;
  int listener = f->listener;
  f->listener = s->listener;
  uv_poll_t as = {.data = f};
  s->w->of[f->link_count] = s;
  on_connection(&as, status, events);
  peer_link *link = &f->links[f->link_count - 1];
  int is_on = 1;
  setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &is_on, sizeof is_on); /* as Redis does */
  link->is_shaken = 1; /* `hear` is told of the handshake, too */
  f->listener = listener;
  s->accepted++;
}

static inline void open_fake(fake *s) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  int is_on = 1;
  address.sin_port = htons((uint16_t)s->port);
  s->listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &is_on, sizeof is_on);
  if (bind(s->listener, (struct sockaddr *)&address, len) || listen(s->listener, 64)) abort();
  getsockname(s->listener, (struct sockaddr *)&address, &len);
  s->port = ntohs(address.sin_port);
  uv_poll_init(&s->w->f.loop, &s->accepting, s->listener);
  s->accepting.data = s;
  uv_poll_start(&s->accepting, UV_READABLE, on_world_connection);
}

static inline void drop_links_of(fake *s) {
  for (int i = 0; i < s->w->f.link_count; i++)
    if (s->w->of[i] == s) peer_drop(&s->w->f.links[i]);
}

/* It is gone, and so are its connections. */
static inline void close_fake(fake *s) {
  if (s->listener < 0) return;
  uv_close((uv_handle_t *)&s->accepting, NULL);
  uv_run(&s->w->f.loop, UV_RUN_NOWAIT);
  close(s->listener);
  s->listener = -1;
  drop_links_of(s);
}

static inline void name_server(world *w, int sentinel, int server, long long epoch) {
  w->fakes[sentinel].names = w->servers[server].port;
  w->fakes[sentinel].epoch = epoch;
}

static inline void setup_world(world *w) {
  memset(w, 0, sizeof *w);
  setup_alone(&w->f);
  w->servers = &w->fakes[SENTINELS];
  for (int i = 0; i < FAKES; i++) {
    w->fakes[i].w = w;
    open_fake(&w->fakes[i]);
  }
  w->servers[0].role = w->servers[1].role = ROLE_MASTER;
  for (int i = 0; i < SENTINELS; i++) name_server(w, i, 0, 1);
  snprintf(w->url, sizeof w->url, "redis+sentinel://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/m",
           w->fakes[0].port, w->fakes[1].port, w->fakes[2].port);
  w->f.options.url = w->url;
  w->f.hear = hear_in_world;
}

static inline void teardown_world(world *w) {
  if (w->f.client) {
    close_client(&w->f);
    RUN_UNTIL(&w->f, w->f.gone > 0);
  }
  for (int i = 0; i < FAKES; i++) close_fake(&w->fakes[i]);
  teardown(&w->f);
}

/* ---- looking ----------------------------------------------------------------------------------
 */

/* Is the command link ready on this server? */
static inline int is_on(world *w, int server) {
  char address[40];
  snprintf(address, sizeof address, "127.0.0.1:%d", w->servers[server].port);
  return state_of(&w->f) == MOONPOOL_READY && !strcmp(moonpool_address(w->f.client), address);
}

static inline int has_said(const peer_link *link, const char *text) {
  fixture *f = link->f;
  return strstr(heard(f, (int)(link - f->links)), text) != NULL;
}

/* The last connection to it that is open and has heard this, or NULL. */
static inline peer_link *link_that_heard(fake *s, const char *text) {
  for (int i = s->w->f.link_count - 1; i >= 0; i--) {
    peer_link *link = &s->w->f.links[i];
    if (s->w->of[i] == s && link->fd >= 0 && has_said(link, text)) return link;
  }
  return NULL;
}

/* Where the client listens to +switch-master. */
static inline peer_link *watch_of(world *w) {
  peer_link *link = NULL;
  for (int i = 0; i < SENTINELS && !link; i++)
    link = link_that_heard(&w->fakes[i], "SUBSCRIBE +switch-master");
  return link;
}

/* Two rounds of questions, the second because it watches, are over. */
static inline int is_settled_at_first(world *w) {
  int accepted = 0, open = 0;
  for (int i = 0; i < SENTINELS; i++) accepted += w->fakes[i].accepted;
  for (int i = 0; i < w->f.link_count; i++) open += !w->of[i]->role && w->f.links[i].fd >= 0;
  return accepted == 2 * SENTINELS + 1 && open == 1;
}

/* The client is ready and watches. */
static inline void setup_found(world *w) {
  setup_world(w);
  CHECK_INT(open_client(&w->f), MOONPOOL_OK);
  RUN_UNTIL(&w->f, is_on(w, 0) && watch_of(w) && is_settled_at_first(w));
}

static inline void announce(world *w, const char *service, int from, int to) {
  char payload[100];
  peer_link *watch = watch_of(w);
  CHECK(watch);
  snprintf(payload, sizeof payload, "%s 127.0.0.1 %d 127.0.0.1 %d", service, w->servers[from].port,
           w->servers[to].port);
  if (watch) peer_publish(watch, "+switch-master", payload);
}

#endif
