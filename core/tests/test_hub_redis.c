/* Subscriptions at a real Redis: what it confirms, counts, refuses and publishes; and many of them
 * that come and go at random while their link is killed. */
#include "fuzz.h"
#include "hub_fixture.h"
#include "redis_server.h"

static redis_server redis;

static void setup_redis(fixture *f) {
  setup_alone(f);
  f->options.url = redis.url;
  CHECK_INT(open_client(f), MOONPOOL_OK);
  RUN_UNTIL(f, state_of(f) == MOONPOOL_READY);
}

/* One more, next to the first. */
static void setup_another(fixture *f) {
  setup_redis(f);
  f->fds = -1;
}

static const char *ask(fixture *f, const char *line) {
  static call c;
  c = (call){0};
  CHECK_INT(command(f, line, &c), MOONPOOL_OK);
  RUN_UNTIL(f, c.count);
  return c.text;
}

static moonpool_stats stats_of(fixture *f) {
  moonpool_stats stats;
  moonpool_get_stats(f->client, &stats);
  return stats;
}

TEST(messages_of_every_kind_arrive) {
  fixture f;
  sub channel = {0}, pattern = {0}, shard = {0};
  setup_redis(&f);
  CHECK_INT(subscribe(&f, &channel, MOONPOOL_CHANNEL, "room:1 a*b"), MOONPOOL_OK);
  CHECK_INT(subscribe(&f, &pattern, MOONPOOL_PATTERN, "room:* a\\*b"), MOONPOOL_OK);
  CHECK_INT(subscribe(&f, &shard, MOONPOOL_SHARD, "room:1"), MOONPOOL_OK);
  ask_all_events(&channel);
  RUN_UNTIL(&f, channel.confirmed.count && pattern.confirmed.count && shard.confirmed.count);
  CHECK_STR(ask(&f, "PUBLISH room:1 one"), ":2");
  CHECK_STR(ask(&f, "PUBLISH room:2 two"), ":1");
  CHECK_STR(ask(&f, "PUBLISH a*b star"), ":2");
  CHECK_STR(ask(&f, "PUBLISH axb none"), ":0");
  CHECK_STR(ask(&f, "SPUBLISH room:1 shard"), ":1");
  RUN_UNTIL(&f, channel.messages == 2 && pattern.messages == 3 && shard.messages == 1);
  CHECK_STR(channel.told, "+room:1/1 +a*b/2 room:1=one a*b=star ");
  CHECK_STR(pattern.told, "room:*|room:1=one room:*|room:2=two a\\*b|a*b=star ");
  CHECK_STR(shard.told, "room:1=shard ");
  leave(&channel);
  leave(&pattern);
  leave(&shard);
  RUN_UNTIL(&f, channel.left.count && pattern.left.count && shard.left.count);
  CHECK_STR(ask(&f, "PUBLISH room:1 nobody"), ":0");
  CHECK_STR(ask(&f, "PUBSUB NUMPAT"), ":0");
  teardown(&f);
}

TEST(a_user_gets_the_channels_that_are_allowed) {
  fixture admin, f;
  sub good = {0}, bad = {0};
  char url[100];
  setup_another(&admin);
  CHECK_STR(ask(&admin, "ACL SETUSER ann on >pw ~* resetchannels &mine:* +@all"), "+2 OK");
  snprintf(url, sizeof url, "unix://ann:pw@%s", redis.path);
  setup_alone(&f);
  f.options.url = url;
  CHECK_INT(open_client(&f), MOONPOOL_OK);
  listen_to(&f, &good, "mine:1 mine:2");
  listen_to(&f, &bad, "mine:1 yours");
  RUN_UNTIL(&f, good.confirmed.count && bad.confirmed.count);
  CHECK_INT(good.confirmed.status, MOONPOOL_OK);
  CHECK_INT(bad.confirmed.status, MOONPOOL_EPERM);
  CHECK(strstr(bad.confirmed.message, "'yours'"));
  CHECK_STR(ask(&admin, "PUBLISH mine:1 hi"), ":1");
  RUN_UNTIL(&f, good.messages);
  ask_all_events(&good);
  CHECK_STR(ask(&admin, "ACL SETUSER ann resetchannels &mine:2"),
            "+2 OK"); /* Redis ends its links */
  RUN_UNTIL(&f, strchr(good.told, '!'));
  CHECK(strstr(good.told, "!mine:1 "));
  RUN_UNTIL(&f, strstr(good.told, "+mine:2/1 "));
  teardown(&f);
  CHECK_STR(ask(&admin, "ACL DELUSER ann"), ":1");
  teardown(&admin);
}

