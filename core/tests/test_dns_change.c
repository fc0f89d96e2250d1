/* A name that comes to mean another server, as at a failover by DNS. moving.test (RFC 6761: never
 * in the real DNS) is resolved here: this program's getaddrinfo comes before the C library's, and
 * hands everything else on to it. */
#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>

#include "hub_fixture.h"

typedef int (*getaddrinfo_fn)(const char *, const char *, const struct addrinfo *,
                              struct addrinfo **);

static const char *const places[] = {"127.0.0.1", "127.0.0.2", NULL};
static atomic_int place; /* which one the name means; past the last one: none */
static atomic_int lookups;

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **result) {
  getaddrinfo_fn real;
  *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
  if (!host || strcmp(host, "moving.test")) return real(host, port, hints, result);
  lookups++;
  return places[place] ? real(places[place], port, hints, result) : EAI_NONAME;
}

/* The peer listens at both places. */
static void setup_moving(fixture *f) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t size = sizeof address;
  setup_alone(f);
  f->listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(f->listener, (struct sockaddr *)&address, size)) abort();
  if (listen(f->listener, LINKS)) abort();
  if (getsockname(f->listener, (struct sockaddr *)&address, &size)) abort();
  snprintf(f->url, sizeof f->url, "redis://moving.test:%d", ntohs(address.sin_port));
  uv_poll_init(&f->loop, &f->accepting, f->listener);
  f->accepting.data = f;
  uv_poll_start(&f->accepting, UV_READABLE, on_connection);
  f->fds = -1; /* libuv's threads begin */
  f->hear = hear_as_redis;
  place = 0;
}

/* Where the client has come to with its connection of that number: an index of places. */
static int place_of(fixture *f, int number) {
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  if (getsockname(f->links[number].fd, (struct sockaddr *)&address, &size)) return -1;
  return (int)(ntohl(address.sin_addr.s_addr) & 0xff) - 1;
}

static void drop_all(fixture *f) {
  for (int i = 0; i < f->link_count; i++) peer_drop(&f->links[i]);
}

TEST(both_links_follow_the_name) {
  fixture f;
  sub s = {0};
  call c = {0};
  setup_moving(&f);
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  listen_to(&f, &s, "room");
  RUN_UNTIL(&f, s.confirmed.count && state_of(&f) == MOONPOOL_READY);
  REQUIRE(f.link_count == 2);
  CHECK_INT(place_of(&f, 0), 0);
  CHECK_INT(place_of(&f, 1), 0);
  ask_all_events(&s);

  int before = lookups;
  place = 1; /* connections that live are left alone */
  pass(&f, strstr(heard(&f, 0), "SUBSCRIBE") ? 0 : 1, &s, "room");
  CHECK_INT(lookups, before);
  drop_all(&f); /* the old place still listens */
  RUN_UNTIL(&f, strchr(s.told, '~') && state_of(&f) == MOONPOOL_READY);
  REQUIRE(f.link_count == 4);
  CHECK_INT(place_of(&f, 2), 1);
  CHECK_INT(place_of(&f, 3), 1);
  CHECK_INT(command(&f, "SET a b", &c), MOONPOOL_OK);
  RUN_UNTIL(&f, c.count);
  CHECK_INT(c.status, MOONPOOL_OK);
  teardown(&f);
}

TEST(a_name_that_is_gone_for_a_while_is_asked_again) {
  fixture f;
  sub s = {0};
  setup_moving(&f);
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  listen_to(&f, &s, "room");
  RUN_UNTIL(&f, s.confirmed.count && state_of(&f) == MOONPOOL_READY);
  ask_all_events(&s);
  place = 2;
  int before = lookups;
  drop_all(&f);
  RUN_UNTIL(&f, lookups >= before + 4); /* backoff is short here */
  CHECK_INT(f.link_count, 2);
  place = 1;
  RUN_UNTIL(&f, strchr(s.told, '~') && state_of(&f) == MOONPOOL_READY);
  CHECK_INT(place_of(&f, f.link_count - 1), 1);
  teardown(&f);
}

static const test_case tests[] = {
    TEST_CASE(both_links_follow_the_name),
    TEST_CASE(a_name_that_is_gone_for_a_while_is_asked_again),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
