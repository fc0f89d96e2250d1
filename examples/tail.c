/* tail: prints every message of Redis channels or patterns, or follows a room. The C core alone,
 * without Lua. With moonpool installed:
 *
 *   cc -o tail tail.c $(pkg-config --cflags --libs moonpool)
 *
 *   tail [-u URL] CHANNEL…         messages of channels
 *   tail [-u URL] -p PATTERN…      messages of channels that match
 *   tail [-u URL] -r [-n N] ROOM   a room: its last N messages (default 10), then what is said
 *
 * Messages go to standard output, one a line; what happens to the connection to standard error.
 * Ctrl-C ends it. The status is 0, or 1 after a failure, 2 after wrong arguments. */
#include <moonpool_room.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct tail {
  uv_loop_t loop;
  uv_signal_t interrupt, terminate;
  moonpool *client;
  moonpool_room *room; /* NULL: of channels or patterns */
  int status;          /* to exit with */
} tail;

/* ---- the end --------------------------------------------------------------------------------- */

/* Once everything is closed, nothing is left in the loop, and uv_run returns. */
static void finish(tail *t, int status) {
  if (uv_is_closing((uv_handle_t *)&t->interrupt)) return;
  t->status = status;
  uv_close((uv_handle_t *)&t->interrupt, NULL);
  uv_close((uv_handle_t *)&t->terminate, NULL);
  moonpool_room_close(t->room); /* its feed ends with it */
  moonpool_close(t->client, NULL, NULL);
}

static void fail(tail *t, const char *what, const char *why) {
  fprintf(stderr, "tail: %s: %s\n", what, why);
  finish(t, 1);
}

