/* Origins against the list, the Host and the loopback interface; X-Forwarded-For behind proxies. */
#include "fuzz.h"
#include "origins.h"
#include "proxies.h"
#include "test.h"

static const moonpool_bytes absent;

static moonpool_bytes bytes(const char *text) {
  return text ? (moonpool_bytes){text, strlen(text)} : absent;
}

/* A gateway of options alone. */
static moonpool_gateway with_origins(const char *const *list, size_t count) {
  moonpool_gateway gateway = {.allocator = &mp_default_allocator};
  gateway.options.origins = list;
  gateway.options.origin_count = count;
  gateway.options.secret = bytes("0123456789abcdef0123456789abcdef");
  return gateway;
}

static int allow(const moonpool_gateway *gateway, const char *origin, const char *host,
                 int is_tls) {
  return gw_origins_allow(gateway->origins, bytes(origin), bytes(host), is_tls);
}

TEST(without_a_list_the_page_is_of_the_same_host) {
  moonpool_gateway gateway = with_origins(NULL, 0);
  REQUIRE(gw_origins_new(&gateway, NULL, 0) == MOONPOOL_OK);
  CHECK(allow(&gateway, "http://chat.example:8080", "chat.example:8080", 0));
  CHECK(allow(&gateway, "http://CHAT.example", "chat.EXAMPLE", 0));
  CHECK(allow(&gateway, "http://chat.example", "chat.example:80", 0));
  CHECK(allow(&gateway, "http://[::1]:81", "[::1]:81", 0));
  CHECK(!allow(&gateway, "http://evil.example:8080", "chat.example:8080", 0));
  CHECK(!allow(&gateway, "http://chat.example:8081", "chat.example:8080", 0));
  CHECK(!allow(&gateway, "http://chat.example", "chat.example:8080", 0));
  CHECK(!allow(&gateway, "http://chat.example.evil", "chat.example", 0));
  CHECK(!allow(&gateway, "http://xchat.example", "chat.example", 0));
  CHECK(!allow(&gateway, "null", "chat.example", 0));
  CHECK(!allow(&gateway, "", "chat.example", 0));
  CHECK(!allow(&gateway, "http://chat.example", NULL, 0));
  CHECK(!allow(&gateway, "ftp://chat.example:80", "chat.example:80", 0));
  CHECK(allow(&gateway, NULL, "chat.example", 0));
  gw_origins_free(&gateway);
}

/* A proxy may speak TLS for us; what speaks it itself is no page of plain http. */
TEST(the_scheme_is_that_of_the_page) {
  moonpool_gateway gateway = with_origins(NULL, 0);
  REQUIRE(gw_origins_new(&gateway, NULL, 0) == MOONPOOL_OK);
  CHECK(allow(&gateway, "https://chat.example", "chat.example", 0));
  CHECK(allow(&gateway, "https://chat.example", "chat.example", 1));
  CHECK(!allow(&gateway, "http://chat.example", "chat.example", 1));
  CHECK(!allow(&gateway, "https://chat.example", "chat.example:80", 0));
  gw_origins_free(&gateway);
}

TEST(a_list_is_compared_by_scheme_host_and_port) {
  const char *list[] = {"https://example.org", "http://localhost:3000", "capacitor://localhost"};
  moonpool_gateway gateway = with_origins(list, 3);
  REQUIRE(gw_origins_new(&gateway, NULL, 0) == MOONPOOL_OK);
  CHECK(allow(&gateway, "https://example.org", "other", 0));
  CHECK(allow(&gateway, "https://Example.ORG:443", "other", 0));
  CHECK(allow(&gateway, "HTTP://localhost:3000", "other", 0));
  CHECK(allow(&gateway, "capacitor://localhost", "other", 0));
  CHECK(!allow(&gateway, "http://example.org", "other", 0));
  CHECK(!allow(&gateway, "http://example.org:443", "other", 0));
  CHECK(!allow(&gateway, "https://example.org:444", "other", 0));
  CHECK(!allow(&gateway, "https://a.example.org", "a.example.org", 0));
  CHECK(!allow(&gateway, "http://localhost", "localhost", 0));
  CHECK(!allow(&gateway, "https://example.org/", "other", 0));
  CHECK(!allow(&gateway, "https://user@example.org", "other", 0));
  CHECK(!allow(&gateway, "https://example.org, https://evil.example", "other", 0));
  gw_origins_free(&gateway);
}

