/* The way to an open transport: names, addresses in turn, deadlines, and what errors say.
 *
 * Names under .test (RFC 6761: never in the real DNS) are answered here: this program's getaddrinfo
 * comes before the C library's, and hands everything else on to it. */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <sys/resource.h>

#include "socket.h"
#include "transport_fixture.h"

/* ---- names of our own --------------------------------------------------------------------- */

typedef int (*getaddrinfo_fn)(const char *, const char *, const struct addrinfo *,
                              struct addrinfo **);

static sem_t slow_begun, slow_names; /* a look-up of slow.test posts one, waits for the other */

static getaddrinfo_fn real_getaddrinfo(void) {
  getaddrinfo_fn function;
  *(void **)&function = dlsym(RTLD_NEXT, "getaddrinfo");
  return function;
}

static int resolve_all(const char *const *ips, const char *port, const struct addrinfo *hints,
                       struct addrinfo **result) {
  struct addrinfo **last = result;
  for (; *ips; ips++) {
    int error = real_getaddrinfo()(*ips, port, hints, last);
    if (error) return error;
    while (*last) last = &(*last)->ai_next;
  }
  return 0;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **result) {
  static const char *const two[] = {"127.0.0.2", "127.0.0.1", NULL};
  static const char *const slow[] = {"127.0.0.1", NULL};
  if (hints->ai_flags & AI_NUMERICHOST) return real_getaddrinfo()(host, port, hints, result);
  if (!strcmp(host, "two.test")) return resolve_all(two, port, hints, result);
  if (!strcmp(host, "none.test")) return EAI_NONAME;
  if (strcmp(host, "slow.test")) return real_getaddrinfo()(host, port, hints, result);
  sem_post(&slow_begun);
  while (sem_wait(&slow_names)) continue;
  return resolve_all(slow, port, hints, result);
}

static void answer_slow_names(int count) {
  while (count--) sem_post(&slow_names);
}

/* ---- refused ------------------------------------------------------------------------------ */

/* A port on which nobody listens, and which nobody else is given: the fixture keeps it bound. */
static int refusing_port(fixture *f) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t len = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  f->listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(f->listener, (struct sockaddr *)&address, len)) return 0;
  if (getsockname(f->listener, (struct sockaddr *)&address, &len)) return 0;
  int port = ntohs(address.sin_port);
  snprintf(f->address, sizeof f->address, "127.0.0.1:%d", port);
  snprintf(f->url, sizeof f->url, "redis://%s", f->address);
  return port;
}

static void check_fails(fixture *f, const char *url, uint64_t timeout, int status,
                        const char *message) {
  CHECK_INT(open_url(f, url, timeout), MOONPOOL_OK);
  CHECK_INT(f->ended, 0); /* nothing is told from inside open */
  RUN_UNTIL(f, f->ended);
  CHECK_STR(f->message, message);
  CHECK_INT(f->status, status);
  CHECK_INT(f->opened, 0);
  uv_run(&f->loop, UV_RUN_NOWAIT);
  CHECK_INT(f->ended, 1);
}

TEST(a_refused_connection_names_its_address) {
  fixture f;
  char wanted[250];
  setup(&f);
  REQUIRE(refusing_port(&f));
  snprintf(wanted, sizeof wanted, "connect to %s: connection refused", f.address);
  check_fails(&f, f.url, DEADLINE, MOONPOOL_ECONN, wanted);
  teardown(&f);
}

TEST(a_unix_socket_without_a_server_is_named) {
  fixture f;
  char wanted[250];
  setup(&f);
  REQUIRE(listen_unix(&f));
  close_listener(&f);
  snprintf(wanted, sizeof wanted, "connect to %s: connection refused", f.address);
  check_fails(&f, f.url, DEADLINE, MOONPOOL_ECONN, wanted);
  free_transport(&f);
  snprintf(wanted, sizeof wanted, "connect to %s: no such file or directory", f.address);
  remove_socket(&f);
  f.ended = 0;
  check_fails(&f, f.url, DEADLINE, MOONPOOL_ECONN, wanted);
  teardown(&f);
}

TEST(a_path_longer_than_the_systems_limit_is_refused) {
  fixture f;
  char path[200] = "/", address[] = "unix:/xxx";
  mp_url url = {.path = path, .address = address};
  mp_transport_config config = {.loop = &f.loop, .allocator = &f.heap.allocator};
  setup(&f);
  memset(path + 1, 'x', sizeof path - 2);
  CHECK_INT(mp_transport_open(&f.transport, &config, &url, 1000), MOONPOOL_EARG);
  CHECK(!f.transport);
  url = (mp_url){.host = address, .tls = 1, .address = address};
  CHECK_INT(mp_transport_open(&f.transport, &config, &url, 1000), MOONPOOL_ENOSUPPORT);
  CHECK(!f.transport);
  teardown(&f);
}

