/* Events that are pulled: taken all at once, one by one, or left and taken later; and the count of
 * events beginning anew. */
#include "hub_fixture.h"
#include "hub_private.h"

/* Takes as many events a call as its test allows. */
typedef struct pull {
  fixture f;
  sub subs[3];
  int most, calls, taken;
  int is_closing;
} pull;

static void on_drain(moonpool *client, void *ctx) {
  pull *p = ctx;
  const moonpool_event *event;
  int got;
  p->calls++;
  for (int n = 0; n < p->most && (got = moonpool_next(client, &event)) != 0;) {
    if (got != 1) continue;
    on_event(event);
    p->taken++;
    n++;
    if (p->is_closing) close_client(&p->f);
  }
}

static void setup_pull(pull *p, int most) {
  memset(p, 0, sizeof *p);
  p->most = most;
  setup_ready(&p->f);
  p->f.hear = hear_as_redis;
  moonpool_set_drain(p->f.client, on_drain, p);
  for (int i = 0; i < 3; i++) {
    listen_to(&p->f, &p->subs[i], "room");
    RUN_UNTIL(&p->f, p->subs[i].confirmed.count);
  }
}

TEST(a_drain_takes_all_of_a_read) {
  pull p;
  setup_pull(&p, 1000);
  int calls = p.calls;
  char text[300];
  int len = 0;
  for (int i = 0; i < 3; i++)
    len += snprintf(text + len, sizeof text - (size_t)len,
                    "%c3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$1\r\n%d\r\n", push_mark(), i);
  peer_say(&p.f.links[1], text);
  RUN_UNTIL(&p.f, p.taken == 9);
  CHECK_INT(p.calls, calls + 1);
  for (int i = 0; i < 3; i++) CHECK_STR(p.subs[i].told, "room=0 room=1 room=2 ");
  teardown(&p.f);
}

/* What a drain leaves is what it was, whatever is read meanwhile, and also for a message that only
 * some of its listeners have had. */
TEST(what_a_drain_leaves_is_kept) {
  for (int most = 1; most <= 5; most++) {
    pull p;
    char text[40], expected[400] = "";
    setup_pull(&p, most);
    for (int i = 0; i < 12; i++) {
      snprintf(text, sizeof text, "%d%.*s", i, i, "============");
      snprintf(expected + strlen(expected), 60, "room=%s ", text);
      peer_publish(&p.f.links[1], "room", text);
      if (i % 3 == 0) uv_run(&p.f.loop, UV_RUN_NOWAIT);
      if (i == 5) CHECK_INT(command(&p.f, "GET a", NULL), MOONPOOL_OK); /* another turn */
    }
    p.subs[0].then = NULL;
    for (int i = 0; p.taken < 36 && !p.f.is_late; i++) { /* bytes that bring no event */
      peer_publish(&p.f.links[1], "nobodys", "................................................");
      uv_run(&p.f.loop, UV_RUN_NOWAIT);
    }
    for (int i = 0; i < 3; i++) CHECK_STR(p.subs[i].told, expected);
    teardown(&p.f);
  }
}

/* Events are left by the callback, and taken between two turns of the loop, a few at a time: they
 * are what they were, whatever was read meanwhile. */
TEST(a_drain_may_begin_after_the_turn) {
  for (int most = 1; most <= 7; most++) {
    pull p;
    char text[60], *expected = calloc(1, 8192);
    setup_pull(&p, 1);
    p.most = 0;
    CHECK_INT(moonpool_begin_drain(p.f.client), 1);
    CHECK_INT(moonpool_begin_drain(p.f.client), 0);
    moonpool_end_drain(p.f.client);
    for (int i = 0; i < 40; i++) {
      snprintf(text, sizeof text, "%d%.*s", i, i % 20, "====================");
      snprintf(expected + strlen(expected), 80, "room=%s ", text);
      peer_publish(&p.f.links[1], "room", text);
      if (i % 4 == 0) uv_run(&p.f.loop, UV_RUN_NOWAIT);
      p.most = most;
      REQUIRE(moonpool_begin_drain(p.f.client));
      on_drain(p.f.client, &p);
      moonpool_end_drain(p.f.client);
      p.most = 0;
    }
    while (p.taken < 120 && !p.f.is_late) {
      uv_run(&p.f.loop, UV_RUN_NOWAIT);
      p.most = most;
      REQUIRE(moonpool_begin_drain(p.f.client));
      on_drain(p.f.client, &p);
      moonpool_end_drain(p.f.client);
      p.most = 0;
    }
    for (int i = 0; i < 3; i++) CHECK_STR(p.subs[i].told, expected);
    free(expected);
    teardown(&p.f);
  }
}

