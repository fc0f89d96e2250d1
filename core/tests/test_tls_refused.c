/* TLS that does not come about: certificates that are refused, peers that say something else, and
 * when another address of the name is tried.
 *
 * The name two.test (RFC 6761: never in the real DNS) is answered here: this program's getaddrinfo
 * comes before the C library's, and hands everything else on to it. */
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>

#include "tls_fixture.h"

typedef int (*getaddrinfo_fn)(const char *, const char *, const struct addrinfo *,
                              struct addrinfo **);

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **result) {
  getaddrinfo_fn real;
  *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
  if (strcmp(host, "two.test") || (hints->ai_flags & AI_NUMERICHOST))
    return real(host, port, hints, result);
  int error = real("127.0.0.2", port, hints, result);
  return error ? error : real("127.0.0.1", port, hints, &(*result)->ai_next);
}

/* ---- certificates ------------------------------------------------------------------------- */

static void check_refused(const identity_plan *plan, int is_by_ca, const char *host,
                          const char *reason) {
  tls_fixture t;
  char wanted[400];
  set_up_tls(&t);
  identity_plan shown = *plan;
  if (is_by_ca) shown.by = &t.ca;
  show(&t, &shown);
  fail_tls(&t, host);
  snprintf(wanted, sizeof wanted, "connect to %s%s: %s", host, strrchr(t.f.address, ':'), reason);
  CHECK(!strncmp(t.f.message, wanted, strlen(wanted)));
  if (test_failures) printf("  %s\n  not %s\n", t.f.message, wanted);
  CHECK_INT(t.f.status, MOONPOOL_EAUTH);
  CHECK_INT(t.f.opened, 0);
  tear_down_tls(&t);
}

TEST(certificates_are_refused_by_name_and_reason) {
  const char *hosts = "DNS:localhost,IP:127.0.0.1";
  check_refused(&(identity_plan){.name = "p", .hosts = hosts, .from = -2 * DAY, .to = -DAY}, 1,
                "127.0.0.1", "the server's certificate expired on 20");
  check_refused(&(identity_plan){.name = "p", .hosts = hosts, .from = DAY, .to = 2 * DAY}, 1,
                "127.0.0.1", "the server's certificate is not valid before 20");
  check_refused(&(identity_plan){.name = "p", .hosts = hosts, .to = DAY}, 0, "127.0.0.1",
                "the server's certificate is self-signed, and not trusted");
  check_refused(&(identity_plan){.name = "p", .hosts = "DNS:*.test,IP:::2", .to = DAY}, 1,
                "127.0.0.1", "the server's certificate is for *.test, ::2, not for 127.0.0.1");
  check_refused(&(identity_plan){.name = "redis", .to = DAY}, 1, "127.0.0.1",
                "the server's certificate is for CN=redis, not for 127.0.0.1");
  check_refused(&(identity_plan){.name = "p",
                                 .hosts = "DNS:a.test,DNS:b.test,DNS:c.test,DNS:d.test,DNS:e.test",
                                 .to = DAY},
                1, "127.0.0.1",
                "the server's certificate is for a.test, b.test, c.test, d.test, …, not for 127");
}

/* What a certificate says may be anything: it is shown without what a terminal would act on. */
TEST(a_certificates_names_are_shown_harmlessly) {
  check_refused(&(identity_plan){.name = "p", .hosts = "DNS:\x1b[31m\n.test", .to = DAY}, 1,
                "127.0.0.1", "the server's certificate is for ?[31m?.test, not for 127.0.0.1");
  check_refused(&(identity_plan){.name = "\x1b[31m\n", .to = DAY}, 1, "127.0.0.1",
                "the server's certificate is for CN=\\1B[31m\\0A, not for 127.0.0.1");
}

TEST(without_verification_any_certificate_will_do) {
  tls_fixture t;
  set_up_tls(&t);
  t.options.tls_verify = 0;
  show(&t, &(identity_plan){.name = "p", .from = -2 * DAY, .to = -DAY});
  connect_tls(&t);
  CHECK_INT(t.f.opened, 1);
  tear_down_tls(&t);
}

/* ---- peers that do not ---------------------------------------------------------------------- */

