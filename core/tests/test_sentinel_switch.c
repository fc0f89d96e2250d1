/* A client of a service whose master moves: what is announced, what is missed, and sentinels that
 * are behind. */
#include "sentinel_fixture.h"

static void name_everywhere(world *w, int server, long long epoch) {
  for (int i = 0; i < SENTINELS; i++) name_server(w, i, server, epoch);
}

/* Rounds go on: some sentinel is asked so many times more. */
static void await_questions(world *w, int count) {
  int before = w->fakes[0].accepted + w->fakes[1].accepted + w->fakes[2].accepted;
  RUN_UNTIL(&w->f, w->fakes[0].accepted + w->fakes[1].accepted + w->fakes[2].accepted >=
                       before + count * SENTINELS);
}

/* Any link of a client to a server. */
static int is_connected_to(world *w, int server) {
  return link_that_heard(&w->servers[server], "") != NULL;
}

/* ---- announced --------------------------------------------------------------------------------
 */

TEST(a_switch_moves_every_link) {
  static world w;
  static sub s;
  call flying = {0}, after = {0};
  memset(&s, 0, sizeof s);
  setup_found(&w);
  listen_to(&w.f, &s, "room");
  ask_all_events(&s);
  RUN_UNTIL(&w.f, s.confirmed.count);
  w.servers[0].is_mute = 1; /* its connections stay open: it is only stopped */
  CHECK_INT(command(&w.f, "INCR a", &flying), MOONPOOL_OK);
  RUN_UNTIL(&w.f, link_that_heard(&w.servers[0], "INCR a"));
  name_everywhere(&w, 1, 2);
  announce(&w, "m", 0, 1);
  RUN_UNTIL(&w.f, flying.count);
  CHECK_INT(flying.status, MOONPOOL_ECONN);
  CHECK(strstr(flying.message, ": the master of m is now 127.0.0.1:"));
  CHECK(strstr(flying.message, "; the command was possibly executed"));
  CHECK_INT(command(&w.f, "INCR b", &after), MOONPOOL_OK);
  RUN_UNTIL(&w.f, after.count && strchr(s.told, '~'));
  CHECK_INT(after.status, MOONPOOL_OK);
  CHECK(is_on(&w, 1));
  CHECK(!is_connected_to(&w, 0));
  RUN_UNTIL(&w.f, link_that_heard(&w.servers[1], "SUBSCRIBE room"));
  teardown_world(&w);
}

TEST(the_switch_of_another_service_is_none) {
  static world w;
  static const char *const services[] = {"", "M", "mm", "m2"};
  setup_found(&w);
  name_everywhere(&w, 1, 2);
  for (int i = 0; i < 4; i++) announce(&w, services[i], 0, 1);
  for (int i = 0; i < 50; i++) uv_run(&w.f.loop, UV_RUN_NOWAIT);
  CHECK(is_on(&w, 0));
  CHECK_INT(w.servers[1].accepted, 0);
  teardown_world(&w);
}

TEST(an_announcement_that_is_none_does_no_harm) {
  static world w;
  static const char *const payloads[] = {"m", "m ", "m a b", "m 127.0.0.1 1 x", "m    "};
  setup_found(&w);
  for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
    peer_link *watch = watch_of(&w);
    REQUIRE(watch);
    peer_publish(watch, "+switch-master", payloads[i]);
    peer_publish(watch, "-switch-master", payloads[i]);
    await_questions(&w, 1);
  }
  CHECK(is_on(&w, 0));
  teardown_world(&w);
}

/* The sentinel that announces is the first to know; without epochs the others outvote it. */
TEST(without_epochs_the_announcement_counts) {
  static world w;
  setup_world(&w);
  name_everywhere(&w, 0, -1);
  CHECK_INT(open_client(&w.f), MOONPOOL_OK);
  RUN_UNTIL(&w.f, is_on(&w, 0) && watch_of(&w));
  name_server(&w, (int)(w.of[watch_of(&w) - w.f.links] - w.fakes), 1, -1);
  announce(&w, "m", 0, 1);
  RUN_UNTIL(&w.f, is_on(&w, 1));
  await_questions(&w, 0);
  teardown_world(&w);
}

