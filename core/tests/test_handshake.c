/* What a new connection says for each kind of URL and name, and what it makes of the answers. */
#include "handshake.h"

#include "test.h"

/* The next write: its commands' words with a space between, the commands with "; ", "" when it is
 * done. Valid until the next call. */
static const char *say(mp_handshake *h) {
  static char line[500];
  static const mp_resp_limits limits = {0};
  const moonpool_reply *command;
  mp_buf out;
  size_t len = 0;
  line[0] = '\0';
  mp_buf_init(&out, &mp_default_allocator);
  CHECK_INT(mp_handshake_next(h, &out), MOONPOOL_OK);
  CHECK_INT(mp_handshake_is_done(h), out.len == 0);
  CHECK_INT(mp_handshake_is_waiting(h), out.len != 0);
  if (out.len == 0) return line;
  mp_resp *resp = mp_resp_new(&mp_default_allocator, &limits);
  mp_resp_feed(resp, out.data, out.len);
  while (mp_resp_next(resp, &command) == 1)
    for (const moonpool_reply *word = command->u.list.first; word; word = word->next)
      len += (size_t)snprintf(line + len, sizeof line - len, "%s%.*s",
                              word != command->u.list.first ? " "
                              : len                         ? "; "
                                                            : "",
                              (int)word->u.string.len, word->u.string.data);
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

#define SETINFO "CLIENT SETINFO LIB-NAME moonpool; CLIENT SETINFO LIB-VER " MOONPOOL_VERSION "; "

typedef struct talk {
  mp_url url;
  const char *name;
  int is_subscriber;
  const char *resp2, *hello, *resp3; /* the write without, the two with HELLO */
} talk;

static const talk talks[] = {
    {{0}, NULL, 0, SETINFO "PING", "HELLO 3", SETINFO "PING"},
    {{0}, NULL, 1, SETINFO "PING", "HELLO 3", SETINFO "PING"},
    {{0}, "me", 0, "CLIENT SETNAME me; " SETINFO "PING", "HELLO 3 SETNAME me", SETINFO "PING"},
    {{.db = 2}, NULL, 0, SETINFO "SELECT 2; PING", "HELLO 3", SETINFO "SELECT 2; PING"},
    {{.db = 2}, NULL, 1, SETINFO "PING", "HELLO 3", SETINFO "PING"},
    {{.password = "pw"},
     NULL,
     0,
     "AUTH pw; " SETINFO "PING",
     "HELLO 3 AUTH default pw",
     SETINFO "PING"},
    {{.username = "ann", .password = "pw"},
     NULL,
     0,
     "AUTH ann pw; " SETINFO "PING",
     "HELLO 3 AUTH ann pw",
     SETINFO "PING"},
    {{.username = "ann", .password = ""},
     NULL,
     0,
     "AUTH ann ; " SETINFO "PING",
     "HELLO 3 AUTH ann ",
     SETINFO "PING"},
    {{.username = "ann", .password = "pw", .db = 2147483647},
     "me",
     0,
     "AUTH ann pw; CLIENT SETNAME me; " SETINFO "SELECT 2147483647; PING",
     "HELLO 3 AUTH ann pw SETNAME me",
     SETINFO "SELECT 2147483647; PING"},
    {{.username = "ann", .password = "pw", .db = 1},
     "me",
     1,
     "AUTH ann pw; CLIENT SETNAME me; " SETINFO "PING",
     "HELLO 3 AUTH ann pw SETNAME me",
     SETINFO "PING"},
};

/* Redis says yes to everything that was said. */
static void hear_all(mp_handshake *h) {
  while (mp_handshake_is_waiting(h)) hear_ok(h);
}

static void check_write(mp_handshake *h, const char *expected) {
  CHECK_STR(say(h), expected);
  CHECK(!mp_handshake_is_done(h));
  hear_all(h);
}

static void check_end(mp_handshake *h) {
  CHECK(!mp_handshake_is_done(h));
  CHECK_STR(say(h), "");
  CHECK(mp_handshake_is_done(h));
}

static void check_talk(mp_handshake *h, const talk *t) {
  if (mp_resp_version() >= 3) check_write(h, t->hello);
  check_write(h, mp_resp_version() >= 3 ? t->resp3 : t->resp2);
  check_end(h);
}

TEST(each_url_has_its_commands) {
  for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
    mp_handshake h;
    mp_handshake_start(&h, &talks[i].url, talks[i].name, talks[i].is_subscriber);
    CHECK(!mp_handshake_is_done(&h));
    check_talk(&h, &talks[i]);
  }
}

