/* Rooms through the gateway, at a real Redis: what clients ask, and what they are told. */
#include "rooms_fixture.h"

static void open_two(fixture *f, guest *ann, guest *bob) {
  set_up(f);
  open_gateway(f);
  redis_do(f, "FLUSHALL");
  guest_open(ann, f, "ann");
  guest_open(bob, f, "bob");
}

static guest ann, bob;

TEST(what_is_said_is_heard_by_all_who_have_joined) {
  fixture f;
  open_two(&f, &ann, &bob);
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"chatty\",\"ref\":1}", 1, "\"count\":1");
  CHECK(strstr(ann.text, "\"position\":\"0-0-0000000000000000\""));
  ANSWERS(&bob, "{\"op\":\"join\",\"room\":\"room:chatty\",\"ref\":1}", 1, "\"count\":2");
  HEARS(&ann, "{\"op\":\"join\",\"room\":\"chatty\",\"user\":\"bob\"}");
  ANSWERS(&ann, "{\"op\":\"say\",\"room\":\"chatty\",\"text\":\"hi \\ud83d\\ude00\",\"ref\":\"a\"}",
          "a", "\"room\":\"chatty\",\"id\":\"");
  HEARS(&bob, "\"message\":{\"user\":\"ann\",\"text\":\"hi \xf0\x9f\x98\x80\"}}");
  HEARS_TEXT(&ann, "hi \xf0\x9f\x98\x80");
  ANSWERS(&bob,
          "{\"op\":\"say\",\"room\":\"chatty\",\"type\":\"action\",\"text\":\"waves\",\"ref\":2}",
          2, "\"id\"");
  HEARS(&ann, "{\"type\":\"action\",\"user\":\"bob\",\"text\":\"waves\"}");
  ANSWERS(&ann, "{\"op\":\"typing\",\"room\":\"chatty\",\"ref\":3}", 3, "\"op\":\"ok\"");
  HEARS(&bob, "{\"op\":\"typing\",\"room\":\"chatty\",\"user\":\"ann\"}");
  ANSWERS(&ann, "{\"op\":\"who\",\"room\":\"chatty\",\"ref\":4}", 4, "\"user\":\"bob\"");
  CHECK(strstr(ann.text, "\"cursor\":\"0\",\"count\":2"));
  ANSWERS(&ann, "{\"op\":\"rooms\",\"ref\":5}", 5, "[{\"room\":\"chatty\"}]");
  ANSWERS(&ann, "{\"op\":\"leave\",\"room\":\"chatty\",\"ref\":6}", 6, "\"op\":\"ok\"");
  HEARS(&bob, "{\"op\":\"leave\",\"room\":\"chatty\",\"user\":\"ann\"}");
  guest_close(&ann);
  guest_close(&bob);
  tear_down(&f);
}

TEST(who_vanishes_leaves) {
  fixture f;
  open_two(&f, &ann, &bob);
  ANSWERS(&bob, "{\"op\":\"join\",\"room\":\"r\",\"ref\":1}", 1, "\"op\":\"ok\"");
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"r\",\"ref\":1}", 1, "\"op\":\"ok\"");
  guest_close(&ann);
  HEARS(&bob, "{\"op\":\"leave\",\"room\":\"r\",\"user\":\"ann\"}");
  CHECK_INT(stats_of(&f).members, 1);
  guest_close(&bob);
  RUN_UNTIL(&f, stats_of(&f).rooms == 0);
  tear_down(&f);
}

/* ---- the past -------------------------------------------------------------------------------- */

static void say_numbers(writer *w, int count) {
  for (int i = 0; i < count; i++) writer_say(w, "");
  writer_finish(w);
}

TEST(who_comes_back_gets_what_he_missed_and_then_what_comes) {
  fixture f;
  writer w;
  char json[200];
  open_two(&f, &ann, &bob);
  writer_open(&w, &f, "r", NULL);
  say_numbers(&w, 20);
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"r\",\"last\":5,\"ref\":1}", 1, "\"count\":1");
  HEARS(&ann, "\"text\":\"19\"");
  CHECK_INT(ann.numbers, 5);
  guest_close(&ann);
  say_numbers(&w, 10);
  guest_connect(&ann, "ann");
  snprintf(json, sizeof json, "{\"op\":\"join\",\"room\":\"r\",\"since\":\"%s\",\"ref\":2}",
           ann.id);
  ANSWERS(&ann, json, 2, ann.id);
  HEARS(&ann, "\"text\":\"29\"");
  say_numbers(&w, 10);
  HEARS(&ann, "\"text\":\"39\"");
  CHECK_INT(ann.numbers, 25);
  CHECK_INT(ann.wrong + ann.gaps, 0);
  ANSWERS(&bob, "{\"op\":\"history\",\"room\":\"r\",\"last\":3,\"ref\":3}", 3, "\"text\":\"37\"");
  CHECK(!strstr(bob.text, "\"text\":\"36\""));
  snprintf(json, sizeof json,
           "{\"op\":\"history\",\"room\":\"r\",\"before\":\"%s\",\"limit\":2,\"ref\":4}", ann.id);
  ANSWERS(&bob, json, 4, "\"text\":\"38\"");
  CHECK(strstr(bob.text, "\"text\":\"37\"") && !strstr(bob.text, "\"text\":\"39\""));
  moonpool_room_close(w.room);
  guest_close(&ann);
  guest_close(&bob);
  tear_down(&f);
}

