/* URLs taken apart, and what is refused: by name, without a password in the message. */
#include <sys/un.h>

#include "url_fixture.h"

typedef struct good_url {
  const char *text;
  mp_url is;
} good_url;

static const good_url good[] = {
    {"redis://localhost", {.host = "localhost", .port = 6379, .address = "localhost:6379"}},
    {"REDIS://Redis.example:1/",
     {.host = "Redis.example", .port = 1, .address = "Redis.example:1"}},
    {"redis://127.0.0.1:65535/15",
     {.host = "127.0.0.1", .port = 65535, .db = 15, .address = "127.0.0.1:65535"}},
    {"redis://[::1]", {.host = "::1", .port = 6379, .address = "[::1]:6379"}},
    {"redis://[2001:DB8::1.2.3.4]:7000/2",
     {.host = "2001:DB8::1.2.3.4", .port = 7000, .db = 2, .address = "[2001:DB8::1.2.3.4]:7000"}},
    {"redis://[fe80::1%25eth0]:7",
     {.host = "fe80::1%eth0", .port = 7, .address = "[fe80::1%eth0]:7"}},
    {"redis://ann:s3cret@redis_1/3",
     {.host = "redis_1",
      .port = 6379,
      .username = "ann",
      .password = "s3cret",
      .db = 3,
      .address = "redis_1:6379"}},
    {"redis://:s3cret@h", {.host = "h", .port = 6379, .password = "s3cret", .address = "h:6379"}},
    {"redis://a%3Ab:p%40%2f%3F%20%c3%A9@h",
     {.host = "h",
      .port = 6379,
      .username = "a:b",
      .password = "p@/? \xc3\xa9",
      .address = "h:6379"}},
    {"redis://u:p@:w@h:1",
     {.host = "h", .port = 1, .username = "u", .password = "p@:w", .address = "h:1"}},
    {"redis://nopass@h",
     {.host = "h", .port = 6379, .username = "nopass", .password = "", .address = "h:6379"}},
    {"redis://@h", {.host = "h", .port = 6379, .address = "h:6379"}},
    {"redis://:@h?", {.host = "h", .port = 6379, .address = "h:6379"}},
    {"redis://b\xc3\xbc\x63her.example",
     {.host = "b\xc3\xbc\x63her.example",
      .port = 6379,
      .address = "b\xc3\xbc\x63her.example:6379"}},
    {"rediss://u:p@h:1/2",
     {.host = "h",
      .port = 1,
      .tls = 1,
      .username = "u",
      .password = "p",
      .db = 2,
      .address = "h:1"}},
    {"rediss://h?tls_ca_file=/etc/my%20CA.pem&tls_ca_dir=/etc/ssl&tls_cert_file=c&tls_key_file=k%40"
     "&tls_server_name=redis.example&tls_verify=false",
     {.host = "h",
      .port = 6379,
      .tls = 1,
      .tls_ca_file = "/etc/my CA.pem",
      .tls_ca_dir = "/etc/ssl",
      .tls_cert_file = "c",
      .tls_key_file = "k@",
      .tls_server_name = "redis.example",
      .tls_no_verify = 1,
      .address = "h:6379"}},
    {"RedisS://h?tls_verify=true", {.host = "h", .port = 6379, .tls = 1, .address = "h:6379"}},
    {"unix:///run/redis.sock", {.path = "/run/redis.sock", .address = "unix:/run/redis.sock"}},
    {"unix:///a%20b%3f@c", {.path = "/a b?@c", .address = "unix:/a b?@c"}},
    {"unix://ann:pw@/tmp/r?db=4",
     {.path = "/tmp/r", .username = "ann", .password = "pw", .db = 4, .address = "unix:/tmp/r"}},
    {"unix://:pw@/r?", {.path = "/r", .password = "pw", .address = "unix:/r"}},
};

typedef struct bad_url {
  const char *text;
  int status;
  const char *message; /* has to be a part of the message */
} bad_url;