/* ---- names and addresses ------------------------------------------------------------------ */

TEST(an_unknown_name_is_named) {
  fixture f;
  setup(&f);
  check_fails(&f, "redis://none.test:1", DEADLINE, MOONPOOL_ECONN,
              "resolve none.test: unknown host");
  teardown(&f);
}

/* By the real resolver, which without a network says "try again" instead. */
TEST(a_name_that_can_not_exist_fails_in_time) {
  fixture f;
  setup(&f);
  CHECK_INT(open_url(&f, "redis://nosuch.invalid", DEADLINE / 2), MOONPOOL_OK);
  RUN_UNTIL(&f, f.ended);
  CHECK(!strncmp(f.message, "resolve nosuch.invalid: ", 24));
  CHECK(f.status == MOONPOOL_ECONN || f.status == MOONPOOL_ETIMEOUT);
  teardown(&f);
}

TEST(a_name_that_libuv_refuses_fails_later) {
  fixture f;
  setup(&f);
  CHECK_INT(open_url(&f, "redis://\xff\xfe", DEADLINE), MOONPOOL_OK); /* not UTF-8 */
  RUN_UNTIL(&f, f.ended);
  CHECK(!strncmp(f.message, "resolve ", 8));
  CHECK_INT(f.status, MOONPOOL_ECONN);
  teardown(&f);
}

TEST(the_second_address_is_tried_when_the_first_refuses) {
  fixture f;
  char url[64];
  setup(&f);
  int port = listen_tcp(&f, "127.0.0.1", 0, 1);
  REQUIRE(port);
  start_accepting(&f);
  snprintf(url, sizeof url, "redis://two.test:%d", port);
  CHECK_INT(open_url(&f, url, DEADLINE), MOONPOOL_OK);
  RUN_UNTIL(&f, f.opened && f.peer >= 0);
  CHECK_INT(f.ended, 0);
  write_bytes(&f, "hello", 5);
  char bytes[8];
  CHECK_INT(recv(f.peer, bytes, sizeof bytes, 0), 5);
  teardown(&f);
}

TEST(every_address_that_failed_is_told) {
  fixture f;
  char url[64], wanted[250];
  setup(&f);
  int port = refusing_port(&f);
  REQUIRE(port);
  snprintf(url, sizeof url, "redis://two.test:%d", port);
  snprintf(wanted, sizeof wanted,
           "connect to two.test:%d: connection refused (127.0.0.2); "
           "connection refused (127.0.0.1)",
           port);
  check_fails(&f, url, DEADLINE, MOONPOOL_ECONN, wanted);
  teardown(&f);
}

/* The kernel may give a socket the very port that it is to connect to; it then reaches itself. */
TEST(a_connection_to_itself_is_none) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t len = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(!bind(fd, (struct sockaddr *)&address, len));
  REQUIRE(!getsockname(fd, (struct sockaddr *)&address, &len));
  if (connect(fd, (struct sockaddr *)&address, len))
    printf("  not on this system\n");
  else
    CHECK_INT(mp_socket_outcome(fd), UV_ECONNREFUSED);
  mp_socket_close(fd);
}

/* ---- deadlines ---------------------------------------------------------------------------- */

enum { FILLERS = 8 };

/* A listener on `ip` that accepts nothing and whose queue is full: a connection gets no answer. */
static int listen_silently(fixture *f, const char *ip, int port, int *fillers) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  port = listen_tcp(f, ip, port, 0);
  if (!port) return 0;
  address.sin_port = htons((uint16_t)port);
  inet_pton(AF_INET, ip, &address.sin_addr);
  for (int i = 0; i < FILLERS; i++) {
    fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (!connect(fillers[i], (struct sockaddr *)&address, sizeof address)) continue;
    CHECK_INT(errno, EINPROGRESS);
  }
  return port;
}

static void close_fillers(const int *fillers) {
  for (int i = 0; i < FILLERS; i++) close(fillers[i]);
}

TEST(a_peer_that_does_not_answer_is_given_up_in_time) {
  fixture f;
  int fillers[FILLERS], share = 0;
  char wanted[250];
  setup(&f);
  REQUIRE(listen_silently(&f, "127.0.0.1", 0, fillers));
  snprintf(wanted, sizeof wanted, "connect to %s: no answer within %%d ms", f.address);
  uint64_t start = uv_hrtime();
  CHECK_INT(open_url(&f, f.url, 100), MOONPOOL_OK);
  RUN_UNTIL(&f, f.ended);
  CHECK_INT(f.status, MOONPOOL_ETIMEOUT);
  CHECK_INT(sscanf(f.message, wanted, &share), 1);
  CHECK(share > 0 && share <= 100); /* less where time passed before the first attempt */
  CHECK((uv_hrtime() - start) / 1000000 + 1 >= (uint64_t)share);
  close_fillers(fillers);
  teardown(&f);
}

