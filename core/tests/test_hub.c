/* Subscriptions that share names, in whatever order they come and go; listeners that are added and
 * removed while a message is delivered. */
#include "hub_fixture.h"

static moonpool_stats stats_of(fixture *f) {
  moonpool_stats stats;
  moonpool_get_stats(f->client, &stats);
  return stats;
}

/* ---- coming and going ------------------------------------------------------------------------ */

TEST(a_name_is_subscribed_once_for_all) {
  fixture f;
  sub a = {0}, b = {0}, late = {0};
  setup_ready(&f);
  listen_to(&f, &a, "room other");
  listen_to(&f, &b, "room");
  RUN_UNTIL(&f, has_heard(&f, 1, "SUBSCRIBE room other\n"));
  CHECK_INT(stats_of(&f).wanted, 2);
  peer_confirm(&f.links[1], "subscribe", "room", 1);
  RUN_UNTIL(&f, b.confirmed.count);
  CHECK_STR(b.confirmed.text, "1");
  CHECK_INT(a.confirmed.count, 0); /* not every name yet */
  listen_to(&f, &late, "room");
  CHECK_INT(late.confirmed.count, 0); /* never from inside */
  RUN_UNTIL(&f, late.confirmed.count);
  peer_confirm(&f.links[1], "subscribe", "other", 2);
  RUN_UNTIL(&f, a.confirmed.count);
  CHECK_INT(stats_of(&f).confirmed, 2);
  peer_publish(&f.links[1], "room", "hi");
  peer_publish(&f.links[1], "other", "ho");
  peer_publish(&f.links[1], "nobodys", "?");
  RUN_UNTIL(&f, a.messages == 2);
  CHECK_STR(a.told, "room=hi other=ho ");
  CHECK_STR(b.told, "room=hi ");
  CHECK_STR(late.told, "room=hi ");
  CHECK_INT(stats_of(&f).messages, 4);

  leave(&a);
  CHECK_INT(a.left.count, 0);
  RUN_UNTIL(&f, strstr(heard(&f, 1), "\nUNSUBSCRIBE other\n"));
  CHECK_INT(a.left.count, 0);
  peer_publish(&f.links[1], "room", "still");
  peer_publish(&f.links[1], "other", "late");
  peer_confirm(&f.links[1], "unsubscribe", "other", 1);
  RUN_UNTIL(&f, a.left.count);
  CHECK_STR(a.left.text, "1");
  CHECK_INT(a.messages, 2);
  CHECK_INT(b.messages, 2);
  leave(&late);
  RUN_UNTIL(&f, late.left.count); /* nothing to tell Redis */
  leave(&b);
  RUN_UNTIL(&f, strstr(heard(&f, 1), "\nUNSUBSCRIBE other\nUNSUBSCRIBE room\n"));
  peer_confirm(&f.links[1], "unsubscribe", "room", 0);
  RUN_UNTIL(&f, b.left.count);
  CHECK_INT(stats_of(&f).wanted + stats_of(&f).confirmed, 0);
  teardown(&f);
  CHECK_INT(a.confirmed.count + b.confirmed.count + late.confirmed.count, 3);
  CHECK_INT(a.left.count + b.left.count + late.left.count, 3);
  CHECK_INT(a.ends + b.ends + late.ends, 0);
}

