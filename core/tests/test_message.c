/* Messages taken apart in place: exactly the whole and well formed ones, never a byte past the end,
 * and always what hiredis's reader makes of the same bytes. */
#include "message.h"

#include <hiredis/hiredis.h>
#include <hiredis/read.h>

#include "fuzz.h"
#include "resp_fixture.h"

static const char *const good[] = {
    "*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$5\r\nhello\r\n",
    "*3\r\n$7\r\nmessage\r\n$0\r\n\r\n$0\r\n\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$11\r\n\r\n$5\r\n*3\r\n+\r\n",
    "*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$11\r\n01234567890\r\n",
    "*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$2\r\nab\r\n$3\r\n\r\n\r\r\n",
};

/* Well formed or not, these are for the reader. */
static const char *const others[] = {
    "+OK\r\n+OK\r\n+OK\r\n+OK\r\n",
    "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
    "*3\r\n$7\r\nmassage\r\n$1\r\na\r\n$1\r\nb\r\n",
    "*3\r\n$7\r\nMESSAGE\r\n$1\r\na\r\n$1\r\nb\r\n",
    "*3\r\n$8\r\npmessage\r\n$1\r\na\r\n$1\r\nb\r\n",
    "*4\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
    "*4\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
    "*2\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n",
    "*03\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n",
    "*3\r\n$7\r\nmessage\n\r$1\r\na\r\n$1\r\nb\r\n",
    "*3\r\n$7\r\nmessage\r\r$1\r\na\r\n$1\r\nb\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n:1\r\n:1\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$-1\r\n$-1\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$01\r\nb\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$00\r\n\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$\r\n\r\n\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$ 1\r\nb\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$+1\r\nb\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\n\nb\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\rb\r\n\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nbc\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\rc\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$99999999\r\nb\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$000000001\r\nb\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$4294967297\r\nb\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$18446744073709551617\r\nb\r\n",
};

TEST(a_whole_message_is_taken_where_it_lies) {
  guarded input = {0};
  mp_message_reply message;
  mp_message_init(&message, mp_resp_version() >= 3);
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    size_t len = strlen(good[i]);
    char *at = guarded_copy(&input, good[i], len);
    CHECK(mp_message_begins(at, len));
    CHECK(mp_message_parse(&message, at, at + len) == at + len);
    const moonpool_reply *part = message.nodes[0].u.list.first;
    CHECK_INT(message.nodes[0].u.list.count, at[1] - '0');
    for (; part; part = part->next)
      CHECK(part->u.string.data > at && part->u.string.data + part->u.string.len + 2 <= at + len);
  }
  guarded_free(&input);
}

TEST(what_follows_a_message_is_left) {
  char text[200];
  mp_message_reply message;
  mp_message_init(&message, mp_resp_version() >= 3);
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    snprintf(text, sizeof text, "%s%s", good[i], good[(i + 1) % 5]);
    const char *end = mp_message_parse(&message, text, text + strlen(text));
    CHECK(end == text + strlen(good[i]));
  }
}

TEST(a_cut_message_is_left_to_the_reader) {
  guarded input = {0};
  mp_message_reply message;
  mp_message_init(&message, mp_resp_version() >= 3);
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    for (size_t len = 0; len < strlen(good[i]); len++) {
      char *at = guarded_copy(&input, good[i], len);
      CHECK_INT(mp_message_begins(at, len), len >= 8);
      CHECK(!mp_message_parse(&message, at, at + len));
    }
  }
  guarded_free(&input);
}

TEST(everything_else_is_left_to_the_reader) {
  guarded input = {0};
  mp_message_reply message;
  mp_message_init(&message, mp_resp_version() >= 3);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    for (size_t len = 0; len <= strlen(others[i]); len++) {
      char *at = guarded_copy(&input, others[i], len);
      if (mp_message_parse(&message, at, at + len)) {
        printf("  taken as a message: %s\n", others[i]);
        CHECK(0);
      }
    }
  }
  guarded_free(&input);
}

TEST(a_push_is_one_of_resp3) {
  static const char text[] = ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n";
  mp_message_reply message;
  mp_message_init(&message, mp_resp_version() >= 3);
  const char *end = mp_message_parse(&message, text, text + sizeof text - 1);
  CHECK((end != NULL) == (mp_resp_version() >= 3));
  if (end) CHECK_INT(message.nodes[0].type, MOONPOOL_PUSH);
}

/* ---- against hiredis's own replies ----------------------------------------------------------- */

