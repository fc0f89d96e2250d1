/* Frames taken apart: what is one and what is not, with the ids read eight bytes at a time as
 * moonpool_id_parse reads them byte by byte. Every payload lies at the end of a block of its own,
 * so that the sanitizer and valgrind see a byte too many that is read. */
#include "frame.h"

#include <inttypes.h>

#include "fuzz.h"
#include "test.h"

#define ZERO "0-0-0000000000000000"
#define ID "1795365705683-2-9f3a7c1e00000001"

static int parse_bytes(mp_frame *frame, const char *text, size_t len, const char *expected) {
  char *block = malloc(len ? len : 1);
  if (!block) abort();
  if (len) memcpy(block, text, len);
  moonpool_bytes wanted = {expected, expected ? strlen(expected) : 0};
  int got = mp_frame_parse(frame, (moonpool_bytes){block, len}, wanted);
  if (got) { /* borrowed from the block */
    CHECK(frame->body.data >= block && frame->body.data + frame->body.len < block + len);
    CHECK_INT(frame->body.data[0], '{');
    CHECK_INT(frame->body.data[frame->body.len - 1], '}');
  }
  free(block);
  return got;
}

static int parse(const char *text, const char *expected) {
  mp_frame frame;
  return parse_bytes(&frame, text, strlen(text), expected);
}

TEST(frames_are_known_by_their_exact_form) {
  static const char linked[] = "{\"id\":\"" ID "\",\"prev\":\"" ZERO "\",\"m\":{\"user\":\"a\"}}";
  CHECK_INT(parse(linked, NULL), 1);
  CHECK_INT(parse(linked, ZERO), 2);
  CHECK_INT(parse(linked, "0-0-000000000000000"), 1);
  CHECK_INT(parse(linked, ZERO "0"), 1);
  CHECK_INT(parse("{\"id\":\"" ID "\",\"m\":{}}", NULL), 1);
  CHECK_INT(parse("{\"id\":\"" ID "\",\"prev\":\"x\",\"m\":{}}", "x"), 2);
  for (size_t len = 0; len < sizeof linked - 1; len++) {
    mp_frame frame;
    CHECK_INT(parse_bytes(&frame, linked, len, ZERO), 0);
  }
}

TEST(everything_else_is_none) {
  static const char *const others[] = {"",
                                       "{}",
                                       "[1]",
                                       "hello",
                                       " {\"id\":\"" ID "\",\"m\":{}}",
                                       "{ \"id\":\"" ID "\",\"m\":{}}",
                                       "{\"\\u0069d\":\"" ID "\",\"m\":{}}",
                                       "{\"id\":\"" ID "\",\"m\":[]}",
                                       "{\"id\":\"" ID "\",\"m\":{}} ",
                                       "{\"id\":\"" ID "\",\"m\":{}",
                                       "{\"id\":\"" ID "\",\"m\": {}}",
                                       "{\"id\":\"x\",\"m\":{}}",
                                       "{\"id\":\"" ID "x\",\"m\":{}}",
                                       "{\"id\":\"" ID "\",\"prev\":\"" ID "x\",\"m\":{}}",
                                       "{\"id\":\"" ID "\",\"prev\":\"\",\"m\":{}}",
                                       "{\"prev\":\"" ZERO "\",\"id\":\"" ID "\",\"m\":{}}"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (parse(others[i], ZERO)) printf("  %s\n", others[i]);
    CHECK_INT(parse(others[i], ZERO), 0);
  }
}

/* The id alone, in a frame: as moonpool_id_parse has it. */
static void check_id(const char *id) {
  char text[200];
  mp_frame frame;
  moonpool_id expected = {0, 0, 0};
  int is_id = moonpool_id_parse((moonpool_bytes){id, strlen(id)}, &expected) == MOONPOOL_OK;
  snprintf(text, sizeof text, "{\"id\":\"%s\",\"m\":{}}", id);
  int got = parse_bytes(&frame, text, strlen(text), NULL);
  CHECK_INT(got, is_id);
  if (got && is_id)
    CHECK(frame.id.ms == expected.ms && frame.id.seq == expected.seq &&
          frame.id.tag == expected.tag);
  if (test_failures) printf("  %s\n", id);
}

TEST(ids_of_every_length_are_read) {
  char id[100];
  for (int ms = 1; ms <= 21 && !test_failures; ms++)
    for (int seq = 1; seq <= 21 && !test_failures; seq++)
      for (int lead = 0; lead <= 9; lead += 3) {
        snprintf(id, sizeof id, "%.*s-%.*s-%016" PRIx64, ms, "184467440737095516150", seq,
                 lead ? "999999999999999999999" : "018446744073709551615",
                 UINT64_C(0x0123456789abcdef) * (uint64_t)(lead + 1));
        check_id(id);
      }
}

TEST(ids_that_are_broken_anywhere_are_refused_alike) {
  static const char letters[] = "0123456789abcdefABCDEFgG-/:@`~ \x80\xff\"";
  fuzz random = fuzz_new("ids");
  for (int round = 0; round < 200000 && !test_failures; round++) {
    char id[100];
    uint64_t ms = fuzz_next(&random) >> fuzz_below(&random, 64);
    uint64_t seq = fuzz_next(&random) >> fuzz_below(&random, 64);
    snprintf(id, sizeof id, "%" PRIu64 "-%" PRIu64 "-%016" PRIx64, ms, seq, fuzz_next(&random));
    for (size_t n = fuzz_below(&random, 3); n > 0; n--)
      id[fuzz_below(&random, strlen(id))] = letters[fuzz_below(&random, sizeof letters - 1)];
    if (!strchr(id, '"')) check_id(id);
  }
}

static const test_case tests[] = {
    TEST_CASE(frames_are_known_by_their_exact_form),
    TEST_CASE(everything_else_is_none),
    TEST_CASE(ids_of_every_length_are_read),
    TEST_CASE(ids_that_are_broken_anywhere_are_refused_alike),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
