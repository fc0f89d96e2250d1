/* The canary, at a peer that has what is published come back, swallows it, or refuses it. */
#include <time.h>

#include "hub_fixture.h"

enum { INTERVAL = 20 };

typedef struct aviary {
  fixture f; /* first: the peer's links point to it */
  sub s;
  int is_swallowing;  /* what is published reaches nobody */
  const char *answer; /* to PUBLISH; NULL: as Redis */
  const char *refuse; /* to SUBSCRIBE of the canary's channel; NULL: confirm it */
  int published;      /* PUBLISHes heard */
  int subscriber;     /* the peer's link on which the canary's channel is subscribed */
  char channel[60];
} aviary;

static moonpool_stats stats_of(fixture *f) {
  moonpool_stats stats;
  moonpool_get_stats(f->client, &stats);
  return stats;
}

static int is_canary(const moonpool_reply *word) {
  return word->u.string.len > 16 && !memcmp(word->u.string.data, "moonpool:canary:", 16);
}

static void hear_publish(aviary *a, peer_link *link, const moonpool_reply *command) {
  const moonpool_reply *channel = command->u.list.first->next, *payload = channel->next;
  char text[100];
  a->published++;
  CHECK(is_canary(channel));
  peer_say(link, a->answer ? a->answer : ":1\r\n");
  if (a->answer || a->is_swallowing) return;
  snprintf(a->channel, sizeof a->channel, "%.*s", TEXT(channel->u.string));
  snprintf(text, sizeof text, "%.*s", TEXT(payload->u.string));
  peer_publish(&a->f.links[a->subscriber], a->channel, text);
}

/* The peer's link 0 hears PUBLISH, the later ones SUBSCRIBE. */
static void hear(peer_link *link, const moonpool_reply *command) {
  aviary *a = (aviary *)link->f;
  const moonpool_reply *verb = command->u.list.first;
  if (!memcmp(verb->u.string.data, "PUBLISH", 7)) {
    hear_publish(a, link, command);
    return;
  }
  int has_canary = 0;
  for (const moonpool_reply *word = verb->next; word; word = word->next)
    has_canary |= is_canary(word);
  if (has_canary) a->subscriber = (int)(link - link->f->links);
  if (has_canary && a->refuse && verb->u.string.data[0] == 'S')
    peer_say(link, a->refuse);
  else
    hear_as_redis(link, command);
}

static void setup_aviary(aviary *a) {
  memset(a, 0, sizeof *a);
  setup(&a->f);
  a->f.options.canary = INTERVAL;
  a->f.options.heartbeat = 0; /* nothing else may end a link */
  a->f.hear = hear;
  CHECK_INT(open_client(&a->f), MOONPOOL_OK);
  RUN_UNTIL(&a->f, state_of(&a->f) == MOONPOOL_READY);
}

static void setup_subscriber(aviary *a, moonpool_kind kind, const char *names) {
  setup_aviary(a);
  CHECK_INT(subscribe(&a->f, &a->s, kind, names), MOONPOOL_OK);
  ask_all_events(&a->s);
  RUN_UNTIL(&a->f, a->s.confirmed.count);
  CHECK_INT(a->s.confirmed.status, MOONPOOL_OK);
  a->s.told[0] = '\0';
}

/* Nothing can be lost while so many more come and go. */
static void outlive(aviary *a, int canaries) {
  int until = a->published + canaries;
  RUN_UNTIL(&a->f, a->published >= until);
}

TEST(nobody_flies_before_there_is_a_subscription) {
  aviary a;
  setup_aviary(&a);
  uint64_t until = uv_now(&a.f.loop) + 5 * INTERVAL;
  RUN_UNTIL(&a.f, uv_now(&a.f.loop) > until);
  CHECK_INT(a.f.link_count, 1);
  CHECK_STR(heard(&a.f, 0), "");
  teardown(&a.f);
}

TEST(while_it_comes_back_nobody_is_told) {
  aviary a;
  setup_subscriber(&a, MOONPOOL_CHANNEL, "room");
  outlive(&a, 10);
  moonpool_stats stats = stats_of(&a.f);
  CHECK_INT(stats.wanted, 1);
  CHECK_INT(stats.confirmed, 1);
  CHECK_INT(stats.messages, 0);
  CHECK_INT(stats.commands, 0);
  CHECK_INT(stats.reconnects, 0);
  CHECK_INT(stats.canary_losses, 0);
  CHECK(moonpool_canary_error(a.f.client) == NULL);
  CHECK_STR(a.s.told, "");
  CHECK_INT(a.f.link_count, 2);
  pass(&a.f, 1, &a.s, "room");
  teardown(&a.f);
}

