/* Subscriptions whose link is lost, refused, or in the hands of a peer that breaks the rules: all
 * that is still wanted is subscribed again, and nobody is told twice. */
#include "hub_fixture.h"

static moonpool_stats stats_of(fixture *f) {
  moonpool_stats stats;
  moonpool_get_stats(f->client, &stats);
  return stats;
}

static const char noperm[] = "-NOPERM no permissions to access a channel\r\n";

/* ---- lost ----------------------------------------------------------------------------------- */

TEST(what_is_wanted_is_subscribed_again) {
  fixture f;
  sub one = {0}, both = {0}, gone = {0};
  setup_subscribed(&f, &one, "a");
  f.hear = hear_as_redis;
  listen_to(&f, &both, "a b");
  listen_to(&f, &gone, "c");
  RUN_UNTIL(&f, both.confirmed.count && gone.confirmed.count);
  f.hear = NULL;
  ask_all_events(&one);
  ask_all_events(&both);
  stop_listening(&f);
  peer_drop(&f.links[1]);
  RUN_UNTIL(&f, stats_of(&f).confirmed == 0);
  CHECK_INT(stats_of(&f).wanted, 3);
  leave(&gone);
  RUN_UNTIL(&f, gone.left.count); /* who leaves meanwhile need not wait */
  start_listening(&f);
  RUN_UNTIL(&f, has_heard(&f, 2, "SUBSCRIBE a b\n"));
  peer_confirm(&f.links[2], "subscribe", "a", 1);
  peer_publish(&f.links[2], "a", "early");
  RUN_UNTIL(&f, both.messages);
  CHECK_STR(one.told, "+a/1 ~ a=early ");
  CHECK_STR(both.told, "+a/1 a=early ");
  peer_confirm(&f.links[2], "subscribe", "b", 2);
  RUN_UNTIL(&f, strchr(both.told, '~'));
  CHECK_STR(both.told, "+a/1 a=early +b/2 ~ ");
  CHECK_INT(stats_of(&f).confirmed, 2);
  CHECK_INT(stats_of(&f).reconnects, 1);
  teardown(&f);
  CHECK_INT(one.confirmed.count + both.confirmed.count + gone.confirmed.count, 3);
}

static int confirmations; /* that hear_some still gives */

static void hear_some(peer_link *link, const moonpool_reply *command) {
  const moonpool_reply *word = command->u.list.first->next;
  char name[20];
  for (; word && confirmations > 0; word = word->next, confirmations--) {
    snprintf(name, sizeof name, "%.*s", TEXT(word->u.string));
    peer_confirm(link, "subscribe", name, 1);
  }
}

/* Lost again when some names are confirmed, some on their way and some not written yet. */
TEST(a_loss_in_the_middle_of_resubscribing_starts_anew) {
  fixture f;
  sub active = {0}, pending = {0};
  setup(&f);
  f.options.subscribe_batch = 2;
  f.options.subscribe_window = 1;
  f.hear = hear_as_redis;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  listen_to(&f, &active, "a b c d");
  RUN_UNTIL(&f, active.confirmed.count);
  ask_all_events(&active);
  f.hear = hear_some;
  for (int some = 0; some < 4; some++) {
    int number = f.link_count - 1;
    confirmations = some;
    peer_drop(&f.links[number]);
    RUN_UNTIL(&f, confirmations == 0 && strlen(heard(&f, number + 1)) > 0);
    RUN_UNTIL(&f, (int)stats_of(&f).confirmed == some);
    if (some == 0) listen_to(&f, &pending, "a e");
  }
  CHECK(!strchr(active.told, '~'));
  f.hear = hear_as_redis;
  peer_drop(&f.links[f.link_count - 1]);
  RUN_UNTIL(&f, pending.confirmed.count && strchr(active.told, '~'));
  CHECK(strchr(active.told, '~') == strrchr(active.told, '~'));
  CHECK_INT(stats_of(&f).confirmed, 5);
  pass(&f, f.link_count - 1, &active, "d");
  pass(&f, f.link_count - 1, &pending, "e");
  teardown(&f);
  CHECK_INT(active.confirmed.count, 1);
  CHECK_INT(pending.confirmed.count, 1);
}

TEST(who_waits_for_an_unsubscribe_is_told_by_the_loss) {
  fixture f;
  sub leaving = {0}, stays = {0};
  setup_subscribed(&f, &leaving, "a b");
  listen_to(&f, &stays, "b");
  RUN_UNTIL(&f, stays.confirmed.count);
  leave(&leaving);
  RUN_UNTIL(&f, has_heard(&f, 1, "UNSUBSCRIBE a\n"));
  CHECK_INT(leaving.left.count, 0);
  peer_drop(&f.links[1]);
  RUN_UNTIL(&f, has_heard(&f, 2, "SUBSCRIBE b\n"));
  CHECK_INT(leaving.left.count, 1);
  teardown(&f);
}