static void put_theirs(mp_buf *text, const redisReply *reply) {
  switch (reply->type) {
  case REDIS_REPLY_NIL: put_text(text, "nil"); return;
  case REDIS_REPLY_INTEGER: put_text(text, ":%lld", reply->integer); return;
#if HIREDIS_MAJOR >= 1
  case REDIS_REPLY_BOOL: put_text(text, "#%lld", reply->integer); return;
  case REDIS_REPLY_DOUBLE: put_text(text, ",%.17g", reply->dval); return;
  case REDIS_REPLY_VERB:
    put_text(text, "=%zu %.3s:", reply->len + 4, reply->vtype);
    if (mp_buf_append(text, reply->str, reply->len)) abort();
    return;
  case REDIS_REPLY_MAP:
  case REDIS_REPLY_SET:
  case REDIS_REPLY_PUSH:
#endif
  case REDIS_REPLY_ARRAY:
    put_text(text, "%c%zu[", marks[reply->type], reply->elements);
    for (size_t i = 0; i < reply->elements; i++) {
      if (i) put_text(text, " ");
      put_theirs(text, reply->element[i]);
    }
    put_text(text, "]");
    return;
  default: put_text_bytes(text, marks[reply->type], reply->str, reply->len);
  }
}

/* The first `count` replies, as hiredis reads them; it sees no byte after the last of them. */
static void read_theirs(mp_buf *text, const char *data, size_t len, size_t count) {
  redisReader *reader = redisReaderCreate();
  for (size_t i = 0; i < len && count > 0; i++) {
    void *reply = NULL;
    CHECK_INT(redisReaderFeed(reader, data + i, 1), REDIS_OK);
    CHECK_INT(redisReaderGetReply(reader, &reply), REDIS_OK);
    if (!reply) continue;
    put_theirs(text, reply);
    put_text(text, "\n");
    freeReplyObject(reply);
    count--;
  }
  CHECK_INT(count, 0);
  redisReaderFree(reader);
}

static const mp_resp_limits limits = {1 << 20, 1000, 7};

static void print_escaped(const char *what, const mp_buf *text) {
  const char *data = text->data;
  size_t len = text->len;
  printf("  %s: ", what);
  for (size_t i = 0; i < len && i < 2000; i++) {
    unsigned char c = (unsigned char)data[i];
    if (c >= ' ' && c <= '~' && c != '\\')
      putchar(c);
    else
      printf("\\x%02x", c);
  }
  printf("\n");
}

typedef enum cut { WHOLE, BYTES, PIECES, ONE_REPLY_A_READ } cut;
static const char *const cuts[] = {"whole", "byte by byte", "in pieces", "one reply a read"};

static void read_ours(feed *f, cut cut, fuzz *random, const char *data, size_t len) {
  CHECK(feed_init(f, &mp_default_allocator, &limits));
  if (cut == WHOLE) feed_read(f, data, len, SIZE_MAX);
  if (cut == BYTES) feed_bytes(f, data, len);
  for (size_t at = 0, n; cut >= PIECES && at < len; at += n) {
    n = 1 + fuzz_below(random, fuzz_below(random, 4) ? 60 : 6000);
    if (n > len - at) n = len - at;
    feed_read(f, data + at, n, cut == PIECES ? SIZE_MAX : fuzz_below(random, 2));
  }
  feed_take(f, SIZE_MAX);
}

static int is_expected(const char *what, const mp_buf *text, const mp_buf *expected) {
  int is_same = is_same_text(text, expected);
  CHECK(is_same);
  if (is_same) return 1;
  print_escaped(what, text);
  print_escaped("instead of", expected);
  return 0;
}

/* However the bytes are cut, the replies are the same, and the same as hiredis's. */
static int compare(fuzz *random, const char *data, size_t len) {
  feed whole;
  int is_same = 1;
  read_ours(&whole, WHOLE, random, data, len);
  for (cut cut = BYTES; cut <= ONE_REPLY_A_READ; cut++) {
    feed f;
    read_ours(&f, cut, random, data, len);
    is_same &= is_expected(cuts[cut], &f.text, &whole.text);
    feed_free(&f);
  }
  mp_buf theirs;
  mp_buf_init(&theirs, &mp_default_allocator);
  read_theirs(&theirs, data, len, whole.replies);
  if (whole.status) put_text(&theirs, "!%s", moonpool_status_name(whole.status));
  is_same &= is_expected("hiredis", &theirs, &whole.text);
  mp_buf_free(&theirs);
  feed_free(&whole);
  if (!is_same) print_escaped("the input", &(mp_buf){.data = (char *)data, .len = len});
  return is_same;
}

TEST(the_reader_finds_the_same) {
  fuzz random = fuzz_new("cuts");
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    CHECK(compare(&random, good[i], strlen(good[i])));
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    CHECK(compare(&random, others[i], strlen(others[i])));
}

/* ---- random streams -------------------------------------------------------------------------- */