TEST(what_was_trimmed_meanwhile_is_one_gap) {
  fixture f;
  writer w;
  char json[200];
  moonpool_room_options keep;
  moonpool_room_options_init(&keep);
  keep.keep = 10;
  open_two(&f, &ann, &bob);
  writer_open(&w, &f, "r", &keep);
  say_numbers(&w, 5);
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"r\",\"last\":1,\"ref\":1}", 1, "\"op\":\"ok\"");
  HEARS(&ann, "\"text\":\"4\"");
  guest_close(&ann);
  say_numbers(&w, 400);
  redis_do(&f, "XTRIM {room:r}:log MAXLEN 10");
  guest_connect(&ann, "ann");
  ann.last = 394;
  snprintf(json, sizeof json, "{\"op\":\"join\",\"room\":\"r\",\"since\":\"%s\",\"ref\":2}",
           ann.id);
  ANSWERS(&ann, json, 2, "\"op\":\"ok\"");
  HEARS(&ann, "\"op\":\"gap\"");
  CHECK(strstr(ann.text, "\"reason\":\"trimmed\""));
  HEARS(&ann, "\"text\":\"404\"");
  CHECK_INT(ann.gaps, 1);
  CHECK_INT(ann.wrong, 0);
  moonpool_room_close(w.room);
  guest_close(&ann);
  guest_close(&bob);
  tear_down(&f);
}

TEST(ids_that_are_none_of_the_rooms_are_gaps) {
  static const char *const ids[] = {"99999999999999-1-00000000000000ff", "1-1-00000000000000ff"};
  fixture f;
  writer w;
  char json[200];
  open_two(&f, &ann, &bob);
  writer_open(&w, &f, "r", NULL);
  say_numbers(&w, 3);
  for (int i = 0; i < 2; i++) {
    snprintf(json, sizeof json, "{\"op\":\"join\",\"room\":\"r\",\"since\":\"%s\",\"ref\":1}",
             ids[i]);
    ANSWERS(&ann, json, 1, "\"op\":\"ok\"");
    HEARS(&ann, "\"op\":\"gap\"");
    ANSWERS(&ann, "{\"op\":\"leave\",\"room\":\"r\",\"ref\":2}", 2, "\"op\":\"ok\"");
  }
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"r\",\"since\":\"yesterday\",\"ref\":3}", 3, "EARG");
  moonpool_room_close(w.room);
  guest_close(&ann);
  guest_close(&bob);
  tear_down(&f);
}

/* ---- what is refused ------------------------------------------------------------------------- */

TEST(what_cannot_be_done_is_told_and_the_socket_lives) {
  static const struct {
    const char *json, *part;
  } cases[] = {
      {"{\"op\":\"dance\",\"ref\":1}", "there is no op \\\"dance\\\""},
      {"{\"ref\":1}", "op must be a string"},
      {"{\"op\":\"join\",\"ref\":1}", "room must be"},
      {"{\"op\":\"join\",\"room\":7,\"ref\":1}", "room must be"},
      {"{\"op\":\"join\",\"room\":\"a{b}\",\"ref\":1}", "EARG"},
      {"{\"op\":\"join\",\"room\":\"r\",\"last\":-1,\"ref\":1}", "last must be"},
      {"{\"op\":\"join\",\"room\":\"r\",\"last\":1.5,\"ref\":1}", "last must be"},
      {"{\"op\":\"leave\",\"room\":\"r\",\"ref\":1}", "not joined"},
      {"{\"op\":\"typing\",\"room\":\"r\",\"ref\":1}", "not joined"},
      {"{\"op\":\"say\",\"room\":\"r\",\"ref\":1}", "text must be"},
      {"{\"op\":\"say\",\"room\":\"r\",\"text\":{},\"ref\":1}", "text must be"},
      {"{\"op\":\"say\",\"room\":\"r\",\"text\":\"x\",\"type\":\"delete\",\"ref\":1}",
       "type must be"},
      {"{\"op\":\"say\",\"room\":\"r\",\"text\":\"x\",\"key\":\"\",\"ref\":1}", "key must have"},
      {"{\"op\":\"history\",\"room\":\"r\",\"limit\":100000,\"ref\":1}", "limit must be"},
      {"{\"op\":\"history\",\"room\":\"r\",\"before\":\"x\",\"ref\":1}", "before must be"},
      {"{\"op\":\"who\",\"room\":\"r\",\"cursor\":\"-1\",\"ref\":1}", "cursor must be"},
      {"{\"op\":\"hello\",\"user\":\"other\",\"ref\":1}", "said already"},
      {"{\"op\":\"ping\",\"op\":\"say\",\"ref\":1}", ""},
  };
  fixture f;
  open_two(&f, &ann, &bob);
  for (size_t i = 0; i + 1 < sizeof cases / sizeof *cases; i++)
    ANSWERS(&ann, cases[i].json, 1, cases[i].part);
  guest_ask(&ann,
            cases[sizeof cases / sizeof *cases - 1].json); /* a key twice is no JSON of ours */
  HEARS(&ann, "not JSON");
  ANSWERS(&ann, "{\"op\":\"ping\",\"ref\":1.5}", 1.5, "\"op\":\"ok\"");
  for (int i = 0; i < 3; i++) guest_ask(&ann, i % 2 ? "[1]" : "{");
  CHECK_INT(peer_close_code(ann.p), 1008);
  guest_close(&bob);
  guest_init(&bob, &f);
  bob.p = peer_upgrade(&f);
  ANSWERS(&bob, "{\"op\":\"join\",\"room\":\"r\",\"ref\":1}", 1, "EAUTH");
  guest_close(&ann);
  guest_close(&bob);
  tear_down(&f);
}

