/* Sockets that do not read: what is dropped, and how they get it, by each of the rules. */
#include "rooms_fixture.h"

enum { MESSAGES = 3000 };

static guest slow, quick;
static moonpool_room_options keep_all;

static void open_room(fixture *f, writer *w, moonpool_overflow overflow) {
  moonpool_overflow_rule rules[] = {{"room:r*", overflow}, {"*", MOONPOOL_OVERFLOW_DISCONNECT}};
  moonpool_room_options_init(&keep_all);
  keep_all.keep = 0;
  set_up(f);
  f->options.room = &keep_all;
  f->options.overflow = rules;
  f->options.overflow_count = 2;
  f->options.max_queue = 20000;
  open_gateway(f);
  redis_do(f, "FLUSHALL");
  guest_open(&slow, f, "slow");
  guest_open(&quick, f, "quick");
  int little = 65536;
  setsockopt(slow.p->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
  ANSWERS(&slow, "{\"op\":\"join\",\"room\":\"r1\",\"ref\":1}", 1, "\"op\":\"ok\"");
  ANSWERS(&quick, "{\"op\":\"join\",\"room\":\"r1\",\"ref\":1}", 1, "\"op\":\"ok\"");
  writer_open(w, f, "r1", &keep_all);
}

/* Until far more than the kernel takes for a socket has been said; the quick one keeps up. */
static void flood(fixture *f, writer *w) {
  static char padding[2001];
  memset(padding, 'x', 2000);
  while (w->said < MESSAGES && !f->is_late) {
    for (int i = 0; i < 50; i++) writer_say(w, padding);
    writer_finish(w);
    while (quick.last < w->said - 1 && !f->is_late)
      if (!guest_take(&quick)) turn(f);
  }
  CHECK_INT(quick.numbers, MESSAGES);
  CHECK_INT(quick.wrong + quick.gaps, 0);
  moonpool_gateway_stats stats = stats_of(f);
  CHECK(stats.overflows > 0);
  CHECK(stats.queued_bytes <= 20000 + 4096);
}

static void end(fixture *f, writer *w) {
  guest_close(&slow);
  guest_close(&quick);
  moonpool_room_close(w->room);
  tear_down(f);
}

static void read_to_the_end(fixture *f, const writer *w) {
  while (slow.last < w->said - 1 && !slow.p->is_over && !f->is_late)
    if (!guest_take(&slow)) turn(f);
  CHECK_INT(slow.last, w->said - 1);
}

TEST(gap_fetches_all_that_was_dropped) {
  fixture f;
  writer w;
  open_room(&f, &w, MOONPOOL_OVERFLOW_GAP);
  flood(&f, &w);
  read_to_the_end(&f, &w);
  CHECK_INT(slow.numbers, MESSAGES);
  CHECK_INT(slow.wrong + slow.gaps, 0);
  writer_say(&w, "");
  HEARS(&slow, "\"text\":\"3000\"");
  HEARS(&quick, "\"text\":\"3000\"");
  end(&f, &w);
}

TEST(conflate_gives_the_newest_behind_a_gap) {
  fixture f;
  writer w;
  open_room(&f, &w, MOONPOOL_OVERFLOW_CONFLATE);
  flood(&f, &w);
  read_to_the_end(&f, &w);
  CHECK(slow.gaps > 0);
  CHECK(slow.numbers < MESSAGES);
  CHECK_INT(slow.wrong, slow.gaps);
  int wrong = slow.wrong;
  writer_say(&w, "");
  HEARS(&slow, "\"text\":\"3000\"");
  CHECK_INT(slow.wrong, wrong);
  end(&f, &w);
}

TEST(disconnect_says_that_it_was_too_slow) {
  fixture f;
  writer w;
  open_room(&f, &w, MOONPOOL_OVERFLOW_DISCONNECT);
  flood(&f, &w);
  while (!peer_is_over(slow.p) && !f.is_late) {
    while (guest_take(&slow)) continue;
    turn(&f);
  }
  CHECK(slow.last < MESSAGES - 1);
  CHECK_INT(slow.wrong, 0);
  RUN_UNTIL(&f, stats_of(&f).sockets == 1);
  end(&f, &w);
}

static const test_case tests[] = {
    TEST_CASE(gap_fetches_all_that_was_dropped),
    TEST_CASE(conflate_gives_the_newest_behind_a_gap),
    TEST_CASE(disconnect_says_that_it_was_too_slow),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
