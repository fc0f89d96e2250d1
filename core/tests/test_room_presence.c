/* Presence at a real Redis: users come and go by handles and clients, and are announced once. */
#include "presence_fixture.h"

enum { LONG = 60000 };

TEST(who_joins_is_here_until_he_parts) {
  fixture f;
  ear e;
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  listen_to(&f, &e);
  moonpool_room *room = open_leased(&f, LONG);
  CHECK_STR(who(&f, room), "");
  CHECK_INT(count_of(&f, room), 0);
  CHECK_STR(join(&f, room, "ann"), "");
  CHECK_STR(who(&f, room), "ann:1 ");
  CHECK_STR(join(&f, room, "bob"), "");
  CHECK_STR(who(&f, room), "ann:1 bob:1 ");
  CHECK_INT(count_of(&f, room), 2);
  CHECK_STR(part(&f, room, "ann"), "");
  CHECK_STR(who(&f, room), "bob:1 ");
  CHECK_STR(part(&f, room, "bob"), "");
  CHECK_INT(count_of(&f, room), 0);
  RUN_UNTIL_HEARD(&e, "+ann +bob -ann -bob ");
  CHECK_STR(ask(&f, "DBSIZE"), ":0");
  moonpool_room_close(room);
  teardown(&f);
}

TEST(users_are_announced_once_not_once_a_place) {
  fixture f, other;
  ear e;
  setup_redis(&f);
  setup_another(&other);
  ask(&f, "FLUSHALL");
  listen_to(&f, &e);
  moonpool_room *room = open_leased(&f, LONG), *second = open_leased(&f, LONG);
  moonpool_room *elsewhere = open_leased(&other, LONG);
  join(&f, room, "ann");
  join(&f, room, "ann");
  join(&f, second, "ann");
  join(&other, elsewhere, "ann");
  CHECK_STR(who(&f, room), "ann:4 ");
  part(&f, room, "ann");
  part(&f, room, "ann");
  CHECK_INT(moonpool_room_part(room, BYTES("ann"), 0, on_done, NULL), MOONPOOL_EARG);
  CHECK_STR(who(&f, room), "ann:2 ");
  part(&f, second, "ann");
  CHECK_STR(who(&other, elsewhere), "ann:1 ");
  part(&other, elsewhere, "ann");
  CHECK_STR(who(&f, room), "");
  RUN_UNTIL_HEARD(&e, "+ann -ann ");
  moonpool_room_close(room);
  moonpool_room_close(second);
  moonpool_room_close(elsewhere);
  teardown(&other);
  teardown(&f);
}

TEST(a_closed_handle_takes_its_users_along) {
  fixture f;
  ear e;
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  listen_to(&f, &e);
  moonpool_room *room = open_leased(&f, LONG), *second = open_leased(&f, LONG);
  join(&f, room, "ann");
  join(&f, room, "ann");
  join(&f, room, "bob");
  join(&f, second, "bob");
  RUN_UNTIL_HEARD(&e, "+ann +bob ");
  moonpool_room_close(room);
  RUN_UNTIL_HEARD(&e, "-ann ");
  CHECK_STR(who(&f, second), "bob:1 ");
  moonpool_room_close(second);
  RUN_UNTIL_HEARD(&e, "-bob ");
  CHECK_STR(ask(&f, "DBSIZE"), ":0");
  teardown(&f);
}

static void check_bad_user(moonpool_room *room, moonpool_bytes user) {
  CHECK_INT(moonpool_room_join(room, user, 0, on_done, NULL), MOONPOOL_EARG);
  CHECK_INT(moonpool_room_part(room, user, 0, on_done, NULL), MOONPOOL_EARG);
}

