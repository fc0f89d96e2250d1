/* Names that Redis refuses for a passing reason are asked for again, and nobody is told. */
#include "hub_fixture.h"

static const char down[] = "-CLUSTERDOWN Hash slot not served\r\n";

/* Refuses the first three SSUBSCRIBEs of the fixture, whatever they name. */
static int refusals;

static void hear_refusing(peer_link *link, const moonpool_reply *command) {
  const moonpool_bytes *verb = &command->u.list.first->u.string;
  if (refusals > 0 && verb->len == 10) {
    refusals--;
    peer_say(link, down);
  } else {
    hear_as_redis(link, command);
  }
}

static void setup_refusing(fixture *f, int count) {
  setup_ready(f);
  f->hear = hear_refusing;
  refusals = count;
}

static void listen_to_shard(fixture *f, sub *s, const char *line) {
  CHECK_INT(subscribe(f, s, MOONPOOL_SHARD, line), MOONPOOL_OK);
}

TEST(a_refused_name_is_asked_for_again) {
  fixture f;
  sub s = {0}, other = {0};
  setup_refusing(&f, 3);
  listen_to_shard(&f, &s, "room");
  listen_to(&f, &other, "plain");
  ask_all_events(&s);
  RUN_UNTIL(&f, other.confirmed.count && s.confirmed.count);
  CHECK_INT(s.confirmed.status, MOONPOOL_OK);
  CHECK_STR(s.told, "+room/1 ");
  CHECK_INT(refusals, 0);
  teardown(&f);
  CHECK_INT(s.confirmed.count, 1);
}

TEST(a_list_is_asked_for_again_as_a_whole) {
  fixture f;
  sub s = {0};
  setup_refusing(&f, 2);
  listen_to_shard(&f, &s, "a b c");
  RUN_UNTIL(&f, s.confirmed.count);
  CHECK_INT(s.confirmed.status, MOONPOOL_OK);
  CHECK_STR(heard(&f, 1), "SSUBSCRIBE a b c\nSSUBSCRIBE a b c\nSSUBSCRIBE a b c\n");
  teardown(&f);
}

TEST(who_had_it_before_is_not_told_either) {
  fixture f;
  sub s = {0};
  setup_refusing(&f, 0);
  listen_to_shard(&f, &s, "room");
  RUN_UNTIL(&f, s.confirmed.count);
  ask_all_events(&s);
  s.told[0] = '\0';
  refusals = 3;
  peer_drop(&f.links[1]);
  RUN_UNTIL(&f, strchr(s.told, '~'));
  CHECK_STR(s.told, "+room/1 ~ ");
  teardown(&f);
}

TEST(the_deadline_tells_why) {
  fixture f;
  sub s = {0};
  setup_alone(&f);
  start_listening(&f);
  f.options.command_timeout = 200;
  f.options.backoff_max = 20;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  f.hear = hear_refusing;
  refusals = 1000000;
  listen_to_shard(&f, &s, "room");
  RUN_UNTIL(&f, s.confirmed.count);
  CHECK_INT(s.confirmed.status, MOONPOOL_ETIMEOUT);
  CHECK(strstr(s.confirmed.message, "CLUSTERDOWN"));
  teardown(&f);
}

TEST(it_may_end_while_it_waits) {
  for (int how = 0; how < 3; how++) {
    fixture f;
    sub s = {0};
    setup_alone(&f);
    start_listening(&f);
    f.options.backoff_min = f.options.backoff_max = 2000;
    CHECK_INT(open_client(&f), MOONPOOL_OK);
    f.hear = hear_refusing;
    refusals = 1;
    listen_to_shard(&f, &s, "room");
    RUN_UNTIL(&f, f.link_count > 1 && refusals == 0);
    for (int turn = 0; turn < 20; turn++) uv_run(&f.loop, UV_RUN_NOWAIT);
    if (how == 0) {
      leave(&s);
      RUN_UNTIL(&f, s.left.count);
      CHECK_INT(s.confirmed.status, MOONPOOL_ECLOSED);
    } else if (how == 1) {
      peer_drop(&f.links[1]); /* the next connection asks at once */
      RUN_UNTIL(&f, s.confirmed.count);
      CHECK_INT(s.confirmed.status, MOONPOOL_OK);
    }
    teardown(&f);
    CHECK_INT(s.confirmed.count, 1);
  }
}

TEST(another_reason_is_told_at_once) {
  fixture f;
  sub s = {0};
  setup_ready(&f);
  listen_to_shard(&f, &s, "room");
  RUN_UNTIL(&f, has_heard(&f, 1, "SSUBSCRIBE room\n"));
  peer_say(&f.links[1], "-MOVED 3999 127.0.0.1:6381\r\n");
  RUN_UNTIL(&f, s.confirmed.count);
  CHECK_INT(s.confirmed.status, MOONPOOL_ENOSUPPORT);
  CHECK(strstr(s.confirmed.message, "MOVED 3999"));
  CHECK(strstr(s.confirmed.message, "Redis Cluster"));
  teardown(&f);
}

static const test_case tests[] = {
    TEST_CASE(a_refused_name_is_asked_for_again),
    TEST_CASE(a_list_is_asked_for_again_as_a_whole),
    TEST_CASE(who_had_it_before_is_not_told_either),
    TEST_CASE(the_deadline_tells_why),
    TEST_CASE(it_may_end_while_it_waits),
    TEST_CASE(another_reason_is_told_at_once),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
