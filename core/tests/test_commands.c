/* Which commands a shared link refuses, and which may keep all others waiting. */
#include "commands.h"

#include <ctype.h>
#include <locale.h>

#include "resp.h"
#include "test.h"

/* Words of a command, one space between each. */
static size_t split(const char *line, moonpool_bytes *argv) {
  size_t argc = 0;
  while (*line) {
    size_t len = strcspn(line, " ");
    argv[argc++] = (moonpool_bytes){line, len};
    line += len + (line[len] == ' ');
  }
  return argc;
}

static mp_command_class class_of(const char *line, const char **hint) {
  moonpool_bytes argv[16];
  *hint = NULL;
  return mp_command_class_of(split(line, argv), argv, hint);
}

/* In upper case, lower case, and both by turns. */
static void check_class(const char *line, mp_command_class expected, const char *hinted) {
  for (int letters = 0; letters < 3; letters++) {
    char text[100];
    const char *hint;
    size_t i = 0;
    for (; line[i]; i++)
      text[i] =
          (char)(letters == 0 || (letters == 2 && i % 2) ? toupper(line[i]) : tolower(line[i]));
    text[i] = '\0';
    mp_command_class class = class_of(text, &hint);
    if (class != expected) printf("  %s\n", text);
    CHECK_INT(class, expected);
    if (hinted && class == expected) CHECK(hint && strstr(hint, hinted));
    if (class == MP_COMMAND_BLOCKING) CHECK(!hint);
  }
}

TEST(what_changes_a_shared_link_is_refused) {
  static const char *const refused[][2] = {
      {"AUTH pw", "URL"},
      {"AUTH user pw", "URL"},
      {"HELLO", "URL"},
      {"HELLO 3 AUTH a b", "URL"},
      {"SELECT 1", "URL"},
      {"MULTI", "transaction"},
      {"EXEC", "transaction"},
      {"DISCARD", "transaction"},
      {"WATCH a b", "optimistic"},
      {"UNWATCH", "optimistic"},
      {"SUBSCRIBE a", "subscribe"},
      {"PSUBSCRIBE a*", "psubscribe"},
      {"SSUBSCRIBE a", "ssubscribe"},
      {"UNSUBSCRIBE", "close the subscription"},
      {"PUNSUBSCRIBE a*", "close the subscription"},
      {"SUNSUBSCRIBE a", "close the subscription"},
      {"MONITOR", "another library"},
      {"RESET", "another library"},
      {"SYNC", "another library"},
      {"PSYNC ? -1", "another library"},
      {"REPLCONF ACK 0", "another library"},
      {"QUIT", "close the client"},
      {"CLIENT REPLY OFF", "another library"},
      {"CLIENT REPLY", "another library"},
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    check_class(refused[i][0], MP_COMMAND_REFUSED, refused[i][1]);
}

TEST(what_redis_may_answer_late_is_known) {
  static const char *const blocking[] = {
      "BLPOP a 0",
      "BRPOP a 0",
      "BRPOPLPUSH a b 0",
      "BLMOVE a b LEFT RIGHT 0",
      "BLMPOP 0 1 a LEFT",
      "BZPOPMIN a 0",
      "BZPOPMAX a 0",
      "BZMPOP 0 1 a MIN",
      "WAIT 1 0",
      "WAITAOF 1 1 0",
      "XREAD BLOCK 0 STREAMS a $",
      "XREAD COUNT 1 BLOCK 0 STREAMS a $",
      "XREADGROUP GROUP g c BLOCK 0 STREAMS a >",
      "XREADGROUP GROUP g c COUNT 1 NOACK BLOCK 0 STREAMS a >",
  };
  for (size_t i = 0; i < sizeof blocking / sizeof *blocking; i++)
    check_class(blocking[i], MP_COMMAND_BLOCKING, NULL);
}

TEST(everything_else_is_plain) {
  static const char *const plain[] = {
      "GET a",
      "SET a b",
      "PUBLISH a b",
      "SPUBLISH a b",
      "PUBSUB CHANNELS",
      "PING",
      "EVAL return 0",
      "FCALL f 0",
      "CLIENT",
      "CLIENT LIST",
      "CLIENT SETNAME reply",
      "CLIENT KILL USER reply",
      "CLIENTS REPLY",
      "XREAD STREAMS a 0",
      "XREAD STREAMS block 0",
      "XREAD COUNT 10 STREAMS a 0",
      "XREADGROUP GROUP g c STREAMS block >",
      "XREADGROUPS BLOCK",
      "COMMAND",
      "COMMAND COUNT",
      "COMMANDS DOCS",
      "SUBSCRIBER",
      "SUBSCRIB",
      "AUT",
      "AUTHOR",
      "MULTIPLY",
      "LPOP",
      "BLPOPS",
      "ZMPOP",
      "QUITS",
      "SYNCH",
      "RESETS",
      "WAITING",
      "*",
      "1",
      "\xc1UTH",
  };
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
    check_class(plain[i], MP_COMMAND_PLAIN, NULL);
}

/* Not every build can read the deep reply. */
TEST(command_docs_needs_hiredis_1) {
  int is_refused = mp_resp_version() < 3;
  check_class("COMMAND DOCS", is_refused ? MP_COMMAND_REFUSED : MP_COMMAND_PLAIN,
              is_refused ? "hiredis" : NULL);
  check_class("COMMAND DOCS get", is_refused ? MP_COMMAND_REFUSED : MP_COMMAND_PLAIN,
              is_refused ? "hiredis" : NULL);
}

TEST(names_are_bytes) {
  static const moonpool_bytes plain[] = {{NULL, 0}, {"", 0}, {"AUTH\0", 5}, {"AUTH", 3}, {"\0", 1}};
  const char *hint = NULL;
  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
    CHECK_INT(mp_command_class_of(1, &plain[i], &hint), MP_COMMAND_PLAIN);
    CHECK(!moonpool_command_hint(1, &plain[i]));
  }
  moonpool_bytes auth = {"authority", 4};
  CHECK_INT(mp_command_class_of(1, &auth, &hint), MP_COMMAND_REFUSED);
}

