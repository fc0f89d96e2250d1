/* URLs of a service that sentinels watch, and the URL of a server that one of them names. */
#include "url_fixture.h"

typedef struct good_url {
  const char *text, *sentinels; /* their addresses, one space between each */
  mp_url is;
} good_url;

static const good_url good[] = {
    {"redis+sentinel://a/m", "a:26379", {.service = "m", .address = "sentinel service m"}},
    {"Redis+Sentinel://a:1,b,10.0.0.3:65535,[::1],[fe80::1%25eth0]:5/my-master.1/3",
     "a:1 b:26379 10.0.0.3:65535 [::1]:26379 [fe80::1%eth0]:5",
     {.service = "my-master.1", .db = 3, .address = "sentinel service my-master.1"}},
    {"redis+sentinel://ann:p%40%2c,w@a,b/m",
     "a:26379 b:26379",
     {.service = "m", .username = "ann", .password = "p@,,w", .address = "sentinel service m"}},
    {"redis+sentinel://:pw@a/m/?sentinel_password=hun%26ter%20%3d",
     "a:26379",
     {.service = "m",
      .password = "pw",
      .sentinel_password = "hun&ter =",
      .address = "sentinel service m"}},
    {"redis+sentinel://a/m?sentinel_password=a=b&&sentinel_username=u%c3%a9&",
     "a:26379",
     {.service = "m",
      .sentinel_username = "u\xc3\xa9",
      .sentinel_password = "a=b",
      .address = "sentinel service m"}},
    {"rediss+sentinel://a/m?tls_ca_file=x",
     "a:26379",
     {.service = "m", .tls = 1, .address = "sentinel service m"}},
    {"redis+sentinel://a/m%2fn%3f?",
     "a:26379",
     {.service = "m/n?", .address = "sentinel service m/n?"}},
};

typedef struct bad_url {
  const char *text, *message; /* has to be a part of the message */
} bad_url;

/* No message may hold "hunter2". */
static const bad_url bad[] = {
    {"redis+sentinel://", "no host"},
    {"redis+sentinel:///m", "no host"},
    {"redis+sentinel://a,/m", "no host"},
    {"redis+sentinel://,a/m", "no host"},
    {"redis+sentinel://a,,b/m", "no host"},
    {"redis+sentinel://a, b/m", "' ' in the host"},
    {"redis+sentinel://a", "no service"},
    {"redis+sentinel://a/", "no service"},
    {"redis+sentinel://a//1", "no service"},
    {"redis+sentinel://a:hunter2", "the port after \"a\""},
    {"redis+sentinel://a,b:0/m", "the port after \"b\""},
    {"redis+sentinel://a,b:1:2/m", "needs brackets"},
    {"redis+sentinel://a,[::1/m", "no ]"},
    {"redis+sentinel://a/m/x", "database \"x\""},
    {"redis+sentinel://a/m/1/2", "database \"1/2\""},
    {"redis+sentinel://a/m%20n", "space or control"},
    {"redis+sentinel://a/m%0a", "space or control"},
    {"redis+sentinel://a/m%", "the service has a %"},
    {"redis+sentinel://a/m%00", "%00"},
    {"redis+sentinel://u:hunter2/x@a/m", "%2F"},
    {"redis+sentinel://u:hunter2?@a/m", "%3F"},
    {"redis+sentinel://a/m?sentinel_password=hunter2@", "%40"},
    {"redis+sentinel://a/m?password=hunter2", "unknown option \"password\""},
    {"redis+sentinel://a/m?db=1", "unknown option \"db\""},
    {"redis+sentinel://a/m?sentinel_password", "\"sentinel_password\""},
    {"redis+sentinel://a/m?sentinel_password=hunter2&sentinel_password=x", "is there twice"},
    {"redis+sentinel://a/m?sentinel_password=hunter2%", "sentinel_password has a %"},
    {"redis+sentinel://a/m?sentinel_username=%g0", "sentinel_username has a %"},
    {"redis+sentinel://a/m?tls_ca_file=hunter2", "\"tls_ca_file\""},
    {"redis://a/0?sentinel_password=hunter2", "unknown option \"sentinel_password\""},
    {"unix:///s?sentinel_username=hunter2", "unknown option \"sentinel_username\""},
    {"unix:///s?db=1&db=2", "is there twice"},
    {"redis+sentinel://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a/m", "more than 16 sentinels"},
};

static void check_is(const mp_url *got, const good_url *wanted) {
  char sentinels[200] = "";
  for (size_t i = 0; i < got->sentinel_count; i++) {
    if (i) strcat(sentinels, " ");
    strcat(sentinels, got->sentinels[i].address);
  }
  CHECK_STR(sentinels, wanted->sentinels);
  CHECK_STR(got->path, NULL);
  CHECK_STR(got->host, NULL);
  CHECK_STR(got->username, wanted->is.username);
  CHECK_STR(got->password, wanted->is.password);
  CHECK_STR(got->service, wanted->is.service);
  CHECK_STR(got->sentinel_username, wanted->is.sentinel_username);
  CHECK_STR(got->sentinel_password, wanted->is.sentinel_password);
  CHECK_STR(got->address, wanted->is.address);
  CHECK_INT(got->db, wanted->is.db);
  CHECK_INT(got->tls, wanted->is.tls);
}

