/* Subscriptions that end before they are confirmed, with their client, out of time, and inside
 * every callback: each confirmation is called once, and nothing after the end. */
#include "hub_fixture.h"

/* ---- before they are confirmed --------------------------------------------------------------- */

TEST(who_leaves_before_the_confirmation_is_told_of_both) {
  fixture f;
  sub s = {0}, again = {0};
  setup_ready(&f);
  listen_to(&f, &s, "room");
  RUN_UNTIL(&f, has_heard(&f, 1, "SUBSCRIBE room\n"));
  leave(&s);
  CHECK_INT(s.left.count, 0); /* never from inside */
  RUN_UNTIL(&f, has_heard(&f, 1, "SUBSCRIBE room\nUNSUBSCRIBE room\n"));
  CHECK_INT(s.confirmed.count, 1);
  CHECK_INT(s.confirmed.status, MOONPOOL_ECLOSED);
  CHECK_INT(s.left.count, 0); /* Redis has not said so yet */
  peer_confirm(&f.links[1], "subscribe", "room", 1);
  peer_publish(&f.links[1], "room", "late");
  peer_confirm(&f.links[1], "unsubscribe", "room", 0);
  RUN_UNTIL(&f, s.left.count);
  CHECK_INT(s.left.status, MOONPOOL_OK);
  CHECK_STR(s.left.text, "0");
  listen_to(&f, &again, "room");
  leave(&again); /* nothing was written yet: nothing is to be undone */
  CHECK_INT(again.left.count, 0);
  RUN_UNTIL(&f, again.left.count);
  teardown(&f);
  CHECK_INT(s.confirmed.count + again.confirmed.count, 2);
  CHECK_INT(s.left.count + again.left.count, 2);
  CHECK_INT(s.messages + s.ends + again.ends, 0);
}

TEST(who_waits_too_long_is_told) {
  fixture f;
  sub s = {0}, other = {0};
  setup(&f);
  f.options.command_timeout = 500;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  listen_to(&f, &s, "room");
  listen_to(&f, &other, "other");
  RUN_UNTIL(&f, f.link_count == 2 && f.links[1].heard.len);
  peer_confirm(&f.links[1], "subscribe", "room", 1);
  RUN_UNTIL(&f, other.confirmed.count);
  CHECK_INT(s.confirmed.status, MOONPOOL_OK);
  CHECK_INT(other.confirmed.status, MOONPOOL_ETIMEOUT);
  CHECK(strstr(other.confirmed.message, f.address));
  RUN_UNTIL(&f, strstr(heard(&f, 1), "UNSUBSCRIBE other\n")); /* it is not wanted any more */
  teardown(&f);
  CHECK_INT(other.confirmed.count, 1);
  CHECK_INT(other.ends, 0);
}

TEST(the_last_error_is_told_to_who_waited) {
  fixture f;
  sub s = {0};
  setup_alone(&f);
  f.options.command_timeout = 200;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  listen_to(&f, &s, "room");
  RUN_UNTIL(&f, s.confirmed.count);
  CHECK_INT(s.confirmed.status, MOONPOOL_ETIMEOUT);
  CHECK(strstr(s.confirmed.message, "connect to"));
  teardown(&f);
}

/* ---- a close inside every callback ----------------------------------------------------------- */

static void then_client_ends(fixture *f, sub *s, const moonpool_event *event) {
  (void)s, (void)event;
  close_client(f);
}

TEST(a_listener_may_close_the_client) {
  enum { SUBS = 3 };
  for (int closing = 0; closing < SUBS; closing++) {
    fixture f;
    sub subs[SUBS] = {{0}};
    setup_subscribed(&f, &subs[0], "room");
    for (int i = 1; i < SUBS; i++) {
      listen_to(&f, &subs[i], "room other");
      RUN_UNTIL(&f, strstr(heard(&f, 1), "other"));
    }
    subs[closing].then = then_client_ends;
    peer_publish(&f.links[1], "room", "1");
    peer_publish(&f.links[1], "room", "2");
    RUN_UNTIL(&f, f.gone);
    for (int i = 0; i < SUBS; i++) {
      CHECK_INT(subs[i].messages, i <= closing);
      CHECK_INT(subs[i].ends + (subs[i].confirmed.status == MOONPOOL_ECLOSED), 1);
      CHECK_INT(subs[i].confirmed.count, 1);
    }
    teardown(&f);
  }
}

