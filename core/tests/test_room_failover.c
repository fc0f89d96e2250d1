/* Presence across a failover: a replica takes over that lacks the last changes, and at first takes
 * no writes. */
#include <arpa/inet.h>

#include "presence_fixture.h"

enum { LEASE = 5000 };

static int free_port(void) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t len = sizeof any;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr *)&any, len) || getsockname(fd, (struct sockaddr *)&any, &len))
    abort();
  close(fd);
  return ntohs(any.sin_port);
}

/* Clients come to whom this name points to. */
static void point(const char *name, const redis_server *server) {
  unlink(name);
  if (symlink(server->path, name)) abort();
}

/* A client of that server alone. */
static void setup_at(fixture *f, const char *url) {
  setup_alone(f);
  f->fds = -1;
  f->options.url = url;
  CHECK_INT(open_client(f), MOONPOOL_OK);
  RUN_UNTIL(f, state_of(f) == MOONPOOL_READY);
}

static void follow_master(fixture *f, fixture *replica) {
  char line[80];
  ask(f, "CONFIG SET repl-diskless-sync-delay 0");
  ask(replica, "CONFIG SET repl-diskless-load on-empty-db"); /* no files */
  for (int tries = 0; tries < 20; tries++) { /* somebody else may have taken the port */
    int port = free_port();
    snprintf(line, sizeof line, "CONFIG SET port %d", port);
    if (!begins_with(ask(f, line), "+")) continue;
    snprintf(line, sizeof line, "REPLICAOF 127.0.0.1 %d", port);
    break;
  }
  CHECK(begins_with(ask(replica, line), "+"));
  while (!strstr(ask(replica, "ROLE"), "connected") && !replica->is_late)
    uv_run(&replica->loop, UV_RUN_ONCE);
}

/* eve joins and ann parts when the replica does not hear of it any more. */
TEST(what_a_promoted_replica_has_not_heard_of_is_told_again) {
  static redis_server second;
  char name[80], url[100];
  fixture f, promoted;
  ear e;
  outcome o = {0};
  REQUIRE(redis_start(&second));
  snprintf(name, sizeof name, "%s/master", second.directory);
  snprintf(url, sizeof url, "unix://%s", name);
  point(name, &redis);
  setup_at(&f, url);
  setup_at(&promoted, second.url);
  ask(&f, "FLUSHALL");
  follow_master(&f, &promoted);
  moonpool_room *room = open_leased(&f, LEASE);
  join(&f, room, "ann");
  join(&f, room, "bob");
  CHECK(begins_with(ask(&f, "WAIT 1 0"), ":"));
  ask(&promoted, "REPLICAOF NO ONE");
  join(&f, room, "eve");
  part(&f, room, "ann");
  CHECK_STR(who(&f, room), "bob:1 eve:1 ");
  ask(&promoted, "CONFIG SET replica-serve-stale-data yes");
  ask(&promoted, "REPLICAOF 127.0.0.1 1"); /* a replica that cannot be written to, for now */
  listen_to(&promoted, &e);
  point(name, &second);
  redis_kill(&redis);
  RUN_UNTIL(&f, state_of(&f) != MOONPOOL_READY);
  CHECK_INT(moonpool_room_join(room, BYTES("dan"), 0, on_done, &o), MOONPOOL_OK);
  RUN_UNTIL(&f, state_of(&f) == MOONPOOL_READY);
  for (int i = 0; i < 10; i++) uv_run(&f.loop, UV_RUN_ONCE);
  CHECK_INT(o.count, 0);
  ask(&promoted, "REPLICAOF NO ONE");
  RUN_UNTIL(&f, o.count);
  CHECK_STR(o.message, "");
  RUN_UNTIL(&f, page_of(&f, room, 0, 0)->members == 3);
  RUN_UNTIL(&promoted, e.heard >= 3);
  CHECK(strstr(e.text, "+eve ") && strstr(e.text, "+dan ") && strstr(e.text, "-ann "));
  CHECK_INT(e.heard, 3);
  moonpool_room_close(room);
  while (e.heard < 6 && !f.is_late) {
    uv_run(&f.loop, UV_RUN_NOWAIT);
    uv_run(&promoted.loop, UV_RUN_NOWAIT);
  }
  CHECK_INT(e.heard, 6);
  teardown(&f);
  teardown(&promoted);
  unlink(name);
  redis_stop(&second);
  REQUIRE(redis_start(&redis));
}

static const test_case tests[] = {
    TEST_CASE(what_a_promoted_replica_has_not_heard_of_is_told_again),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