TEST(takes_urls_of_sentinels_apart) {
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    test_heap heap;
    mp_url url;
    char message[200] = "";
    test_heap_init(&heap, 0);
    int before = test_failures;
    CHECK_INT(mp_url_parse(&url, &heap.allocator, good[i].text, message, sizeof message),
              MOONPOOL_OK);
    check_is(&url, &good[i]);
    mp_url_free(&url, &heap.allocator);
    CHECK(is_zero(&url));
    CHECK_INT(heap.blocks, 0);
    if (test_failures > before) printf("  in %s: %s\n", good[i].text, message);
  }
}

TEST(refuses_bad_ones_by_name) {
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    check_refused(bad[i].text, MOONPOOL_EARG, bad[i].message);
}

TEST(bounds_the_service) {
  char text[400], message[200];
  mp_url url;
  snprintf(text, sizeof text, "redis+sentinel://a/%0255d", 1);
  CHECK_INT(mp_url_parse(&url, &mp_default_allocator, text, message, sizeof message), MOONPOOL_OK);
  mp_url_free(&url, &mp_default_allocator);
  snprintf(text, sizeof text, "redis+sentinel://a/%0256d", 1);
  CHECK_INT(mp_url_parse(&url, &mp_default_allocator, text, message, sizeof message),
            MOONPOOL_EARG);
  CHECK(strstr(message, "the service is longer than 255"));
}

TEST(each_failed_allocation_leaves_nothing) {
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    test_heap heap;
    mp_url url;
    char message[200];
    test_heap_init(&heap, 0);
    mp_url_parse(&url, &heap.allocator, good[i].text, message, sizeof message);
    mp_url_free(&url, &heap.allocator);
    long requests = heap.requests;
    for (long n = 1; n <= requests; n++) {
      test_heap_init(&heap, n);
      CHECK_INT(mp_url_parse(&url, &heap.allocator, good[i].text, message, sizeof message),
                MOONPOOL_ENOMEM);
      CHECK(is_zero(&url));
      CHECK_INT(heap.blocks, 0);
    }
  }
}

/* ---- a server that another one names --------------------------------------------------------- */

static int name(const char *host, size_t len, uint16_t port, mp_url *url, test_heap *heap) {
  const mp_url like = {.username = "ann", .password = "pw", .db = 4};
  return mp_url_at(url, &heap->allocator, &like, (moonpool_bytes){host, len}, port);
}

TEST(names_another_server) {
  static const char *const hosts[][2] = {
      {"127.0.0.1", "127.0.0.1:7"}, {"::1", "[::1]:7"}, {"redis-1.example", "redis-1.example:7"}};
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    test_heap heap;
    mp_url url;
    test_heap_init(&heap, 0);
    CHECK_INT(name(hosts[i][0], strlen(hosts[i][0]), 7, &url, &heap), MOONPOOL_OK);
    CHECK_STR(url.host, hosts[i][0]);
    CHECK_STR(url.address, hosts[i][1]);
    CHECK_STR(url.username, "ann");
    CHECK_STR(url.password, "pw");
    CHECK_INT(url.db, 4);
    mp_url_free(&url, &heap.allocator);
    for (long n = 1, requests = heap.requests; n <= requests; n++) {
      test_heap_init(&heap, n);
      CHECK_INT(name(hosts[i][0], strlen(hosts[i][0]), 7, &url, &heap), MOONPOOL_ENOMEM);
      CHECK(is_zero(&url));
      CHECK_INT(heap.blocks, 0);
    }
  }
}

TEST(refuses_what_is_no_server) {
  static const char long_name[254] = "x";
  const moonpool_bytes hosts[] = {{"", 0},    {"a b", 3},   {"a\0b", 3},
                                  {"a\n", 2}, {"[::1]", 5}, {"1:2:3:4", 7},
                                  {"a/b", 3}, {"?", 1},     {long_name, 254}};
  test_heap heap;
  mp_url url;
  test_heap_init(&heap, 0);
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    CHECK_INT(name(hosts[i].data, hosts[i].len, 7, &url, &heap), MOONPOOL_EARG);
    CHECK(is_zero(&url));
  }
  CHECK_INT(name("a", 1, 0, &url, &heap), MOONPOOL_EARG);
  CHECK_INT(heap.blocks, 0);
}

static const test_case tests[] = {
    TEST_CASE(takes_urls_of_sentinels_apart),
    TEST_CASE(refuses_bad_ones_by_name),
    TEST_CASE(bounds_the_service),
    TEST_CASE(each_failed_allocation_leaves_nothing),
    TEST_CASE(names_another_server),
    TEST_CASE(refuses_what_is_no_server),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
