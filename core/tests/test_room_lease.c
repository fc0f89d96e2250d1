/* The lease of presence at a real Redis: who has died is evicted and announced,
 * who was only taken for dead comes back, and nothing is lost or told twice
 * whatever happens to links, scripts, data and memory. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "presence_fixture.h"

/* ms of leases. Where another client evicts, a loaded machine must not be taken
 * for a dead one. */
enum { SHORT = 300, SHARED = 2000, LONG = 60000 };

/* ---- processes that die ---------------------------------------------------------------------- */

/* Another process, with users of its own. */
typedef struct process {
  pid_t pid;
  int says; /* the end of a pipe */
  char directory[40];
} process;

/* In the child: joins, says so, and lives on until it is killed. */
static void be_here(int says, pid_t parent, const char *const *users) {
  fixture f;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  setup_redis(&f);
  moonpool_room *room = open_leased(&f, SHARED);
  for (; *users; users++) join(&f, room, *users);
  if (test_failures || write(says, f.directory, sizeof f.directory) < 0) _exit(1);
  for (;;) uv_run(&f.loop, UV_RUN_ONCE);
}

static void start_process(process *p, const char *const *users) {
  int ends[2];
  pid_t parent = getpid();
  if (pipe(ends)) abort();
  fflush(stdout);
  p->pid = fork();
  if (p->pid == 0) be_here(ends[1], parent, users);
  close(ends[1]);
  p->says = ends[0];
  CHECK(read(p->says, p->directory, sizeof p->directory) == sizeof p->directory);
}

static void kill_process(process *p) {
  kill(p->pid, SIGKILL);
  waitpid(p->pid, NULL, 0);
  close(p->says);
  CHECK_INT(rmdir(p->directory), 0);
}

TEST(a_killed_process_is_evicted_and_announced) {
  static const char *const users[] = {"ann", "bob", NULL};
  fixture f;
  ear e;
  process p;
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  listen_to(&f, &e);
  moonpool_room *room = open_leased(&f, SHARED);
  CHECK_INT(moonpool_room_watch_presence(room, 1), MOONPOOL_OK);
  join(&f, room, "ann");
  start_process(&p, users);
  RUN_UNTIL_HEARD(&e, "+ann +bob ");
  CHECK_STR(who(&f, room), "ann:2 bob:1 ");
  kill_process(&p);
  RUN_UNTIL_HEARD(&e, "-bob ");
  CHECK_STR(who(&f, room), "ann:1 ");
  part(&f, room, "ann");
  moonpool_room_close(room);
  RUN_UNTIL_HEARD(&e, "-ann ");
  CHECK_STR(ask(&f, "DBSIZE"), ":0");
  teardown(&f);
}

/* Nobody has to be there for it: it is enough to ask. */
TEST(who_asks_evicts) {
  static const char *const users[] = {"ann", NULL};
  fixture f;
  process p;
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  moonpool_room *room = open_leased(&f, LONG);
  start_process(&p, users);
  CHECK_STR(who(&f, room), "ann:1 ");
  kill_process(&p);
  while (count_of(&f, room) > 0 && !f.is_late) uv_run(&f.loop, UV_RUN_ONCE);
  CHECK_STR(ask(&f, "DBSIZE"), ":0");
  moonpool_room_close(room);
  teardown(&f);
}

TEST(a_stopped_process_comes_back) {
  static const char *const users[] = {"ann", NULL};
  fixture f;
  ear e;
  process p;
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  listen_to(&f, &e);
  moonpool_room *room = open_leased(&f, SHARED);
  CHECK_INT(moonpool_room_watch_presence(room, 1), MOONPOOL_OK);
  start_process(&p, users);
  RUN_UNTIL_HEARD(&e, "+ann ");
  kill(p.pid, SIGSTOP);
  RUN_UNTIL_HEARD(&e, "-ann ");
  kill(p.pid, SIGCONT);
  RUN_UNTIL_HEARD(&e, "+ann ");
  CHECK_STR(who(&f, room), "ann:1 ");
  kill_process(&p);
  RUN_UNTIL_HEARD(&e, "-ann ");
  moonpool_room_close(room);
  teardown(&f);
}

/* More than one call evicts. */
TEST(many_dead_users_leave_by_and_by) {
  enum { USERS = 700 };
  static outcome all;
  fixture f, other;
  ear e;
  setup_redis(&f);
  setup_another(&other);
  ask(&f, "FLUSHALL");
  listen_to(&f, &e);
  moonpool_room *room = open_leased(&f, SHARED), *stalled = open_leased(&other, SHARED);
  all = (outcome){0};
  for (int i = 0; i < USERS; i++) {
    char user[20];
    snprintf(user, sizeof user, "user%d", i);
    moonpool_room_join(stalled, BYTES(user), 0, on_done, &all);
  }
  RUN_UNTIL(&other, all.count == USERS);
  RUN_UNTIL(&f, e.heard >= USERS);
  moonpool_room_watch_presence(room, 1);
  RUN_UNTIL(&f, e.heard >= 2 * USERS); /* the other one's loop stands still */
  CHECK_INT(count_of(&f, room), 0);
  RUN_UNTIL(&other, count_of(&other, stalled) == USERS);
  RUN_UNTIL(&f, e.heard >= 3 * USERS);
  moonpool_room_close(stalled);
  /* More leaves are heard when the other one stood still for too long once more. */
  while ((e.heard < 4 * USERS || count_of(&f, room) > 0) && !f.is_late) {
    uv_run(&f.loop, UV_RUN_NOWAIT);
    uv_run(&other.loop, UV_RUN_NOWAIT);
  }
  CHECK_INT(count_of(&f, room), 0);
  moonpool_room_close(room);
  teardown(&other);
  teardown(&f);
}