TEST(a_peer_without_tls_is_told) {
  static const char *const words[] = {
      "-ERR unknown command\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    tls_fixture t;
    char wanted[300];
    set_up_tls(&t);
    CHECK_INT(open_tls(&t, "127.0.0.1", DEADLINE), MOONPOOL_OK);
    RUN_UNTIL(&t.f, t.f.peer >= 0);
    CHECK(send(t.f.peer, words[i], strlen(words[i]), 0) > 0);
    RUN_UNTIL(&t.f, t.f.ended);
    snprintf(wanted, sizeof wanted,
             "connect to %s: the peer does not speak TLS (a port without it takes redis://)",
             t.f.address);
    CHECK_STR(t.f.message, wanted);
    CHECK_INT(t.f.status, MOONPOOL_EPROTO);
    tear_down_tls(&t);
  }
}

TEST(a_peer_with_old_versions_alone_is_told) {
  tls_fixture t;
  set_up_tls(&t);
  SSL_CTX_set_min_proto_version(t.peer.context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(t.peer.context, TLS1_1_VERSION);
  peer_renew(&t.peer);
  fail_tls(&t, "127.0.0.1");
  CHECK(strstr(t.f.message, "the server has no TLS version from 1.2 on"));
  CHECK_INT(t.f.status, MOONPOOL_EPROTO);
  tear_down_tls(&t);
}

TEST(a_peer_that_goes_amid_the_handshake_is_told) {
  tls_fixture t;
  set_up_tls(&t);
  CHECK_INT(open_tls(&t, "127.0.0.1", DEADLINE), MOONPOOL_OK);
  RUN_UNTIL(&t.f, t.f.peer >= 0);
  shutdown(t.f.peer, SHUT_WR); /* no reset, though the client's first words were not read */
  RUN_UNTIL(&t.f, t.f.ended);
  CHECK(strstr(t.f.message, "TLS handshake: the peer closed the connection"));
  CHECK_INT(t.f.status, MOONPOOL_ECONN);
  tear_down_tls(&t);
}

TEST(a_silent_peer_is_given_up_in_time) {
  tls_fixture t;
  set_up_tls(&t);
  CHECK_INT(open_tls(&t, "127.0.0.1", 100), MOONPOOL_OK);
  RUN_UNTIL(&t.f, t.f.ended);
  CHECK(strstr(t.f.message, "TLS handshake: no answer within "));
  CHECK_INT(t.f.status, MOONPOOL_ETIMEOUT);
  tear_down_tls(&t);
}

/* ---- other addresses ------------------------------------------------------------------------ */

/* Listens at the first address of two.test, too. */
static int listen_first(tls_fixture *t) {
  int second = t->f.listener, port = atoi(strrchr(t->f.address, ':') + 1);
  if (!listen_tcp(&t->f, "127.0.0.2", port, 8)) return -1;
  int first = t->f.listener;
  t->f.listener = second;
  return first;
}

TEST(a_silent_first_address_is_passed_over) {
  tls_fixture t;
  set_up_tls(&t);
  t.options.tls_server_name = "localhost";
  int first = listen_first(&t);
  REQUIRE(first >= 0);
  CHECK_INT(open_tls(&t, "two.test", 1000), MOONPOOL_OK);
  RUN_UNTIL(&t.f, t.f.peer >= 0);
  peer_start(&t.peer);
  RUN_UNTIL(&t.f, t.f.opened || t.f.ended);
  CHECK_INT(t.f.opened, 1);
  close(first);
  tear_down_tls(&t);
}

/* Who answers, but with the wrong certificate, is no dead address: the second is left alone. */
TEST(a_refused_certificate_ends_the_attempt) {
  tls_fixture t;
  set_up_tls(&t);
  int first = listen_first(&t), second = t.f.listener;
  REQUIRE(first >= 0);
  t.f.listener = first;
  fail_tls(&t, "two.test");
  CHECK(strstr(t.f.message, "is for localhost, 127.0.0.1, not for two.test (127.0.0.2)"));
  CHECK(!strstr(t.f.message, ";"));
  CHECK_INT(t.f.status, MOONPOOL_EAUTH);
  struct pollfd knock = {.fd = second, .events = POLLIN};
  CHECK_INT(poll(&knock, 1, 0), 0);
  close(second);
  tear_down_tls(&t);
}

static const test_case tests[] = {
    TEST_CASE(certificates_are_refused_by_name_and_reason),
    TEST_CASE(a_certificates_names_are_shown_harmlessly),
    TEST_CASE(without_verification_any_certificate_will_do),
    TEST_CASE(a_peer_without_tls_is_told),
    TEST_CASE(a_peer_with_old_versions_alone_is_told),
    TEST_CASE(a_peer_that_goes_amid_the_handshake_is_told),
    TEST_CASE(a_silent_peer_is_given_up_in_time),
    TEST_CASE(a_silent_first_address_is_passed_over),
    TEST_CASE(a_refused_certificate_ends_the_attempt),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
