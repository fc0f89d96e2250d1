/* Tokens: the example of RFC 7515, what is refused and why, and random bytes; identities. */
#include "token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base64url.h"
#include "fuzz.h"
#include "test.h"

#define SECRET "correct horse battery staple, 40 bytes.."
#define NOW 1700000000000u

static moonpool_bytes bytes(const char *text) {
  return (moonpool_bytes){text, strlen(text)};
}

static int check(const char *token, gw_identity *identity, const char **reason) {
  *reason = NULL;
  return gw_token_check(&mp_default_allocator, bytes(SECRET), bytes(token), NOW, identity, reason);
}

/* A token whose signature is right, whatever its header and claims are; to be freed. */
static char *forge(const char *header, const char *claims) {
  mp_buf out;
  mp_buf_init(&out, &mp_default_allocator);
  unsigned char mac[32];
  unsigned len = sizeof mac;
  (void)gw_base64url_encode(&out, bytes(header));
  (void)mp_buf_append(&out, ".", 1);
  (void)gw_base64url_encode(&out, bytes(claims));
  HMAC(EVP_sha256(), SECRET, sizeof SECRET - 1, (unsigned char *)out.data, out.len, mac, &len);
  (void)mp_buf_append(&out, ".", 1);
  (void)gw_base64url_encode(&out, (moonpool_bytes){(char *)mac, len});
  (void)mp_buf_append(&out, "", 1);
  return out.data;
}

static const char hs256[] = "{\"alg\":\"HS256\"}";

static void check_refused(const char *header, const char *claims, const char *expected) {
  gw_identity identity;
  const char *reason;
  char *token = forge(header, claims);
  CHECK_INT(check(token, &identity, &reason), MOONPOOL_EAUTH);
  CHECK_STR(reason, expected);
  CHECK(!identity.rooms);
  free(token);
}

static void check_taken(const char *header, const char *claims) {
  gw_identity identity;
  const char *reason;
  char *token = forge(header, claims);
  CHECK_INT(check(token, &identity, &reason), MOONPOOL_OK);
  CHECK_STR(reason, NULL);
  gw_identity_free(&identity, &mp_default_allocator);
  free(token);
}

TEST(a_token_tells_who_and_where) {
  gw_identity identity;
  const char *reason;
  char *token = forge(hs256, "{\"sub\":\"ann\",\"exp\":1700000060.5,\"rooms\":[\"chatty\","
                             "\"room:team-*\"],\"iat\":1,\"jti\":\"x\"}");
  REQUIRE(check(token, &identity, &reason) == MOONPOOL_OK);
  CHECK_INT(identity.user.len, 3);
  CHECK(!memcmp(identity.user.data, "ann", 3));
  CHECK_INT(identity.expires_ms, 1700000060500);
  CHECK_INT(identity.room_count, 2);
  CHECK(gw_identity_may(&identity, bytes("chatty")));
  CHECK(gw_identity_may(&identity, bytes("team-1")));
  CHECK(!gw_identity_may(&identity, bytes("chatty2")));
  CHECK(!gw_identity_may(&identity, bytes("room:team-1")));
  gw_identity_free(&identity, &mp_default_allocator);
  CHECK(!gw_identity_may(&identity, bytes("chatty")));
  free(token);
}

TEST(a_token_without_rooms_may_enter_none) {
  gw_identity identity;
  const char *reason;
  char *token = forge(hs256, "{\"sub\":\"ann\",\"exp\":1700000060}");
  REQUIRE(check(token, &identity, &reason) == MOONPOOL_OK);
  CHECK(!gw_identity_may(&identity, bytes("chatty")));
  gw_identity_free(&identity, &mp_default_allocator);
  free(token);
}

/* RFC 7515, A.1: the signature is right, and the claims name no user. */
TEST(the_example_of_the_standard_is_signed) {
  static const char token[] =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
      "fQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  gw_identity identity;
  const char *reason;
  mp_buf key;
  mp_buf_init(&key, &mp_default_allocator);
  REQUIRE(gw_base64url_decode(&key, bytes("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aK"
                                          "tMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")) == MOONPOOL_OK);
  CHECK_INT(gw_token_check(&mp_default_allocator, (moonpool_bytes){key.data, key.len}, bytes(token),
                           1300819000000, &identity, &reason),
            MOONPOOL_EAUTH);
  CHECK_STR(reason, "names no user: it has no sub");
  mp_buf_free(&key);
}

static const char no_signature[] = "is not signed by HS256 with this gateway's secret";