TEST(a_confirmation_may_close_the_client) {
  fixture f;
  sub first = {.confirmed.then = then_close}, second = {0};
  setup_ready(&f);
  f.hear = hear_as_redis;
  listen_to(&f, &first, "room");
  listen_to(&f, &second, "room");
  RUN_UNTIL(&f, f.gone);
  CHECK_INT(first.confirmed.status, MOONPOOL_OK);
  CHECK_INT(first.ends, 1);
  CHECK_INT(second.confirmed.count, 1);
  teardown(&f);
}

TEST(a_refusal_may_close_the_client) {
  fixture f;
  sub first = {.confirmed.then = then_close}, second = {0}, holder = {0};
  setup_subscribed(&f, &holder, "held");
  listen_to(&f, &first, "room");
  listen_to(&f, &second, "room held");
  RUN_UNTIL(&f, has_heard(&f, 1, "SUBSCRIBE room\n"));
  peer_say(&f.links[1], "-NOPERM no permissions to access a channel\r\n");
  RUN_UNTIL(&f, f.gone);
  CHECK_INT(first.confirmed.status, MOONPOOL_EPERM);
  CHECK_INT(second.confirmed.count, 1);
  CHECK_INT(holder.ends, 1);
  teardown(&f);
}

TEST(a_deadline_may_close_the_client) {
  fixture f;
  sub first = {.confirmed.then = then_close}, second = {0};
  setup(&f);
  f.options.command_timeout = 20;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  listen_to(&f, &first, "a");
  listen_to(&f, &second, "b");
  RUN_UNTIL(&f, f.gone);
  CHECK_INT(first.confirmed.status, MOONPOOL_ETIMEOUT);
  CHECK_INT(second.confirmed.count, 1);
  teardown(&f);
}

TEST(who_has_left_may_close_the_client) {
  fixture f;
  sub first = {.left.then = then_close}, second = {0}, third = {0};
  setup_subscribed(&f, &first, "room other");
  listen_to(&f, &second, "room");
  listen_to(&f, &third, "other");
  f.hear = hear_as_redis;
  RUN_UNTIL(&f, second.confirmed.count && third.confirmed.count);
  leave(&first);
  leave(&second);
  RUN_UNTIL(&f, f.gone);
  CHECK_INT(first.left.count, 1);
  CHECK_INT(second.left.count, 1);
  CHECK_INT(third.ends, 1);
  CHECK_INT(first.ends + second.ends, 0);
  teardown(&f);
}

TEST(an_event_may_close_the_client) {
  fixture f;
  sub s = {.then = then_client_ends}, other = {0};
  setup_subscribed(&f, &other, "other");
  f.hear = hear_as_redis;
  listen_to(&f, &s, "room");
  ask_all_events(&s);
  RUN_UNTIL(&f, f.gone);
  CHECK_STR(s.told, "+room/1 ");
  CHECK_INT(s.confirmed.count, 1);
  CHECK_INT(s.confirmed.status, MOONPOOL_ECLOSED);
  CHECK_STR(other.told, ". ");
  teardown(&f);
}

/* ---- the client's end ------------------------------------------------------------------------ */

TEST(a_close_ends_every_state_of_a_subscription) {
  fixture f;
  sub active = {0}, pending = {0}, leaving = {0}, unsaid = {0};
  setup_subscribed(&f, &active, "a b");
  f.hear = hear_as_redis;
  listen_to(&f, &leaving, "c");
  listen_to(&f, &unsaid, "d");
  RUN_UNTIL(&f, leaving.confirmed.count && unsaid.confirmed.count);
  f.hear = NULL;
  leave(&leaving);
  listen_to(&f, &pending, "a e");
  RUN_UNTIL(&f, strstr(heard(&f, 1), "UNSUBSCRIBE c"));
  leave(&unsaid);
  close_client(&f);
  CHECK_STR(active.told, ". ");
  CHECK_INT(pending.confirmed.status, MOONPOOL_ECLOSED);
  CHECK_INT(leaving.left.count, 1);
  CHECK_INT(unsaid.left.count, 1);
  teardown(&f);
  CHECK_INT(active.ends, 1);
  CHECK_INT(pending.confirmed.count, 1);
  CHECK_INT(pending.ends + leaving.ends + unsaid.ends, 0);
}