TEST(servers_without_resp3_are_asked_the_old_way) {
  static const char *const refusals[] = {
      "-NOPROTO unsupported protocol version",
      "-ERR unknown command 'HELLO'",
      "-ERR unknown command `HELLO`, with args beginning with: `3`, ",
      "-NOPERM this user has no permissions to run the 'hello' command",
      "-invalid request",
  };
  if (mp_resp_version() < 3) return;
  for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
    mp_handshake h;
    char message[10] = "";
    mp_handshake_start(&h, &talks[i].url, talks[i].name, talks[i].is_subscriber);
    CHECK_STR(say(&h), talks[i].hello);
    CHECK_INT(hear(&h, refusals[i % 5], message, sizeof message), MOONPOOL_OK);
    CHECK(!h.has_resp3);
    check_write(&h, talks[i].resp2);
    check_end(&h);
  }
}

TEST(a_handshake_starts_anew) {
  mp_handshake h;
  for (int i = 0; i < 2; i++) {
    mp_handshake_start(&h, &talks[5].url, NULL, 0);
    check_talk(&h, &talks[5]);
  }
}

TEST(a_server_that_does_not_know_setinfo_is_not_asked_again) {
  mp_url url = {0};
  mp_handshake h;
  char message[10] = "";
  mp_handshake_start(&h, &url, NULL, 0);
  if (mp_resp_version() >= 3) check_write(&h, "HELLO 3");
  say(&h);
  for (int i = 0; i < 2; i++)
    CHECK_INT(hear(&h, "-ERR unknown subcommand 'SETINFO'", message, sizeof message), MOONPOOL_OK);
  hear_all(&h);
  check_end(&h);
  CHECK(h.has_no_setinfo);
  mp_handshake_start(&h, &url, NULL, 0);
  h.has_no_setinfo = 1;
  if (mp_resp_version() >= 3) check_write(&h, "HELLO 3");
  check_write(&h, "PING");
  check_end(&h);
}

/* ---- what is answered ------------------------------------------------------------------------ */

/* The step whose command begins with that verb. */
static mp_handshake_step step_of(const char *verb) {
  static const struct {
    const char *verb;
    mp_handshake_step step;
  } steps[] = {{"HELLO", MP_STEP_HELLO},
               {"AUTH", MP_STEP_AUTH},
               {"CLIENT SETNAME", MP_STEP_NAME},
               {"SELECT", MP_STEP_SELECT},
               {"PING", MP_STEP_PING}};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
    if (!strcmp(verb, steps[i].verb)) return steps[i].step;
  abort();
}