TEST(a_star_takes_any) {
  const char *list[] = {"*"};
  moonpool_gateway gateway = with_origins(list, 1);
  gateway.options.secret = absent;
  REQUIRE(gw_origins_new(&gateway, NULL, 0) == MOONPOOL_OK);
  CHECK(allow(&gateway, "https://evil.example", "evil.example", 0));
  CHECK(allow(&gateway, "null", NULL, 0));
  gw_origins_free(&gateway);
}

TEST(a_faulty_entry_is_named) {
  static const char *const faulty[] = {"example.org",
                                       "https://example.org/",
                                       "https://",
                                       "",
                                       "https://*.example.org",
                                       "https://example.org:0",
                                       "https://a:65536",
                                       "https://[::1",
                                       "://a",
                                       "1x://a"};
  for (size_t i = 0; i < sizeof faulty / sizeof *faulty; i++) {
    char message[300] = "", quoted[100];
    const char *list[] = {"https://good.example", faulty[i]};
    moonpool_gateway gateway = with_origins(list, 2);
    CHECK_INT(gw_origins_new(&gateway, message, sizeof message), MOONPOOL_EARG);
    CHECK(!gateway.origins);
    snprintf(quoted, sizeof quoted, "origins: \"%s\"", faulty[i]);
    CHECK(strstr(message, quoted));
  }
}

/* DNS rebinding: evil.example's address becomes 127.0.0.1, and its page is "same origin". */
TEST(an_open_gateway_answers_to_no_foreign_name) {
  const char *list[] = {"https://chat.example"};
  for (int has_list = 0; has_list < 2; has_list++) {
    moonpool_gateway gateway = with_origins(has_list ? list : NULL, (size_t)has_list);
    gateway.options.secret = absent;
    REQUIRE(gw_origins_new(&gateway, NULL, 0) == MOONPOOL_OK);
    CHECK(!allow(&gateway, "http://evil.example:8080", "evil.example:8080", 0));
    CHECK(!allow(&gateway, NULL, "evil.example:8080", 0));
    CHECK(!allow(&gateway, NULL, "127.0.0.1.evil.example", 0));
    CHECK(!allow(&gateway, NULL, "evillocalhost", 0));
    CHECK(!allow(&gateway, NULL, "local host", 0));
    CHECK(allow(&gateway, NULL, "127.0.0.1:8080", 0));
    CHECK(allow(&gateway, NULL, "[::1]:8080", 0));
    CHECK(allow(&gateway, NULL, "LocalHost", 0));
    CHECK(allow(&gateway, NULL, "chat.localhost:8080", 0));
    CHECK(allow(&gateway, NULL, NULL, 0));
    CHECK_INT(allow(&gateway, "http://localhost:80", "localhost:80", 0), !has_list);
    CHECK_INT(allow(&gateway, "https://chat.example", "chat.example", 0), has_list);
    gw_origins_free(&gateway);
  }
}

/* ---- proxies --------------------------------------------------------------------------------- */

static void check_client(const moonpool_gateway *gateway, const char *peer, const char *forwarded,
                         const char *expected, int is_believed) {
  moonpool_bytes address;
  char text[128];
  CHECK_INT(gw_proxies_client(gateway->proxies, bytes(peer), bytes(forwarded), &address),
            is_believed);
  snprintf(text, sizeof text, "%.*s", (int)address.len, address.data);
  CHECK_STR(text, expected);
}