TEST(a_client_closed_within_a_drain_has_nothing_more_to_take) {
  pull p;
  const moonpool_event *event;
  setup_pull(&p, 1);
  p.most = 0;
  peer_publish(&p.f.links[1], "room", "a");
  int calls = p.calls;
  RUN_UNTIL(&p.f, p.calls > calls);
  REQUIRE(moonpool_begin_drain(p.f.client));
  CHECK_INT(moonpool_next(p.f.client, &event), 1);
  on_event(event);
  moonpool *client = p.f.client;
  close_client(&p.f);
  CHECK_INT(moonpool_begin_drain(client), 0);
  teardown(&p.f);
}

TEST(a_drain_that_leaves_gets_every_event) {
  pull p;
  sub other = {0};
  setup_pull(&p, 1);
  listen_to(&p.f, &other, "a b c");
  ask_all_events(&other);
  for (int i = 0; !other.confirmed.count && !p.f.is_late; i++) {
    peer_publish(&p.f.links[1], "nobodys", ".........................");
    uv_run(&p.f.loop, UV_RUN_NOWAIT);
  }
  CHECK_STR(other.told, "+a/1 +b/1 +c/1 ");
  leave(&other);
  for (int i = 0; !other.left.count && !p.f.is_late; i++) {
    peer_publish(&p.f.links[1], "nobodys", ".........................");
    uv_run(&p.f.loop, UV_RUN_NOWAIT);
  }
  CHECK_STR(other.told, "+a/1 +b/1 +c/1 -a/1 -b/1 -c/1 ");
  teardown(&p.f);
}

TEST(an_event_left_without_memory_is_a_loss_that_is_told) {
  pull p;
  setup_pull(&p, 1);
  ask_all_events(&p.subs[2]);
  long before = p.f.heap.requests;
  test_heap_fail(&p.f.heap, before + 1, before + 2);
  peer_publish(&p.f.links[1], "room", "1");
  while (!strchr(p.subs[2].told, '~') && !p.f.is_late) {
    p.most = 1000;
    if (p.taken == 0) p.most = 1;
    uv_run(&p.f.loop, UV_RUN_ONCE);
  }
  CHECK_STR(p.subs[0].told, "room=1 ");
  CHECK_STR(p.subs[1].told, "");
  CHECK_STR(p.subs[2].told, "+room/1 ~ ");
  teardown(&p.f);
}

static void then_lose_the_link(fixture *f, sub *s, const moonpool_event *event) {
  (void)s, (void)event;
  if (f->link_count > 2) return;
  ((pull *)f)->most = 0;
  peer_drop(&f->links[1]);
}

/* Confirmed, and lost before the callback was made: the messages in between are missing. */
TEST(a_loss_before_the_confirmation_is_told_is_told_too) {
  pull p;
  sub s = {.then = then_lose_the_link};
  setup_pull(&p, 1);
  listen_to(&p.f, &s, "x");
  ask_all_events(&s);
  RUN_UNTIL(&p.f, strstr(heard(&p.f, 2), "x\n"));
  CHECK_INT(s.confirmed.count, 0);
  p.most = 1000;
  RUN_UNTIL(&p.f, strchr(s.told, '~'));
  CHECK_STR(s.told, "+x/1 +x/1 ~ ");
  CHECK_INT(s.confirmed.count, 1);
  teardown(&p.f);
}