TEST(many_names_are_all_confirmed_and_come_back) {
  enum { NAMES = 5000 };
  static moonpool_bytes names[NAMES];
  static char text[NAMES][16];
  fixture f, killer;
  sub s = {0};
  setup_redis(&f);
  setup_another(&killer);
  for (int i = 0; i < NAMES; i++)
    names[i] = (moonpool_bytes){text[i], (size_t)snprintf(text[i], 16, "room:%d", i)};
  s.f = s.confirmed.f = s.left.f = &f;
  CHECK_INT(moonpool_subscribe(f.client, MOONPOOL_CHANNEL, names, NAMES, on_event, on_confirm, &s,
                               &s.handle),
            MOONPOOL_OK);
  RUN_UNTIL(&f, s.confirmed.count);
  CHECK_STR(s.confirmed.text, "5000");
  moonpool_subscription_events(s.handle, MOONPOOL_EVENT_BIT(MOONPOOL_RECONNECTED));
  CHECK_STR(ask(&killer, "CLIENT KILL TYPE pubsub"), ":1");
  RUN_UNTIL(&f, strchr(s.told, '~'));
  CHECK_INT(stats_of(&f).confirmed, NAMES);
  CHECK_STR(ask(&killer, "PUBLISH room:4999 last"), ":1");
  RUN_UNTIL(&f, s.messages);
  leave(&s);
  RUN_UNTIL(&f, s.left.count);
  CHECK_STR(s.left.text, "0");
  teardown(&killer);
  teardown(&f);
}

/* ---- anything, at random --------------------------------------------------------------------- */

enum { SUBS = 40, CHANNELS = 8, ROUNDS = 400 };

/* One that may be subscribed, left and subscribed again any number of times. */
typedef struct member {
  struct storm *storm;
  moonpool_subscription *handle;
  unsigned channels;                     /* bits */
  int is_confirmed, is_leaving, is_lost; /* since the last subscribe */
  int last[CHANNELS];                    /* the number heard last */
  int heard;                             /* of the final messages */
} member;

typedef struct storm {
  fixture f;
  fuzz random;
  fixture other; /* publishes and kills */
  member members[SUBS];
  int published[CHANNELS];
  int wrong, confirms_due, is_final;
} storm;

static void on_member_event(const moonpool_event *event) {
  member *m = event->ctx;
  if (event->type == MOONPOOL_ENDED) {
    m->handle = NULL;
    return;
  }
  int channel = event->channel.data[0] - 'a', number = atoi(event->payload.data + 1);
  m->storm->wrong += event->subscription != m->handle || !m->handle || m->is_leaving;
  m->storm->wrong += channel < 0 || channel >= CHANNELS || !(m->channels & 1u << channel);
  m->storm->wrong += number <= m->last[channel]; /* in order, none twice */
  m->last[channel] = number;
  m->heard += event->payload.data[0] == 'f';
}

static void on_member_confirmed(moonpool_subscription *handle, long long count,
                                const moonpool_error *error, void *ctx) {
  member *m = ctx;
  (void)handle, (void)count;
  m->storm->confirms_due--;
  m->storm->wrong += m->is_confirmed || (error && !m->is_leaving);
  m->is_confirmed = 1;
}

static void on_member_left(moonpool_subscription *handle, long long count,
                           const moonpool_error *error, void *ctx) {
  member *m = ctx;
  (void)count;
  m->storm->confirms_due--;
  m->storm->wrong += error || handle != m->handle || !m->is_leaving || !m->is_confirmed;
  m->handle = NULL;
}

static void enter(storm *s, member *m) {
  moonpool_bytes names[CHANNELS];
  static const char text[] = "abcdefgh";
  size_t count = 0;
  *m = (member){.storm = s};
  for (size_t n = 1 + fuzz_below(&s->random, 3); n > 0; n--) {
    size_t channel = fuzz_below(&s->random, CHANNELS);
    m->channels |= 1u << channel;
    names[count++] = (moonpool_bytes){text + channel, 1};
  }
  CHECK_INT(moonpool_subscribe(s->f.client, MOONPOOL_CHANNEL, names, count, on_member_event,
                               on_member_confirmed, m, &m->handle),
            MOONPOOL_OK);
  s->confirms_due++;
}

