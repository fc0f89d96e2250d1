/* Saying while replies are lost, Redis is out of memory, stopped, restarted, or a replica: each
 * message is stored once and in its place, and who said it is told nothing that is not so. */
#include "room_fixture.h"

#include <netinet/in.h>

/* Both read what their sockets have. */
static void turn(fixture *a, fixture *b) {
  for (int i = 0; i < 20; i++) {
    uv_run(&a->loop, UV_RUN_NOWAIT);
    uv_run(&b->loop, UV_RUN_NOWAIT);
  }
}

/* What `f` has written Redis executes, and then `line` of `other`, before it answers anybody: when
 * that kills the connection, the reply is lost. */
static void meet_in_redis(fixture *f, fixture *other, const char *line, const char *second) {
  call c[2] = {{0}};
  CHECK_INT(command(other, line, &c[0]), MOONPOOL_OK);
  if (second) CHECK_INT(command(other, second, &c[1]), MOONPOOL_OK);
  turn(other, other);
  kill(redis.pid, SIGCONT);
  RUN_UNTIL(other, c[0].count && (!second || c[1].count));
  (void)f;
}

#define KILL_OTHERS "CLIENT KILL TYPE normal SKIPME yes"

typedef struct pair {
  fixture f, other;
  moonpool_room *room;
} pair;

static void begin_pair(pair *p, unsigned replicas) {
  moonpool_room_options options;
  moonpool_room_options_init(&options);
  options.replicas = replicas;
  options.replicas_timeout = 1;
  begin(&p->f);
  setup_another(&p->other);
  p->room = open_room(&p->f, "r", &options);
  CHECK(said_now(&p->f, p->room, "first", "")->is_stored);
}

static void end_pair(pair *p) {
  moonpool_room_close(p->room);
  teardown(&p->other);
  teardown(&p->f);
}

/* Says `count`, and loses the reply after all were stored. */
static void say_and_lose(pair *p, int count, const char *key, said *s, const char *then) {
  stop_process(redis.pid);
  for (int i = 0; i < count; i++)
    CHECK_INT(say_for(p->room, "ann", "hi", key, 0, &s[i]), MOONPOOL_OK);
  turn(&p->f, &p->f);
  meet_in_redis(&p->f, &p->other, KILL_OTHERS, then);
}

TEST(a_lost_reply_is_asked_for_again) {
  enum { COUNT = 40 }; /* Redis reads their batch at once */
  said s[COUNT] = {{0}};
  pair p;
  begin_pair(&p, 0);
  say_and_lose(&p, COUNT, "", s, NULL);
  RUN_UNTIL(&p.f, s[COUNT - 1].count);
  for (int i = 0; i < COUNT; i++) {
    CHECK_STR(s[i].message, "");
    CHECK_INT(s[i].id.seq, i + 2);
    CHECK(s[i].is_repeat);
  }
  CHECK_STR(ask(&p.f, "XLEN {room:r}:log"), ":41");
  end_pair(&p);
}

TEST(without_a_key_a_lost_reply_leaves_a_doubt) {
  pair p;
  said s[2] = {{0}};
  begin_pair(&p, 0);
  say_and_lose(&p, 1, NULL, s, NULL);
  RUN_UNTIL(&p.f, s[0].count);
  CHECK_INT(s[0].status, MOONPOOL_ECONN);
  CHECK_STR(s[0].message, "room:r: possibly stored: the connection was lost");
  CHECK_INT(said_now(&p.f, p.room, "next", NULL)->id.seq, 3);
  end_pair(&p);
}

/* What was stored is told so, though Redis would not store it now. */
TEST(a_lost_reply_is_known_though_memory_is_out) {
  pair p;
  said s[2] = {{0}}, fresh = {0};
  begin_pair(&p, 0);
  say_and_lose(&p, 2, "", s, "CONFIG SET maxmemory 1");
  say(p.room, "another", &fresh);
  RUN_UNTIL(&p.f, s[0].count && s[1].count && fresh.count);
  ask(&p.other, "CONFIG SET maxmemory 0");
  for (int i = 0; i < 2; i++) {
    CHECK_STR(s[i].message, "");
    CHECK(s[i].is_repeat);
  }
  CHECK_INT(fresh.status, MOONPOOL_EREDIS);
  CHECK(strstr(fresh.message, "room:r: OOM"));
  end_pair(&p);
}