static void then_switch(world *w, peer_link *link, const char *line) {
  if (!begins_with(line, "SENTINEL GET-MASTER-ADDR-BY-NAME")) return;
  for (int i = 0; i < SENTINELS; i++) w->fakes[i].then = NULL;
  say_master(link, w->of[link - w->f.links]); /* as it was; then it changes */
  name_everywhere(w, 1, 2);
  announce(w, "m", 0, 1);
}

TEST(a_switch_in_the_middle_of_a_question_is_not_missed) {
  static world w;
  setup_found(&w);
  for (int i = 0; i < SENTINELS; i++) w.fakes[i].then = then_switch;
  announce(&w, "m", 0, 0);
  RUN_UNTIL(&w.f, is_on(&w, 1));
  teardown_world(&w);
}

TEST(a_switch_to_and_fro_is_followed) {
  static world w;
  setup_found(&w);
  for (int i = 1; i <= 10; i++) {
    name_everywhere(&w, i % 2, 1 + i);
    announce(&w, "m", 1 - i % 2, i % 2);
    RUN_UNTIL(&w.f, is_on(&w, i % 2));
  }
  CHECK_INT(w.servers[0].accepted + w.servers[1].accepted, 11);
  teardown_world(&w);
}

static char states[2000];

static void on_state(moonpool *client, const moonpool_state_event *event, void *ctx) {
  static const char *const names[] = {"idle", "connecting", "ready", "waiting", "closed"};
  size_t len = strlen(states);
  (void)client, (void)ctx;
  snprintf(states + len, sizeof states - len, "%s%s\n", names[event->state],
           event->error.status ? "!" : "");
  if (event->state == MOONPOOL_WAITING) CHECK(strstr(event->error.message, ": "));
}

static int is_shaking_at(world *w, int server) {
  return state_of(&w->f) == MOONPOOL_CONNECTING && link_that_heard(&w->servers[server], "\n");
}

/* Every change of a link's state is told, also that of an attempt that is given up. */
TEST(an_attempt_at_the_old_master_is_given_up) {
  static world w;
  states[0] = '\0';
  setup_found(&w);
  w.servers[0].is_mute = 1;
  drop_links_of(&w.servers[0]);
  RUN_UNTIL(&w.f, is_shaking_at(&w, 0));
  moonpool_on_state(w.f.client, on_state, NULL);
  name_everywhere(&w, 1, 2);
  announce(&w, "m", 0, 1);
  RUN_UNTIL(&w.f, is_on(&w, 1));
  CHECK_STR(states, "waiting!\nconnecting\nready\n");
  teardown_world(&w);
}

/* ---- in the middle of a question --------------------------------------------------------------
 */

/* A round is under way: the sentinel that is watched has named server 0, the others are silent.
 * Then all name server 1, and server 0, which still takes connections, drops its own. */
static void lose_master_meanwhile(world *w) {
  fake *first = w->of[watch_of(w) - w->f.links];
  int asked = first->accepted;
  for (int i = 0; i < SENTINELS; i++) w->fakes[i].is_mute = &w->fakes[i] != first;
  announce(w, "m", 0, 0);
  RUN_UNTIL(&w->f, first->accepted > asked && link_that_heard(first, "SENTINEL SENTINELS m"));
  for (int i = 0; i < SENTINELS; i++) w->fakes[i].is_mute = 0;
  name_everywhere(w, 1, 2);
  drop_links_of(&w->servers[0]);
  RUN_UNTIL(&w->f, state_of(&w->f) != MOONPOOL_READY);
}

static void check_moved(world *w) {
  RUN_UNTIL(&w->f, state_of(&w->f) == MOONPOOL_READY);
  CHECK(is_on(w, 1));
  CHECK_INT(w->servers[0].accepted, 1);
  CHECK_INT(w->servers[1].accepted, 1);
}

TEST(what_was_asked_before_the_loss_is_no_answer) {
  static world w;
  setup_found(&w);
  lose_master_meanwhile(&w);
  check_moved(&w);
  teardown_world(&w);
}