static moonpool_gateway with_proxies(const char *const *list, size_t count) {
  moonpool_gateway gateway = {.allocator = &mp_default_allocator};
  gateway.options.proxies = list;
  gateway.options.proxy_count = count;
  return gateway;
}

TEST(only_a_listed_proxy_is_believed) {
  const char *list[] = {"127.0.0.1", "10.0.0.0/8", "fd00::/8", "192.168.1.128/25"};
  moonpool_gateway gateway = with_proxies(list, 4);
  REQUIRE(gw_proxies_new(&gateway, NULL, 0) == MOONPOOL_OK);
  check_client(&gateway, "203.0.113.9", "1.2.3.4", "203.0.113.9", 0);
  check_client(&gateway, "127.0.0.1", NULL, "127.0.0.1", 0);
  check_client(&gateway, "127.0.0.1", "1.2.3.4", "1.2.3.4", 1);
  check_client(&gateway, "127.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4", 1);
  check_client(&gateway, "127.0.0.1", "6.6.6.6,\t1.2.3.4 , 10.1.2.3", "1.2.3.4", 1);
  check_client(&gateway, "10.9.9.9", "10.0.0.1, 10.0.0.2", "10.0.0.1", 1);
  check_client(&gateway, "11.0.0.1", "1.2.3.4", "11.0.0.1", 0);
  check_client(&gateway, "192.168.1.127", "1.2.3.4", "192.168.1.127", 0);
  check_client(&gateway, "192.168.1.128", "1.2.3.4", "1.2.3.4", 1);
  check_client(&gateway, "fd00::1", "2001:db8::7", "2001:db8::7", 1);
  check_client(&gateway, "fe80::1%eth0", "2001:db8::7", "fe80::1%eth0", 0);
  check_client(&gateway, "unix", "1.2.3.4", "unix", 0);
  gw_proxies_free(&gateway);
}

TEST(addresses_are_read_as_proxies_write_them) {
  const char *list[] = {"::ffff:127.0.0.1", "unix", "::1"};
  moonpool_gateway gateway = with_proxies(list, 3);
  REQUIRE(gw_proxies_new(&gateway, NULL, 0) == MOONPOOL_OK);
  check_client(&gateway, "::ffff:127.0.0.1", "1.2.3.4", "1.2.3.4", 1);
  check_client(&gateway, "::ffff:8.8.8.8", NULL, "8.8.8.8", 0);
  check_client(&gateway, "127.0.0.1", "1.2.3.4:5678", "1.2.3.4", 1);
  check_client(&gateway, "unix", "[2001:db8::7]:5678", "2001:db8::7", 1);
  check_client(&gateway, "::1", "[2001:db8::7]", "2001:db8::7", 1);
  check_client(&gateway, "::1", "::ffff:1.2.3.4", "1.2.3.4", 1);
  gw_proxies_free(&gateway);
}

/* What is before something that is no address may be anybody's. */
TEST(the_walk_ends_at_what_is_no_address) {
  const char *list[] = {"127.0.0.1", "10.0.0.0/8"};
  moonpool_gateway gateway = with_proxies(list, 2);
  REQUIRE(gw_proxies_new(&gateway, NULL, 0) == MOONPOOL_OK);
  check_client(&gateway, "127.0.0.1", "1.2.3.4, unknown", "127.0.0.1", 0);
  check_client(&gateway, "127.0.0.1", "1.2.3.4, unknown, 10.0.0.1", "10.0.0.1", 1);
  check_client(&gateway, "127.0.0.1", "1.2.3.4, ", "127.0.0.1", 0);
  check_client(&gateway, "127.0.0.1", "", "127.0.0.1", 0);
  check_client(&gateway, "127.0.0.1", "999.1.1.1", "127.0.0.1", 0);
  check_client(&gateway, "127.0.0.1", "[::1", "127.0.0.1", 0);
  gw_proxies_free(&gateway);
}