/* ---- what Redis forgets ---------------------------------------------------------------------- */

TEST(all_are_joined_again_when_redis_was_emptied) {
  fixture f;
  ear e;
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  listen_to(&f, &e);
  moonpool_room *room = open_leased(&f, SHORT);
  join(&f, room, "ann");
  join(&f, room, "ann");
  join(&f, room, "bob");
  RUN_UNTIL_HEARD(&e, "+ann +bob ");
  for (int i = 0; i < 3; i++) {
    ask(&f, "FLUSHALL");
    RUN_UNTIL(&f, count_of(&f, room) == 2);
    CHECK_INT(page_of(&f, room, 0, 0)->members, 2);
    CHECK(strstr(who(&f, room), "ann:2 "));
  }
  moonpool_room_close(room);
  RUN_UNTIL(&f, e.heard == 10);
  CHECK_STR(ask(&f, "DBSIZE"), ":0");
  teardown(&f);
}

TEST(a_redis_that_starts_again_empty_gets_them_back) {
  fixture f;
  outcome o = {0};
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  moonpool_room *room = open_leased(&f, SHORT);
  join(&f, room, "ann");
  redis_kill(&redis);
  RUN_UNTIL(&f, state_of(&f) != MOONPOOL_READY);
  CHECK_INT(moonpool_room_join(room, BYTES("bob"), 0, on_done, &o), MOONPOOL_OK);
  REQUIRE(redis_start(&redis));
  RUN_UNTIL(&f, o.count);
  CHECK_STR(o.message, "");
  RUN_UNTIL(&f, count_of(&f, room) == 2);
  moonpool_room_close(room);
  teardown(&f);
}

/* What a promoted replica has that lacks the last changes: a join is missing, a
 * part is, too. */
TEST(changes_that_a_failover_lost_are_made_again) {
  static const char lose[] =
      "local lease = redis.call('ZRANGE', '{room:x}:leases', 0, 0)[1] "
      "local key = '{room:x}:lease:' .. lease "
      "redis.call('ZREM', key, 'bob') redis.call('HDEL', '{room:x}:who', "
      "'bob') "
      "redis.call('HDEL', '{room:x}:places', 'bob') redis.call('ZADD', key, 1, "
      "'ghost') "
      "redis.call('HSET', '{room:x}:who', 'ghost', 1) "
      "redis.call('HSET', '{room:x}:places', 'ghost', 1) "
      "return redis.call('ZINCRBY', key, -2, '')";
  fixture f;
  ear e;
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  listen_to(&f, &e);
  moonpool_room *room = open_leased(&f, SHORT);
  join(&f, room, "ann");
  join(&f, room, "ghost");
  join(&f, room, "bob");
  part(&f, room, "ghost");
  RUN_UNTIL_HEARD(&e, "+ann +ghost +bob -ghost ");
  ask_words(&f, 3, (moonpool_bytes[]){BYTES("EVAL"), BYTES(lose), BYTES("0")});
  RUN_UNTIL_HEARD(&e, "+bob -ghost ");
  CHECK_STR(who(&f, room), "ann:1 bob:1 ");
  moonpool_room_close(room);
  RUN_UNTIL(&f, e.heard == 8);
  CHECK_STR(ask(&f, "DBSIZE"), ":0");
  teardown(&f);
}

TEST(scripts_may_be_forgotten_at_any_moment) {
  enum { ROUNDS = 150 };
  static outcome outcomes[2 * ROUNDS];
  fixture f, other;
  setup_redis(&f);
  setup_another(&other);
  ask(&f, "FLUSHALL");
  moonpool_room *room = open_leased(&f, SHORT);
  memset(outcomes, 0, sizeof outcomes);
  for (int i = 0; i < ROUNDS; i++) {
    char user[20];
    snprintf(user, sizeof user, "user%d", i % 10);
    CHECK_INT(moonpool_room_join(room, BYTES(user), 0, on_done, &outcomes[2 * i]), MOONPOOL_OK);
    if (i % 10 % 2)
      CHECK_INT(moonpool_room_part(room, BYTES(user), 0, on_done, &outcomes[2 * i + 1]), 0);
    if (i % 3 == 0) CHECK_INT(command(&other, "SCRIPT FLUSH", NULL), MOONPOOL_OK);
    if (i % 40 == 20) command(&other, "CLIENT KILL TYPE normal SKIPME yes", NULL);
    uv_run(&other.loop, UV_RUN_NOWAIT);
    uv_run(&f.loop, UV_RUN_NOWAIT);
  }
  for (int i = 0; i < 2 * ROUNDS; i++) {
    if (i % 2 && i / 2 % 10 % 2 == 0) continue;
    RUN_UNTIL(&f, outcomes[i].count);
    CHECK_STR(outcomes[i].message, "");
  }
  const page *p = page_of(&f, room, 0, 0);
  CHECK_INT(p->members, 5);
  CHECK(strstr(p->text, "user0:15 ") && strstr(p->text, "user8:15 "));
  moonpool_room_close(room);
  teardown(&other);
  teardown(&f);
}