/* ---- refused --------------------------------------------------------------------------------- */

TEST(one_refused_name_does_not_refuse_the_others) {
  fixture f;
  sub a = {0}, b = {0}, both = {0}, again = {0};
  setup_ready(&f);
  listen_to(&f, &a, "a");
  listen_to(&f, &b, "b");
  listen_to(&f, &both, "c b");
  RUN_UNTIL(&f, has_heard(&f, 1, "SUBSCRIBE a b c\n"));
  peer_say(&f.links[1], noperm);
  RUN_UNTIL(&f, has_heard(&f, 1, "SUBSCRIBE a b c\nSUBSCRIBE a\nSUBSCRIBE b\nSUBSCRIBE c\n"));
  CHECK_INT(a.confirmed.count + b.confirmed.count + both.confirmed.count, 0);
  peer_confirm(&f.links[1], "subscribe", "a", 1);
  peer_say(&f.links[1], noperm);
  peer_confirm(&f.links[1], "subscribe", "c", 2);
  RUN_UNTIL(&f, both.confirmed.count);
  CHECK_INT(a.confirmed.status, MOONPOOL_OK);
  CHECK_INT(b.confirmed.status, MOONPOOL_EPERM);
  CHECK(strstr(b.confirmed.message, "'b'") && strstr(b.confirmed.message, "NOPERM"));
  CHECK_INT(both.confirmed.status, MOONPOOL_EPERM);
  RUN_UNTIL(&f, strstr(heard(&f, 1), "\nUNSUBSCRIBE c\n")); /* nobody wants it any more */
  forget_heard(&f, 1);
  listen_to(&f, &again, "b"); /* who asks anew has Redis asked anew */
  RUN_UNTIL(&f, has_heard(&f, 1, "SUBSCRIBE b\n"));
  teardown(&f);
  CHECK_INT(b.confirmed.count + both.confirmed.count + again.confirmed.count, 3);
}

static void then_subscribe_again(fixture *f, call *c) {
  sub *s = (sub *)((char *)c - offsetof(sub, confirmed));
  if (c->status == MOONPOOL_EPERM && c->count < 4) listen_to(f, s, "a");
}

TEST(who_asks_again_when_refused_asks_redis) {
  fixture f;
  sub s = {.confirmed.then = then_subscribe_again};
  setup_ready(&f);
  listen_to(&f, &s, "a");
  for (int i = 1; i <= 3; i++) {
    RUN_UNTIL(&f, has_heard(&f, 1, "SUBSCRIBE a\n"));
    forget_heard(&f, 1);
    peer_say(&f.links[1], noperm);
    RUN_UNTIL(&f, s.confirmed.count >= i);
    CHECK_INT(s.confirmed.count, i);
  }
  RUN_UNTIL(&f, has_heard(&f, 1, "SUBSCRIBE a\n"));
  peer_confirm(&f.links[1], "subscribe", "a", 1);
  RUN_UNTIL(&f, s.confirmed.count == 4);
  CHECK_INT(s.confirmed.status, MOONPOOL_OK);
  teardown(&f);
}

TEST(who_is_refused_after_a_loss_keeps_the_rest) {
  fixture f;
  sub s = {0}, pending = {0};
  setup_subscribed(&f, &s, "a b");
  ask_all_events(&s);
  peer_drop(&f.links[1]);
  RUN_UNTIL(&f, has_heard(&f, 2, "SUBSCRIBE a b\n"));
  listen_to(&f, &pending, "a");
  peer_say(&f.links[2], noperm);
  RUN_UNTIL(&f, has_heard(&f, 2, "SUBSCRIBE a b\nSUBSCRIBE a\nSUBSCRIBE b\n"));
  peer_say(&f.links[2], noperm);
  RUN_UNTIL(&f, strchr(s.told, '!'));
  peer_confirm(&f.links[2], "subscribe", "b", 1);
  RUN_UNTIL(&f, strchr(s.told, '~')); /* all that can be is there again */
  CHECK_STR(s.told, "!a +b/1 ~ ");
  CHECK_INT(stats_of(&f).gaps, 1);
  CHECK_INT(pending.confirmed.status, MOONPOOL_EPERM);
  pass(&f, 2, &s, "b");
  peer_drop(&f.links[2]); /* on the next link it may be allowed */
  f.hear = hear_as_redis;
  RUN_UNTIL(&f, stats_of(&f).gaps == 2);
  CHECK_STR(s.told, "!a +b/1 ~ b=pass +a/1 +b/1 ~ ");
  teardown(&f);
}

