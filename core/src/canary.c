#include "canary.h"

#include <stdio.h>

#define RECHECK_MS 1u
#define NOT_LOOKED UINT64_MAX

typedef enum canary_state {
  CANARY_RESTS,    /* until it is time for the next one */
  CANARY_FLIES,    /* PUBLISH is on its way */
  CANARY_IS_LATE,  /* Redis has published it; it must be heard until the timer fires */
  CANARY_IS_BANNED /* Redis refused the channel */
} canary_state;

struct mp_canary {
  mp_canary_config config;
  canary_state state;
  moonpool_subscription *subscription; /* NULL: not yet */
  uv_timer_t timer;
  uint64_t number;    /* of the one that flies */
  uint64_t published; /* when: the loop's clock, ms */
  uint64_t last_read, patience;
  uint64_t connection; /* of the subscriber link, on which it is expected */
  uint64_t losses;
  int is_heard, is_closed;
  void (*on_gone)(void *ctx);
  void *gone_ctx;
  size_t channel_len;
  char channel[48];
  char error[256];
};

static void on_rested(uv_timer_t *timer);

static uint64_t now_of(const mp_canary *c) {
  return uv_now(c->config.loop);
}

/* Until the next one's time, an interval after the last one. */
static void rest(mp_canary *c) {
  uint64_t next = c->published + c->config.options->canary, now = now_of(c);
  if (c->is_closed || c->state == CANARY_IS_BANNED) return;
  c->state = CANARY_RESTS;
  uv_timer_start(&c->timer, on_rested, next > now ? next - now : 0, 0);
}

/* Redis will refuse it again: the first refusal is kept, and nothing is tried any more. */
static void ban(mp_canary *c, const char *message) {
  snprintf(c->error, sizeof c->error, "%s: the canary is off: %s", c->config.address, message);
  c->state = CANARY_IS_BANNED;
  uv_timer_stop(&c->timer);
  moonpool_subscription *subscription = c->subscription;
  c->subscription = NULL;
  if (subscription) moonpool_unsubscribe(subscription, NULL, NULL);
}

/* ---- hearing it ------------------------------------------------------------------------------ */

static void on_heard(mp_canary *c, const moonpool_event *event) {
  char text[24];
  int len = snprintf(text, sizeof text, "%llu", (unsigned long long)c->number);
  if (event->payload.len != (size_t)len || memcmp(event->payload.data, text, (size_t)len) != 0)
    return; /* an older one, or somebody else's */
  c->is_heard = 1;
  if (c->state == CANARY_IS_LATE) rest(c);
}

static void on_event(const moonpool_event *event) {
  mp_canary *c = event->ctx;
  if (event->type == MOONPOOL_MESSAGE) on_heard(c, event);
  if (event->type == MOONPOOL_ENDED) c->subscription = NULL;
  if (event->type == MOONPOOL_FAILED && event->error.status == MOONPOOL_EPERM)
    ban(c, event->error.message);
}

static void on_confirm(moonpool_subscription *subscription, long long count,
                       const moonpool_error *error, void *ctx) {
  mp_canary *c = ctx;
  (void)subscription, (void)count;
  if (!error) return;
  c->subscription = NULL; /* the next rest's end asks again */
  if (error->status == MOONPOOL_EPERM) ban(c, error->message);
}

static void subscribe(mp_canary *c) {
  moonpool_bytes name = {c->channel, c->channel_len};
  int status = mp_hub_subscribe(c->config.hub, MOONPOOL_CHANNEL, &name, 1, on_event, on_confirm, c,
                                &c->subscription);
  if (status == MOONPOOL_OK)
    mp_hub_set_own(c->config.hub, c->subscription);
  else
    c->subscription = NULL; /* no memory: once more after the next rest */
}

/* ---- missing it ------------------------------------------------------------------------------ */

static int is_on_its_connection(const mp_canary *c) {
  mp_hub_connection now = mp_hub_get_connection(c->config.hub);
  return now.is_own_confirmed && now.number == c->connection;
}

static void give_up(mp_canary *c) {
  char message[160];
  snprintf(message, sizeof message,
           "canary: what was published was not heard within %llu ms; "
           "the link answers, but is not where messages are",
           (unsigned long long)(2 * c->config.options->canary));
  c->losses++;
  rest(c);
  mp_hub_fail_link(c->config.hub, MOONPOOL_ECONN, message);
}

