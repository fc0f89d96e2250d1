/* What error replies mean, by their first words. */
#include "trouble.h"

#include "test.h"

static moonpool_reply error_of(const char *words) {
  return (moonpool_reply){.type = MOONPOOL_ERROR, .u.string = {words, strlen(words)}};
}

enum {
  NONE,
  PASSES = MP_TROUBLE_PASSES,
  ELSEWHERE = MP_TROUBLE_ELSEWHERE,
  STAYS = MP_TROUBLE_STAYS,
  AGAIN = MP_TROUBLE_PASSES | MP_TROUBLE_REPEAT
};

static const struct {
  const char *words;
  int status;
  unsigned traits;
} known[] = {
    {"LOADING Redis is loading the dataset in memory", MOONPOOL_EREDIS, AGAIN},
    {"MASTERDOWN Link with MASTER is down", MOONPOOL_EREDIS, AGAIN},
    {"READONLY You can't write against a read only replica.", MOONPOOL_EREDIS, AGAIN | ELSEWHERE},
    {"CLUSTERDOWN Hash slot not served", MOONPOOL_EREDIS, AGAIN},
    {"TRYAGAIN Multiple keys request during rehashing of slot", MOONPOOL_EREDIS, AGAIN},
    {"NOREPLICAS Not enough good replicas to write.", MOONPOOL_EREDIS, AGAIN},
    {"ERR max number of clients reached", MOONPOOL_EREDIS, PASSES},
    {"ERR max number of clients + cluster connections reached", MOONPOOL_EREDIS, PASSES},
    {"UNBLOCKED force unblock from blocking operation, instance state changed", MOONPOOL_EREDIS,
     ELSEWHERE},
    {"UNBLOCKED client unblocked via CLIENT UNBLOCK", MOONPOOL_EREDIS, NONE},
    {"MOVED 3999 127.0.0.1:6381", MOONPOOL_ENOSUPPORT, NONE},
    {"ASK 3999 127.0.0.1:6381", MOONPOOL_ENOSUPPORT, NONE},
    {"NOPERM this user has no permissions to access one of the channels", MOONPOOL_EPERM, STAYS},
    {"NOAUTH Authentication required.", MOONPOOL_EAUTH, STAYS | ELSEWHERE},
    {"WRONGPASS invalid username-password pair or user is disabled.", MOONPOOL_EAUTH, STAYS},
    {"ERR invalid password", MOONPOOL_EAUTH, STAYS},
    {"ERR Client sent AUTH, but no password is set", MOONPOOL_EAUTH, STAYS},
    {"DENIED Redis is running in protected mode", MOONPOOL_EREDIS, STAYS},
    /* reported as they are */
    {"BUSY Redis is busy running a script.", MOONPOOL_EREDIS, PASSES},
    {"BUSYGROUP Consumer Group name already exists", MOONPOOL_EREDIS, NONE},
    {"OOM command not allowed when used memory > 'maxmemory'.", MOONPOOL_EREDIS, NONE},
    {"MISCONF Errors writing to the AOF file: No space left on device", MOONPOOL_EREDIS, NONE},
    {"NOSCRIPT No matching script. Please use EVAL.", MOONPOOL_EREDIS, NONE},
    {"EXECABORT Transaction discarded because of previous errors.", MOONPOOL_EREDIS, NONE},
    {"ERR unknown command 'FOO'", MOONPOOL_EREDIS, NONE},
    {"LOADINGS", MOONPOOL_EREDIS, NONE},
    {"NOPE", MOONPOOL_EREDIS, NONE},
    {"", MOONPOOL_EREDIS, NONE},
    {"LOADING", MOONPOOL_EREDIS, AGAIN},
};

TEST(errors_are_told_apart_by_their_first_words) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    moonpool_reply error = error_of(known[i].words);
    const mp_trouble *trouble = mp_trouble_of(&error);
    CHECK_INT(trouble->status, known[i].status);
    CHECK_INT(trouble->traits, known[i].traits);
    CHECK_INT(mp_trouble_passes(&error), (known[i].traits & PASSES) != 0);
    CHECK_INT(moonpool_may_repeat(0, NULL, &error), (known[i].traits & AGAIN) == AGAIN);
  }
}

TEST(what_a_script_ran_into_does_not_pass) {
  static const char *const words[] = {
      "READONLY You can't write against a read only replica. script: f8e0, on @user_script:1.",
      "TRYAGAIN x script: f, on @user_function:12.",
  };
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    moonpool_reply error = error_of(words[i]);
    CHECK(mp_trouble_is_of_script(&error));
    CHECK(!mp_trouble_passes(&error));
  }
}

TEST(what_may_be_repeated) {
  moonpool_reply loading = error_of("LOADING x"), oom = error_of("OOM x");
  moonpool_reply text = {.type = MOONPOOL_STRING, .u.string = {"LOADING", 7}};
  static const struct {
    const char *word;
    int may;
  } commands[] = {{"SET", 1},   {"set", 1},        {"EVA", 1},       {"EVAL", 0},
                  {"eval", 0},  {"EVALSHA_RO", 0}, {"FCALL", 0},     {"fcall_ro", 0},
                  {"BLPOP", 0}, {"WAIT", 0},       {"SUBSCRIBE", 0}, {"PUBLISH", 1}};
  CHECK(moonpool_may_repeat(0, NULL, &loading));
  CHECK(!moonpool_may_repeat(0, NULL, &oom));
  CHECK(!moonpool_may_repeat(0, NULL, &text));
  CHECK(!moonpool_may_repeat(0, NULL, NULL));
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    moonpool_bytes argv[] = {{commands[i].word, strlen(commands[i].word)}, {"k", 1}};
    CHECK_INT(moonpool_may_repeat(2, argv, &loading), commands[i].may);
    CHECK(!moonpool_may_repeat(2, argv, &oom));
    CHECK(!moonpool_may_repeat(2, argv, NULL));
  }
}

static const test_case tests[] = {
    TEST_CASE(errors_are_told_apart_by_their_first_words),
    TEST_CASE(what_a_script_ran_into_does_not_pass),
    TEST_CASE(what_may_be_repeated),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