static void exit_by(storm *s, member *m) {
  moonpool_subscription *handle = m->handle;
  m->is_leaving = 1;
  if (fuzz_below(&s->random, 3)) {
    s->confirms_due++;
    moonpool_unsubscribe(handle, on_member_left, m);
  } else {
    m->handle = NULL;
    moonpool_unsubscribe(handle, NULL, NULL);
  }
}

static void publish(storm *s, int channel, char mark) {
  char line[60];
  snprintf(line, sizeof line, "PUBLISH %c %c%d", 'a' + channel, mark, ++s->published[channel]);
  CHECK_INT(command(&s->other, line, NULL), MOONPOOL_OK);
}

static void run_both(storm *s) {
  uv_run(&s->other.loop, UV_RUN_NOWAIT);
  uv_run(&s->f.loop, UV_RUN_NOWAIT);
}

static void do_something(storm *s) {
  member *m = &s->members[fuzz_below(&s->random, SUBS)];
  if (!m->handle)
    enter(s, m);
  else if (!m->is_leaving && fuzz_below(&s->random, 3) == 0)
    exit_by(s, m);
  if (fuzz_below(&s->random, 2)) publish(s, (int)fuzz_below(&s->random, CHANNELS), 'm');
  if (fuzz_below(&s->random, 100) == 0)
    CHECK_INT(command(&s->other, "CLIENT KILL TYPE pubsub", NULL), MOONPOOL_OK);
  if (fuzz_below(&s->random, 2)) run_both(s);
}

/* Everyone who is still there hears a last message of each of its channels, and nobody else. */
static void check_final(storm *s) {
  for (int i = 0; i < CHANNELS; i++) publish(s, i, 'f');
  for (int i = 0; i < SUBS; i++) {
    member *m = &s->members[i];
    int expected = m->handle ? __builtin_popcount(m->channels) : 0;
    while (m->heard < expected && !s->f.is_late) run_both(s);
    CHECK_INT(m->heard, expected);
  }
}

static int is_settled(storm *s) {
  return !s->confirms_due && stats_of(&s->f).wanted == stats_of(&s->f).confirmed;
}

/* No kill is on its way any more, and the link is none of those that were killed: it confirms what
 * is asked after the last one. */
static void settle(storm *s) {
  static sub marker;
  s->is_final = 1;
  ask(&s->other, "PING");
  marker = (sub){0};
  listen_to(&s->f, &marker, "marker");
  while ((!marker.confirmed.count || !is_settled(s)) && !s->f.is_late) run_both(s);
  CHECK_INT(marker.confirmed.status, MOONPOOL_OK);
  CHECK_INT(s->confirms_due, 0);
}

/* Takes some events and leaves the rest, but for the end. */
static void on_drain(moonpool *client, void *ctx) {
  storm *s = ctx;
  const moonpool_event *event;
  size_t most = s->is_final ? SIZE_MAX : fuzz_below(&s->random, 20);
  int got;
  while (most-- > 0 && (got = moonpool_next(client, &event)) != 0)
    if (got == 1) on_member_event(event);
}

static void run_storm(storm *s) {
  setup_redis(&s->f);
  setup_another(&s->other);
  if (fuzz_below(&s->random, 2)) moonpool_set_drain(s->f.client, on_drain, s);
  for (int i = 0; i < ROUNDS; i++) do_something(s);
  settle(s);
  check_final(s);
  teardown(&s->other);
  teardown(&s->f);
  CHECK_INT(s->wrong, 0);
  for (int i = 0; i < SUBS; i++) CHECK(!s->members[i].handle);
}

TEST(in_any_storm_everyone_hears_what_is_theirs) {
  fuzz random = fuzz_new("storms");
  for (int round = 0; round < 10; round++) {
    static storm s;
    memset(&s, 0, sizeof s);
    s.random.state = fuzz_next(&random);
    run_storm(&s);
  }
}

static const test_case tests[] = {
    TEST_CASE(messages_of_every_kind_arrive),
    TEST_CASE(a_user_gets_the_channels_that_are_allowed),
    TEST_CASE(many_names_are_all_confirmed_and_come_back),
    TEST_CASE(in_any_storm_everyone_hears_what_is_theirs),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