TEST(kinds_do_not_meet) {
  fixture f;
  sub channel = {0}, pattern = {0}, shard = {0};
  char text[300];
  setup_ready(&f);
  f.hear = hear_as_redis;
  CHECK_INT(subscribe(&f, &channel, MOONPOOL_CHANNEL, "a"), MOONPOOL_OK);
  CHECK_INT(subscribe(&f, &pattern, MOONPOOL_PATTERN, "a"), MOONPOOL_OK);
  CHECK_INT(subscribe(&f, &shard, MOONPOOL_SHARD, "a"), MOONPOOL_OK);
  ask_all_events(&channel);
  ask_all_events(&pattern);
  ask_all_events(&shard);
  RUN_UNTIL(&f, channel.confirmed.count + pattern.confirmed.count + shard.confirmed.count == 3);
  CHECK(has_heard(&f, 1, "SUBSCRIBE a\nPSUBSCRIBE a\nSSUBSCRIBE a\n"));
  snprintf(text, sizeof text,
           "%c3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\ns\r\n"
           "%c4\r\n$8\r\npmessage\r\n$1\r\na\r\n$1\r\na\r\n$1\r\np\r\n"
           "%c3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n",
           push_mark(), push_mark(), push_mark());
  peer_say(&f.links[1], text);
  RUN_UNTIL(&f, channel.messages);
  leave(&channel);
  leave(&pattern);
  leave(&shard);
  RUN_UNTIL(&f, channel.left.count + pattern.left.count + shard.left.count == 3);
  CHECK_STR(channel.told, "+a/1 a=m -a/1 ");
  CHECK_STR(pattern.told, "+a/1 a|a=p -a/1 ");
  CHECK_STR(shard.told, "+a/1 a=s -a/1 ");
  teardown(&f);
}

TEST(wrong_names_change_nothing) {
  fixture f;
  sub s = {0};
  moonpool_bytes good = {"good", 4}, names[] = {good, {"too long", 8}};
  moonpool_subscription *handle = (moonpool_subscription *)&f;
  setup(&f);
  f.options.max_name = 7;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  CHECK_INT(
      moonpool_subscribe(f.client, MOONPOOL_CHANNEL, names, 0, on_event, on_confirm, &s, &handle),
      MOONPOOL_EARG);
  CHECK(!handle);
  CHECK_INT(
      moonpool_subscribe(f.client, MOONPOOL_CHANNEL, names, 2, on_event, on_confirm, &s, &handle),
      MOONPOOL_ETOOBIG);
  CHECK(!handle);
  CHECK_INT(stats_of(&f).wanted, 0);
  RUN_UNTIL(&f, state_of(&f) == MOONPOOL_READY);
  teardown(&f);
  CHECK_INT(f.link_count, 1);
  CHECK_INT(s.confirmed.count, 0);
}

/* Twice the same, the empty one, and bytes that are none of text. */
TEST(any_bytes_are_a_name) {
  static const char payload[] = "a\0\r\n%s";
  fixture f;
  sub s = {0};
  moonpool_bytes names[] = {{NULL, 0}, {"a\0\r\n%s", 6}, {"", 0}, {"a\0\r\n%s", 6}};
  char text[200];
  setup_ready(&f);
  s.f = s.confirmed.f = &f;
  CHECK_INT(
      moonpool_subscribe(f.client, MOONPOOL_CHANNEL, names, 4, on_event, on_confirm, &s, &s.handle),
      MOONPOOL_OK);
  CHECK_INT(stats_of(&f).wanted, 2);
  RUN_UNTIL(&f, f.link_count == 2 && f.links[1].heard.len);
  int len = snprintf(text, sizeof text, "%c3\r\n$9\r\nsubscribe\r\n$0\r\n\r\n:1\r\n", push_mark());
  len += snprintf(text + len, 60, "%c3\r\n$9\r\nsubscribe\r\n$6\r\n", push_mark());
  memcpy(text + len, "a\0\r\n%s\r\n:2\r\n", 12);
  peer_say_bytes(&f.links[1], text, (size_t)len + 12);
  RUN_UNTIL(&f, s.confirmed.count);
  len = snprintf(text, sizeof text, "%c3\r\n$7\r\nmessage\r\n$6\r\n", push_mark());
  memcpy(text + len, "a\0\r\n%s\r\n$6\r\n", 12);
  memcpy(text + len + 12, payload, 6);
  memcpy(text + len + 18, "\r\n", 2);
  peer_say_bytes(&f.links[1], text, (size_t)len + 20);
  RUN_UNTIL(&f, s.messages);
  CHECK_INT(s.messages, 1);
  teardown(&f);
}