TEST(a_dead_first_address_takes_only_its_share) {
  fixture f;
  int fillers[FILLERS];
  char url[64];
  setup(&f);
  int port = listen_tcp(&f, "127.0.0.1", 0, 1), listener = f.listener;
  REQUIRE(port);
  REQUIRE(listen_silently(&f, "127.0.0.2", port, fillers));
  int silent = f.listener;
  f.listener = listener;
  start_accepting(&f);
  snprintf(url, sizeof url, "redis://two.test:%d", port);
  uint64_t start = uv_hrtime();
  CHECK_INT(open_url(&f, url, 2000), MOONPOOL_OK);
  RUN_UNTIL(&f, f.opened && f.peer >= 0);
  CHECK((uv_hrtime() - start) / 1000000 >= 999);
  CHECK_INT(f.ended, 0);
  close(silent);
  close_fillers(fillers);
  teardown(&f);
}

/* The deadline counts from the call, not from the loop's last look at the clock. */
TEST(a_busy_program_does_not_use_up_the_deadline) {
  fixture f;
  setup(&f);
  REQUIRE(listen_tcp(&f, "127.0.0.1", 0, 1));
  start_accepting(&f);
  uv_run(&f.loop, UV_RUN_NOWAIT);
  uint64_t start = uv_hrtime();
  while (uv_hrtime() - start < 600000000) continue;
  CHECK_INT(open_url(&f, f.url, 500), MOONPOOL_OK);
  RUN_UNTIL(&f, f.opened || f.ended);
  CHECK_INT(f.opened, 1);
  RUN_UNTIL(&f, f.peer >= 0);
  teardown(&f);
}

/* The loop is held up, or its process stopped, until the deadline has passed. */
static void hold_up(int ms) {
  uint64_t start = uv_hrtime();
  while (uv_hrtime() - start < (uint64_t)ms * 1000000) continue;
}

TEST(a_loop_that_was_held_up_still_connects) {
  fixture f;
  setup(&f);
  REQUIRE(listen_tcp(&f, "127.0.0.1", 0, 1));
  start_accepting(&f);
  CHECK_INT(open_url(&f, f.url, 100), MOONPOOL_OK);
  hold_up(200);
  RUN_UNTIL(&f, f.opened || f.ended);
  CHECK_INT(f.opened, 1);
  CHECK_STR(f.message, "");
  RUN_UNTIL(&f, f.peer >= 0);
  teardown(&f);
}

/* What the first address used up is not the second one's. */
TEST(a_loop_that_was_held_up_has_time_for_the_next_address) {
  fixture f;
  char url[64];
  setup(&f);
  int port = listen_tcp(&f, "127.0.0.1", 0, 1);
  REQUIRE(port);
  start_accepting(&f);
  snprintf(url, sizeof url, "redis://two.test:%d", port);
  CHECK_INT(open_url(&f, url, 100), MOONPOOL_OK);
  hold_up(200);
  RUN_UNTIL(&f, f.opened || f.ended);
  CHECK_INT(f.opened, 1);
  CHECK_STR(f.message, "");
  RUN_UNTIL(&f, f.peer >= 0);
  CHECK(mp_transport_deadline(f.transport) > uv_now(&f.loop));
  teardown(&f);
}

/* ---- freed on the way --------------------------------------------------------------------- */

TEST(may_be_freed_before_the_loop_runs) {
  static const char *const urls[] = {"redis://127.0.0.1:1", "redis://none.test", "unix:///none"};
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    fixture f;
    setup(&f);
    CHECK_INT(open_url(&f, urls[i], DEADLINE), MOONPOOL_OK);
    free_transport(&f);
    mp_transport_free(NULL, NULL, NULL);
    RUN_UNTIL(&f, f.gone);
    CHECK_INT(f.ended, 0);
    teardown(&f);
  }
}

TEST(may_be_freed_amid_connecting) {
  fixture f;
  int fillers[FILLERS];
  setup(&f);
  REQUIRE(listen_silently(&f, "127.0.0.1", 0, fillers));
  CHECK_INT(open_url(&f, f.url, DEADLINE), MOONPOOL_OK);
  uv_run(&f.loop, UV_RUN_NOWAIT);
  uv_run(&f.loop, UV_RUN_NOWAIT);
  free_transport(&f);
  RUN_UNTIL(&f, f.gone);
  CHECK_INT(f.ended + f.opened, 0);
  close_fillers(fillers);
  teardown(&f);
}

