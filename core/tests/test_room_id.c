/* Rooms' names and messages' ids: what is accepted, and what is said about the rest. */
#include <moonpool_room.h>

#include "test.h"

#define BYTES(text) ((moonpool_bytes){text, sizeof text - 1})

static const char *complaint_about(moonpool_bytes text) {
  static char message[200];
  moonpool_bytes name = {NULL, 0};
  if (moonpool_room_name(text, &name, message, sizeof message) == MOONPOOL_OK) return "";
  CHECK(!name.data);
  return message;
}

static moonpool_bytes name_of(moonpool_bytes text) {
  moonpool_bytes name = {NULL, 0};
  CHECK_INT(moonpool_room_name(text, &name, NULL, 0), MOONPOOL_OK);
  return name;
}

TEST(a_name_may_be_written_as_its_channel) {
  CHECK_INT(name_of(BYTES("chatty")).len, 6);
  CHECK_INT(name_of(BYTES("room:chatty")).len, 6);
  CHECK_INT(name_of(BYTES("room:room:chatty")).len, 11);
  CHECK_INT(name_of(BYTES("a*[b]?\\ \xc3\xa9")).len, 10);
}

TEST(bad_names_are_told_with_what_is_wrong_and_where) {
  static char big[MOONPOOL_ROOM_NAME_MAX + 6];
  memcpy(big, "room:", 5);
  memset(big + 5, 'a', sizeof big - 5);
  CHECK_STR(complaint_about((moonpool_bytes){big, sizeof big - 1}), "");
  CHECK_STR(complaint_about((moonpool_bytes){big, sizeof big}),
            "bad room name: it has 513 bytes; at most 512 are allowed");
  CHECK_STR(complaint_about(BYTES("")), "bad room name: it is empty");
  CHECK_STR(complaint_about(BYTES("room:")), "bad room name: it is empty");
  CHECK_STR(complaint_about(BYTES("a{b")), "bad room name: a brace at byte 2");
  CHECK_STR(complaint_about(BYTES("ab}")), "bad room name: a brace at byte 3");
  CHECK_STR(complaint_about(BYTES("a\nb")), "bad room name: a control character at byte 2");
  CHECK_STR(complaint_about(BYTES("\0")), "bad room name: a control character at byte 1");
  CHECK_STR(complaint_about(BYTES("a\xc2\x85")), "bad room name: a control character at byte 2");
  CHECK_STR(complaint_about(BYTES("\xc2\xa0\xc2")), "");
}

static void check_id(const char *text) {
  char written[MOONPOOL_ID_SIZE];
  moonpool_id id;
  CHECK_INT(moonpool_id_parse((moonpool_bytes){text, strlen(text)}, &id), MOONPOOL_OK);
  CHECK_INT(moonpool_id_format(&id, written), strlen(text));
  CHECK_STR(written, text);
}

TEST(ids_are_read_as_they_are_written) {
  check_id("0-0-0000000000000000");
  check_id("1795365705683-2-9f3a7c1e00000001");
  check_id("18446744073709551615-18446744073709551615-ffffffffffffffff");
}

TEST(what_is_no_id_is_refused) {
  static const char *const bad[] = {"",
                                    "-",
                                    "1",
                                    "1-2",
                                    "1-2-",
                                    "1-2-9f3a7c1e",
                                    "1-2-9f3a7c1e0000000g",
                                    "1-2-9F3A7C1E00000001",
                                    "1-2-9f3a7c1e000000012",
                                    "+1-2-9f3a7c1e00000001",
                                    "1--9f3a7c1e00000001",
                                    "18446744073709551616-2-9f3a7c1e00000001",
                                    "1-2 -9f3a7c1e00000001",
                                    "000000000000000000001-2-9f3a7c1e00000001",
                                    "1-2-3-9f3a7c1e00000001"};
  moonpool_id id = {1, 2, 3};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK_INT(moonpool_id_parse((moonpool_bytes){bad[i], strlen(bad[i])}, &id), MOONPOOL_EARG);
  CHECK(id.ms == 1 && id.seq == 2 && id.tag == 3);
}

TEST(leading_zeros_of_the_count_are_read) {
  moonpool_id id;
  CHECK_INT(moonpool_id_parse(BYTES("5-000000000012-9f3a7c1e00000001"), &id), MOONPOOL_OK);
  CHECK(id.ms == 5 && id.seq == 12);
}

static const test_case tests[] = {
    TEST_CASE(a_name_may_be_written_as_its_channel),
    TEST_CASE(bad_names_are_told_with_what_is_wrong_and_where),
    TEST_CASE(ids_are_read_as_they_are_written),
    TEST_CASE(what_is_no_id_is_refused),
    TEST_CASE(leading_zeros_of_the_count_are_read),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