/* No message may hold "hunter2". */
static const bad_url bad[] = {
    {"", MOONPOOL_EARG, "no scheme"},
    {"localhost", MOONPOOL_EARG, "no scheme"},
    {"localhost:6379", MOONPOOL_EARG, "no scheme"},
    {"ann:hunter2@localhost", MOONPOOL_EARG, "no scheme"},
    {"://h", MOONPOOL_EARG, "no scheme"},
    {"redis:/h", MOONPOOL_EARG, "no scheme"},
    {"re dis://h", MOONPOOL_EARG, "no scheme"},
    {"http://h", MOONPOOL_EARG, "unknown scheme \"http\""},
    {"redi://h", MOONPOOL_EARG, "unknown scheme \"redi\""},
    {"rediss://", MOONPOOL_EARG, "no host"},
    {"rediss://h?tls_ca_file", MOONPOOL_EARG, "\"tls_ca_file\""},
    {"rediss://h?tls_key_file=%zzhunter2", MOONPOOL_EARG, "tls_key_file has a %"},
    {"rediss://h?tls_verify=hunter2", MOONPOOL_EARG, "tls_verify is neither true nor false"},
    {"rediss://h?tls_ca=x", MOONPOOL_EARG, "\"tls_ca\""},
    {"rediss://h?tls_verify=true&tls_verify=false", MOONPOOL_EARG, "\"tls_verify\" is there twice"},
    {"rediss://h?db=1", MOONPOOL_EARG, "\"db\""},
    {"redis://h?tls_ca_file=hunter2", MOONPOOL_EARG,
     "\"tls_ca_file\" in the query; TLS is rediss://"},
    {"unix:///r?tls_verify=false", MOONPOOL_EARG, "TLS is rediss://"},
    {"Redis+Cluster://h", MOONPOOL_ENOSUPPORT, "redis+cluster://"},
    {"redis://", MOONPOOL_EARG, "no host"},
    {"redis:///0", MOONPOOL_EARG, "no host"},
    {"redis://:6379", MOONPOOL_EARG, "no host"},
    {"redis://:hunter2@", MOONPOOL_EARG, "no host"},
    {"redis://:hunter2", MOONPOOL_EARG, "no host"},
    {"redis://h h", MOONPOOL_EARG, "' ' in the host"},
    {"redis://h%20", MOONPOOL_EARG, "'%' in the host"},
    {"redis://h:", MOONPOOL_EARG, "the port after \"h\""},
    {"redis://h:0", MOONPOOL_EARG, "the port after \"h\""},
    {"redis://h:65536", MOONPOOL_EARG, "1 to 65535"},
    {"redis://h:99999999999999999999", MOONPOOL_EARG, "1 to 65535"},
    {"redis://h:-1", MOONPOOL_EARG, "1 to 65535"},
    {"redis://h:+1", MOONPOOL_EARG, "1 to 65535"},
    {"redis://h:6379x", MOONPOOL_EARG, "1 to 65535"},
    {"redis://ann:hunter2", MOONPOOL_EARG, "the port after \"ann\""},
    {"redis://ann:hunter2:x", MOONPOOL_EARG, "needs brackets"},
    {"redis://::1:6379", MOONPOOL_EARG, "needs brackets"},
    {"redis://[::1", MOONPOOL_EARG, "no ]"},
    {"redis://[::1]6379", MOONPOOL_EARG, "follows the ]"},
    {"redis://[::1]:", MOONPOOL_EARG, "1 to 65535"},
    {"redis://[]", MOONPOOL_EARG, "no IPv6"},
    {"redis://[localhost]", MOONPOOL_EARG, "no IPv6"},
    {"redis://[127.0.0.1]", MOONPOOL_EARG, "no IPv6"},
    {"redis://[1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19:20]", MOONPOOL_EARG, "no IPv6"},
    {"redis://[fe80::1%25]", MOONPOOL_EARG, "no IPv6"},
    {"redis://[fe80::1%25e/0]", MOONPOOL_EARG, "no ]"},
    {"redis://[fe80::1%eth0]", MOONPOOL_EARG, "two hex digits"},
    {"redis://h/x", MOONPOOL_EARG, "database \"x\""},
    {"redis://h/-1", MOONPOOL_EARG, "database \"-1\""},
    {"redis://h/0/1", MOONPOOL_EARG, "database \"0/1\""},
    {"redis://h/2147483648", MOONPOOL_EARG, "database \"2147483648\""},
    {"redis://h/18446744073709551616", MOONPOOL_EARG, "database"},
    {"redis://h?timeout=5", MOONPOOL_EARG, "\"timeout\""},
    {"redis://h/0?password=hunter2", MOONPOOL_EARG, "\"password\""},
    {"redis://h?db=1", MOONPOOL_EARG, "\"db\""},
    {"redis://h/0#f", MOONPOOL_EARG, "'#' at byte 12"},
    {"redis://ann:hun#ter2@h", MOONPOOL_EARG, "%23"},
    {"redis://ann:hunter2/x@h", MOONPOOL_EARG, "%2F"},
    {"redis://ann:hunter2?x@h", MOONPOOL_EARG, "%3F"},
    {"redis://an%n:hunter2@h", MOONPOOL_EARG, "the user name has a %"},
    {"redis://ann:hunter2%@h", MOONPOOL_EARG, "the password has a %"},
    {"redis://ann:hunter2%4@h", MOONPOOL_EARG, "the password has a %"},
    {"redis://ann:hunter2%4g@h", MOONPOOL_EARG, "the password has a %"},
    {"redis://ann:hunter2%00@h", MOONPOOL_EARG, "the password has a %00"},
    {"redis://ho\nst", MOONPOOL_EARG, "0x0A at byte 11"},
    {"redis://ann:hunter2\x7f@h", MOONPOOL_EARG, "0x7F"},
    {"unix://", MOONPOOL_EARG, "must be absolute"},
    {"unix://run/redis.sock", MOONPOOL_EARG, "must be absolute"},
    {"unix://ann:hunter2/x@/r", MOONPOOL_EARG, "must be absolute"},
    {"unix:///r?db=x", MOONPOOL_EARG, "database \"x\""},
    {"unix:///r?db", MOONPOOL_EARG, "\"db\""},
    {"unix:///r?db=1&mode=rw", MOONPOOL_EARG, "\"mode\""},
    {"unix:///r%0a", MOONPOOL_EARG, "control character"},
    {"unix:///r%", MOONPOOL_EARG, "the socket's path has a %"},
};