TEST(what_is_not_signed_is_refused) {
  gw_identity identity;
  const char *reason;
  char *token = forge(hs256, "{\"sub\":\"ann\",\"exp\":1700000060}");
  size_t len = strlen(token);
  for (size_t i = 0; i < len; i++) {
    for (int bit = 0; bit < 8; bit++) {
      token[i] = (char)(token[i] ^ 1 << bit);
      CHECK_INT(gw_token_check(&mp_default_allocator, bytes(SECRET), (moonpool_bytes){token, len},
                               NOW, &identity, &reason),
                MOONPOOL_EAUTH);
      token[i] = (char)(token[i] ^ 1 << bit);
    }
  }
  for (size_t shorter = 0; shorter < len; shorter++)
    CHECK_INT(gw_token_check(&mp_default_allocator, bytes(SECRET), (moonpool_bytes){token, shorter},
                             NOW, &identity, &reason),
              MOONPOOL_EAUTH);
  CHECK_INT(gw_token_check(&mp_default_allocator, bytes("another secret, of forty bytes at least."),
                           bytes(token), NOW, &identity, &reason),
            MOONPOOL_EAUTH);
  CHECK_STR(reason, no_signature);
  free(token);
}

TEST(the_compact_form_is_needed) {
  gw_identity identity;
  const char *reason;
  static const char *const broken[] = {"", ".", "a", "a.b", "....", "e30.e30.e30.e30.e30"};
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
    CHECK_INT(check(broken[i], &identity, &reason), MOONPOOL_EAUTH);
  CHECK_INT(check("e30.e30.", &identity, &reason), MOONPOOL_EAUTH);
  CHECK_STR(reason, no_signature);
  char *token = forge(hs256, "{\"sub\":\"ann\",\"exp\":1700000060}"), padded[400];
  snprintf(padded, sizeof padded, "%s=", token);
  CHECK_INT(check(padded, &identity, &reason), MOONPOOL_EAUTH);
  snprintf(padded, sizeof padded, "%s\n", token);
  CHECK_INT(check(padded, &identity, &reason), MOONPOOL_EAUTH);
  free(token);
}

TEST(the_algorithm_is_fixed) {
  static const char claims[] = "{\"sub\":\"ann\",\"exp\":1700000060}";
  static const char other[] = "has another algorithm than HS256";
  check_refused("{\"alg\":\"none\"}", claims, other);
  check_refused("{\"alg\":\"HS512\"}", claims, other);
  check_refused("{\"alg\":\"hs256\"}", claims, other);
  check_refused("{\"alg\":\"RS256\"}", claims, other);
  check_refused("{}", claims, other);
  check_refused("{\"alg\":[\"HS256\"]}", claims, other);
  check_refused("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", claims,
                "has extensions (crit)");
  check_refused("{\"alg\":\"none\",\"alg\":\"HS256\"}", claims,
                "has a header that is no JSON object");
  check_refused("[]", claims, "has a header that is no JSON object");
  check_refused("{\"alg\":\"HS256\"} x", claims, "has a header that is no JSON object");
  check_taken("{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"1\"}", claims);
}

TEST(claims_are_checked) {
  check_refused(hs256, "{\"sub\":\"ann\",\"sub\":\"root\",\"exp\":1700000060}",
                "has claims that are no JSON object");
  check_refused(hs256, "\"ann\"", "has claims that are no JSON object");
  check_refused(hs256, "", "has claims that are no JSON object");
  check_refused(hs256, "{\"exp\":1700000060}", "names no user: it has no sub");
  check_refused(hs256, "{\"sub\":7,\"exp\":1700000060}", "has a sub that is no text");
  static const char no_user[] =
      "has a sub that is no user's name: 1 to 256 bytes, no control characters";
  check_refused(hs256, "{\"sub\":\"\",\"exp\":1700000060}", no_user);
  check_refused(hs256, "{\"sub\":\"a\\nb\",\"exp\":1700000060}", no_user);
  check_refused(hs256, "{\"sub\":\"a\\u0085\",\"exp\":1700000060}", no_user);
  check_refused(hs256, "{\"sub\":\"a\\u0000b\",\"exp\":1700000060}",
                "has claims that are no JSON object");
  check_refused(hs256, "{\"sub\":\"ann\",\"rooms\":\"*\",\"exp\":1700000060}",
                "has rooms that are no list");
  check_refused(hs256, "{\"sub\":\"ann\",\"rooms\":null,\"exp\":1700000060}",
                "has rooms that are no list");
  check_refused(hs256, "{\"sub\":\"ann\",\"rooms\":[\"a\",1],\"exp\":1700000060}",
                "has rooms that are no texts");
  check_refused(hs256, "{\"sub\":\"ann\",\"exp\":1700000060,\"aud\":\"shop\"}",
                "is for another audience (aud)");
  check_refused(hs256, "{\"sub\":\"ann\",\"exp\":1700000060,\"aud\":[]}",
                "is for another audience (aud)");
  check_taken(hs256, "{\"sub\":\"ann\",\"exp\":1700000060,\"aud\":[\"shop\",\"moonpool\"]}");
}

