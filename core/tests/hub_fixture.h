/* Subscriptions of a client to the fixture's peer: what their listeners are told is kept as text,
 * and what the peer says of channels is a line of C. */
#ifndef MP_HUB_FIXTURE_H
#define MP_HUB_FIXTURE_H

#include "client_fixture.h"

/* One subscription. What it was told, each followed by a space: "room=hi" for a message,
 * "p*|room=hi" with a pattern, "+room/1" subscribed, "-room/0" unsubscribed, "~" reconnected,
 * "!room" failed, "." ended. */
typedef struct sub {
  fixture *f;
  moonpool_subscription *handle;
  call confirmed, left; /* their text is the count */
  char told[1000];
  int messages, ends;
  void (*then)(fixture *f, struct sub *sub, const moonpool_event *event);
} sub;

#define TEXT(bytes) (int)(bytes).len, (bytes).data

static inline void tell(sub *s, const moonpool_event *event) {
  size_t len = strlen(s->told), size = sizeof s->told - len;
  char *at = s->told + len;
  switch (event->type) {
  case MOONPOOL_MESSAGE:
    s->messages++;
    if (event->pattern.data)
      snprintf(at, size, "%.*s|%.*s=%.*s ", TEXT(event->pattern), TEXT(event->channel),
               TEXT(event->payload));
    else
      snprintf(at, size, "%.*s=%.*s ", TEXT(event->channel), TEXT(event->payload));
    break;
  case MOONPOOL_SUBSCRIBED:
    snprintf(at, size, "+%.*s/%lld ", TEXT(event->channel), event->count);
    break;
  case MOONPOOL_UNSUBSCRIBED:
    snprintf(at, size, "-%.*s/%lld ", TEXT(event->channel), event->count);
    break;
  case MOONPOOL_RECONNECTED: snprintf(at, size, "~ "); break;
  case MOONPOOL_FAILED:
    snprintf(at, size, "!%.*s ", TEXT(event->channel));
    CHECK(event->error.status && event->error.message[0]);
    break;
  case MOONPOOL_ENDED:
    s->ends++;
    snprintf(at, size, ". ");
    CHECK_INT(event->error.status, MOONPOOL_ECLOSED);
    break;
  case MOONPOOL_ROOM: CHECK(!"a feed's event for a subscription"); break;
  }
}

static inline void on_event(const moonpool_event *event) {
  sub *s = event->ctx;
  CHECK(event->subscription == s->handle);
  CHECK_INT(s->left.count, 0);
  if (event->type != MOONPOOL_ENDED) CHECK_INT(s->ends, 0);
  tell(s, event);
  if (s->then) s->then(s->f, s, event);
}

static inline void on_confirm(moonpool_subscription *handle, long long count,
                              const moonpool_error *error, void *ctx) {
  sub *s = ctx;
  if (s->handle) CHECK(handle == s->handle);
  take_call(&s->confirmed, NULL, error);
  snprintf(s->confirmed.text, sizeof s->confirmed.text, "%lld", count);
}

static inline void on_left(moonpool_subscription *handle, long long count,
                           const moonpool_error *error, void *ctx) {
  sub *s = ctx;
  CHECK(handle == s->handle);
  take_call(&s->left, NULL, error);
  snprintf(s->left.text, sizeof s->left.text, "%lld", count);
}

/* To the names of `line`, one space between each. */
static inline int subscribe(fixture *f, sub *s, moonpool_kind kind, const char *line) {
  moonpool_bytes names[128];
  s->f = s->confirmed.f = s->left.f = f;
  s->handle = NULL;
  return moonpool_subscribe(f->client, kind, names, split(line, names), on_event, on_confirm, s,
                            &s->handle);
}

static inline void listen_to(fixture *f, sub *s, const char *line) {
  CHECK_INT(subscribe(f, s, MOONPOOL_CHANNEL, line), MOONPOOL_OK);
}

static inline void ask_all_events(sub *s) {
  moonpool_subscription_events(s->handle, 0xff);
}

static inline void leave(sub *s) {
  moonpool_unsubscribe(s->handle, on_left, s);
}

/* ---- what the peer says --------------------------------------------------------------------- */

static inline char push_mark(void) {
  return moonpool_resp_version() >= 3 ? '>' : '*';
}

/* "subscribe", "room", 1 */
static inline void peer_confirm(peer_link *link, const char *verb, const char *name, int count) {
  char text[300];
  snprintf(text, sizeof text, "%c3\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n:%d\r\n", push_mark(),
           strlen(verb), verb, strlen(name), name, count);
  peer_say(link, text);
}

static inline void peer_publish(peer_link *link, const char *channel, const char *payload) {
  char text[300];
  snprintf(text, sizeof text, "%c3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", push_mark(),
           strlen(channel), channel, strlen(payload), payload);
  peer_say(link, text);
}

/* Confirms at once whatever is subscribed or unsubscribed, name by name, as Redis does, and says OK
 * to everything else. For fixture.hear. */
static inline void hear_as_redis(peer_link *link, const moonpool_reply *command) {
  const moonpool_reply *verb = command->u.list.first;
  char lower[20] = "", name[100];
  for (size_t i = 0; i < verb->u.string.len && i < sizeof lower - 1; i++)
    lower[i] = (char)(verb->u.string.data[i] | 0x20);
  if (!strstr(lower, "subscribe")) {
    peer_say(link, "+OK\r\n");
    return;
  }
  for (const moonpool_reply *word = verb->next; word && link->fd >= 0; word = word->next) {
    snprintf(name, sizeof name, "%.*s", TEXT(word->u.string));
    peer_confirm(link, lower, name, 1);
  }
}

/* One subscription to `line`, confirmed, on the peer's link 1. */
static inline void setup_subscribed(fixture *f, sub *s, const char *line) {
  setup_ready(f);
  f->hear = hear_as_redis;
  listen_to(f, s, line);
  RUN_UNTIL(f, s->confirmed.count);
  CHECK_INT(s->confirmed.status, MOONPOOL_OK);
  f->hear = NULL;
  forget_heard(f, 1);
}

/* Publishes something to `marker` and waits until it has been heard: so has all before it. */
static inline void pass(fixture *f, int number, sub *marker, const char *channel) {
  int messages = marker->messages;
  peer_publish(&f->links[number], channel, "pass");
  RUN_UNTIL(f, marker->messages > messages);
}

#endif