static void check_is(const mp_url *got, const mp_url *is) {
  CHECK_STR(got->path, is->path);
  CHECK_STR(got->host, is->host);
  CHECK_INT(got->port, is->port);
  CHECK_INT(got->tls, is->tls);
  CHECK_STR(got->tls_ca_file, is->tls_ca_file);
  CHECK_STR(got->tls_ca_dir, is->tls_ca_dir);
  CHECK_STR(got->tls_cert_file, is->tls_cert_file);
  CHECK_STR(got->tls_key_file, is->tls_key_file);
  CHECK_STR(got->tls_server_name, is->tls_server_name);
  CHECK_INT(got->tls_no_verify, is->tls_no_verify);
  CHECK_STR(got->username, is->username);
  CHECK_STR(got->password, is->password);
  CHECK_INT(got->db, is->db);
  CHECK_STR(got->address, is->address);
}

TEST(takes_urls_apart) {
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    test_heap heap;
    mp_url url;
    char message[200] = "";
    test_heap_init(&heap, 0);
    int before = test_failures;
    CHECK_INT(mp_url_parse(&url, &heap.allocator, good[i].text, message, sizeof message),
              MOONPOOL_OK);
    CHECK_STR(message, "");
    check_is(&url, &good[i].is);
    mp_url_free(&url, &heap.allocator);
    CHECK(is_zero(&url));
    CHECK_INT(heap.blocks, 0);
    if (test_failures > before) printf("  in %s\n", good[i].text);
  }
}