TEST(who_is_refused_everything_reconnects_when_something_is_allowed) {
  fixture f;
  sub s = {0}, next = {0};
  setup_subscribed(&f, &s, "a b");
  ask_all_events(&s);
  peer_drop(&f.links[1]);
  RUN_UNTIL(&f, has_heard(&f, 2, "SUBSCRIBE a b\n"));
  peer_say(&f.links[2], noperm);
  RUN_UNTIL(&f, has_heard(&f, 2, "SUBSCRIBE a b\nSUBSCRIBE a\nSUBSCRIBE b\n"));
  peer_say(&f.links[2], noperm);
  peer_say(&f.links[2], noperm);
  RUN_UNTIL(&f, strstr(s.told, "!b"));
  CHECK_STR(s.told, "!a !b ");
  f.hear = hear_as_redis;
  listen_to(&f, &next, "b"); /* has Redis asked anew */
  RUN_UNTIL(&f, next.confirmed.count);
  CHECK_INT(next.confirmed.status, MOONPOOL_OK);
  RUN_UNTIL(&f, strchr(s.told, '~'));
  CHECK_STR(s.told, "!a !b +b/1 ~ ");
  peer_drop(&f.links[2]);
  RUN_UNTIL(&f, stats_of(&f).gaps == 3);
  CHECK_STR(s.told, "!a !b +b/1 ~ +a/1 +b/1 ~ ");
  teardown(&f);
}

TEST(a_refusal_is_told_before_what_came_after_it) {
  fixture f;
  sub s = {0};
  setup_subscribed(&f, &s, "a b");
  ask_all_events(&s);
  peer_drop(&f.links[1]);
  RUN_UNTIL(&f, has_heard(&f, 2, "SUBSCRIBE a b\n"));
  peer_say(&f.links[2], noperm);
  RUN_UNTIL(&f, has_heard(&f, 2, "SUBSCRIBE a b\nSUBSCRIBE a\nSUBSCRIBE b\n"));
  char text[300], mark = push_mark();
  snprintf(text, sizeof text,
           "%s%c3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:1\r\n"
           "%c3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$2\r\nhi\r\n",
           noperm, mark, mark);
  peer_say(&f.links[2], text); /* in one read */
  RUN_UNTIL(&f, s.messages);
  CHECK_STR(s.told, "!a +b/1 ~ b=hi ");
  teardown(&f);
}

TEST(a_refusal_without_memory_is_heard_again) {
  fixture f;
  sub s = {0};
  setup_subscribed(&f, &s, "a");
  ask_all_events(&s);
  peer_drop(&f.links[1]);
  RUN_UNTIL(&f, has_heard(&f, 2, "SUBSCRIBE a\n"));
  test_heap_fail(&f.heap, f.heap.requests + 1, f.heap.requests + 2);
  peer_say(&f.links[2], noperm);
  RUN_UNTIL(&f, has_heard(&f, 2, "SUBSCRIBE a\nSUBSCRIBE a\n"));
  CHECK_STR(s.told, "");
  peer_say(&f.links[2], noperm);
  RUN_UNTIL(&f, strlen(s.told));
  CHECK_STR(s.told, "!a ");
  teardown(&f);
}

TEST(a_refused_unsubscribe_is_an_unsubscribe) {
  fixture f;
  sub s = {0}, next = {0};
  setup_subscribed(&f, &s, "a");
  leave(&s);
  RUN_UNTIL(&f, has_heard(&f, 1, "UNSUBSCRIBE a\n"));
  peer_say(&f.links[1], noperm);
  RUN_UNTIL(&f, s.left.count);
  f.hear = hear_as_redis;
  listen_to(&f, &next, "a");
  RUN_UNTIL(&f, next.confirmed.count);
  teardown(&f);
}

/* ---- peers that break the rules -------------------------------------------------------------- */

/* As a cluster does when a slot moves. */
TEST(what_the_server_takes_away_is_asked_for_again) {
  fixture f;
  sub s = {0};
  setup_ready(&f);
  f.hear = hear_as_redis;
  CHECK_INT(subscribe(&f, &s, MOONPOOL_SHARD, "room other"), MOONPOOL_OK);
  ask_all_events(&s);
  RUN_UNTIL(&f, s.confirmed.count);
  forget_heard(&f, 1);
  peer_confirm(&f.links[1], "sunsubscribe", "room", 1);
  peer_confirm(&f.links[1], "sunsubscribe", "nobodys", 1);
  RUN_UNTIL(&f, has_heard(&f, 1, "SSUBSCRIBE room\n"));
  RUN_UNTIL(&f, stats_of(&f).confirmed == 2);
  CHECK_STR(s.told, "+room/1 +other/1 +room/1 ");
  CHECK_INT(s.confirmed.count, 1);
  teardown(&f);
}