TEST(nor_is_it_once_its_round_is_over) {
  static world w;
  setup_world(&w);
  w.f.options.backoff_min = w.f.options.backoff_max = 50; /* the round ends before the attempt */
  CHECK_INT(open_client(&w.f), MOONPOOL_OK);
  RUN_UNTIL(&w.f, is_on(&w, 0) && watch_of(&w) && is_settled_at_first(&w));
  lose_master_meanwhile(&w);
  const fake *first = w.of[watch_of(&w) - w.f.links];
  for (int i = 0; i < SENTINELS; i++)
    if (&w.fakes[i] != first) drop_links_of(&w.fakes[i]);
  check_moved(&w);
  teardown_world(&w);
}

/* ---- not announced ----------------------------------------------------------------------------
 */

TEST(a_switch_while_nobody_watched_is_found) {
  static world w;
  setup_found(&w);
  name_everywhere(&w, 1, 2);
  peer_drop(watch_of(&w));
  RUN_UNTIL(&w.f, is_on(&w, 1));
  CHECK(watch_of(&w));
  teardown_world(&w);
}

TEST(a_lost_watch_moves_to_the_next_sentinel) {
  static world w;
  setup_found(&w);
  for (int i = 0; i < SENTINELS - 1; i++) {
    close_fake(w.of[watch_of(&w) - w.f.links]);
    RUN_UNTIL(&w.f, watch_of(&w));
  }
  name_everywhere(&w, 1, 2);
  announce(&w, "m", 0, 1);
  RUN_UNTIL(&w.f, is_on(&w, 1));
  teardown_world(&w);
}

TEST(a_silent_watch_moves_too) {
  static world w;
  setup_world(&w);
  w.f.options.heartbeat = 20;
  CHECK_INT(open_client(&w.f), MOONPOOL_OK);
  RUN_UNTIL(&w.f, is_on(&w, 0) && watch_of(&w));
  fake *first = w.of[watch_of(&w) - w.f.links];
  first->is_mute = 1;
  RUN_UNTIL(&w.f, watch_of(&w) && w.of[watch_of(&w) - w.f.links] != first);
  teardown_world(&w);
}

static void refuse_subscribe(world *w, peer_link *link, const char *line) {
  (void)w;
  if (!begins_with(line, "SUBSCRIBE")) return;
  peer_say(link, "-NOPERM no channel\r\n");
  w->of[link - w->f.links]->is_mute = 1;
}

TEST(a_sentinel_that_refuses_to_be_watched_is_left) {
  static world w;
  setup_world(&w);
  w.fakes[0].then = refuse_subscribe;
  w.fakes[1].then = refuse_subscribe;
  CHECK_INT(open_client(&w.f), MOONPOOL_OK);
  RUN_UNTIL(&w.f, is_on(&w, 0) && link_that_heard(&w.fakes[2], "SUBSCRIBE +switch-master"));
  teardown_world(&w);
}

TEST(now_and_then_it_asks_by_itself) {
  static world w;
  setup_world(&w);
  w.f.options.heartbeat = 30;
  CHECK_INT(open_client(&w.f), MOONPOOL_OK);
  RUN_UNTIL(&w.f, is_on(&w, 0));
  name_everywhere(&w, 1, 2);
  RUN_UNTIL(&w.f, is_on(&w, 1));
  teardown_world(&w);
}

/* ---- sentinels that are behind ----------------------------------------------------------------
 */

static void setup_checking(world *w) {
  setup_world(w);
  w->f.options.heartbeat = 30;
  name_everywhere(w, 0, 5);
  CHECK_INT(open_client(&w->f), MOONPOOL_OK);
  RUN_UNTIL(&w->f, is_on(w, 0) && watch_of(w));
}

TEST(one_that_is_behind_moves_nothing) {
  static world w;
  setup_checking(&w);
  name_server(&w, 1, 1, 4);
  await_questions(&w, 4);
  CHECK(is_on(&w, 0));
  close_fake(&w.fakes[0]); /* as many are behind as not */
  await_questions(&w, 4);
  CHECK(is_on(&w, 0));
  CHECK_INT(w.servers[1].accepted, 0);
  teardown_world(&w);
}

TEST(one_alone_that_is_behind_does_not_move_who_is_connected) {
  static world w;
  setup_checking(&w);
  name_server(&w, 1, 1, 4);
  close_fake(&w.fakes[0]);
  close_fake(&w.fakes[2]);
  int before = w.fakes[1].accepted;
  RUN_UNTIL(&w.f, w.fakes[1].accepted > before + 4);
  CHECK(is_on(&w, 0));
  CHECK_INT(w.servers[1].accepted, 0);
  teardown_world(&w);
}