TEST(names_travel_in_batches_within_a_window) {
  fixture f;
  sub s = {0};
  setup(&f);
  f.options.subscribe_batch = 2;
  f.options.subscribe_window = 2;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  listen_to(&f, &s, "a b c d e");
  RUN_UNTIL(&f, has_heard(&f, 1, "SUBSCRIBE a b\nSUBSCRIBE c d\n"));
  peer_confirm(&f.links[1], "subscribe", "a", 1);
  peer_confirm(&f.links[1], "subscribe", "b", 2);
  RUN_UNTIL(&f, has_heard(&f, 1, "SUBSCRIBE a b\nSUBSCRIBE c d\nSUBSCRIBE e\n"));
  peer_confirm(&f.links[1], "subscribe", "c", 3);
  peer_confirm(&f.links[1], "subscribe", "d", 4);
  peer_confirm(&f.links[1], "subscribe", "e", 5);
  RUN_UNTIL(&f, s.confirmed.count);
  CHECK_STR(s.confirmed.text, "5");
  teardown(&f);
}

/* The limits of the command queue are the commands': a long SUBSCRIBE needs no room there. */
TEST(commands_and_names_do_not_share_limits) {
  fixture f;
  sub s = {0};
  setup(&f);
  f.hear = hear_as_redis;
  f.options.max_queue = 1;
  f.options.max_queue_bytes = 30;
  f.options.subscribe_batch = 1;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  listen_to(&f, &s, "a-name-of-some-length another-name-of-some-length a-third-name");
  RUN_UNTIL(&f, s.confirmed.count);
  CHECK_INT(s.confirmed.status, MOONPOOL_OK);
  teardown(&f);
}

TEST(who_comes_back_before_redis_knows_stays) {
  fixture f;
  sub first = {0}, second = {0}, third = {0};
  setup_subscribed(&f, &first, "room");
  leave(&first);
  listen_to(&f, &second, "room");
  RUN_UNTIL(&f, first.left.count && second.confirmed.count);
  CHECK(has_heard(&f, 1, "")); /* nothing had to be said */
  leave(&second);
  RUN_UNTIL(&f, has_heard(&f, 1, "UNSUBSCRIBE room\n"));
  listen_to(&f, &third, "room");
  RUN_UNTIL(&f, has_heard(&f, 1, "UNSUBSCRIBE room\nSUBSCRIBE room\n"));
  peer_publish(&f.links[1], "room", "between");
  peer_confirm(&f.links[1], "unsubscribe", "room", 0);
  RUN_UNTIL(&f, second.left.count);
  CHECK_INT(third.confirmed.count, 0);
  peer_confirm(&f.links[1], "subscribe", "room", 1);
  RUN_UNTIL(&f, third.confirmed.count);
  pass(&f, 1, &third, "room");
  CHECK_INT(first.messages + second.messages, 0);
  teardown(&f);
}

/* ---- while a message is delivered ------------------------------------------------------------ */

enum { SUBS = 4 };

typedef struct crowd {
  fixture f;
  sub subs[SUBS], added;
  int acting, leaving;
  int is_confirmed; /* leaving asks for a confirmation */
} crowd;

static void setup_crowd(crowd *c) {
  memset(c, 0, sizeof *c);
  setup_subscribed(&c->f, &c->subs[0], "room");
  for (int i = 1; i < SUBS; i++) {
    listen_to(&c->f, &c->subs[i], "room");
    RUN_UNTIL(&c->f, c->subs[i].confirmed.count);
  }
}

static void then_one_leaves(fixture *f, sub *s, const moonpool_event *event) {
  crowd *c = (crowd *)f;
  (void)event;
  if (s != &c->subs[c->acting] || s->messages > 1) return;
  sub *leaver = &c->subs[c->leaving];
  if (c->is_confirmed)
    leave(leaver);
  else
    moonpool_unsubscribe(leaver->handle, NULL, NULL);
}