static void on_signal(uv_signal_t *handle, int number) {
  (void)number;
  finish(handle->data, 0);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* A reader that has gone is the end, as Ctrl-C is. */
static void print_line(tail *t, moonpool_bytes name, moonpool_bytes text) {
  if (name.len) {
    fwrite(name.data, 1, name.len, stdout);
    putchar('\t');
  }
  fwrite(text.data, 1, text.len, stdout);
  putchar('\n');
  if (fflush(stdout) != 0) fail(t, "standard output", "cannot be written");
}

static void print_gap(const moonpool_gap *gap) {
  const char *reason = moonpool_gap_reason_name(gap->reason);
  if (gap->missing < 0)
    fprintf(stderr, "tail: messages are missing here, nobody knows how many (%s)\n", reason);
  else
    fprintf(stderr, "tail: %lld messages are missing here (%s)\n", (long long)gap->missing, reason);
}

static void on_room_event(tail *t, const moonpool_event *event) {
  const moonpool_room_event *said = event->room;
  char id[MOONPOOL_ID_SIZE];
  switch (said->type) {
  case MOONPOOL_ROOM_MESSAGE:
    print_line(t, (moonpool_bytes){id, moonpool_id_format(&said->id, id)}, said->body);
    break;
  case MOONPOOL_ROOM_SIGNAL: print_line(t, (moonpool_bytes){"-", 1}, said->body); break;
  case MOONPOOL_ROOM_GAP: print_gap(&said->gap); break;
  case MOONPOOL_ROOM_RECONNECTED: fprintf(stderr, "tail: connected again\n"); break;
  case MOONPOOL_ROOM_ERROR: fprintf(stderr, "tail: %s\n", event->error.message); break;
  case MOONPOOL_ROOM_LIVE: /* the history has been told */
  case MOONPOOL_ROOM_ENDED: break;
  }
}

static void on_event(const moonpool_event *event) {
  tail *t = event->ctx;
  switch (event->type) {
  case MOONPOOL_MESSAGE: print_line(t, event->channel, event->payload); break;
  case MOONPOOL_RECONNECTED:
    fprintf(stderr, "tail: connected again; what was published meanwhile is missing here\n");
    break;
  case MOONPOOL_FAILED: fail(t, "cannot subscribe again", event->error.message); break;
  case MOONPOOL_ROOM: on_room_event(t, event); break;
  default: break; /* no other was asked for */
  }
}

static void on_subscribed(moonpool_subscription *subscription, long long count,
                          const moonpool_error *error, void *ctx) {
  (void)subscription, (void)count;
  if (!error)
    fprintf(stderr, "tail: listening\n");
  else if (error->status != MOONPOOL_ECLOSED)
    fail(ctx, "cannot subscribe", error->message);
}

/* ---- the beginning --------------------------------------------------------------------------- */

static void on_ready(moonpool *client, const moonpool_error *error, void *ctx) {
  (void)client;
  if (error && error->status != MOONPOOL_ECLOSED) fail(ctx, "cannot connect", error->message);
}

static int subscribe(tail *t, moonpool_kind kind, char **names, size_t count) {
  moonpool_subscription *subscription;
  moonpool_bytes *list = calloc(count, sizeof *list);
  if (!list) return MOONPOOL_ENOMEM;
  for (size_t i = 0; i < count; i++) list[i] = (moonpool_bytes){names[i], strlen(names[i])};
  int status =
      moonpool_subscribe(t->client, kind, list, count, on_event, on_subscribed, t, &subscription);
  free(list); /* the names are copied */
  if (status != MOONPOOL_OK) return status;
  moonpool_subscription_events(subscription, MOONPOOL_EVENT_BIT(MOONPOOL_RECONNECTED) |
                                                 MOONPOOL_EVENT_BIT(MOONPOOL_FAILED));
  return MOONPOOL_OK;
}

static int follow(tail *t, const char *text, size_t last, char *message, size_t size) {
  moonpool_bytes name;
  moonpool_feed *feed;
  moonpool_start start = {.kind = MOONPOOL_START_LAST, .last = last};
  if (last == 0) start.kind = MOONPOOL_START_END;
  int status = moonpool_room_name((moonpool_bytes){text, strlen(text)}, &name, message, size);
  if (status == MOONPOOL_OK)
    status = moonpool_room_open(&t->room, t->client, name, NULL, message, size);
  if (status == MOONPOOL_OK) status = moonpool_feed_open(&feed, t->room, &start, on_event, t);
  return status;
}

/* A handle of libuv's that is there from the first moment on to the last. */
static void watch_signal(tail *t, uv_signal_t *handle, int number) {
  uv_signal_init(&t->loop, handle);
  handle->data = t;
  uv_signal_start(handle, on_signal, number);
}

static int usage(void) {
  fprintf(stderr, "usage: tail [-u URL] CHANNEL...\n"
                  "       tail [-u URL] -p PATTERN...\n"
                  "       tail [-u URL] -r [-n N] ROOM\n");
  return 2;
}

int main(int argc, char **argv) {
  tail t = {0};
  moonpool_options options;
  int option, is_pattern = 0, is_room = 0;
  size_t last = 10;
  char message[256] = "";

  moonpool_options_init(&options);
  options.url = getenv("REDIS_URL") ? getenv("REDIS_URL") : "redis://127.0.0.1:6379";
  options.name = "tail";
  while ((option = getopt(argc, argv, "u:prn:")) != -1) switch (option) {
    case 'u': options.url = optarg; break;
    case 'p': is_pattern = 1; break;
    case 'r': is_room = 1; break;
    case 'n': last = strtoul(optarg, NULL, 10); break;
    default: return usage();
    }
  if (optind == argc || (is_room && (is_pattern || argc - optind > 1))) return usage();

  if (uv_loop_init(&t.loop) != 0) return 1;
  watch_signal(&t, &t.interrupt, SIGINT);
  watch_signal(&t, &t.terminate, SIGTERM);

  int status = moonpool_open(&t.client, &t.loop, &options, message, sizeof message);
  if (status == MOONPOOL_OK) {
    moonpool_ready(t.client, on_ready, &t);
    status = is_room ? follow(&t, argv[optind], last, message, sizeof message)
                     : subscribe(&t, is_pattern ? MOONPOOL_PATTERN : MOONPOOL_CHANNEL,
                                 argv + optind, (size_t)(argc - optind));
  }
  if (status != MOONPOOL_OK)
    fail(&t, "cannot begin", message[0] ? message : moonpool_status_text(status));

  uv_run(&t.loop, UV_RUN_DEFAULT);
  uv_loop_close(&t.loop);
  return t.status;
}