/* The key is there, but what it was used for is not what Redis refuses now. */
TEST(what_was_lost_and_is_refused_as_a_whole_leaves_a_doubt) {
  pair p;
  said s = {0}, fresh = {0};
  begin_pair(&p, 0);
  say_and_lose(&p, 1, "", &s, "SET {room:r}:config x");
  RUN_UNTIL(&p.f, s.count);
  CHECK_INT(s.status, MOONPOOL_EARG);
  CHECK_STR(s.message, "room:r: possibly stored: its configuration is none: x");
  say(p.room, "another", &fresh);
  RUN_UNTIL(&p.f, fresh.count);
  CHECK_STR(fresh.message, "room:r: its configuration is none: x");
  end_pair(&p);
}

TEST(a_lost_durable_reply_is_asked_for_again) {
  pair p;
  said s[3] = {{0}};
  begin_pair(&p, 1);
  say_and_lose(&p, 3, "", s, NULL);
  RUN_UNTIL(&p.f, s[2].count);
  for (int i = 0; i < 3; i++) {
    CHECK_STR(s[i].message, "room:r: stored, not replicated: 0 of 1 replicas have it");
    CHECK_INT(s[i].id.seq, i + 2);
  }
  CHECK_STR(ask(&p.f, "XLEN {room:r}:log"), ":4");
  end_pair(&p);
}

/* Nothing is erased where the message that tells of it can't be stored. */
TEST(without_memory_nothing_is_erased) {
  pair p;
  said s[2] = {{0}};
  begin_pair(&p, 0);
  said first = *said_now(&p.f, p.room, "hi", "");
  ask(&p.f, "CONFIG SET maxmemory 1");
  CHECK_INT(moonpool_room_clear(p.room, BYTES("ann"), 0, on_stored, &s[0]), MOONPOOL_OK);
  CHECK_INT(moonpool_room_delete(p.room, BYTES("ann"), BYTES(first.id_text), 0, on_stored, &s[1]),
            MOONPOOL_OK);
  RUN_UNTIL(&p.f, s[0].count && s[1].count);
  ask(&p.f, "CONFIG SET maxmemory 0");
  for (int i = 0; i < 2; i++) CHECK(strstr(s[i].message, "room:r: OOM"));
  CHECK_STR(ask(&p.f, "XLEN {room:r}:log"), ":2");
  end_pair(&p);
}

TEST(each_message_of_a_batch_has_its_own_end) {
  pair p;
  said s[5] = {{0}};
  begin_pair(&p, 0);
  said used = *said_now(&p.f, p.room, "used", "k");
  CHECK_INT(say_for(p.room, "ann", "other", "k", 0, &s[0]), MOONPOOL_OK);
  CHECK_INT(say_for(p.room, "ann", "new", NULL, 0, &s[1]), MOONPOOL_OK);
  CHECK_INT(say_for(p.room, "ann", "used", "k", 0, &s[2]), MOONPOOL_OK);
  CHECK_INT(moonpool_room_delete(p.room, BYTES("ann"), BYTES("1-1-0123456789abcdef"), 0, on_stored,
                                 &s[3]),
            MOONPOOL_OK);
  CHECK_INT(say_for(p.room, "ann", "newer", "", 0, &s[4]), MOONPOOL_OK);
  RUN_UNTIL(&p.f, s[4].count);
  CHECK_INT(s[0].status, MOONPOOL_EARG);
  CHECK_INT(s[1].id.seq, 3);
  CHECK(s[2].is_repeat && !strcmp(s[2].id_text, used.id_text));
  CHECK_STR(s[3].message, "room:r: it has no message 1-1-0123456789abcdef");
  CHECK_INT(s[4].id.seq, 4);
  CHECK_STR(ask(&p.f, "XLEN {room:r}:log"), ":4");
  end_pair(&p);
}

/* ---- a room's end ---------------------------------------------------------------------------- */

static void on_done(const moonpool_error *error, void *ctx) {
  take_call(ctx, NULL, error);
}

TEST(what_is_said_while_a_room_is_destroyed_is_of_its_next_life) {
  pair p;
  call done = {0};
  begin_pair(&p, 0);
  ask(&p.f, "DEBUG POPULATE 5000");
  CHECK_INT(moonpool_room_destroy(p.room, 0, on_done, &done), MOONPOOL_OK);
  CHECK_INT(said_now(&p.f, p.room, "born", "")->id.seq, 1);
  CHECK_INT(done.count, 0); /* it looks for keys still */
  RUN_UNTIL(&p.f, done.count);
  CHECK_STR(done.message, "");
  CHECK_STR(ask(&p.f, "XLEN {room:r}:log"), ":1");
  CHECK_INT(said_now(&p.f, p.room, "grown", "")->id.seq, 2);
  end_pair(&p);
}