TEST(nothing_follows_a_close) {
  pull p;
  setup_pull(&p, 1000);
  p.is_closing = 1;
  peer_publish(&p.f.links[1], "room", "1");
  peer_publish(&p.f.links[1], "room", "2");
  RUN_UNTIL(&p.f, p.f.gone);
  CHECK_INT(p.taken, 1);
  CHECK_STR(p.subs[0].told, "room=1 . ");
  CHECK_STR(p.subs[1].told, ". ");
  teardown(&p.f);
}

TEST(a_drain_may_be_taken_away) {
  pull p;
  setup_pull(&p, 2);
  peer_publish(&p.f.links[1], "room", "1");
  RUN_UNTIL(&p.f, p.taken == 2);
  moonpool_set_drain(p.f.client, NULL, NULL);
  peer_publish(&p.f.links[1], "room", "2");
  RUN_UNTIL(&p.f, p.subs[2].messages == 2);
  for (int i = 0; i < 3; i++) CHECK_STR(p.subs[i].told, "room=1 room=2 ");
  teardown(&p.f);
}

TEST(outside_a_drain_there_is_nothing) {
  pull p;
  const moonpool_event *event;
  setup_pull(&p, 1000);
  CHECK_INT(moonpool_next(p.f.client, &event), 0);
  teardown(&p.f);
}

/* ---- tags and turns -------------------------------------------------------------------------- */

static void then_tag(fixture *f, sub *s, const moonpool_event *event) {
  (void)f, (void)s;
  if (event->type == MOONPOOL_UNSUBSCRIBED || event->type == MOONPOOL_RECONNECTED) {
    CHECK(!event->tag);
    return;
  }
  if (event->type == MOONPOOL_ENDED) return;
  uint32_t own = (uint32_t)event->channel.data[0];
  CHECK_INT(*event->tag, event->type == MOONPOOL_SUBSCRIBED ? 0 : own);
  *event->tag = own;
}

TEST(each_name_of_a_listener_has_a_word) {
  fixture f;
  sub s = {.then = then_tag};
  setup_ready(&f);
  f.hear = hear_as_redis;
  listen_to(&f, &s, "a b");
  ask_all_events(&s);
  RUN_UNTIL(&f, s.confirmed.count);
  peer_publish(&f.links[1], "b", "1");
  peer_publish(&f.links[1], "a", "2");
  RUN_UNTIL(&f, s.messages == 2);
  teardown(&f);
}

/* Two thousand million events later. */
TEST(a_count_that_begins_anew_loses_no_message) {
  fixture f;
  sub old = {0}, young = {0};
  setup_subscribed(&f, &old, "room");
  mp_hub *hub = old.handle->hub;
  hub->turn = MP_TURN_MAX - 3;
  listen_to(&f, &young, "room"); /* born in that turn */
  RUN_UNTIL(&f, young.confirmed.count);
  for (int i = 1; i <= 8; i++) {
    peer_publish(&f.links[1], "room", "x");
    RUN_UNTIL(&f, young.messages == i);
    CHECK_INT(old.messages, i);
  }
  CHECK_INT(hub->turn, 5);
  teardown(&f);
}

static const test_case tests[] = {
    TEST_CASE(a_drain_takes_all_of_a_read),
    TEST_CASE(what_a_drain_leaves_is_kept),
    TEST_CASE(a_drain_may_begin_after_the_turn),
    TEST_CASE(a_client_closed_within_a_drain_has_nothing_more_to_take),
    TEST_CASE(a_drain_that_leaves_gets_every_event),
    TEST_CASE(an_event_left_without_memory_is_a_loss_that_is_told),
    TEST_CASE(a_loss_before_the_confirmation_is_told_is_told_too),
    TEST_CASE(nothing_follows_a_close),
    TEST_CASE(a_drain_may_be_taken_away),
    TEST_CASE(outside_a_drain_there_is_nothing),
    TEST_CASE(each_name_of_a_listener_has_a_word),
    TEST_CASE(a_count_that_begins_anew_loses_no_message),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