TEST(refuses_bad_urls_by_name) {
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    check_refused(bad[i].text, bad[i].status, bad[i].message);
}

/* A URL of `before`, `count` times 'x', and `after`. */
static char *long_url(const char *before, size_t count, const char *after) {
  size_t start = strlen(before);
  char *text = malloc(start + count + strlen(after) + 1);
  if (!text) abort();
  memcpy(text, before, start);
  memset(text + start, 'x', count);
  strcpy(text + start + count, after);
  return text;
}

static int parse_long(const char *before, size_t count, const char *after, const char *wanted) {
  mp_url url;
  char message[200] = "";
  char *text = long_url(before, count, after);
  int status = mp_url_parse(&url, &mp_default_allocator, text, message, sizeof message);
  CHECK(strstr(message, wanted));
  mp_url_free(&url, &mp_default_allocator);
  free(text);
  return status;
}

TEST(bounds_what_the_system_bounds) {
  const size_t path_max = sizeof((struct sockaddr_un *)0)->sun_path - 1;
  CHECK_INT(parse_long("unix:///", path_max - 1, "", ""), MOONPOOL_OK);
  CHECK_INT(parse_long("unix:///", path_max, "?db=1", "bytes long"), MOONPOOL_EARG);
  CHECK_INT(parse_long("redis://", 253, "", ""), MOONPOOL_OK);
  CHECK_INT(parse_long("redis://", 254, "", "longer than 253"), MOONPOOL_EARG);
  CHECK_INT(parse_long("redis://h?", 100000, "", "xxx\" in the query"), MOONPOOL_EARG);
  CHECK_INT(parse_long("", 100000, "://h", "xxx\"; redis"), MOONPOOL_EARG);
  CHECK_INT(parse_long("redis://:", 100000, "@h", ""), MOONPOOL_OK);
}

TEST(cuts_the_message_to_its_room) {
  mp_url url;
  char message[8] = "1234567";
  CHECK_INT(mp_url_parse(&url, &mp_default_allocator, "x://h", message, 4), MOONPOOL_EARG);
  CHECK(!memcmp(message,
                "bad\0"
                "567",
                8));
  CHECK_INT(mp_url_parse(&url, &mp_default_allocator, "x://h", NULL, 0), MOONPOOL_EARG);
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
      CHECK_STR(message, "out of memory");
      CHECK(is_zero(&url));
      CHECK_INT(heap.blocks, 0);
    }
  }
}

/* Every prefix of every URL, in a block of its own size, so that a byte read too far is seen. */
TEST(survives_every_prefix) {
  for (size_t i = 0; i < (sizeof good / sizeof *good) + (sizeof bad / sizeof *bad); i++) {
    const size_t goods = sizeof good / sizeof *good;
    const char *text = i < goods ? good[i].text : bad[i - goods].text;
    for (size_t len = 0; len <= strlen(text); len++) {
      mp_url url;
      char message[200];
      char *prefix = mp_strndup(&mp_default_allocator, text, len);
      REQUIRE(prefix);
      mp_url_parse(&url, &mp_default_allocator, prefix, message, sizeof message);
      mp_url_free(&url, &mp_default_allocator);
      free(prefix);
    }
  }
}

static const test_case tests[] = {
    TEST_CASE(takes_urls_apart),
    TEST_CASE(refuses_bad_urls_by_name),
    TEST_CASE(bounds_what_the_system_bounds),
    TEST_CASE(cuts_the_message_to_its_room),
    TEST_CASE(each_failed_allocation_leaves_nothing),
    TEST_CASE(survives_every_prefix),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
