/* Where a gateway listens, and what its options may be. */
#include "wire_fixture.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

static char folder[] = "/tmp/moonpool-gateway-XXXXXX";

static int listen_at(fixture *f, const char *address, int fd) {
  f->message[0] = '\0';
  return moonpool_gateway_listen(f->gateway, address, fd, f->message, sizeof f->message);
}

static peer *connect_path(fixture *f, const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&a, sizeof a)) return NULL;
  return peer_adopt(f, fd);
}

TEST(unix_sockets_are_listened_on) {
  fixture f;
  char address[100], path[90];
  snprintf(path, sizeof path, "%s/g", folder);
  snprintf(address, sizeof address, "unix:%s", path);
  for (int round = 0; round < 2; round++) {
    set_up(&f);
    open_gateway(&f);
    CHECK_INT(listen_at(&f, address, -1), MOONPOOL_OK);
    CHECK_STR(moonpool_gateway_address(f.gateway, 1), address);
    CHECK_STR(moonpool_gateway_address(f.gateway, 2), NULL);
    peer *p = connect_path(&f, path);
    REQUIRE(p);
    peer_say(p, GET("/healthz"));
    EXPECT(p, "ok\n");
    CHECK_INT(listen_at(&f, address, -1), MOONPOOL_ESYS);
    CHECK(strstr(f.message, "address already in use"));
    peer_close(p);
    tear_down_wire(&f);
    CHECK(access(path, F_OK) != 0);
    /* A path that a killed process has left is in nobody's way. */
    int stale = moonpool_gateway_bind(address, f.message, sizeof f.message);
    CHECK(stale >= 0);
    close(stale);
    CHECK(access(path, F_OK) == 0);
  }
  unlink(path);
}

TEST(ipv6_is_listened_on) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  int status = listen_at(&f, "[::1]:0", -1);
  if (status == MOONPOOL_ESYS) {
    printf("  no IPv6 here: %s\n", f.message);
  } else {
    CHECK_INT(status, MOONPOOL_OK);
    const char *address = moonpool_gateway_address(f.gateway, 1);
    CHECK(address && !strncmp(address, "[::1]:", 6) && atoi(address + 6) > 0);
  }
  tear_down_wire(&f);
}

TEST(a_socket_is_inherited) {
  fixture f;
  set_up(&f);
  open_gateway(&f);
  int fd = moonpool_gateway_bind("127.0.0.1:0", f.message, sizeof f.message);
  CHECK(fd >= 0);
  CHECK_INT(listen_at(&f, "inherited", fd), MOONPOOL_OK);
  f.port = atoi(strrchr(moonpool_gateway_address(f.gateway, 1), ':') + 1);
  peer *p = peer_upgrade(&f);
  peer_close(p);
  CHECK_INT(listen_at(&f, "inherited", 0), MOONPOOL_EARG);
  CHECK_STR(f.message, "descriptor 0: not a socket that listens");
  tear_down_wire(&f);
}

TEST(addresses_that_are_none_are_refused) {
  static const struct {
    const char *address;
    int status;
    const char *says;
  } rows[] = {
      {"", MOONPOOL_EARG, "neither HOST:PORT"},
      {"8080", MOONPOOL_EARG, "neither HOST:PORT"},
      {":8080", MOONPOOL_EARG, "neither HOST:PORT"},
      {"127.0.0.1", MOONPOOL_EARG, "neither HOST:PORT"},
      {"127.0.0.1:", MOONPOOL_EARG, "neither HOST:PORT"},
      {"127.0.0.1:http", MOONPOOL_EARG, "neither HOST:PORT"},
      {"127.0.0.1:65536", MOONPOOL_EARG, "neither HOST:PORT"},
      {"127.0.0.1:99999999999999999999", MOONPOOL_EARG, "neither HOST:PORT"},
      {"::1:80", MOONPOOL_EARG, "neither HOST:PORT"},
      {"[]:80", MOONPOOL_EARG, "neither HOST:PORT"},
      {"unix:", MOONPOOL_EARG, "no path"},
      {"unix:/nonexistent/x/y", MOONPOOL_ESYS, "no such file or directory"},
      {"0.0.0.0:0", MOONPOOL_EARG, "not a loopback address"},
      {"[::]:0", MOONPOOL_EARG, "not a loopback address"},
  };
  fixture f;
  set_up(&f);
  open_gateway(&f);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    CHECK_INT(listen_at(&f, rows[i].address, -1), rows[i].status);
    if (!strstr(f.message, rows[i].says)) printf("  %s: %s\n", rows[i].address, f.message);
    CHECK(strstr(f.message, rows[i].says));
  }
  int fd = moonpool_gateway_bind("0.0.0.0:0", f.message, sizeof f.message);
  CHECK_INT(listen_at(&f, "inherited", fd), MOONPOOL_EARG);
  CHECK(strstr(f.message, "not a loopback address"));
  close(fd);
  tear_down_wire(&f);
}