TEST(a_faulty_block_is_named) {
  static const char *const faulty[] = {"10.0.0.0/33", "::/129",       "example.org", "",
                                       "10.0.0.0/",   "1.2.3/8",      "10.0.0.0/-1", "10.0.0.0/+8",
                                       "10.0.0.0/8x", "10.0.0.0/0008"};
  for (size_t i = 0; i < sizeof faulty / sizeof *faulty; i++) {
    char message[300] = "", quoted[100];
    const char *list[] = {"::/0", faulty[i]};
    moonpool_gateway gateway = with_proxies(list, 2);
    CHECK_INT(gw_proxies_new(&gateway, message, sizeof message), MOONPOOL_EARG);
    CHECK(!gateway.proxies);
    snprintf(quoted, sizeof quoted, "proxies: \"%s\"", faulty[i]);
    CHECK(strstr(message, quoted));
  }
}

/* Exact blocks, so that a read past an end is found. */
TEST(random_headers_read_nothing_beyond_themselves) {
  static const char letters[] = "0123456789abcdef:::..,,,[]% /htps";
  const char *list[] = {"0.0.0.0/0", "::/0"}, *origins[] = {"https://example.org"};
  moonpool_gateway gateway = with_proxies(list, 2);
  gateway.options.origins = origins;
  gateway.options.origin_count = 1;
  REQUIRE(gw_proxies_new(&gateway, NULL, 0) == MOONPOOL_OK);
  REQUIRE(gw_origins_new(&gateway, NULL, 0) == MOONPOOL_OK);
  fuzz f = fuzz_new("headers");
  for (int round = 0; round < 50000; round++) {
    size_t len = fuzz_below(&f, 60);
    char *text = malloc(len + !len);
    for (size_t i = 0; i < len; i++) text[i] = letters[fuzz_below(&f, sizeof letters - 1)];
    moonpool_bytes header = {text, len}, address;
    (void)gw_proxies_client(gateway.proxies, bytes("127.0.0.1"), header, &address);
    (void)gw_proxies_client(gateway.proxies, header, header, &address);
    (void)gw_origins_allow(gateway.origins, header, header, 0);
    free(text);
  }
  gw_proxies_free(&gateway);
  gw_origins_free(&gateway);
}

TEST(without_memory_nothing_is_made) {
  const char *list[] = {"https://example.org"}, *blocks[] = {"::1"};
  test_heap heap;
  moonpool_gateway gateway = with_origins(list, 1);
  test_heap_init(&heap, 1);
  gateway.allocator = &heap.allocator;
  gateway.options.proxies = blocks;
  gateway.options.proxy_count = 1;
  CHECK_INT(gw_origins_new(&gateway, NULL, 0), MOONPOOL_ENOMEM);
  test_heap_fail(&heap, 2, 3);
  CHECK_INT(gw_proxies_new(&gateway, NULL, 0), MOONPOOL_ENOMEM);
  gw_origins_free(&gateway);
  gw_proxies_free(&gateway);
  CHECK_INT(heap.blocks, 0);
}

static const test_case tests[] = {
    TEST_CASE(without_a_list_the_page_is_of_the_same_host),
    TEST_CASE(the_scheme_is_that_of_the_page),
    TEST_CASE(a_list_is_compared_by_scheme_host_and_port),
    TEST_CASE(a_star_takes_any),
    TEST_CASE(a_faulty_entry_is_named),
    TEST_CASE(an_open_gateway_answers_to_no_foreign_name),
    TEST_CASE(only_a_listed_proxy_is_believed),
    TEST_CASE(addresses_are_read_as_proxies_write_them),
    TEST_CASE(the_walk_ends_at_what_is_no_address),
    TEST_CASE(a_faulty_block_is_named),
    TEST_CASE(random_headers_read_nothing_beyond_themselves),
    TEST_CASE(without_memory_nothing_is_made),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