enum { SUBS = 4 };

typedef struct crowd {
  fixture f;
  sub subs[SUBS];
  int acting, is_confirmed;
} crowd;

/* When it is told of the end, one ends all of them, itself too. */
static void then_all_leave(fixture *f, sub *s, const moonpool_event *event) {
  crowd *c = (crowd *)f;
  if (event->type != MOONPOOL_ENDED || s != &c->subs[c->acting]) return;
  for (int i = 0; i < SUBS; i++) {
    if (c->subs[i].ends && &c->subs[i] != s) continue; /* that one is gone */
    if (c->is_confirmed)
      leave(&c->subs[i]);
    else
      moonpool_unsubscribe(c->subs[i].handle, NULL, NULL);
  }
}

TEST(whom_the_end_is_told_may_end_the_others) {
  for (int i = 0; i < SUBS * 2; i++) {
    static crowd c;
    memset(&c, 0, sizeof c);
    c.acting = i / 2;
    c.is_confirmed = i % 2;
    setup_subscribed(&c.f, &c.subs[0], "a b");
    c.f.hear = hear_as_redis;
    listen_to(&c.f, &c.subs[1], "b a");
    listen_to(&c.f, &c.subs[2], "c");
    listen_to(&c.f, &c.subs[3], "a d");
    for (int j = 0; j < SUBS; j++) {
      RUN_UNTIL(&c.f, c.subs[j].confirmed.count);
      c.subs[j].then = then_all_leave;
    }
    teardown(&c.f);
    for (int j = 0; j < SUBS; j++) {
      CHECK_INT(c.subs[j].confirmed.count, 1);
      CHECK(c.subs[j].ends + c.subs[j].left.count >= (c.is_confirmed || j == c.acting));
      CHECK(c.subs[j].ends <= 1 && c.subs[j].left.count <= c.is_confirmed);
    }
    CHECK_INT(c.subs[c.acting].ends, 1);
    CHECK_INT(c.subs[c.acting].left.count, c.is_confirmed);
  }
}

static void then_try_in_vain(fixture *f, call *c) {
  static sub never;
  (void)c;
  CHECK_INT(subscribe(f, &never, MOONPOOL_CHANNEL, "never"), MOONPOOL_ECLOSED);
  CHECK(!never.handle);
}

TEST(whom_the_end_is_told_subscribes_in_vain) {
  fixture f;
  sub s = {.confirmed.then = then_try_in_vain};
  setup_ready(&f);
  listen_to(&f, &s, "room");
  teardown(&f);
  CHECK_INT(s.confirmed.status, MOONPOOL_ECLOSED);
}

/* With a drain set, too, the end is told by callback. */
static void drain_nothing(moonpool *client, void *ctx) {
  (void)client, (void)ctx;
}

TEST(the_end_is_no_matter_of_the_drain) {
  fixture f;
  sub s = {0};
  setup_subscribed(&f, &s, "room");
  moonpool_set_drain(f.client, drain_nothing, NULL);
  peer_publish(&f.links[1], "room", "unread");
  uv_run(&f.loop, UV_RUN_NOWAIT);
  teardown(&f);
  CHECK_STR(s.told, ". ");
}

static const test_case tests[] = {
    TEST_CASE(who_leaves_before_the_confirmation_is_told_of_both),
    TEST_CASE(who_waits_too_long_is_told),
    TEST_CASE(the_last_error_is_told_to_who_waited),
    TEST_CASE(a_listener_may_close_the_client),
    TEST_CASE(a_confirmation_may_close_the_client),
    TEST_CASE(a_refusal_may_close_the_client),
    TEST_CASE(a_deadline_may_close_the_client),
    TEST_CASE(who_has_left_may_close_the_client),
    TEST_CASE(an_event_may_close_the_client),
    TEST_CASE(a_close_ends_every_state_of_a_subscription),
    TEST_CASE(whom_the_end_is_told_may_end_the_others),
    TEST_CASE(whom_the_end_is_told_subscribes_in_vain),
    TEST_CASE(the_end_is_no_matter_of_the_drain),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