TEST(a_destroyed_room_loses_its_leases) {
  pair p;
  call done = {0};
  begin_pair(&p, 0);
  ask(&p.f, "ZADD {room:r}:leases 99999999999999 other");
  ask(&p.f, "ZADD {room:r}:lease:other 1 bob");
  CHECK_INT(moonpool_room_destroy(p.room, 0, on_done, &done), MOONPOOL_OK);
  RUN_UNTIL(&p.f, done.count);
  CHECK_STR(done.message, "");
  CHECK_STR(ask(&p.f, "DBSIZE"), ":0");
  end_pair(&p);
}

/* ---- a server that goes away ----------------------------------------------------------------- */

TEST(what_waits_for_redis_is_told_as_unsent_or_in_doubt) {
  pair p;
  said lost = {0}, unsent = {0}, kept = {0};
  begin_pair(&p, 0);
  stop_process(redis.pid);
  CHECK_INT(say_for(p.room, "ann", "hi", "", 300, &lost), MOONPOOL_OK);
  turn(&p.f, &p.f);
  redis_kill(&redis);
  while (state_of(&p.f) == MOONPOOL_READY && !p.f.is_late) uv_run(&p.f.loop, UV_RUN_ONCE);
  CHECK_INT(say_for(p.room, "ann", "hi", "", 300, &unsent), MOONPOOL_OK);
  CHECK_INT(say_for(p.room, "ann", "kept", "", 0, &kept), MOONPOOL_OK);
  RUN_UNTIL(&p.f, lost.count && unsent.count);
  CHECK_INT(lost.status, MOONPOOL_ETIMEOUT);
  CHECK(strstr(lost.message, "room:r: possibly stored: not sent before the deadline; "));
  CHECK_INT(unsent.status, MOONPOOL_ETIMEOUT);
  CHECK(strstr(unsent.message,
               "room:r: not sent before the deadline; the last error was: connect to unix:"));
  CHECK_INT(kept.count, 0);
  REQUIRE(redis_start(&redis));
  RUN_UNTIL(&p.f, kept.count);
  CHECK_STR(kept.message, "");
  CHECK_INT(kept.id.seq, 1); /* a new server, which knows neither room nor script */
  RUN_UNTIL(&p.other, state_of(&p.other) == MOONPOOL_READY);
  CHECK_STR(ask(&p.f, "XLEN {room:r}:log"), ":1");
  end_pair(&p);
}

TEST(thousands_of_deadlines_are_told_in_order) {
  enum { COUNT = 20000 };
  static said s[COUNT];
  pair p;
  memset(s, 0, sizeof s);
  begin_pair(&p, 0);
  stop_process(redis.pid);
  for (int i = 0; i < COUNT; i++)
    CHECK_INT(say_for(p.room, "ann", "hi", "", i % 2 ? 50 : UINT64_MAX, &s[i]), MOONPOOL_OK);
  RUN_UNTIL(&p.f, s[COUNT - 1].count);
  kill(redis.pid, SIGCONT);
  RUN_UNTIL(&p.f, s[COUNT - 2].count);
  for (int i = 0; i < COUNT; i++) CHECK_INT(s[i].status, i % 2 ? MOONPOOL_ETIMEOUT : MOONPOOL_OK);
  end_pair(&p);
}

/* ---- replicas -------------------------------------------------------------------------------- */

static int free_port(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr *)&address, len)) abort();
  if (getsockname(fd, (struct sockaddr *)&address, &len)) abort();
  close(fd);
  return ntohs(address.sin_port);
}

/* `replica` becomes one of `redis`; `f` is a client of `redis`. */
static void replicate(fixture *f, fixture *of_replica) {
  char line[100];
  int port = 0;
  do {
    port = free_port();
    snprintf(line, sizeof line, "CONFIG SET port %d", port);
  } while (strcmp(ask(f, line), "+2 OK") != 0 && !f->is_late);
  ask(f, "CONFIG SET repl-diskless-sync-delay 0");
  snprintf(line, sizeof line, "REPLICAOF 127.0.0.1 %d", port);
  CHECK_STR(ask(of_replica, line), "+2 OK");
  const char *role;
  do {
    uv_run(&f->loop, UV_RUN_ONCE);
    role = ask(f, "INFO replication");
  } while (!strstr(role, "state=online") && !f->is_late);
  CHECK(!f->is_late);
}

