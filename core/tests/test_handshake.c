/* What a new connection says for each kind of URL and name, and what it makes of the answers. */
#include "handshake.h"

#include "test.h"

/* The next command as words with a space between, "" when it is done. Valid until the next call. */
static const char *say(mp_handshake *h) {
  static char line[300];
  static const mp_resp_limits limits = {0};
  const moonpool_reply *command;
  mp_buf out;
  size_t len = 0;
  line[0] = '\0';
  mp_buf_init(&out, &mp_default_allocator);
  CHECK_INT(mp_handshake_next(h, &out), MOONPOOL_OK);
  CHECK_INT(mp_handshake_is_done(h), out.len == 0);
  if (out.len == 0) return line;
  mp_resp *resp = mp_resp_new(&mp_default_allocator, &limits);
  mp_resp_feed(resp, out.data, out.len);
  CHECK_INT(mp_resp_next(resp, &command), 1);
  for (const moonpool_reply *word = command->u.list.first; word; word = word->next)
    len += (size_t)snprintf(line + len, sizeof line - len, "%s%.*s", len ? " " : "",
                            (int)word->u.string.len, word->u.string.data);
  CHECK_INT(mp_resp_next(resp, &command), 0);
  mp_resp_free(resp);
  mp_buf_free(&out);
  return line;
}

static int hear(mp_handshake *h, const char *words, char *message, size_t size) {
  moonpool_reply reply = {.type = *words == '-' ? MOONPOOL_ERROR : MOONPOOL_STATUS,
                          .u.string = {words + 1, strlen(words + 1)}};
  return mp_handshake_reply(h, &reply, message, size);
}

static void hear_ok(mp_handshake *h) {
  char message[10] = "";
  CHECK_INT(hear(h, "+OK", message, sizeof message), MOONPOOL_OK);
  CHECK_STR(message, "");
}

/* ---- what is said ---------------------------------------------------------------------------- */

typedef struct talk {
  mp_url url;
  const char *name;
  int is_subscriber;
  const char *resp2[5], *resp3[5]; /* without, and with HELLO; PING is last in any case */
} talk;

static const talk talks[] = {
    {{0}, NULL, 0, {NULL}, {"HELLO 3"}},
    {{0}, NULL, 1, {NULL}, {"HELLO 3"}},
    {{0}, "me", 0, {"CLIENT SETNAME me"}, {"HELLO 3 SETNAME me"}},
    {{.db = 2}, NULL, 0, {"SELECT 2"}, {"HELLO 3", "SELECT 2"}},
    {{.db = 2}, NULL, 1, {NULL}, {"HELLO 3"}},
    {{.password = "pw"}, NULL, 0, {"AUTH pw"}, {"HELLO 3 AUTH default pw"}},
    {{.username = "ann", .password = "pw"}, NULL, 0, {"AUTH ann pw"}, {"HELLO 3 AUTH ann pw"}},
    {{.username = "ann", .password = ""}, NULL, 0, {"AUTH ann "}, {"HELLO 3 AUTH ann "}},
    {{.username = "ann", .password = "pw", .db = 2147483647},
     "me",
     0,
     {"AUTH ann pw", "CLIENT SETNAME me", "SELECT 2147483647"},
     {"HELLO 3 AUTH ann pw SETNAME me", "SELECT 2147483647"}},
    {{.username = "ann", .password = "pw", .db = 1},
     "me",
     1,
     {"AUTH ann pw", "CLIENT SETNAME me"},
     {"HELLO 3 AUTH ann pw SETNAME me"}},
};

static void check_talk(mp_handshake *h, const char *const *expected) {
  for (int i = 0; i < 5 && expected[i]; i++) {
    CHECK_STR(say(h), expected[i]);
    hear_ok(h);
  }
  CHECK_STR(say(h), "PING");
  CHECK(!mp_handshake_is_done(h));
  hear_ok(h);
  CHECK_STR(say(h), "");
  CHECK(mp_handshake_is_done(h));
}

TEST(each_url_has_its_commands) {
  for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
    mp_handshake h;
    mp_handshake_start(&h, &talks[i].url, talks[i].name, talks[i].is_subscriber);
    CHECK(!mp_handshake_is_done(&h));
    check_talk(&h, mp_resp_version() >= 3 ? talks[i].resp3 : talks[i].resp2);
  }
}

TEST(servers_without_resp3_are_asked_the_old_way) {
  static const char *const refusals[] = {
      "-NOPROTO unsupported protocol version",
      "-ERR unknown command 'HELLO'",
      "-ERR unknown command `HELLO`, with args beginning with: `3`, ",
  };
  if (mp_resp_version() < 3) return;
  for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
    mp_handshake h;
    char message[10] = "";
    mp_handshake_start(&h, &talks[i].url, talks[i].name, talks[i].is_subscriber);
    CHECK_STR(say(&h), talks[i].resp3[0]);
    CHECK_INT(hear(&h, refusals[i % 3], message, sizeof message), MOONPOOL_OK);
    CHECK(!h.has_resp3);
    check_talk(&h, talks[i].resp2);
  }
}

TEST(a_handshake_starts_anew) {
  mp_url url = {.password = "pw"};
  mp_handshake h;
  for (int i = 0; i < 2; i++) {
    mp_handshake_start(&h, &url, NULL, 0);
    check_talk(&h, mp_resp_version() >= 3 ? talks[5].resp3 : talks[5].resp2);
  }
}