TEST(one_that_is_swallowed_ends_the_link) {
  aviary a;
  setup_subscriber(&a, MOONPOOL_CHANNEL, "room");
  outlive(&a, 2);
  for (int losses = 1; losses <= 3; losses++) {
    a.is_swallowing = 1;
    RUN_UNTIL(&a.f, (int)stats_of(&a.f).canary_losses == losses);
    a.is_swallowing = 0;
    RUN_UNTIL(&a.f, (int)stats_of(&a.f).gaps == losses);
    outlive(&a, 3);
    CHECK_INT(stats_of(&a.f).canary_losses, losses);
  }
  CHECK_STR(a.s.told, "+room/1 ~ +room/1 ~ +room/1 ~ ");
  CHECK_INT(a.f.link_count, 5);
  pass(&a.f, 4, &a.s, "room");
  CHECK_INT(stats_of(&a.f).gaps, 3); /* the canary's own is none */
  teardown(&a.f);
}

static void on_drain(moonpool *client, void *ctx) {
  const moonpool_event *event;
  int got;
  (void)ctx;
  while ((got = moonpool_next(client, &event)) != 0)
    if (got == 1) on_event(event);
}

TEST(a_drain_does_not_see_it) {
  aviary a;
  setup_subscriber(&a, MOONPOOL_CHANNEL, "room");
  moonpool_set_drain(a.f.client, on_drain, NULL);
  outlive(&a, 3);
  a.is_swallowing = 1;
  RUN_UNTIL(&a.f, stats_of(&a.f).canary_losses == 1);
  a.is_swallowing = 0;
  outlive(&a, 3);
  pass(&a.f, 2, &a.s, "room");
  CHECK_STR(a.s.told, "+room/1 ~ room=pass ");
  teardown(&a.f);
}

static void peer_publish_to_pattern(peer_link *link, const char *channel) {
  char text[300];
  snprintf(text, sizeof text, "%c4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$%zu\r\n%s\r\n$1\r\n1\r\n",
           push_mark(), strlen(channel), channel);
  peer_say(link, text);
}

TEST(a_pattern_does_not_see_it) {
  aviary a;
  setup_subscriber(&a, MOONPOOL_PATTERN, "*");
  outlive(&a, 2);
  peer_publish_to_pattern(&a.f.links[1], a.channel);
  peer_publish_to_pattern(&a.f.links[1], "moonpool:canary:another");
  RUN_UNTIL(&a.f, a.s.messages);
  CHECK_STR(a.s.told, "*|moonpool:canary:another=1 ");
  teardown(&a.f);
}

TEST(what_redis_does_not_publish_is_not_missed) {
  aviary a;
  setup_subscriber(&a, MOONPOOL_CHANNEL, "room");
  a.answer = "-LOADING Redis is loading the dataset in memory\r\n";
  outlive(&a, 8);
  CHECK_INT(stats_of(&a.f).canary_losses, 0);
  CHECK_INT(a.f.link_count, 2);
  a.answer = NULL;
  outlive(&a, 3);
  CHECK_STR(a.s.told, "");
  teardown(&a.f);
}

static int count_of(const char *text, const char *part) {
  int count = 0;
  for (const char *at = text; (at = strstr(at, part)); at++) count++;
  return count;
}

TEST(who_may_not_subscribe_to_it_has_none) {
  aviary a;
  setup_aviary(&a);
  a.refuse = "-NOPERM no\r\n";
  CHECK_INT(subscribe(&a.f, &a.s, MOONPOOL_CHANNEL, "room"), MOONPOOL_OK);
  RUN_UNTIL(&a.f, a.s.confirmed.count && moonpool_canary_error(a.f.client));
  const char *error = moonpool_canary_error(a.f.client);
  CHECK(strstr(error, a.f.address) && strstr(error, "the canary is off: 'moonpool:canary:"));
  CHECK(strstr(error, "NOPERM no"));
  CHECK_INT(stats_of(&a.f).wanted, 1);
  /* Twice in a loop that was held up: with the room, which has each asked for by itself. */
  int asked = count_of(heard(&a.f, 1), "canary");
  CHECK(asked > 0);
  uint64_t until = uv_now(&a.f.loop) + 5 * INTERVAL;
  RUN_UNTIL(&a.f, uv_now(&a.f.loop) > until);
  CHECK_INT(count_of(heard(&a.f, 1), "canary"), asked);
  peer_drop(&a.f.links[1]); /* nor is it asked for again */
  RUN_UNTIL(&a.f, stats_of(&a.f).gaps == 1);
  until = uv_now(&a.f.loop) + 5 * INTERVAL;
  RUN_UNTIL(&a.f, uv_now(&a.f.loop) > until);
  CHECK_INT(count_of(heard(&a.f, 2), "canary"), 0);
  CHECK_INT(a.published, 0);
  teardown(&a.f);
}

