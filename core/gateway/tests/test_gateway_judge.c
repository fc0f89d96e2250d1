/* Judges: tickets that are answered at once, later, or when the client has gone; event streams and
 * POSTs, which are judged, too. */
#include "rooms_fixture.h"

enum { TICKETS = 32 };

typedef struct court {
  int is_late; /* keep the tickets */
  int count, answered;
  moonpool_gateway_ticket *tickets[TICKETS];
  char asked[TICKETS][300]; /* "say ann r hi" */
} court;

static court bench;
static guest ann, bob;

static void note(const moonpool_gateway_request *r, char *to, size_t size) {
  static const char *const verbs[] = {"auth", "join", "say"};
  snprintf(to, size, "%s %.*s %.*s %.*s %.*s", verbs[r->verb], (int)r->user.len,
           r->user.data ? r->user.data : "", (int)r->room.len, r->room.data ? r->room.data : "",
           (int)r->text.len, r->text.data ? r->text.data : "", (int)r->token.len,
           r->token.data ? r->token.data : "");
}

/* What is judged is told by its words: "no" is rejected, "loud" is made quiet. */
static void give_verdict(moonpool_gateway_ticket *ticket, const char *asked) {
  moonpool_bytes rooms[] = {{"r*", 2}};
  moonpool_gateway_grant grant = {.user = {"ann", 3}, .rooms = rooms, .room_count = 1};
  if (strstr(asked, "loud")) grant.text = (moonpool_bytes){"quiet", 5};
  if (strstr(asked, "empty")) grant.user = (moonpool_bytes){"", 0};
  if (strstr(asked, " no"))
    moonpool_gateway_reject(ticket, MOONPOOL_EREJECTED, "it says no");
  else
    moonpool_gateway_allow(ticket, &grant);
}

static void judge(moonpool_gateway_ticket *ticket, const moonpool_gateway_request *request,
                  void *ctx) {
  (void)ctx;
  int n = bench.count++;
  note(request, bench.asked[n], sizeof bench.asked[n]);
  CHECK(request->address.len > 0);
  bench.tickets[n] = ticket;
  if (bench.is_late) return;
  bench.answered++;
  give_verdict(ticket, bench.asked[n]);
}

/* The oldest ticket's; perhaps another one comes by that. */
static void answer_one(void) {
  int n = bench.answered++;
  give_verdict(bench.tickets[n], bench.asked[n]);
}

static void open_judged(fixture *f) {
  memset(&bench, 0, sizeof bench);
  set_up(f);
  for (int verb = 0; verb < 3; verb++) f->options.judges[verb] = judge;
  open_gateway(f);
  redis_do(f, "FLUSHALL");
}

TEST(verdicts_let_in_refuse_and_rewrite) {
  fixture f;
  open_judged(&f);
  guest_open(&ann, &f, "whoever");
  CHECK_STR(guest_field(&ann, "user"), "ann");
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"r\",\"ref\":1}", 1, "\"op\":\"ok\"");
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"secret\",\"ref\":1}", 1, "EPERM");
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"r no\",\"ref\":1}", 1,
          "\"room\":\"r no\",\"code\":\"EREJECTED\",\"reason\":\"it says no\"");
  ANSWERS(&ann, "{\"op\":\"say\",\"room\":\"r\",\"text\":\"loud\",\"ref\":2}", 2, "\"id\"");
  HEARS_TEXT(&ann, "quiet");
  ANSWERS(&ann, "{\"op\":\"say\",\"room\":\"r\",\"text\":\"no\",\"ref\":3}", 3, "it says no");
  CHECK_STR(bench.asked[3], "say ann r loud ");
  CHECK_INT(stats_of(&f).rejected, 2);
  guest_close(&ann);
  tear_down(&f);
}