/* ---- what is answered ------------------------------------------------------------------------ */

/* Goes on until the command that begins with `verb` has been said, and answers it with `words`. */
static int answer(const char *verb, const char *words, char *message, size_t size) {
  mp_url url = {.username = "ann", .password = "pw", .db = 1};
  mp_handshake h;
  mp_handshake_start(&h, &url, "me", 0);
  message[0] = '\0';
  for (int i = 0; i < 6; i++) {
    const char *said = say(&h);
    if (!strncmp(said, verb, strlen(verb))) return hear(&h, words, message, size);
    if (!strncmp(said, "HELLO", 5)) /* so that all the others follow */
      hear(&h, "-NOPROTO", message, size);
    else
      hear_ok(&h);
  }
  CHECK(0);
  return 0;
}

typedef struct refusal {
  const char *verb, *words;
  int status;
} refusal;

static const refusal refusals[] = {
    {"AUTH", "-WRONGPASS invalid username-password pair or user is disabled.", MOONPOOL_EAUTH},
    {"AUTH", "-ERR invalid password", MOONPOOL_EAUTH},
    {"AUTH", "-ERR wrong number of arguments for 'auth' command", MOONPOOL_EAUTH},
    {"AUTH", "-ERR AUTH <password> called without any password configured", MOONPOOL_EAUTH},
    {"AUTH", "-ERR max number of clients reached", MOONPOOL_ECONN},
    {"AUTH", "-DENIED Redis is running in protected mode", MOONPOOL_ECONN},
    {"SELECT", "-ERR DB index is out of range", MOONPOOL_ECONN},
    {"SELECT", "-NOPERM this user has no permissions to run the 'select' command", MOONPOOL_EPERM},
    {"SELECT", "-NOAUTH Authentication required.", MOONPOOL_EAUTH},
    {"PING", "-NOAUTH Authentication required.", MOONPOOL_EAUTH},
    {"PING", "-LOADING Redis is loading the dataset in memory", MOONPOOL_ECONN},
    {"PING", "-MASTERDOWN Link with MASTER is down", MOONPOOL_ECONN},
    {"PING", "-ERR max number of clients reached", MOONPOOL_ECONN},
    {"PING", "-", MOONPOOL_ECONN},
    /* these leave the connection usable */
    {"PING", "-NOPERM this user has no permissions to run the 'ping' command", MOONPOOL_OK},
    {"CLIENT", "-ERR unknown command 'CLIENT'", MOONPOOL_OK},
    {"CLIENT", "-NOPERM this user has no permissions", MOONPOOL_OK},
};

static const refusal hello_refusals[] = {
    {"HELLO", "-WRONGPASS invalid username-password pair or user is disabled.", MOONPOOL_EAUTH},
    {"HELLO", "-NOAUTH HELLO must be called with the client already authenticated", MOONPOOL_EAUTH},
    {"HELLO", "-ERR max number of clients reached", MOONPOOL_ECONN},
    {"HELLO", "-DENIED Redis is running in protected mode", MOONPOOL_ECONN},
    {"HELLO", "-NOPERM this user has no permissions to run the 'hello' command", MOONPOOL_EPERM},
};

static void check_refusals(const refusal *all, size_t count) {
  for (const refusal *r = all; r < all + count; r++) {
    char message[200];
    CHECK_INT(answer(r->verb, r->words, message, sizeof message), r->status);
    CHECK_STR(message, r->status ? r->words + 1 : "");
  }
}

TEST(refusals_say_what_is_wrong) {
  check_refusals(refusals, sizeof refusals / sizeof *refusals);
  if (mp_resp_version() >= 3)
    check_refusals(hello_refusals, sizeof hello_refusals / sizeof *hello_refusals);
}

TEST(long_words_are_cut) {
  char message[8];
  CHECK_INT(answer("PING", "-LOADING Redis", message, sizeof message), MOONPOOL_ECONN);
  CHECK_STR(message, "LOADING");
}

TEST(without_memory_it_says_so) {
  for (long n = 1; n <= 6; n++) {
    test_heap heap;
    mp_url url = {.username = "ann", .password = "pw", .db = 1};
    mp_handshake h;
    int status = MOONPOOL_OK;
    test_heap_init(&heap, n);
    mp_handshake_start(&h, &url, "me", 0);
    while (status == MOONPOOL_OK && !mp_handshake_is_done(&h)) {
      mp_buf out;
      mp_buf_init(&out, &heap.allocator);
      status = mp_handshake_next(&h, &out);
      CHECK(status == MOONPOOL_OK || out.len == 0);
      mp_buf_free(&out);
      if (status == MOONPOOL_OK && !mp_handshake_is_done(&h)) hear_ok(&h);
    }
    int steps = mp_resp_version() >= 3 ? 3 : 4;
    CHECK_INT(status, n <= steps ? MOONPOOL_ENOMEM : MOONPOOL_OK);
    CHECK_INT(heap.blocks, 0);
  }
}

static const test_case tests[] = {
    TEST_CASE(each_url_has_its_commands), TEST_CASE(servers_without_resp3_are_asked_the_old_way),
    TEST_CASE(a_handshake_starts_anew),   TEST_CASE(refusals_say_what_is_wrong),
    TEST_CASE(long_words_are_cut),        TEST_CASE(without_memory_it_says_so),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
