/* Followers of one room through the gateway, while links are killed and sockets come, go, and stop
 * reading: each gets every message once, in order. */
#include "fuzz.h"
#include "rooms_fixture.h"

enum { GUESTS = 12, MESSAGES = 600, PADDING = 300 };

typedef struct follower {
  guest g;
  char name[20];
  int is_joined, is_asked; /* its join is answered; was sent */
  int pause;               /* turns in which it does not read */
} follower;

typedef struct storm {
  fixture f;
  fuzz random;
  writer w;
  follower all[GUESTS];
} storm;

static void join(follower *one) {
  char json[200];
  if (one->g.id[0])
    snprintf(json, sizeof json, "{\"op\":\"join\",\"room\":\"r\",\"since\":\"%s\",\"ref\":1}",
             one->g.id);
  else
    snprintf(json, sizeof json, "{\"op\":\"join\",\"room\":\"r\",\"ref\":1}");
  guest_ask(&one->g, json);
  one->is_asked = 1;
  one->is_joined = 0;
}

static void leave(follower *one) {
  if (!one->is_joined) return;
  guest_ask(&one->g, "{\"op\":\"leave\",\"room\":\"r\",\"ref\":2}");
  HEARS(&one->g, "\"ref\":2");
  one->is_joined = one->is_asked = 0;
}

static void come_again(follower *one) {
  guest_close(&one->g);
  guest_connect(&one->g, one->name);
  one->is_joined = one->is_asked = 0;
}

static void hear(follower *one) {
  if (one->pause > 0) {
    one->pause--;
    return;
  }
  while (guest_take(&one->g)) {
    if (!strstr(one->g.text, "\"ref\":1")) continue;
    CHECK(strstr(one->g.text, "\"op\":\"ok\""));
    one->is_joined = 1;
  }
  if (peer_is_over(one->g.p)) come_again(one);
}

static void disturb(storm *s, follower *one) {
  switch (fuzz_below(&s->random, 40)) {
  case 0: leave(one); break;
  case 1: come_again(one); break;
  case 2: one->pause = (int)fuzz_below(&s->random, 60); break;
  default:
    if (!one->is_asked) join(one);
  }
  if (fuzz_below(&s->random, 150) == 0) {
    redis_do(&s->f, fuzz_below(&s->random, 2) ? "CLIENT KILL TYPE pubsub"
                                              : "CLIENT KILL TYPE normal SKIPME yes");
  }
}

static void say_some(storm *s) {
  static char padding[PADDING + 1];
  memset(padding, 'x', PADDING);
  for (size_t n = fuzz_below(&s->random, 12); n > 0 && s->w.said < MESSAGES; n--)
    writer_say(&s->w, fuzz_below(&s->random, 2) ? padding : "");
}

static void run_to_the_end(storm *s) {
  writer_finish(&s->w);
  for (int i = 0; i < GUESTS; i++) {
    follower *one = &s->all[i];
    one->pause = 0;
    if (!one->is_asked) join(one);
  }
  for (int i = 0; i < GUESTS; i++) {
    follower *one = &s->all[i];
    while ((!one->is_joined || one->g.last != s->w.said - 1) && !s->f.is_late) {
      turn(&s->f);
      hear(one);
      if (!one->is_asked) join(one);
      if (one->is_joined && one->g.last < 0) break; /* it came after the last message */
    }
    CHECK_INT(one->g.wrong, 0);
    CHECK_INT(one->g.gaps, 0);
  }
}

static void run_storm(storm *s, size_t max_queue) {
  moonpool_room_options keep;
  moonpool_room_options_init(&keep);
  keep.keep = 0;
  set_up(&s->f);
  s->f.options.max_queue = max_queue;
  s->f.options.room = &keep;
  open_gateway(&s->f);
  redis_do(&s->f, "FLUSHALL");
  writer_open(&s->w, &s->f, "r", &keep);
  for (int i = 0; i < GUESTS; i++) {
    snprintf(s->all[i].name, sizeof s->all[i].name, "u%d", i);
    guest_open(&s->all[i].g, &s->f, s->all[i].name);
  }
  while (s->w.said < MESSAGES && !s->f.is_late) {
    say_some(s);
    for (size_t n = fuzz_below(&s->random, 4); n > 0; n--) turn(&s->f);
    for (int i = 0; i < GUESTS; i++) hear(&s->all[i]);
    for (int i = 0; i < GUESTS; i++) disturb(s, &s->all[i]);
  }
  run_to_the_end(s);
  for (int i = 0; i < GUESTS; i++) guest_close(&s->all[i].g);
  moonpool_room_close(s->w.room);
  tear_down(&s->f);
}

TEST(in_any_storm_each_message_comes_once_and_in_order) {
  static storm s;
  static const size_t queues[] = {1 << 20, 4000, 1500};
  fuzz random = fuzz_new("storms");
  for (int round = 0; round < 3; round++) {
    memset(&s, 0, sizeof s);
    s.random.state = fuzz_next(&random);
    run_storm(&s, queues[round]);
  }
}

static const test_case tests[] = {
    TEST_CASE(in_any_storm_each_message_comes_once_and_in_order),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
