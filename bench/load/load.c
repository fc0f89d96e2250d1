/* The load client of bench/fanout. It opens sockets of one server, publishes messages to their
 * room, and counts what each socket is sent; what the server takes meanwhile it asks the kernel.
 *
 * usage: load NAME=VALUE …
 *   kind=moonpool|ws|socketio|nchan  port=N  pids=N[,N…]  redis=ADDRESS  label=TEXT
 *   part=fanout|idle|slow  sockets=N  rooms=N  messages=N  warmup=N  burst=N  slow=N  text=BYTES
 *   publisher=HOST:PORT (nchan)  script=SHA1 (moonpool)  seconds=N (idle)
 *
 * It prints what lib/runner.lua reads: "ready PID LABEL", then "result COUNT CPU_NS WALL_NS …",
 * where COUNT is deliveries (idle: sockets). */
#include "load.h"

#define SECONDS_WITHOUT_DELIVERY 20
#define QUIET_MS 300

options opt = {.sockets = 1000,
               .rooms = 1,
               .messages = 1000,
               .warmup = 100,
               .burst = 10,
               .text = 64,
               .part = "fanout",
               .label = "",
               .seconds = 3};

/* ---- options -------------------------------------------------------------------------------- */

static void read_pids(const char *value) {
  char *end;
  for (const char *at = value; *at; at = *end ? end + 1 : end) {
    if (opt.pid_count == MAX_PIDS) die(PROGRAM, "more than %d processes", MAX_PIDS);
    opt.pids[opt.pid_count++] = (pid_t)strtol(at, &end, 10);
    if (end == at) die(PROGRAM, "no process: %s", value);
  }
}

static void read_option(const char *name, size_t len, const char *value) {
  const struct {
    const char *name;
    long *number;
    const char **words;
  } known[] = {{"port", &opt.port, NULL},           {"sockets", &opt.sockets, NULL},
               {"rooms", &opt.rooms, NULL},         {"messages", &opt.messages, NULL},
               {"warmup", &opt.warmup, NULL},       {"burst", &opt.burst, NULL},
               {"slow", &opt.slow, NULL},           {"text", &opt.text, NULL},
               {"seconds", &opt.seconds, NULL},     {"redis", NULL, &opt.redis},
               {"publisher", NULL, &opt.publisher}, {"script", NULL, &opt.script},
               {"part", NULL, &opt.part},           {"label", NULL, &opt.label}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strlen(known[i].name) != len || memcmp(known[i].name, name, len) != 0) continue;
    if (known[i].number) *known[i].number = number(PROGRAM, value);
    if (known[i].words) *known[i].words = value;
    return;
  }
  if (len == 4 && memcmp(name, "kind", 4) == 0) {
    opt.kind = kind_find(value);
  } else if (len == 4 && memcmp(name, "pids", 4) == 0) {
    read_pids(value);
  } else {
    die(PROGRAM, "no such option: %.*s", (int)len, name);
  }
}

static void read_options(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    const char *equals = strchr(argv[i], '=');
    if (!equals) die(PROGRAM, "NAME=VALUE, not %s", argv[i]);
    read_option(argv[i], (size_t)(equals - argv[i]), equals + 1);
  }
  if (!opt.kind || !opt.port || !opt.pid_count || !opt.redis)
    die(PROGRAM, "kind, port, pids and redis must be given");
  if (!opt.sockets || !opt.rooms || !opt.messages || !opt.burst || opt.slow >= opt.sockets)
    die(PROGRAM, "sockets, rooms, messages, burst from 1; slow below sockets");
}

/* ---- messages ------------------------------------------------------------------------------- */

static uint32_t *counts;             /* by number: sockets that have it */
static long long *sent_at, *latency; /* by number; latency: to the last socket; -1: not yet */
static long complete;                /* messages that all sockets have */
static uint32_t wanted;              /* sockets that are not slow */

void on_delivery(uint32_t n) {
  if (n >= (uint32_t)(opt.warmup + opt.messages)) die(PROGRAM, "a message that was not sent");
  if (++counts[n] < wanted) return;
  latency[n] = wall_ns() - sent_at[n];
  complete++;
}

static void prepare(void) {
  size_t count = (size_t)(opt.warmup + opt.messages);
  counts = calloc(count, sizeof *counts);
  sent_at = calloc(count, sizeof *sent_at);
  latency = malloc(count * sizeof *latency);
  if (!counts || !sent_at || !latency) die(PROGRAM, "out of memory");
  memset(latency, -1, count * sizeof *latency);
  wanted = (uint32_t)(opt.sockets - opt.slow);
}

/* Publishes so many, and waits until every socket that reads has them, burst by burst. */
static void send_messages(long first, long count) {
  for (long n = first; n < first + count;) {
    long burst = opt.burst < first + count - n ? opt.burst : first + count - n;
    long long begin = wall_ns();
    for (long i = n; i < n + burst; i++) sent_at[i] = begin;
    publish(n, burst);
    n += burst;
    while (complete < n) {
      conns_poll(1000);
      if (total.closed && wanted > (uint32_t)total.ready)
        die(PROGRAM, "%ld sockets were closed", total.closed);
      if (wall_ns() - begin > SECONDS_WITHOUT_DELIVERY * 1000000000ll)
        die(PROGRAM, "message %ld: %u of %u sockets have it after %d s", complete, counts[complete],
            wanted, SECONDS_WITHOUT_DELIVERY);
    }
  }
}