TEST(times_are_checked) {
  check_refused(hs256, "{\"sub\":\"ann\"}", "never expires: it has no exp");
  check_refused(hs256, "{\"sub\":\"ann\",\"exp\":1700000000}", "has expired");
  check_refused(hs256, "{\"sub\":\"ann\",\"exp\":0}", "has expired");
  check_refused(hs256, "{\"sub\":\"ann\",\"exp\":-1}", "has an exp that is no time");
  check_refused(hs256, "{\"sub\":\"ann\",\"exp\":1e300}", "has an exp that is no time");
  check_refused(hs256, "{\"sub\":\"ann\",\"exp\":\"1700000060\"}", "has an exp that is no time");
  check_refused(hs256, "{\"sub\":\"ann\",\"exp\":null}", "has an exp that is no time");
  check_refused(hs256, "{\"sub\":\"ann\",\"exp\":1700000060,\"nbf\":1700000006}",
                "is not valid yet");
  check_refused(hs256, "{\"sub\":\"ann\",\"exp\":1700000060,\"nbf\":\"1\"}",
                "has an nbf that is no time");
  check_taken(hs256, "{\"sub\":\"ann\",\"exp\":1700000001,\"nbf\":1700000005}");
}

TEST(sizes_have_limits) {
  enum { ROOMS = GW_TOKEN_ROOMS + 1, NAME = GW_USER_MAX + 1 };
  char claims[9000], name[NAME + 1];
  memset(name, 'n', NAME);
  name[NAME] = '\0';
  snprintf(claims, sizeof claims, "{\"sub\":\"%s\",\"exp\":1700000060}", name);
  check_refused(hs256, claims,
                "has a sub that is no user's name: 1 to 256 bytes, no control characters");
  snprintf(claims, sizeof claims, "{\"sub\":\"%s\",\"exp\":1700000060}", name + 1);
  check_taken(hs256, claims);
  size_t len = (size_t)sprintf(claims, "{\"sub\":\"ann\",\"exp\":1700000060,\"rooms\":[");
  for (int i = 0; i < ROOMS; i++) len += (size_t)sprintf(claims + len, "%s\"r\"", i ? "," : "");
  strcpy(claims + len, "]}");
  check_refused(hs256, claims, "has more than 256 rooms");
  snprintf(claims, sizeof claims, "{\"sub\":\"ann\",\"exp\":1700000060,\"x\":\"%8000d\"}", 1);
  check_refused(hs256, claims, "is too long");
}

TEST(what_is_signed_here_is_taken_here) {
  static const char claims[] = "{\"sub\":\"\xc3\xa4nn\",\"exp\":1700000060,\"rooms\":[\"*\"]}";
  gw_identity identity;
  const char *reason;
  mp_buf out;
  mp_buf_init(&out, &mp_default_allocator);
  CHECK_INT(gw_token_sign(&out, bytes("short"), bytes(claims)), MOONPOOL_EARG);
  REQUIRE(gw_token_sign(&out, bytes(SECRET), bytes(claims)) == MOONPOOL_OK);
  CHECK_INT(gw_token_check(&mp_default_allocator, bytes(SECRET),
                           (moonpool_bytes){out.data, out.len}, NOW, &identity, &reason),
            MOONPOOL_OK);
  CHECK_INT(identity.user.len, 4);
  gw_identity_free(&identity, &mp_default_allocator);
  CHECK_INT(gw_token_check(&mp_default_allocator, bytes("short"),
                           (moonpool_bytes){out.data, out.len}, NOW, &identity, &reason),
            MOONPOOL_EAUTH);
  mp_buf_free(&out);
}