TEST(who_may_not_publish_it_has_none) {
  aviary a;
  setup_subscriber(&a, MOONPOOL_CHANNEL, "room");
  a.answer = "-NOPERM no\r\n";
  RUN_UNTIL(&a.f, moonpool_canary_error(a.f.client) != NULL);
  int published = a.published;
  RUN_UNTIL(&a.f, strstr(heard(&a.f, 1), "\nUNSUBSCRIBE moonpool:canary:"));
  uint64_t until = uv_now(&a.f.loop) + 5 * INTERVAL;
  RUN_UNTIL(&a.f, uv_now(&a.f.loop) > until);
  CHECK_INT(a.published, published);
  CHECK_INT(stats_of(&a.f).wanted, 1);
  CHECK_INT(stats_of(&a.f).confirmed, 1);
  pass(&a.f, 1, &a.s, "room");
  teardown(&a.f);
}

TEST(who_loses_the_right_to_it_has_none) {
  aviary a;
  setup_subscriber(&a, MOONPOOL_CHANNEL, "room");
  outlive(&a, 2);
  a.refuse = "-NOPERM no\r\n";
  peer_drop(&a.f.links[1]);
  RUN_UNTIL(&a.f, moonpool_canary_error(a.f.client) != NULL);
  RUN_UNTIL(&a.f, strchr(a.s.told, '~'));
  pass(&a.f, 2, &a.s, "room");
  teardown(&a.f);
}

static void hold_up(uint64_t ms) {
  struct timespec time = {0, (long)ms * 1000000};
  nanosleep(&time, NULL);
}

/* The deadline has passed when the loop turns again, but the canary lies in the socket. */
TEST(a_loop_that_is_held_up_reads_first) {
  aviary a;
  setup_subscriber(&a, MOONPOOL_CHANNEL, "room");
  for (int i = 0; i < 5; i++) {
    outlive(&a, 1);
    hold_up(5 * INTERVAL);
  }
  a.is_swallowing = 1;
  outlive(&a, 1);
  for (int i = 0; i < 3; i++) uv_run(&a.f.loop, UV_RUN_NOWAIT); /* PUBLISH is answered */
  char number[20];
  const char *last = strstr(heard(&a.f, 0), "PUBLISH");
  for (const char *next = last; next; next = strstr(next + 1, "PUBLISH")) last = next;
  sscanf(last, "PUBLISH %59s %19s", a.channel, number);
  peer_publish(&a.f.links[1], a.channel, number);
  a.is_swallowing = 0;
  hold_up(5 * INTERVAL);
  outlive(&a, 2);
  CHECK_INT(stats_of(&a.f).canary_losses, 0);
  CHECK_INT(a.f.link_count, 2);
  teardown(&a.f);
}

/* On a connection on which it was not published nobody waits for it. */
TEST(a_loss_in_its_flight_is_no_second_loss) {
  aviary a;
  setup_subscriber(&a, MOONPOOL_CHANNEL, "room");
  a.is_swallowing = 1;
  for (int i = 1; i <= 4; i++) {
    outlive(&a, 1);
    peer_drop(&a.f.links[a.f.link_count - 1]);
    RUN_UNTIL(&a.f, (int)stats_of(&a.f).gaps == i);
  }
  CHECK_INT(stats_of(&a.f).canary_losses, 0);
  a.is_swallowing = 0;
  outlive(&a, 2);
  CHECK_INT(stats_of(&a.f).canary_losses, 0);
  int links = a.f.link_count;
  peer_drop(&a.f.links[0]); /* the commands' link */
  RUN_UNTIL(&a.f, a.f.link_count > links && state_of(&a.f) == MOONPOOL_READY);
  outlive(&a, 2);
  CHECK_INT(stats_of(&a.f).canary_losses, 0);
  teardown(&a.f);
}

TEST(it_ends_with_the_client_at_any_moment) {
  for (int turns = 0; turns < 24; turns++) {
    aviary a;
    setup_aviary(&a);
    a.is_swallowing = turns & 1;
    CHECK_INT(subscribe(&a.f, &a.s, MOONPOOL_CHANNEL, "room"), MOONPOOL_OK);
    for (int i = 0; i < turns; i++) uv_run(&a.f.loop, turns % 3 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    teardown(&a.f);
  }
}

static const test_case tests[] = {
    TEST_CASE(nobody_flies_before_there_is_a_subscription),
    TEST_CASE(while_it_comes_back_nobody_is_told),
    TEST_CASE(one_that_is_swallowed_ends_the_link),
    TEST_CASE(a_drain_does_not_see_it),
    TEST_CASE(a_pattern_does_not_see_it),
    TEST_CASE(what_redis_does_not_publish_is_not_missed),
    TEST_CASE(who_may_not_subscribe_to_it_has_none),
    TEST_CASE(who_may_not_publish_it_has_none),
    TEST_CASE(who_loses_the_right_to_it_has_none),
    TEST_CASE(a_loop_that_is_held_up_reads_first),
    TEST_CASE(a_loss_in_its_flight_is_no_second_loss),
    TEST_CASE(it_ends_with_the_client_at_any_moment),
};

int main(int argc, char **argv) {
  return RUN_TESTS(tests, argc, argv);
}