/* Goes on until the reply to that command is due, and answers it with `words`. */
static int answer(const char *verb, const char *words, char *message, size_t size) {
  mp_url url = {.username = "ann", .password = "pw", .db = 1};
  mp_handshake h;
  mp_handshake_start(&h, &url, "me", 0);
  message[0] = '\0';
  for (int i = 0; i < 12; i++) {
    if (!mp_handshake_is_waiting(&h)) say(&h);
    if (h.step == step_of(verb)) return hear(&h, words, message, size);
    if (h.step == MP_STEP_HELLO) /* so that all the others follow */
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
    {"SELECT", "-ERR DB index is out of range", MOONPOOL_EARG},
    {"SELECT", "-ERR SELECT is not allowed in cluster mode", MOONPOOL_EARG},
    {"SELECT", "-ERR max number of clients reached", MOONPOOL_ECONN},
    {"SELECT", "-NOPERM this user has no permissions to run the 'select' command", MOONPOOL_EPERM},
    {"SELECT", "-NOAUTH Authentication required.", MOONPOOL_EAUTH},
    {"CLIENT SETNAME", "-ERR max number of clients reached", MOONPOOL_ECONN},
    {"CLIENT SETNAME", "-DENIED Redis is running in protected mode", MOONPOOL_ECONN},
    {"CLIENT SETNAME", "-NOAUTH Authentication required.", MOONPOOL_EAUTH},
    {"PING", "-NOAUTH Authentication required.", MOONPOOL_EAUTH},
    {"PING", "-LOADING Redis is loading the dataset in memory", MOONPOOL_ECONN},
    {"PING", "-MASTERDOWN Link with MASTER is down", MOONPOOL_ECONN},
    {"PING", "-ERR max number of clients reached", MOONPOOL_ECONN},
    {"PING", "-", MOONPOOL_ECONN},
    /* these leave the connection usable */
    {"PING", "-NOPERM this user has no permissions to run the 'ping' command", MOONPOOL_OK},
    {"CLIENT SETNAME", "-ERR unknown command 'CLIENT'", MOONPOOL_OK},
    {"CLIENT SETNAME", "-NOPERM this user has no permissions", MOONPOOL_OK},
};

static const refusal hello_refusals[] = {
    {"HELLO", "-WRONGPASS invalid username-password pair or user is disabled.", MOONPOOL_EAUTH},
    {"HELLO", "-NOAUTH HELLO must be called with the client already authenticated", MOONPOOL_EAUTH},
    {"HELLO", "-ERR max number of clients reached", MOONPOOL_ECONN},
    {"HELLO", "-DENIED Redis is running in protected mode", MOONPOOL_ECONN},
    {"HELLO", "-LOADING Redis is loading the dataset in memory", MOONPOOL_ECONN},
};

static void check_refusals(const refusal *all, size_t count) {
  for (const refusal *r = all; r < all + count; r++) {
    char message[200];
    CHECK_INT(answer(r->verb, r->words, message, sizeof message), r->status);
    const char *words = strcmp(r->verb, "SELECT") ? message : message + strlen("SELECT 1: ");
    CHECK_STR(r->status ? words : message, r->status ? r->words + 1 : "");
    if (words != message) CHECK(!strncmp(message, "SELECT 1: ", 10));
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
  int is_done = 0;
  for (long n = 1; !is_done; n++) {
    test_heap heap;
    mp_url url = {.username = "ann", .password = "pw", .db = 1};
    mp_handshake h;
    int status = MOONPOOL_OK;
    CHECK(n < 20);
    test_heap_init(&heap, n);
    mp_handshake_start(&h, &url, "me", 0);
    while (status == MOONPOOL_OK && !mp_handshake_is_done(&h)) {
      mp_buf out;
      mp_buf_init(&out, &heap.allocator);
      status = mp_handshake_next(&h, &out);
      CHECK(status == MOONPOOL_OK || (status == MOONPOOL_ENOMEM && out.len == 0));
      mp_buf_free(&out);
      if (status == MOONPOOL_OK) hear_all(&h);
    }
    is_done = status == MOONPOOL_OK;
    CHECK(!is_done || n > 1);
    CHECK_INT(heap.blocks, 0);
  }
}

static const test_case tests[] = {
    TEST_CASE(each_url_has_its_commands),
    TEST_CASE(servers_without_resp3_are_asked_the_old_way),
    TEST_CASE(a_handshake_starts_anew),
    TEST_CASE(a_server_that_does_not_know_setinfo_is_not_asked_again),
    TEST_CASE(refusals_say_what_is_wrong),
    TEST_CASE(long_words_are_cut),
    TEST_CASE(without_memory_it_says_so),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