TEST(what_is_no_confirmation_ends_the_link) {
  static const char *const said[] = {
      "+OK\r\n",
      ":1\r\n",
      "*0\r\n",
      "$-1\r\n",
      "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:1\r\n", /* out of order */
      "*3\r\n$9\r\nsubscribe\r\n$3\r\nwho\r\n:1\r\n",
      "*3\r\n$10\r\npsubscribe\r\n$1\r\na\r\n:1\r\n",
      "*3\r\n$9\r\nsubscribe\r\n:1\r\n$1\r\na\r\n",
      "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n$1\r\n1\r\n",
      "*3\r\n$9\r\nsubscripe\r\n$1\r\na\r\n:1\r\n",
      "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n:1\r\n",
      "*4\r\n$8\r\npmessage\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n",
      "*2\r\n$9\r\nsubscribe\r\n$1\r\na\r\n",
      "*1\r\n*0\r\n",
      "*3\r\n$0\r\n\r\n$1\r\na\r\n:1\r\n",
      "*3\r\n$2\r\nab\r\n$1\r\na\r\n:1\r\n",
  };
  for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
    fixture f;
    sub s = {0};
    setup_ready(&f);
    listen_to(&f, &s, "a b");
    RUN_UNTIL(&f, has_heard(&f, 1, "SUBSCRIBE a b\n"));
    f.hear = hear_as_redis;
    peer_say(&f.links[1], said[i]);
    RUN_UNTIL(&f, s.confirmed.count);
    CHECK_INT(s.confirmed.status, MOONPOOL_OK);
    CHECK_INT(stats_of(&f).confirmed, 2);
    pass(&f, 2, &s, "b");
    teardown(&f);
  }
}

TEST(pushes_of_other_features_are_none_of_ours) {
  fixture f;
  sub s = {0};
  setup_subscribed(&f, &s, "room");
  if (moonpool_resp_version() >= 3) {
    peer_say(&f.links[1], ">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nfoo\r\n>1\r\n:1\r\n>0\r\n");
    pass(&f, 1, &s, "room");
    CHECK_STR(s.told, "room=pass ");
  }
  teardown(&f);
}

TEST(a_silent_subscriber_is_asked_and_given_up) {
  fixture f;
  sub s = {0};
  setup(&f);
  f.options.heartbeat = 300;
  f.hear = hear_as_redis;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  listen_to(&f, &s, "room");
  RUN_UNTIL(&f, s.confirmed.count);
  ask_all_events(&s);
  f.hear = NULL;
  int number = f.link_count - 1;
  RUN_UNTIL(&f, strstr(heard(&f, number), "PING"));
  peer_say(&f.links[number], moonpool_resp_version() >= 3
                                 ? "+PONG\r\n"
                                 : "*2\r\n$4\r\npong\r\n$0\r\n\r\n"); /* as in subscriber mode */
  forget_heard(&f, number);
  RUN_UNTIL(&f, has_heard(&f, number, "PING\n"));
  f.hear = hear_as_redis;
  RUN_UNTIL(&f, strchr(s.told, '~'));
  teardown(&f);
}

static const test_case tests[] = {
    TEST_CASE(what_is_wanted_is_subscribed_again),
    TEST_CASE(a_loss_in_the_middle_of_resubscribing_starts_anew),
    TEST_CASE(who_waits_for_an_unsubscribe_is_told_by_the_loss),
    TEST_CASE(one_refused_name_does_not_refuse_the_others),
    TEST_CASE(who_asks_again_when_refused_asks_redis),
    TEST_CASE(who_is_refused_after_a_loss_keeps_the_rest),
    TEST_CASE(who_is_refused_everything_reconnects_when_something_is_allowed),
    TEST_CASE(a_refusal_is_told_before_what_came_after_it),
    TEST_CASE(a_refusal_without_memory_is_heard_again),
    TEST_CASE(a_refused_unsubscribe_is_an_unsubscribe),
    TEST_CASE(what_the_server_takes_away_is_asked_for_again),
    TEST_CASE(what_is_no_confirmation_ends_the_link),
    TEST_CASE(pushes_of_other_features_are_none_of_ours),
    TEST_CASE(a_silent_subscriber_is_asked_and_given_up),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
