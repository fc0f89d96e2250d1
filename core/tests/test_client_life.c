/* A client's life: opened, ready, lost, closed, in every order and inside every callback. */
#include "client_fixture.h"

/* ---- opening -------------------------------------------------------------------------------- */

TEST(wrong_options_are_named) {
  static const struct {
    const char *url, *name;
    int status;
    const char *message;
  } wrong[] = {
      {"http://h", NULL, MOONPOOL_EARG, "unknown scheme"},
      {"redis://h:x", NULL, MOONPOOL_EARG, "port"},
      {"redis+cluster://h", NULL, MOONPOOL_ENOSUPPORT, "redis+cluster://"},
      {"redis://h", "a b", MOONPOOL_EARG, "name"},
      {"redis://h", "a\nb", MOONPOOL_EARG, "name"},
      {"redis://h", "\xc3\xa4", MOONPOOL_EARG, "name"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    fixture f;
    char message[100] = "?";
    setup_alone(&f);
    f.client = (moonpool *)&f;
    f.options.url = wrong[i].url;
    f.options.name = wrong[i].name;
    CHECK_INT(moonpool_open(&f.client, &f.loop, &f.options, message, sizeof message),
              wrong[i].status);
    CHECK(!f.client);
    CHECK(strstr(message, wrong[i].message));
    CHECK_INT(moonpool_open(&f.client, &f.loop, &f.options, message, 4), wrong[i].status);
    CHECK_INT(strlen(message), 3);
    CHECK_INT(moonpool_open(&f.client, &f.loop, &f.options, NULL, 0), wrong[i].status);
    CHECK_INT(moonpool_open(&f.client, &f.loop, &f.options, message, 0), wrong[i].status);
    CHECK_INT(f.heap.blocks, 0);
    teardown(&f);
  }
}

TEST(options_are_copied) {
  fixture f;
  call set = {0};
  char url[80], name[] = "me";
  setup(&f);
  strcpy(url, f.url);
  f.options.url = url;
  f.options.name = name;
  moonpool_allocator allocator = f.heap.allocator;
  f.options.allocator = &allocator;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  memset(url, 'x', sizeof url - 1);
  memset(name, 'x', sizeof name - 1);
  memset(&allocator, 0, sizeof allocator);
  memset(&f.options, 0, sizeof f.options);
  RUN_UNTIL(&f, state_of(&f) == MOONPOOL_READY);
  CHECK_STR(moonpool_address(f.client), f.address);
  CHECK_INT(command(&f, "SET a b", &set), MOONPOOL_OK);
  RUN_UNTIL(&f, has_heard(&f, 0, "SET a b\n"));
  teardown(&f);
  CHECK_INT(set.count, 1);
}

TEST(nothing_happens_before_the_loop_runs) {
  fixture f;
  setup(&f);
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_INT(state_of(&f), MOONPOOL_CONNECTING);
  CHECK_STR(moonpool_address(f.client), f.address);
  teardown(&f);
  CHECK_INT(f.link_count, 0);
}

TEST(closing_nothing_and_twice_is_nothing) {
  fixture f;
  setup_ready(&f);
  moonpool_close(NULL, on_gone, &f);
  CHECK_INT(f.gone, 0);
  close_client(&f);
  CHECK_INT(state_of(&f), MOONPOOL_CLOSED);
  close_client(&f);
  moonpool_close(f.client, NULL, NULL);
  CHECK_INT(f.gone, 0); /* never from inside */
  RUN_UNTIL(&f, f.gone);
  teardown(&f);
}

static void ignore_event(const moonpool_event *event) {
  (void)event;
}

TEST(until_it_is_gone_it_is_closed) {
  fixture f;
  moonpool_bytes name = {"a", 1};
  moonpool_subscription *s = (moonpool_subscription *)&f;
  moonpool_stats stats;
  call get = {0};
  setup_ready(&f);
  CHECK_INT(command(&f, "GET a", &get), MOONPOOL_OK);
  close_client(&f);
  for (; f.client; uv_run(&f.loop, UV_RUN_NOWAIT)) {
    CHECK_INT(state_of(&f), MOONPOOL_CLOSED);
    CHECK_STR(moonpool_address(f.client), f.address);
    moonpool_get_stats(f.client, &stats);
    CHECK_INT(stats.commands, 1);
    CHECK_INT(stats.queued, 0);
    CHECK_INT(command(&f, "GET a", &get), MOONPOOL_ECLOSED);
    CHECK_INT(
        moonpool_subscribe(f.client, MOONPOOL_CHANNEL, &name, 1, ignore_event, NULL, NULL, &s),
        MOONPOOL_ECLOSED);
    CHECK(!s);
    moonpool_set_drain(f.client, NULL, NULL);
  }
  CHECK_INT(get.count, 1);
  teardown(&f);
}

TEST(a_close_without_callback_frees_all) {
  fixture f;
  setup_ready(&f);
  moonpool_close(f.client, NULL, NULL);
  f.client = NULL;
  teardown(&f);
}

/* After each number of loop turns: resolving, connecting, in the middle of the handshake, ready. */
TEST(it_can_be_closed_at_any_moment) {
  for (int turns = 0; turns < 12; turns++) {
    fixture f;
    call ready = {.f = &f}, get = {0};
    setup(&f);
    CHECK_INT(open_client(&f), MOONPOOL_OK);
    moonpool_ready(f.client, on_ready, &ready);
    CHECK_INT(command(&f, "GET a", &get), MOONPOOL_OK);
    for (int i = 0; i < turns; i++) uv_run(&f.loop, UV_RUN_NOWAIT);
    teardown(&f);
    CHECK_INT(ready.count, 1);
    CHECK_INT(get.count, 1);
    CHECK_INT(get.status, MOONPOOL_ECLOSED);
  }
}

/* ---- ready ---------------------------------------------------------------------------------- */

TEST(ready_is_told_once_to_each) {
  fixture f;
  call first = {.f = &f}, second = {.f = &f}, late = {.f = &f};
  setup(&f);
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  moonpool_ready(f.client, on_ready, &first);
  moonpool_ready(f.client, on_ready, &second);
  CHECK_INT(first.count, 0);
  RUN_UNTIL(&f, first.count);
  CHECK_INT(first.status, MOONPOOL_OK);
  CHECK_INT(state_of(&f), MOONPOOL_READY);
  CHECK_INT(second.count, 1);
  moonpool_ready(f.client, on_ready, &late);
  CHECK_INT(late.count, 0);
  RUN_UNTIL(&f, late.count);
  peer_drop(&f.links[0]);
  RUN_UNTIL(&f, is_shaken(&f, 1) && state_of(&f) == MOONPOOL_READY);
  teardown(&f);
  CHECK_INT(first.count + second.count + late.count, 3);
}

static void then_is_waiting(fixture *f, call *c) {
  (void)c;
  CHECK_INT(state_of(f), MOONPOOL_WAITING);
}

TEST(the_first_failure_is_told_and_the_next_attempt_is_made) {
  fixture f;
  call ready = {.f = &f, .then = then_is_waiting}, again = {.f = &f};
  setup_alone(&f);
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  moonpool_ready(f.client, on_ready, &ready);
  RUN_UNTIL(&f, ready.count);
  CHECK_INT(ready.status, MOONPOOL_ECONN);
  CHECK(strstr(ready.message, f.address));
  start_listening(&f);
  while (again.status || !again.count) {
    again = (call){.f = &f};
    moonpool_ready(f.client, on_ready, &again);
    RUN_UNTIL(&f, again.count);
    if (f.is_late) break;
  }
  CHECK_INT(state_of(&f), MOONPOOL_READY);
  teardown(&f);
  CHECK_INT(ready.count, 1);
}

static void then_wait_again(fixture *f, call *c) {
  if (c->status && c->status != MOONPOOL_ECLOSED) moonpool_ready(f->client, on_ready, c);
}

TEST(who_waits_again_is_told_of_the_next_attempt) {
  fixture f;
  call ready = {.f = &f, .then = then_wait_again};
  setup_alone(&f);
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  moonpool_ready(f.client, on_ready, &ready);
  RUN_UNTIL(&f, ready.count >= 3);
  start_listening(&f);
  RUN_UNTIL(&f, ready.status == MOONPOOL_OK);
  int count = ready.count;
  CHECK_INT(state_of(&f), MOONPOOL_READY);
  teardown(&f);
  CHECK_INT(ready.count, count);
}

static void then_wait_always(fixture *f, call *c) {
  if (c->count < 3) moonpool_ready(f->client, on_ready, c);
}

TEST(who_waits_for_a_closed_client_is_told) {
  fixture f;
  call before = {.f = &f, .then = then_wait_always}, after = {.f = &f};
  setup(&f);
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  moonpool_ready(f.client, on_ready, &before);
  close_client(&f);
  CHECK_INT(before.count, 1);
  CHECK_INT(before.status, MOONPOOL_ECLOSED);
  moonpool_ready(f.client, on_ready, &after);
  CHECK_INT(after.count, 0);
  RUN_UNTIL(&f, f.gone);
  CHECK_INT(after.count, 1);
  CHECK_INT(after.status, MOONPOOL_ECLOSED);
  CHECK_INT(before.count, 2);
  teardown(&f);
}

TEST(close_is_legal_when_ready_is_told) {
  for (int is_there = 0; is_there < 2; is_there++) {
    fixture f;
    call first = {.f = &f, .then = then_close}, second = {.f = &f}, get = {0};
    setup_alone(&f);
    if (is_there) start_listening(&f);
    CHECK_INT(open_client(&f), MOONPOOL_OK);
    moonpool_ready(f.client, on_ready, &first);
    moonpool_ready(f.client, on_ready, &second);
    CHECK_INT(command(&f, "GET a", &get), MOONPOOL_OK);
    RUN_UNTIL(&f, f.gone);
    CHECK_INT(first.count, 1);
    CHECK_INT(first.status, is_there ? MOONPOOL_OK : MOONPOOL_ECONN);
    CHECK_INT(second.count, 1);
    CHECK_INT(get.count, 1);
    CHECK_INT(get.status, MOONPOOL_ECLOSED);
    teardown(&f);
  }
}

/* ---- peers of another kind ------------------------------------------------------------------- */

static void shake_as_http(peer_link *link, const char *command) {
  (void)command;
  peer_say(link, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void shake_and_drop(peer_link *link, const char *command) {
  (void)command;
  peer_drop(link);
}

static void shake_not(peer_link *link, const char *command) {
  (void)link, (void)command;
}

static void shake_wrong_password(peer_link *link, const char *command) {
  if (!begins_with(command, "PING"))
    peer_say(link, "-WRONGPASS invalid username-password pair\r\n");
}

static void shake_loading(peer_link *link, const char *command) {
  if (begins_with(command, "PING"))
    peer_say(link, "-LOADING Redis is loading the dataset in memory\r\n");
  else
    shake_as_redis(link, command);
}

static void shake_twice(peer_link *link, const char *command) {
  (void)command;
  peer_say(link, "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
}

static const struct {
  void (*shake)(peer_link *link, const char *command);
  int status;
  const char *message;
} shakes[] = {
    {shake_as_http, MOONPOOL_EPROTO, "\"H\""},
    {shake_and_drop, MOONPOOL_ECONN, "closed the connection"},
    {shake_not, MOONPOOL_ETIMEOUT, "no answer to the handshake within 50 ms"},
    {shake_wrong_password, MOONPOOL_EAUTH, "WRONGPASS"},
    {shake_loading, MOONPOOL_ECONN, "LOADING"},
};

TEST(a_failed_handshake_names_peer_and_reason) {
  for (size_t i = 0; i < sizeof shakes / sizeof *shakes; i++) {
    fixture f;
    call ready = {.f = &f, .then = then_is_waiting};
    char url[100];
    setup(&f);
    snprintf(url, sizeof url, "unix://ann:pw@%s", f.path);
    f.options.url = url;
    if (shakes[i].status == MOONPOOL_ETIMEOUT) f.options.connect_timeout = 50;
    if (shakes[i].shake == shake_loading) { /* which is waited for, for so long */
      f.options.connect_timeout = 1000;
      f.options.backoff_min = f.options.backoff_max = 400;
    }
    f.shake = shakes[i].shake;
    CHECK_INT(open_client(&f), MOONPOOL_OK);
    moonpool_ready(f.client, on_ready, &ready);
    RUN_UNTIL(&f, ready.count);
    CHECK_INT(ready.status, shakes[i].status);
    CHECK(strstr(ready.message, f.address));
    CHECK(strstr(ready.message, shakes[i].message));
    if (shakes[i].status != MOONPOOL_EAUTH) RUN_UNTIL(&f, f.link_count > 1);
    teardown(&f);
  }
}

/* LOADING for the first three, then as Redis would. */
static void shake_loading_thrice(peer_link *link, const char *command) {
  (link->f->link_count <= 3 ? shake_loading : shake_as_redis)(link, command);
}

TEST(a_server_that_still_loads_is_waited_for) {
  fixture f;
  call ready = {.f = &f}, get = {0};
  setup(&f);
  f.shake = shake_loading_thrice;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  moonpool_ready(f.client, on_ready, &ready);
  CHECK_INT(command(&f, "GET a", &get), MOONPOOL_OK);
  RUN_UNTIL(&f, ready.count);
  CHECK_INT(ready.status, MOONPOOL_OK);
  CHECK_INT(f.link_count, 4);
  CHECK_INT(get.count, 0);
  RUN_UNTIL(&f, has_heard(&f, 3, "GET a\n"));
  peer_say(&f.links[3], "+OK\r\n");
  RUN_UNTIL(&f, get.count);
  CHECK_INT(get.status, MOONPOOL_OK);
  teardown(&f);
}

/* More answers than questions: not Redis, and none of them answers what is asked later. */
TEST(answers_without_a_question_end_the_link) {
  fixture f;
  call get = {0};
  setup(&f);
  f.shake = shake_twice;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_INT(command(&f, "GET a", &get), MOONPOOL_OK);
  RUN_UNTIL(&f, f.link_count > 2);
  CHECK_INT(get.count, 0);
  teardown(&f);
  CHECK_INT(get.count, 1);
  CHECK_INT(get.status, MOONPOOL_ECLOSED);
}

static const test_case tests[] = {
    TEST_CASE(wrong_options_are_named),
    TEST_CASE(options_are_copied),
    TEST_CASE(nothing_happens_before_the_loop_runs),
    TEST_CASE(closing_nothing_and_twice_is_nothing),
    TEST_CASE(until_it_is_gone_it_is_closed),
    TEST_CASE(a_close_without_callback_frees_all),
    TEST_CASE(it_can_be_closed_at_any_moment),
    TEST_CASE(ready_is_told_once_to_each),
    TEST_CASE(the_first_failure_is_told_and_the_next_attempt_is_made),
    TEST_CASE(who_waits_again_is_told_of_the_next_attempt),
    TEST_CASE(who_waits_for_a_closed_client_is_told),
    TEST_CASE(close_is_legal_when_ready_is_told),
    TEST_CASE(a_failed_handshake_names_peer_and_reason),
    TEST_CASE(a_server_that_still_loads_is_waited_for),
    TEST_CASE(answers_without_a_question_end_the_link),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