/* ---- refusals and deadlines ------------------------------------------------------------------ */

TEST(a_join_that_redis_refuses_fails_and_is_forgotten) {
  fixture f, other;
  setup_redis(&f);
  setup_another(&other);
  ask(&f, "FLUSHALL");
  moonpool_room *room = open_leased(&f, SHORT);
  join(&f, room, "ann");
  ask(&f, "ACL SETUSER default resetkeys ~other");
  CHECK(strstr(join(&f, room, "bob"), "NOPERM"));
  CHECK(strstr(part(&f, room, "ann"), "NOPERM"));
  CHECK_INT(moonpool_room_part(room, BYTES("bob"), 0, on_done, NULL), MOONPOOL_EARG);
  CHECK(strstr(who(&f, room), "NOPERM"));
  ask(&f, "ACL SETUSER default allkeys");
  CHECK_STR(join(&f, room, "eve"), "");
  RUN_UNTIL(&f, !strcmp(who(&f, room), "eve:1 "));
  ask(&f, "FLUSHALL");
  ask(&f, "SET {room:x}:who text");
  CHECK(strstr(join(&f, room, "dan"), "WRONGTYPE"));
  CHECK_INT(count_of(&f, room), MOONPOOL_EREDIS);
  ask(&f, "FLUSHALL");
  RUN_UNTIL(&f, !strcmp(who(&f, room), "eve:1 "));
  moonpool_room_close(room);
  teardown(&other);
  teardown(&f);
}

/* Redis may refuse to announce: who is there is true all the same. */
TEST(a_refused_announcement_is_no_error) {
  fixture f;
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  ask(&f, "ACL SETUSER default resetchannels");
  moonpool_room *room = open_leased(&f, LONG);
  CHECK_STR(join(&f, room, "ann"), "");
  CHECK_STR(who(&f, room), "ann:1 ");
  CHECK_STR(part(&f, room, "ann"), "");
  CHECK_STR(who(&f, room), "");
  ask(&f, "ACL SETUSER default allchannels");
  moonpool_room_close(room);
  teardown(&f);
}

TEST(who_could_not_join_in_time_is_not_here) {
  fixture f;
  outcome late = {0}, parted = {0};
  setup_redis(&f);
  ask(&f, "FLUSHALL");
  moonpool_room *room = open_leased(&f, LONG);
  join(&f, room, "ann");
  stop_process(redis.pid);
  CHECK_INT(moonpool_room_join(room, BYTES("bob"), 30, on_done, &late), MOONPOOL_OK);
  CHECK_INT(moonpool_room_part(room, BYTES("ann"), 40, on_done, &parted), MOONPOOL_OK);
  RUN_UNTIL(&f, late.count && parted.count);
  CHECK_INT(late.status, MOONPOOL_ETIMEOUT);
  CHECK_INT(parted.status, MOONPOOL_ETIMEOUT);
  CHECK_STR(late.message, "room:x: Redis has not confirmed who is here before the deadline");
  CHECK_INT(moonpool_room_part(room, BYTES("bob"), 0, on_done, NULL), MOONPOOL_EARG);
  kill(redis.pid, SIGCONT);
  CHECK_STR(join(&f, room, "eve"), "");
  RUN_UNTIL(&f, !strcmp(who(&f, room), "eve:1 "));
  moonpool_room_close(room);
  teardown(&f);
}

static const test_case tests[] = {
    TEST_CASE(a_killed_process_is_evicted_and_announced),
    TEST_CASE(who_asks_evicts),
    TEST_CASE(a_stopped_process_comes_back),
    TEST_CASE(many_dead_users_leave_by_and_by),
    TEST_CASE(all_are_joined_again_when_redis_was_emptied),
    TEST_CASE(a_redis_that_starts_again_empty_gets_them_back),
    TEST_CASE(changes_that_a_failover_lost_are_made_again),
    TEST_CASE(scripts_may_be_forgotten_at_any_moment),
    TEST_CASE(a_join_that_redis_refuses_fails_and_is_forgotten),
    TEST_CASE(a_refused_announcement_is_no_error),
    TEST_CASE(who_could_not_join_in_time_is_not_here),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