TEST(who_is_not_let_in_is_closed) {
  fixture f;
  open_judged(&f);
  guest_init(&ann, &f);
  ann.p = peer_upgrade(&f);
  guest_ask(&ann, "{\"op\":\"hello\",\"token\":\"no\",\"ref\":1}");
  HEARS(&ann, "\"code\":\"EREJECTED\"");
  CHECK_INT(peer_close_code(ann.p), 4401);
  guest_close(&ann);
  guest_init(&bob, &f);
  bob.p = peer_upgrade(&f);
  ANSWERS(&bob, "{\"op\":\"hello\",\"token\":\"empty\",\"ref\":1}", 1,
          "the user's name that was granted");
  guest_close(&bob);
  tear_down(&f);
}

/* One question at a time; what comes behind it waits for its turn. */
TEST(late_verdicts_keep_the_order_of_what_was_asked) {
  fixture f;
  open_judged(&f);
  guest_open(&ann, &f, "ann");
  ANSWERS(&ann, "{\"op\":\"join\",\"room\":\"r\",\"ref\":1}", 1, "\"op\":\"ok\"");
  bench.is_late = 1;
  guest_ask(&ann, "{\"op\":\"say\",\"room\":\"r\",\"text\":\"a\",\"ref\":2}");
  guest_ask(&ann, "{\"op\":\"say\",\"room\":\"r\",\"text\":\"no\",\"ref\":3}");
  guest_ask(&ann, "{\"op\":\"say\",\"room\":\"r\",\"text\":\"loud\",\"ref\":4}");
  guest_ask(&ann, "{\"op\":\"leave\",\"room\":\"r\",\"ref\":5}");
  RUN_UNTIL(&f, bench.count == 3);
  answer_one();
  CHECK_INT(bench.count, 4);
  answer_one();
  CHECK_INT(bench.count, 5);
  HEARS(&ann, "it says no");
  CHECK(strstr(ann.text, "\"ref\":3"));
  answer_one();
  HEARS(&ann, "\"ref\":5");
  HEARS(&ann, "\"ref\":4"); /* stored */
  ANSWERS(&ann, "{\"op\":\"history\",\"room\":\"r\",\"ref\":6}", 6, "\"text\":\"a\"");
  CHECK(strstr(ann.text, "\"text\":\"a\"") < strstr(ann.text, "\"text\":\"quiet\""));
  guest_close(&ann);
  tear_down(&f);
}

TEST(a_verdict_may_come_when_the_client_or_the_gateway_has_gone) {
  fixture f;
  open_judged(&f);
  guest_open(&ann, &f, "ann");
  bench.is_late = 1;
  guest_ask(&ann, "{\"op\":\"say\",\"room\":\"r\",\"text\":\"a\",\"ref\":2}");
  guest_ask(&ann, "{\"op\":\"say\",\"room\":\"r\",\"text\":\"b\",\"ref\":3}");
  RUN_UNTIL(&f, bench.count == 2);
  guest_close(&ann);
  RUN_UNTIL(&f, stats_of(&f).sockets == 0);
  while (bench.answered < bench.count) answer_one();
  bench.is_late = 0;
  guest_open(&bob, &f, "bob");
  ANSWERS(&bob, "{\"op\":\"history\",\"room\":\"r\",\"ref\":4}", 4, "\"messages\":[]");
  bench.is_late = 1;
  int before = bench.count;
  guest_ask(&bob, "{\"op\":\"say\",\"room\":\"r\",\"text\":\"c\",\"ref\":5}");
  RUN_UNTIL(&f, bench.count == before + 1);
  moonpool_gateway_close(f.gateway, on_gateway_gone, &f);
  for (int i = 0; i < 100; i++) turn(&f);
  CHECK_INT(f.gone, 0); /* the ticket holds it */
  while (bench.answered < bench.count) answer_one();
  RUN_UNTIL(&f, f.gone == 1);
  f.gateway = NULL;
  guest_close(&bob);
  tear_down(&f);
}

/* ---- streams and POSTs ----------------------------------------------------------------------- */

#define POST(room, body, more)                                                                     \
  "POST /rooms/" room "/messages?user=ann HTTP/1.1\r\nHost: localhost\r\n" more                    \
  "Content-Type: application/json\r\nContent-Length: " body