TEST(base64url_has_one_text_for_each) {
  static const char *const refused[] = {"a",     "aa=", "aa==", "a+aa", "a/aa",
                                        "aaaaa", "ab",  "aab",  "a aa", "aa\n"};
  fuzz f = fuzz_new("base64url");
  mp_buf text, back;
  mp_buf_init(&text, &mp_default_allocator);
  mp_buf_init(&back, &mp_default_allocator);
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    CHECK_INT(gw_base64url_decode(&back, bytes(refused[i])), MOONPOOL_EARG);
  for (int round = 0; round < 2000; round++) {
    char data[70];
    size_t len = fuzz_below(&f, sizeof data);
    for (size_t i = 0; i < len; i++) data[i] = (char)fuzz_next(&f);
    text.len = back.len = 0;
    CHECK_INT(gw_base64url_encode(&text, (moonpool_bytes){data, len}), MOONPOOL_OK);
    CHECK_INT(gw_base64url_decode(&back, (moonpool_bytes){text.data, text.len}), MOONPOOL_OK);
    CHECK_INT(back.len, len);
    CHECK(!len || !memcmp(back.data, data, len));
  }
  mp_buf_free(&text);
  mp_buf_free(&back);
}

/* Random tokens, and random header and claims behind a right signature. */
TEST(random_bytes_are_refused) {
  static const char letters[] = "{}[]\":,subexprom.0123456789eE-\\u";
  fuzz f = fuzz_new("tokens");
  gw_identity identity;
  const char *reason;
  for (int round = 0; round < 20000; round++) {
    char text[64], *token;
    size_t len = fuzz_below(&f, sizeof text - 1);
    for (size_t i = 0; i < len; i++) text[i] = letters[fuzz_below(&f, sizeof letters - 1)];
    text[len] = '\0';
    CHECK_INT(check(text, &identity, &reason), MOONPOOL_EAUTH);
    token = forge(round % 2 ? text : hs256, text);
    CHECK_INT(check(token, &identity, &reason), MOONPOOL_EAUTH);
    free(token);
  }
}

TEST(every_lack_of_memory_is_told) {
  char *token = forge(hs256, "{\"sub\":\"ann\",\"exp\":1700000060,\"rooms\":[\"a\",\"b\"]}");
  long needed = 0;
  for (long fail_at = 1; !needed; fail_at++) {
    test_heap heap;
    gw_identity identity;
    const char *reason;
    test_heap_init(&heap, fail_at);
    int status =
        gw_token_check(&heap.allocator, bytes(SECRET), bytes(token), NOW, &identity, &reason);
    if (status == MOONPOOL_OK) needed = fail_at;
    CHECK(status == MOONPOOL_OK || status == MOONPOOL_ENOMEM);
    gw_identity_free(&identity, &heap.allocator);
    CHECK_INT(heap.blocks, 0);
  }
  CHECK(needed > 1);
  free(token);
}

TEST(names_of_users_are_judged) {
  CHECK_STR(gw_identity_user_fault(bytes("ann")), NULL);
  CHECK_STR(gw_identity_user_fault(bytes("\xc3\xa4nn \xf0\x9f\x8c\x99")), NULL);
  CHECK_STR(gw_identity_user_fault(bytes("\xc2\xa0")), NULL);
  CHECK_STR(gw_identity_user_fault((moonpool_bytes){0}), "is empty");
  CHECK_STR(gw_identity_user_fault(bytes("")), "is empty");
  CHECK_STR(gw_identity_user_fault(bytes("\xff")), "is not UTF-8");
  CHECK_STR(gw_identity_user_fault(bytes("a\x7f")), "has a control character");
  CHECK_STR(gw_identity_user_fault((moonpool_bytes){"a\0b", 3}), "has a control character");
  CHECK_STR(gw_identity_user_fault(bytes("a\xc2\x9f")), "has a control character");
}

TEST(anyone_may_go_everywhere) {
  gw_identity identity;
  REQUIRE(gw_identity_init_anyone(&identity, &mp_default_allocator, bytes("ann")) == MOONPOOL_OK);
  CHECK(gw_identity_may(&identity, bytes("chatty")));
  CHECK_INT(identity.expires_ms, 0);
  gw_identity_free(&identity, &mp_default_allocator);
  gw_identity_free(NULL, &mp_default_allocator);
}

static const test_case tests[] = {
    TEST_CASE(a_token_tells_who_and_where),
    TEST_CASE(a_token_without_rooms_may_enter_none),
    TEST_CASE(the_example_of_the_standard_is_signed),
    TEST_CASE(what_is_not_signed_is_refused),
    TEST_CASE(the_compact_form_is_needed),
    TEST_CASE(the_algorithm_is_fixed),
    TEST_CASE(claims_are_checked),
    TEST_CASE(times_are_checked),
    TEST_CASE(sizes_have_limits),
    TEST_CASE(what_is_signed_here_is_taken_here),
    TEST_CASE(base64url_has_one_text_for_each),
    TEST_CASE(random_bytes_are_refused),
    TEST_CASE(every_lack_of_memory_is_told),
    TEST_CASE(names_of_users_are_judged),
    TEST_CASE(anyone_may_go_everywhere),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