TEST(users_may_have_odd_bytes) {
  static char big[257];
  fixture f;
  ear e;
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  listen_to(&f, &e);
  memset(big, 'a', sizeof big);
  moonpool_room *room = open_leased(&f, LONG);
  check_bad_user(room, (moonpool_bytes){NULL, 0});
  check_bad_user(room, (moonpool_bytes){"", 0});
  check_bad_user(room, (moonpool_bytes){big, 257});
  outcome o = {0};
  CHECK_INT(moonpool_room_join(room, (moonpool_bytes){"a\0b", 3}, 0, on_done, &o), MOONPOOL_OK);
  RUN_UNTIL(&f, o.count);
  RUN_UNTIL_HEARD(&e, "+a\\u0000b ");
  join(&f, room, "a/\"\\\n");
  RUN_UNTIL_HEARD(&e, "+a/\\\"\\\\\\n ");
  join(&f, room, "\xc3\xa9{}:");
  RUN_UNTIL_HEARD(&e, "+\xc3\xa9{}: ");
  join(&f, room, "x\xff\xc3");
  RUN_UNTIL_HEARD(&e, "+x\xef\xbf\xbd\xef\xbf\xbd ");
  part(&f, room, "x\xfe\xc3");
  RUN_UNTIL_HEARD(&e, "-x\xef\xbf\xbd\xef\xbf\xbd ");
  CHECK_INT(count_of(&f, room), 3);
  moonpool_room_close(room);
  RUN_UNTIL(&f, e.heard == 8);
  teardown(&f);
}

/* A figure of INFO's. */
static const char *stats_of(const char *info, const char *name) {
  const char *at = strstr(info, name);
  return at ? at + strlen(name) : "0";
}

static void on_info(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  long *calls = ctx;
  CHECK(!error);
  if (error) return;
  char *info = mp_strndup(&mp_default_allocator, reply->u.string.data, reply->u.string.len);
  if (!info) abort();
  calls[0] = atol(stats_of(info, "cmdstat_evalsha:calls="));
  calls[1] = atol(stats_of(info, "cmdstat_hincrby:calls="));
  free(info);
}

/* How many users were changed since the statistics were reset: no more than 200 by one call. */
static long changes_in_calls(fixture *f) {
  long calls[2] = {-1, -1};
  moonpool_bytes argv[] = {BYTES("INFO"), BYTES("commandstats")};
  CHECK_INT(moonpool_command(f->client, 2, argv, 0, on_info, calls), MOONPOOL_OK);
  RUN_UNTIL(f, calls[1] >= 0);
  CHECK(calls[1] <= 200 * calls[0]);
  return calls[1];
}

/* Pages of a room that is larger than one; each call's work is bounded. */
TEST(a_hundred_thousand_members_are_counted_and_paged) {
  enum { MEMBERS = 100000 };
  static outcome all;
  fixture f;
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  ask(&f, "CONFIG RESETSTAT");
  moonpool_room *room = open_leased(&f, LONG);
  all = (outcome){0};
  for (int i = 0; i < MEMBERS; i++) {
    char user[20];
    snprintf(user, sizeof user, "user%d", i);
    CHECK_INT(moonpool_room_join(room, BYTES(user), UINT64_MAX, on_done, &all), MOONPOOL_OK);
  }
  RUN_UNTIL(&f, all.count == MEMBERS);
  CHECK_INT(count_of(&f, room), MEMBERS);
  size_t met = 0, pages = 0;
  uint64_t cursor = 0;
  do {
    const page *p = page_of(&f, room, cursor, 1000);
    CHECK(p->members < 5000);
    met += p->members;
    cursor = p->cursor;
    pages++;
  } while (cursor && !f.is_late);
  CHECK(met >= MEMBERS);
  CHECK(pages > 20 && pages < 1000);
  CHECK_STR(join(&f, room, "one more"), "");
  CHECK_INT(count_of(&f, room), MEMBERS + 1);
  CHECK_INT(changes_in_calls(&f), MEMBERS + 1);
  moonpool_room_close(room);
  moonpool_room *empty = open_leased(&f, LONG);
  while (count_of(&f, empty) > 0 && !f.is_late) uv_run(&f.loop, UV_RUN_ONCE);
  CHECK_INT(changes_in_calls(&f), 2 * (MEMBERS + 1));
  moonpool_room_close(empty);
  teardown(&f);
}

static const test_case tests[] = {
    TEST_CASE(who_joins_is_here_until_he_parts),
    TEST_CASE(users_are_announced_once_not_once_a_place),
    TEST_CASE(a_closed_handle_takes_its_users_along),
    TEST_CASE(users_may_have_odd_bytes),
    TEST_CASE(a_hundred_thousand_members_are_counted_and_paged),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