TEST(a_post_says_one_message) {
  static const struct {
    const char *request, *status, *part;
  } cases[] = {
      {POST("r", "17\r\n\r\n{\"text\":\"posted\"}", ""), "HTTP/1.1 201 ", "{\"id\":\""},
      {POST("r", "17\r\n\r\n{\"text\":\"posted\"}", "Idempotency-Key: k\r\n"), "HTTP/1.1 201 ",
       "{\"id\":\""},
      {POST("r", "17\r\n\r\n{\"text\":\"posted\"}", "Idempotency-Key: k\r\n"), "HTTP/1.1 201 ",
       "\"repeat\":true"},
      {POST("r", "13\r\n\r\n{\"text\":\"no\"}", ""), "HTTP/1.1 403 ", "it says no"},
      {POST("secret", "13\r\n\r\n{\"text\":\"hi\"}", ""), "HTTP/1.1 403 ", "EPERM"},
      {POST("r", "2\r\n\r\n[]", ""), "HTTP/1.1 400 ", "must be a JSON object"},
      {POST("r", "2\r\n\r\n{}", ""), "HTTP/1.1 400 ", "text must be"},
      {POST("r", "1\r\n\r\n{", ""), "HTTP/1.1 400 ", "must be a JSON object: "},
      {POST("a%7Bb", "13\r\n\r\n{\"text\":\"hi\"}", ""), "HTTP/1.1 400 ", "EARG"},
  };
  fixture f;
  open_judged(&f);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    peer *p = peer_connect(&f);
    peer_say(p, cases[i].request);
    EXPECT(p, "}\n");
    if (!peer_has(p, cases[i].status) || !peer_has(p, cases[i].part))
      printf("  case %zu: %s\n", i, p->heard);
    CHECK(peer_has(p, cases[i].status) && peer_has(p, cases[i].part));
    peer_close(p);
  }
  tear_down(&f);
}

static peer *stream_from(fixture *f, const char *query, const char *header) {
  char request[500];
  peer *p = peer_connect(f);
  snprintf(request, sizeof request, "GET /rooms/r/events%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
           query, header);
  peer_say(p, request);
  return p;
}

TEST(an_event_stream_goes_on_where_it_was) {
  fixture f;
  writer w;
  char header[200];
  open_judged(&f);
  writer_open(&w, &f, "r", NULL);
  for (int i = 0; i < 3; i++) writer_say(&w, "");
  writer_finish(&w);
  peer *p = stream_from(&f, "?last=2", "");
  EXPECT(p, "text/event-stream");
  EXPECT(p, "\"text\":\"2\"}}\n\n");
  CHECK(!peer_has(p, "\"text\":\"0\""));
  CHECK(peer_has(p, "event: message\ndata: {\"op\":\"message\",\"room\":\"r\","));
  writer_say(&w, "");
  EXPECT(p, "\"text\":\"3\"}}\n\n");
  char *at = p->heard, *id = NULL;
  while ((at = strstr(at, "\nid: "))) id = at += 5;
  REQUIRE(id);
  snprintf(header, sizeof header, "Last-Event-ID: %.*s\r\n", (int)strcspn(id, "\n"), id);
  peer_close(p);
  writer_say(&w, "");
  writer_finish(&w);
  p = stream_from(&f, "", header);
  EXPECT(p, "\"text\":\"4\"}}\n\n");
  CHECK(!peer_has(p, "\"text\":\"3\""));
  peer_close(p);
  p = stream_from(&f, "?since=nonsense", "");
  EXPECT(p, "HTTP/1.1 400 ");
  peer_close(p);
  RUN_UNTIL(&f, stats_of(&f).members == 0);
  moonpool_room_close(w.room);
  tear_down(&f);
}

static const test_case tests[] = {
    TEST_CASE(verdicts_let_in_refuse_and_rewrite),
    TEST_CASE(who_is_not_let_in_is_closed),
    TEST_CASE(late_verdicts_keep_the_order_of_what_was_asked),
    TEST_CASE(a_verdict_may_come_when_the_client_or_the_gateway_has_gone),
    TEST_CASE(a_post_says_one_message),
    TEST_CASE(an_event_stream_goes_on_where_it_was),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&redis, tests, argc, argv);
}