static int compare(const void *a, const void *b) {
  long long x = *(const long long *)a, y = *(const long long *)b;
  return (x > y) - (x < y);
}

static void sort_latencies(void) {
  qsort(latency + opt.warmup, (size_t)opt.messages, sizeof *latency, compare);
}

static double latency_us(double share) {
  long at = (long)(share * (double)opt.messages);
  if (at >= opt.messages) at = opt.messages - 1;
  return (double)latency[opt.warmup + at] / 1000;
}

static void begin(void) {
  conns_open();
  conns_settle(QUIET_MS);
  publisher_open();
  printf("ready %ld %s\n", (long)opt.pids[0], opt.label);
  fflush(stdout);
}

/* ---- fanout --------------------------------------------------------------------------------- */

static void measure_fanout(void) {
  begin();
  prepare();
  send_messages(0, opt.warmup);
  long long cpu = server_cpu_ns(), wall = wall_ns();
  send_messages(opt.warmup, opt.messages);
  wall = wall_ns() - wall;
  conns_settle(50); /* what the server does after the last message is of it, too */
  cpu = server_cpu_ns() - cpu;
  if (total.doubled || total.skipped)
    die(PROGRAM, "%ld doubled, %ld out of order", total.doubled, total.skipped);
  sort_latencies();
  printf("result %ld %lld %lld p50=%.1f p99=%.1f max=%.1f others=%ld\n", opt.sockets * opt.messages,
         cpu, wall, latency_us(0.5), latency_us(0.99), latency_us(1), total.others);
}

/* ---- idle ----------------------------------------------------------------------------------- */

static void measure_idle(void) {
  memory before = server_memory();
  long long opening = server_cpu_ns(), wall = wall_ns();
  begin();
  opening = server_cpu_ns() - opening;
  wall = wall_ns() - wall;
  memory after = server_memory();
  long long cpu = server_cpu_ns(), until = wall_ns() + opt.seconds * 1000000000ll;
  while (wall_ns() < until) conns_poll(100);
  cpu = server_cpu_ns() - cpu;
  if (total.closed) die(PROGRAM, "%ld sockets were closed", total.closed);
  double each = 1024.0 / (double)opt.sockets;
  printf("result %ld %lld %lld rss=%.0f pss=%.0f base=%ld peak=%ld idle_cpu=%.0f\n", opt.sockets,
         opening, wall, (double)(after.rss - before.rss) * each,
         (double)(after.pss - before.pss) * each, before.rss, after.peak,
         (double)cpu / (double)opt.seconds / 1000);
}

/* ---- slow ----------------------------------------------------------------------------------- */

typedef struct outcome {
  long whole, gapped, closed, code, lost;
} outcome;

/* What has become of the slow ones: whole; whole but for what gap events told; closed; or lost:
 * something is missing of which nothing was told. */
static outcome judge_slow(void) {
  outcome sum = {0};
  for (long i = 0; i < opt.slow; i++) {
    const conn *c = &conns[i];
    uint32_t missing = (uint32_t)(opt.warmup + opt.messages) - c->got;
    if (c->state == STATE_CLOSED) {
      sum.closed++;
      sum.code = c->close_code;
    } else if (!missing) {
      sum.whole++;
    } else if (missing == c->told) {
      sum.gapped++;
    } else {
      sum.lost++;
    }
  }
  return sum;
}

/* Until each slow one has the last message or is closed, or nothing comes any more. */
static void await_slow(void) {
  long long deadline = wall_ns() + SECONDS_WITHOUT_DELIVERY * 1000000000ll;
  for (int is_waiting = 1; is_waiting && wall_ns() < deadline;) {
    conns_poll(100);
    is_waiting = 0;
    for (long i = 0; i < opt.slow; i++)
      if (conns[i].state == STATE_READY && conns[i].next < (uint32_t)(opt.warmup + opt.messages))
        is_waiting = 1;
  }
  conns_settle(QUIET_MS);
}

static void measure_slow(void) {
  begin();
  prepare();
  send_messages(0, opt.warmup);
  conns_settle(50);
  memory_reset();
  memory before = server_memory();
  conns_stop_reading();
  long long cpu = server_cpu_ns(), wall = wall_ns();
  send_messages(opt.warmup, opt.messages);
  cpu = server_cpu_ns() - cpu;
  wall = wall_ns() - wall;
  memory after = server_memory();
  conns_read_again();
  await_slow();
  outcome slow = judge_slow();
  sort_latencies();
  printf("result %ld %lld %lld p50=%.1f p99=%.1f grown=%ld peak=%ld whole=%ld gapped=%ld "
         "closed=%ld code=%ld lost=%ld doubled=%ld\n",
         (opt.sockets - opt.slow) * opt.messages, cpu, wall, latency_us(0.5), latency_us(0.99),
         after.rss - before.rss, after.peak - before.rss, slow.whole, slow.gapped, slow.closed,
         slow.code, slow.lost, total.doubled);
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  raise_descriptors();
  kinds_begin();
  if (strcmp(opt.part, "fanout") == 0)
    measure_fanout();
  else if (strcmp(opt.part, "idle") == 0)
    measure_idle();
  else if (strcmp(opt.part, "slow") == 0)
    measure_slow();
  else
    die(PROGRAM, "no such part: %s", opt.part);
  return 0;
}