typedef struct replicated {
  pair p;
  fixture replica;
  redis_server server;
} replicated;

static int begin_replicated(replicated *r) {
  redis_server master = redis;
  memset(r, 0, sizeof *r);
  begin_pair(&r->p, 1);
  if (!redis_start(&r->server)) return 0;
  redis = r->server;
  setup_another(&r->replica);
  redis = master;
  replicate(&r->p.other, &r->replica);
  return 1;
}

static void end_replicated(replicated *r) {
  ask(&r->p.other, "CONFIG SET port 0");
  teardown(&r->replica);
  char dump[60];
  snprintf(dump, sizeof dump, "%s/dump.rdb", r->server.directory);
  unlink(dump); /* what it was sent by the master */
  redis_stop(&r->server);
  end_pair(&r->p);
}

static said *say_durably(replicated *r, const char *key, uint64_t wait) {
  static said s;
  moonpool_room_options options;
  moonpool_room_options_init(&options);
  options.replicas = 1;
  options.replicas_timeout = wait;
  moonpool_room *room = open_room(&r->p.f, "r", &options);
  s = *said_now(&r->p.f, room, "hi", key);
  moonpool_room_close(room);
  return &s;
}

TEST(a_replica_that_has_it_is_counted) {
  replicated r;
  REQUIRE(begin_replicated(&r));
  said s = *say_durably(&r, "k", 30000);
  CHECK_STR(s.message, "");
  CHECK_INT(s.replicas, 1);
  stop_process(r.server.pid);
  s = *say_durably(&r, "k2", 50);
  CHECK_STR(s.message, "room:r: stored, not replicated: 0 of 1 replicas have it");
  CHECK(s.is_stored && !s.is_repeat);
  s = *say_durably(&r, "k2", 50); /* on which nothing is written */
  CHECK_STR(s.message, "room:r: stored, not replicated: 0 of 1 replicas have it");
  CHECK(s.is_repeat);
  kill(r.server.pid, SIGCONT);
  s = *say_durably(&r, "k2", 30000);
  CHECK_STR(s.message, "");
  CHECK(s.is_repeat && s.replicas == 1);
  end_replicated(&r);
}

/* A client of the replica: READONLY, until it is promoted. */
TEST(a_replica_is_waited_for_until_it_is_promoted) {
  replicated r;
  said s[3] = {{0}}, late = {0};
  REQUIRE(begin_replicated(&r));
  moonpool_room *room = open_room(&r.replica, "r", NULL);
  for (int i = 0; i < 3; i++)
    CHECK_INT(say_for(room, "bob", "hi", i ? "" : NULL, 0, &s[i]), MOONPOOL_OK);
  CHECK_INT(say_for(room, "bob", "hi", "", 100, &late), MOONPOOL_OK);
  RUN_UNTIL(&r.replica, late.count);
  CHECK_INT(late.status, MOONPOOL_ETIMEOUT);
  CHECK_INT(s[0].count + s[1].count + s[2].count, 0);
  CHECK_STR(ask(&r.replica, "REPLICAOF NO ONE"), "+2 OK");
  RUN_UNTIL(&r.replica, s[2].count);
  for (int i = 0; i < 3; i++) {
    CHECK_STR(s[i].message, "");
    CHECK_INT(s[i].id.seq, i + 2);
  }
  moonpool_room_close(room);
  end_replicated(&r);
}

static const test_case tests[] = {
    TEST_CASE(a_lost_reply_is_asked_for_again),
    TEST_CASE(without_a_key_a_lost_reply_leaves_a_doubt),
    TEST_CASE(a_lost_reply_is_known_though_memory_is_out),
    TEST_CASE(what_was_lost_and_is_refused_as_a_whole_leaves_a_doubt),
    TEST_CASE(a_lost_durable_reply_is_asked_for_again),
    TEST_CASE(without_memory_nothing_is_erased),
    TEST_CASE(each_message_of_a_batch_has_its_own_end),
    TEST_CASE(what_is_said_while_a_room_is_destroyed_is_of_its_next_life),
    TEST_CASE(a_destroyed_room_loses_its_leases),
    TEST_CASE(what_waits_for_redis_is_told_as_unsent_or_in_doubt),
    TEST_CASE(thousands_of_deadlines_are_told_in_order),
    TEST_CASE(a_replica_that_has_it_is_counted),
    TEST_CASE(a_replica_is_waited_for_until_it_is_promoted),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