TEST(may_be_freed_when_connecting_has_failed) {
  fixture f;
  setup(&f);
  REQUIRE(refusing_port(&f));
  f.free_on = ON_END;
  CHECK_INT(open_url(&f, f.url, DEADLINE), MOONPOOL_OK);
  RUN_UNTIL(&f, f.gone);
  CHECK_INT(f.ended, 1);
  teardown(&f);
}

TEST(a_silent_resolver_is_given_up_in_time) {
  fixture f;
  setup(&f);
  check_fails(&f, "redis://slow.test", 50, MOONPOOL_ETIMEOUT,
              "resolve slow.test: no answer within 50 ms");
  free_transport(&f);
  uv_run(&f.loop, UV_RUN_NOWAIT);
  CHECK_INT(f.gone, 0); /* libuv's thread still has it */
  answer_slow_names(1);
  RUN_UNTIL(&f, f.gone);
  teardown(&f);
  while (!sem_trywait(&slow_begun)) continue;
}

/* More than libuv has threads, so that some look-ups are under way and some wait for a thread. */
TEST(may_be_freed_amid_resolving) {
  enum { LOOKUPS = 6 };
  mp_transport *transports[LOOKUPS];
  fixture f;
  setup(&f);
  for (int i = 0; i < LOOKUPS; i++) {
    CHECK_INT(open_url(&f, "redis://slow.test", DEADLINE), MOONPOOL_OK);
    transports[i] = f.transport;
  }
  while (sem_wait(&slow_begun)) continue;
  for (int i = 0; i < LOOKUPS; i++) mp_transport_free(transports[i], on_gone, &f);
  f.transport = NULL;
  RUN_UNTIL(&f, f.gone >= 1);
  CHECK(f.gone < LOOKUPS);
  answer_slow_names(LOOKUPS);
  RUN_UNTIL(&f, f.gone == LOOKUPS);
  CHECK_INT(f.ended, 0);
  teardown(&f);
  while (!sem_trywait(&slow_names)) continue;
  while (!sem_trywait(&slow_begun)) continue;
}

/* ---- memory and descriptors --------------------------------------------------------------- */

TEST(without_memory_nothing_is_opened) {
  fixture f;
  setup(&f);
  test_heap_fail(&f.heap, 1, 2);
  CHECK_INT(open_url(&f, "redis://two.test", DEADLINE), MOONPOOL_ENOMEM);
  CHECK(!f.transport);
  teardown(&f);
}

TEST(without_file_descriptors_the_reason_is_told) {
  struct rlimit limit, none;
  fixture f;
  setup(&f);
  REQUIRE(!getrlimit(RLIMIT_NOFILE, &limit));
  uv_run(&f.loop, UV_RUN_NOWAIT);
  none = limit;
  none.rlim_cur = 0; /* for new ones */
  REQUIRE(!setrlimit(RLIMIT_NOFILE, &none));
  check_fails(&f, "redis://127.0.0.1:1", DEADLINE, MOONPOOL_ECONN,
              "connect to 127.0.0.1:1: too many open files");
  CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
  teardown(&f);
}

static const test_case tests[] = {
    TEST_CASE(a_refused_connection_names_its_address),
    TEST_CASE(a_unix_socket_without_a_server_is_named),
    TEST_CASE(a_path_longer_than_the_systems_limit_is_refused),
    TEST_CASE(an_unknown_name_is_named),
    TEST_CASE(a_name_that_can_not_exist_fails_in_time),
    TEST_CASE(a_name_that_libuv_refuses_fails_later),
    TEST_CASE(the_second_address_is_tried_when_the_first_refuses),
    TEST_CASE(every_address_that_failed_is_told),
    TEST_CASE(a_connection_to_itself_is_none),
    TEST_CASE(a_peer_that_does_not_answer_is_given_up_in_time),
    TEST_CASE(a_dead_first_address_takes_only_its_share),
    TEST_CASE(a_busy_program_does_not_use_up_the_deadline),
    TEST_CASE(a_loop_that_was_held_up_still_connects),
    TEST_CASE(a_loop_that_was_held_up_has_time_for_the_next_address),
    TEST_CASE(may_be_freed_before_the_loop_runs),
    TEST_CASE(may_be_freed_amid_connecting),
    TEST_CASE(may_be_freed_when_connecting_has_failed),
    TEST_CASE(a_silent_resolver_is_given_up_in_time),
    TEST_CASE(may_be_freed_amid_resolving),
    TEST_CASE(without_memory_nothing_is_opened),
    TEST_CASE(without_file_descriptors_the_reason_is_told),
};

int main(int argc, char **argv) {
  sem_init(&slow_begun, 0, 0);
  sem_init(&slow_names, 0, 0);
  return RUN_TESTS(tests, argc, argv);
}