TEST(with_a_secret_any_address_will_do) {
  fixture f;
  set_up(&f);
  f.options.secret = (moonpool_bytes){"0123456789abcdef0123456789abcdef", 32};
  open_gateway(&f);
  CHECK_INT(listen_at(&f, "0.0.0.0:0", -1), MOONPOOL_OK);
  tear_down_wire(&f);
}

static void on_judge(moonpool_gateway_ticket *ticket, const moonpool_gateway_request *request,
                     void *ctx) {
  (void)ticket, (void)request, (void)ctx;
}

static void expect_refused(void (*change)(moonpool_gateway_options *o), const char *says) {
  fixture f;
  set_up(&f);
  change(&f.options);
  CHECK_INT(try_open(&f), MOONPOOL_EARG);
  if (!strstr(f.message, says)) printf("  %s\n", f.message);
  CHECK(strstr(f.message, says));
  CHECK(!f.gateway);
  tear_down_wire(&f);
}

static void set_short_secret(moonpool_gateway_options *o) {
  o->secret = (moonpool_bytes){"short", 5};
}
static void set_both(moonpool_gateway_options *o) {
  o->secret = (moonpool_bytes){"0123456789abcdef0123456789abcdef", 32};
  o->judges[MOONPOOL_GATEWAY_AUTHENTICATE] = on_judge;
}
static void set_cert_only(moonpool_gateway_options *o) {
  o->tls_cert_file = "/nonexistent";
}
static void set_missing_cert(moonpool_gateway_options *o) {
  o->tls_cert_file = o->tls_key_file = "/nonexistent";
}
static void set_rate(moonpool_gateway_options *o) {
  o->pings_per_second = -1;
}
static void set_idle(moonpool_gateway_options *o) {
  o->idle = o->ping;
}
static void set_origin(moonpool_gateway_options *o) {
  static const char *const origins[] = {"no origin"};
  o->origins = origins;
  o->origin_count = 1;
}
static void set_proxy(moonpool_gateway_options *o) {
  static const char *const proxies[] = {"10.0.0.0/99"};
  o->proxies = proxies;
  o->proxy_count = 1;
}

TEST(options_are_checked) {
  expect_refused(set_short_secret, "secret: shorter than 32 bytes");
  expect_refused(set_both, "only one of them");
  expect_refused(set_cert_only, "tls_key_file");
  expect_refused(set_missing_cert, "tls_cert_file /nonexistent: ");
  expect_refused(set_rate, "pings_per_second");
  expect_refused(set_idle, "idle: not above ping");
  expect_refused(set_origin, "no origin");
  expect_refused(set_proxy, "10.0.0.0/99");
}

static const test_case tests[] = {
    TEST_CASE(unix_sockets_are_listened_on),
    TEST_CASE(ipv6_is_listened_on),
    TEST_CASE(a_socket_is_inherited),
    TEST_CASE(addresses_that_are_none_are_refused),
    TEST_CASE(with_a_secret_any_address_will_do),
    TEST_CASE(options_are_checked),
};

int main(int argc, char **argv) {
  if (!mkdtemp(folder)) return 1;
  int failed = RUN_TESTS(tests, argc, argv);
  return rmdir(folder) || failed;
}