TEST(the_public_hint_is_for_refused_ones) {
  moonpool_bytes argv[16];
  CHECK(!moonpool_command_hint(0, NULL));
  CHECK(!moonpool_command_hint(split("GET a", argv), argv));
  CHECK(!moonpool_command_hint(split("BLPOP a 0", argv), argv));
  const char *hint = moonpool_command_hint(split("multi", argv), argv);
  CHECK(hint && strstr(hint, "transaction"));
}

static uint64_t block_time(const char *line) {
  moonpool_bytes argv[16];
  return mp_command_block_time(split(line, argv), argv);
}

TEST(the_time_that_redis_gives_is_known) {
  CHECK_INT(block_time("BLPOP a b 2"), 2001);
  CHECK_INT(block_time("BRPOP a 0.25"), 251);
  CHECK_INT(block_time("BLPOP a 0"), -1);
  CHECK_INT(block_time("BLPOP a 0.0"), -1);
  CHECK_INT(block_time("BLPOP a -1"), 0);
  CHECK_INT(block_time("BLPOP a never"), 0);
  CHECK_INT(block_time("BLPOP a 1x"), 0);
  CHECK_INT(block_time("BLPOP a nan"), 0);
  CHECK_INT(block_time("BLPOP a 1e300"), -1);
  CHECK_INT(block_time("BLPOP"), 0);
  CHECK_INT(block_time("BLMOVE a b LEFT RIGHT 3"), 3001);
  CHECK_INT(block_time("BRPOPLPUSH a b 3"), 3001);
  CHECK_INT(block_time("bzpopmin a 1"), 1001);
  CHECK_INT(block_time("BZPOPMAX a 1"), 1001);
  CHECK_INT(block_time("BLMPOP 4 1 a LEFT COUNT 9"), 4001);
  CHECK_INT(block_time("BZMPOP 4 1 a MIN"), 4001);
  CHECK_INT(block_time("WAIT 1 500"), 501);
  CHECK_INT(block_time("WAIT 1 0"), -1);
  CHECK_INT(block_time("WAITAOF 1 0 500"), 501);
  CHECK_INT(block_time("XREAD COUNT 1 BLOCK 70 STREAMS a $"), 71);
  CHECK_INT(block_time("XREAD BLOCK 0 STREAMS a $"), -1);
  CHECK_INT(block_time("XREADGROUP GROUP block block BLOCK 70 STREAMS a >"), 71);
  CHECK_INT(block_time("XREAD STREAMS block 9"), 0);
}

/* A program may have set any locale that its system has. */
TEST(the_time_that_redis_gives_is_known_in_every_locale) {
  static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
  size_t i = 0;
  while (i < sizeof commas / sizeof *commas && !setlocale(LC_NUMERIC, commas[i])) i++;
  CHECK_INT(block_time("BRPOP a 30.25"), 30251);
  CHECK_INT(block_time("BLPOP a 1.5x"), 0);
  setlocale(LC_NUMERIC, "C");
}

static const test_case tests[] = {
    TEST_CASE(what_changes_a_shared_link_is_refused),
    TEST_CASE(what_redis_may_answer_late_is_known),
    TEST_CASE(everything_else_is_plain),
    TEST_CASE(command_docs_needs_hiredis_1),
    TEST_CASE(names_are_bytes),
    TEST_CASE(the_public_hint_is_for_refused_ones),
    TEST_CASE(the_time_that_redis_gives_is_known),
    TEST_CASE(the_time_that_redis_gives_is_known_in_every_locale),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