/* It may be right, after all: the configuration was made anew, and the old sentinels are gone. */
TEST(one_alone_that_is_behind_is_tried_in_turn) {
  static world w;
  setup_checking(&w);
  name_server(&w, 1, 1, 0);
  close_fake(&w.fakes[0]);
  close_fake(&w.fakes[2]);
  close_fake(&w.servers[0]);
  RUN_UNTIL(&w.f, is_on(&w, 1));
  teardown_world(&w);
}

TEST(a_majority_that_is_behind_was_made_anew) {
  static world w;
  setup_checking(&w);
  name_server(&w, 0, 1, 0);
  name_server(&w, 1, 1, 0);
  close_fake(&w.fakes[2]);
  RUN_UNTIL(&w.f, is_on(&w, 1));
  await_questions(&w, 4);
  CHECK(is_on(&w, 1));
  teardown_world(&w);
}

TEST(the_newest_configuration_counts_however_few_have_it) {
  static world w;
  setup_checking(&w);
  name_server(&w, 2, 1, 6);
  RUN_UNTIL(&w.f, is_on(&w, 1));
  await_questions(&w, 4);
  CHECK(is_on(&w, 1));
  CHECK_INT(w.servers[1].accepted, 1);
  teardown_world(&w);
}

/* The old master is there again before the sentinels have made a replica of it. */
TEST(an_old_master_that_comes_back_is_not_used) {
  static world w;
  setup_found(&w);
  name_everywhere(&w, 1, 2);
  close_fake(&w.servers[0]);
  open_fake(&w.servers[0]);
  RUN_UNTIL(&w.f, is_on(&w, 1));
  drop_links_of(&w.servers[1]);
  RUN_UNTIL(&w.f, state_of(&w.f) != MOONPOOL_READY);
  RUN_UNTIL(&w.f, is_on(&w, 1));
  teardown_world(&w);
}

TEST(all_sentinels_gone_do_not_part_it_from_the_master) {
  static world w;
  call got = {0};
  setup_checking(&w);
  for (int i = 0; i < SENTINELS; i++) close_fake(&w.fakes[i]);
  CHECK_INT(command(&w.f, "GET a", &got), MOONPOOL_OK);
  RUN_UNTIL(&w.f, got.count);
  CHECK_INT(got.status, MOONPOOL_OK);
  CHECK_INT(w.servers[0].accepted, 1);
  teardown_world(&w);
}

static const test_case tests[] = {
    TEST_CASE(a_switch_moves_every_link),
    TEST_CASE(the_switch_of_another_service_is_none),
    TEST_CASE(an_announcement_that_is_none_does_no_harm),
    TEST_CASE(without_epochs_the_announcement_counts),
    TEST_CASE(a_switch_in_the_middle_of_a_question_is_not_missed),
    TEST_CASE(a_switch_to_and_fro_is_followed),
    TEST_CASE(an_attempt_at_the_old_master_is_given_up),
    TEST_CASE(what_was_asked_before_the_loss_is_no_answer),
    TEST_CASE(nor_is_it_once_its_round_is_over),
    TEST_CASE(a_switch_while_nobody_watched_is_found),
    TEST_CASE(a_lost_watch_moves_to_the_next_sentinel),
    TEST_CASE(a_silent_watch_moves_too),
    TEST_CASE(a_sentinel_that_refuses_to_be_watched_is_left),
    TEST_CASE(now_and_then_it_asks_by_itself),
    TEST_CASE(one_that_is_behind_moves_nothing),
    TEST_CASE(one_alone_that_is_behind_does_not_move_who_is_connected),
    TEST_CASE(one_alone_that_is_behind_is_tried_in_turn),
    TEST_CASE(a_majority_that_is_behind_was_made_anew),
    TEST_CASE(the_newest_configuration_counts_however_few_have_it),
    TEST_CASE(an_old_master_that_comes_back_is_not_used),
    TEST_CASE(all_sentinels_gone_do_not_part_it_from_the_master),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