/* A loop that was held up gets a turn to read first, and one that still finds much to read gets two
 * intervals more: the canary may lie behind it. */
static void on_missed(uv_timer_t *timer) {
  mp_canary *c = timer->data;
  if (c->state != CANARY_IS_LATE) return;
  if (!is_on_its_connection(c)) {
    rest(c);
    return;
  }
  uint64_t read = mp_hub_get_connection(c->config.hub).bytes_in;
  int is_first_look = c->last_read == NOT_LOOKED;
  if (is_first_look) c->patience = now_of(c) + 2 * c->config.options->canary;
  if (is_first_look || (read != c->last_read && now_of(c) < c->patience)) {
    c->last_read = read;
    uv_timer_start(timer, on_missed, RECHECK_MS, 0);
    return;
  }
  give_up(c);
}

/* ---- sending it ------------------------------------------------------------------------------ */

static void on_published(const moonpool_reply *reply, const moonpool_error *error, void *ctx) {
  mp_canary *c = ctx;
  (void)reply;
  if (c->is_closed || c->state != CANARY_FLIES) return;
  if (error && error->status == MOONPOOL_EPERM) {
    ban(c, error->message);
  } else if (error || c->is_heard) {
    rest(c);
  } else {
    c->state = CANARY_IS_LATE;
    c->last_read = NOT_LOOKED;
    uv_timer_start(&c->timer, on_missed, 2 * c->config.options->canary, 0);
  }
}

static void publish(mp_canary *c) {
  char text[24];
  int status;
  size_t len = (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)++c->number);
  moonpool_bytes argv[] = {{"PUBLISH", 7}, {c->channel, c->channel_len}, {text, len}};
  mp_buf *out = mp_link_begin(c->config.commands, 1, mp_resp_encoded_size(3, argv), &status);
  if (!out) { /* no memory, or a full queue, which will not be answered soon anyhow */
    rest(c);
    return;
  }
  mp_resp_encode(out, 3, argv);
  uint64_t timeout = c->config.options->command_timeout;
  mp_request_info info = {.cb = on_published, .ctx = c, .timeout = timeout ? timeout : UINT64_MAX};
  c->state = CANARY_FLIES;
  c->is_heard = 0;
  c->connection = mp_hub_get_connection(c->config.hub).number;
  mp_link_commit(c->config.commands, &info);
}

static void on_rested(uv_timer_t *timer) {
  mp_canary *c = timer->data;
  mp_hub_connection connection = mp_hub_get_connection(c->config.hub);
  c->published = now_of(c);
  if (!connection.is_open) { /* nobody has subscribed to anything */
    rest(c);
    return;
  }
  if (!c->subscription) subscribe(c);
  if (c->state != CANARY_RESTS) return;
  if (connection.is_own_confirmed && mp_link_state(c->config.commands) == MOONPOOL_READY)
    publish(c);
  else
    rest(c);
}

/* ---- start and end --------------------------------------------------------------------------- */

mp_canary *mp_canary_new(const mp_canary_config *config) {
  mp_canary *c = mp_calloc(config->allocator, sizeof *c);
  if (!c) return NULL;
  c->config = *config;
  c->channel_len = (size_t)snprintf(c->channel, sizeof c->channel, "moonpool:canary:%016llx",
                                    (unsigned long long)config->seed);
  uv_timer_init(config->loop, &c->timer);
  c->timer.data = c;
  c->published = now_of(c);
  rest(c);
  return c;
}

static void on_closed(uv_handle_t *handle) {
  mp_canary *c = handle->data;
  void (*on_gone)(void *) = c->on_gone;
  void *gone_ctx = c->gone_ctx;
  mp_free(c->config.allocator, c);
  on_gone(gone_ctx);
}

void mp_canary_close(mp_canary *c, void (*on_gone)(void *ctx), void *ctx) {
  c->is_closed = 1;
  c->on_gone = on_gone;
  c->gone_ctx = ctx;
  uv_close((uv_handle_t *)&c->timer, on_closed);
}

uint64_t mp_canary_losses(const mp_canary *c) {
  return c->losses;
}

const char *mp_canary_error(const mp_canary *c) {
  return c->state == CANARY_IS_BANNED ? c->error : NULL;
}