TEST(any_listener_may_end_any_other_while_it_is_told) {
  for (int i = 0; i < SUBS * SUBS * 2; i++) {
    crowd c;
    setup_crowd(&c);
    c.acting = i / 2 / SUBS;
    c.leaving = i / 2 % SUBS;
    c.is_confirmed = i % 2;
    for (int j = 0; j < SUBS; j++) c.subs[j].then = then_one_leaves;
    peer_publish(&c.f.links[1], "room", "1");
    peer_publish(&c.f.links[1], "room", "2");
    sub *last = &c.subs[c.leaving == SUBS - 1 ? SUBS - 2 : SUBS - 1];
    RUN_UNTIL(&c.f, last->messages == 2);
    for (int j = 0; j < SUBS; j++) {
      const char *whole = "room=1 room=2 ", *half = c.acting < c.leaving ? "" : "room=1 ";
      CHECK_STR(c.subs[j].told, j == c.leaving ? half : whole);
    }
    teardown(&c.f);
    for (int j = 0; j < SUBS; j++) CHECK_INT(c.subs[j].ends, j != c.leaving);
    CHECK_INT(c.subs[c.leaving].left.count, c.is_confirmed);
  }
}

static void then_all_leave(fixture *f, sub *s, const moonpool_event *event) {
  crowd *c = (crowd *)f;
  (void)event;
  if (s != &c->subs[c->acting]) return;
  for (int i = 0; i < SUBS; i++) moonpool_unsubscribe(c->subs[i].handle, NULL, NULL);
}

TEST(any_listener_may_end_all_while_it_is_told) {
  for (int acting = 0; acting < SUBS; acting++) {
    crowd c;
    setup_crowd(&c);
    c.acting = acting;
    for (int j = 0; j < SUBS; j++) c.subs[j].then = then_all_leave;
    peer_publish(&c.f.links[1], "room", "1");
    peer_publish(&c.f.links[1], "room", "2");
    RUN_UNTIL(&c.f, has_heard(&c.f, 1, "UNSUBSCRIBE room\n"));
    for (int j = 0; j < SUBS; j++) CHECK_INT(c.subs[j].messages, j <= acting);
    teardown(&c.f);
  }
}

static void then_one_is_added(fixture *f, sub *s, const moonpool_event *event) {
  crowd *c = (crowd *)f;
  (void)event;
  if (s == &c->subs[c->acting] && s->messages == 1) listen_to(f, &c->added, "room");
}

TEST(who_is_added_meanwhile_gets_the_next) {
  for (int acting = 0; acting < SUBS; acting++) {
    crowd c;
    setup_crowd(&c);
    c.acting = acting;
    for (int j = 0; j < SUBS; j++) c.subs[j].then = then_one_is_added;
    peer_publish(&c.f.links[1], "room", "1");
    peer_publish(&c.f.links[1], "room", "2");
    RUN_UNTIL(&c.f, c.added.messages && c.added.confirmed.count);
    CHECK_STR(c.added.told, "room=2 ");
    for (int j = 0; j < SUBS; j++) CHECK_STR(c.subs[j].told, "room=1 room=2 ");
    CHECK(has_heard(&c.f, 1, ""));
    teardown(&c.f);
    CHECK_INT(c.added.confirmed.count, 1);
  }
}

static const test_case tests[] = {
    TEST_CASE(a_name_is_subscribed_once_for_all),
    TEST_CASE(kinds_do_not_meet),
    TEST_CASE(wrong_names_change_nothing),
    TEST_CASE(any_bytes_are_a_name),
    TEST_CASE(names_travel_in_batches_within_a_window),
    TEST_CASE(commands_and_names_do_not_share_limits),
    TEST_CASE(who_comes_back_before_redis_knows_stays),
    TEST_CASE(any_listener_may_end_any_other_while_it_is_told),
    TEST_CASE(any_listener_may_end_all_while_it_is_told),
    TEST_CASE(who_is_added_meanwhile_gets_the_next),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