static void put_bulk(fuzz *random, mp_buf *out) {
  static const char alphabet[] = "\r\n$*:+-0123456789>\0abc";
  static const size_t lengths[] = {1, 4, 12, 120, 5000};
  char bytes[5000];
  size_t len = fuzz_below(random, lengths[fuzz_below(random, 40) ? fuzz_below(random, 4) : 4]);
  for (size_t i = 0; i < len; i++) bytes[i] = alphabet[fuzz_below(random, sizeof alphabet - 1)];
  put_text(out, "$%zu\r\n", len);
  if (mp_buf_append(out, bytes, len)) abort();
  put_text(out, "\r\n");
}

static void put_message(fuzz *random, mp_buf *out) {
  static const char *const words[] = {"3\r\n$7\r\nmessage\r\n", "3\r\n$8\r\nsmessage\r\n",
                                      "4\r\n$8\r\npmessage\r\n"};
  size_t which = fuzz_below(random, 3);
  int is_push = mp_resp_version() >= 3 && fuzz_below(random, 2);
  put_text(out, "%c%s", is_push ? '>' : '*', words[which]);
  for (int i = 0; i < 2 + (which == 2); i++) put_bulk(random, out);
}

static void put_any(fuzz *random, mp_buf *out, int depth) {
  static const char *const lines[] = {
      "+OK\r\n",  "-ERR no\r\n", ":-12\r\n", "$-1\r\n",           "*-1\r\n", "*0\r\n", ",1.5\r\n",
      "#t\r\n",   "_\r\n",       "(123\r\n", "=7\r\ntxt:abc\r\n", "%0\r\n",  "~0\r\n", "#f\r\n",
      ",inf\r\n", "(-123\r\n",   ">0\r\n"};
  static const char lists[] = "*%~>";
  int is_resp3 = mp_resp_version() >= 3;
  size_t count = fuzz_below(random, 4);
  switch (fuzz_below(random, depth < 5 ? 4 : 3)) {
  case 0: put_bulk(random, out); break;
  case 1: put_message(random, out); break;
  case 2: put_text(out, "%s", lines[fuzz_below(random, is_resp3 ? 17 : 6)]); break;
  default: {
    char mark = lists[fuzz_below(random, is_resp3 ? 4 : 1)];
    put_text(out, "%c%zu\r\n", mark, count);
    for (size_t i = 0; i < count * (mark == '%' ? 2 : 1); i++) put_any(random, out, depth + 1);
  }
  }
}

/* Mostly messages, as a subscriber gets them. */
static void put_stream(fuzz *random, mp_buf *out) {
  for (size_t n = 1 + fuzz_below(random, 20); n > 0; n--) {
    if (fuzz_below(random, 4))
      put_message(random, out);
    else
      put_any(random, out, 0);
  }
}

static void mutate(fuzz *random, mp_buf *out) {
  static const char likely[] = "\r\n$*>+-:0123456789";
  for (size_t n = 1 + fuzz_below(random, 3); n > 0 && out->len > 1; n--) {
    size_t at = fuzz_below(random, out->len), rest = out->len - at;
    char byte = (char)(fuzz_below(random, 3) ? likely[fuzz_below(random, sizeof likely - 1)]
                                             : (int)fuzz_below(random, 256));
    switch (fuzz_below(random, 4)) {
    case 0: out->len = at; break;
    case 1:
      memmove(out->data + at, out->data + at + 1, rest - 1);
      out->len--;
      break;
    case 2:
      if (!mp_buf_reserve(out, 1)) abort();
      memmove(out->data + at + 1, out->data + at, rest);
      out->len++;
      out->data[at] = byte;
      break;
    default: out->data[at] = byte;
    }
  }
}

static void try_streams(const char *what, int rounds, int is_mutated) {
  fuzz random = fuzz_new(what);
  mp_buf stream;
  mp_buf_init(&stream, &mp_default_allocator);
  for (int is_same = 1; is_same && rounds > 0; rounds--) {
    stream.len = 0;
    put_stream(&random, &stream);
    if (is_mutated) mutate(&random, &stream);
    is_same = compare(&random, stream.data, stream.len);
  }
  mp_buf_free(&stream);
}

TEST(random_streams_are_read_alike) {
  try_streams("streams", 150, 0);
}

TEST(damaged_streams_are_read_alike) {
  try_streams("damaged streams", 500, 1);
}

static const test_case tests[] = {
    TEST_CASE(a_whole_message_is_taken_where_it_lies),
    TEST_CASE(what_follows_a_message_is_left),
    TEST_CASE(a_cut_message_is_left_to_the_reader),
    TEST_CASE(everything_else_is_left_to_the_reader),
    TEST_CASE(a_push_is_one_of_resp3),
    TEST_CASE(the_reader_finds_the_same),
    TEST_CASE(random_streams_are_read_alike),
    TEST_CASE(damaged_streams_are_read_alike),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
