/* Every status has its own number, name and text. */
#include "test.h"

#define X(name, number, text) {#name, number, text},
static const struct {
  const char *name;
  int number;
  const char *text;
} table[] = {MOONPOOL_STATUS_MAP(X)};
#undef X

static const size_t COUNT = sizeof table / sizeof *table;

TEST(names_and_texts_are_the_tables) {
  for (size_t i = 0; i < COUNT; i++) {
    CHECK_STR(moonpool_status_name(table[i].number), table[i].name);
    CHECK_STR(moonpool_status_text(table[i].number), table[i].text);
  }
  CHECK_STR(moonpool_status_name(MOONPOOL_ETIMEOUT), "ETIMEOUT");
  CHECK_STR(moonpool_status_name(-17), "EREJECTED");
}

TEST(numbers_are_unique_and_negative) {
  for (size_t i = 0; i < COUNT; i++) {
    CHECK(table[i].number < 0);
    for (size_t j = 0; j < i; j++) CHECK(table[i].number != table[j].number);
  }
}

TEST(other_numbers_have_a_name_too) {
  CHECK_STR(moonpool_status_name(MOONPOOL_OK), "OK");
  CHECK_STR(moonpool_status_text(MOONPOOL_OK), "no error");
  CHECK_STR(moonpool_status_name(1), "EUNKNOWN");
  CHECK_STR(moonpool_status_name(-9999), "EUNKNOWN");
  CHECK_STR(moonpool_status_text(-9999), "unknown status");
}

static const test_case tests[] = {
    TEST_CASE(names_and_texts_are_the_tables),
    TEST_CASE(numbers_are_unique_and_negative),
    TEST_CASE(other_numbers_have_a_name_too),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