TEST(limits_have_codes) {
  fixture f;
  set_up(&f);
  f.options.max_rooms = 2;
  f.options.max_members = 3;
  open_gateway(&f);
  guest_open(&ann, &f, "ann");
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"1\",\"ref\":1}", 1, "\"op\":\"ok\"");
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"1\",\"ref\":1}", 1, "joined already");
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"2\",\"ref\":1}", 1, "\"op\":\"ok\"");
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"3\",\"ref\":1}", 1, "EQUEUE");
  guest_open(&bob, &f, "bob");
  ANSWERS(&bob, "{\"op\":\"join\",\"room\":\"4\",\"ref\":1}", 1, "\"op\":\"ok\"");
  ANSWERS(&bob, "{\"op\":\"join\",\"room\":\"5\",\"ref\":1}", 1, "EQUEUE");
  guest_close(&ann);
  guest_close(&bob);
  tear_down(&f);
}

TEST(a_key_takes_effect_once_and_is_its_users_own) {
  fixture f;
  char id[80];
  static const char *const say =
      "{\"op\":\"say\",\"room\":\"r\",\"text\":\"x\",\"key\":\"k\",\"ref\":1}";
  open_two(&f, &ann, &bob);
  ANSWERS(&ann, say, 1, "\"id\"");
  snprintf(id, sizeof id, "%s", guest_field(&ann, "id"));
  ANSWERS(&ann, say, 1, "\"repeat\":true");
  CHECK_STR(guest_field(&ann, "id"), id);
  ANSWERS(&bob, say, 1, "\"id\"");
  CHECK(strcmp(guest_field(&bob, "id"), id) != 0);
  guest_close(&ann);
  guest_close(&bob);
  tear_down(&f);
}

/* ---- strangers ------------------------------------------------------------------------------- */

TEST(what_others_publish_becomes_json) {
  fixture f;
  open_two(&f, &ann, &bob);
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"r\",\"ref\":1}", 1, "\"op\":\"ok\"");
  redis_do(&f, "PUBLISH room:r garbage\"\xff");
  HEARS(&ann,
        "{\"op\":\"message\",\"room\":\"r\",\"message\":{\"text\":\"garbage\\\"\xef\xbf\xbd\"}}");
  redis_do(&f, "PUBLISH room:r [1]");
  HEARS(&ann, "\"message\":{\"text\":\"[1]\"}");
  redis_do(&f, "PUBLISH room:r {\"id\":\"99-1-00000000000000ff\",\"text\":\"forged\"}");
  HEARS(&ann, "\"room\":\"r\",\"message\":{\"id\":\"99-1-00000000000000ff\",\"text\":\"forged\"}}");
  redis_do(&f, "PUBLISH room:r {\"type\":\"join\",\"user\":7}");
  HEARS(&ann, "\"op\":\"message\"");
  guest_close(&ann);
  guest_close(&bob);
  tear_down(&f);
}

static const test_case tests[] = {
    TEST_CASE(what_is_said_is_heard_by_all_who_have_joined),
    TEST_CASE(who_vanishes_leaves),
    TEST_CASE(who_comes_back_gets_what_he_missed_and_then_what_comes),
    TEST_CASE(what_was_trimmed_meanwhile_is_one_gap),
    TEST_CASE(ids_that_are_none_of_the_rooms_are_gaps),
    TEST_CASE(what_cannot_be_done_is_told_and_the_socket_lives),
    TEST_CASE(limits_have_codes),
    TEST_CASE(a_key_takes_effect_once_and_is_its_users_own),
    TEST_CASE(what_others_publish_becomes_json),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
