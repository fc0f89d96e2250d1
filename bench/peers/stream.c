/* The stream of bench/receive: PUBLISHes of 64 bytes to channels in a fixed pseudo-random order,
 * and one last message "end". Every reply is awaited and must say that one subscriber got it.
 *   live         pipelined in windows, while the subscriber reads. So that a slow subscriber's
 *                backlog in Redis does not grow without end, the stream waits while it is above
 *                MAX_BACKLOG.
 *   backlog PID  the same, without waiting, while the subscriber (that process) is stopped; it is
 *                continued when all is published
 *   paced RATE   one by one, RATE a second
 * usage: stream ADDRESS CHANNELS MESSAGES live|backlog|paced [PID|RATE] */
#define PROGRAM "stream"
#include "publisher.h"
#include <signal.h>
#include <sys/prctl.h>

#define COMMAND_BYTES (4 + 4 + 9 + 5 + NAME_BYTES + 2 + 5 + 64 + 2)
#define WINDOW 512          /* PUBLISHes in one write; two windows are in flight */
#define BLOCK (64 * WINDOW) /* PUBLISHes that are encoded; then they repeat */
#define CHECK_EVERY 32      /* windows */

/* BLOCK commands of equal length, one after the other. */
static char *encode_block(long channels) {
  char *block = malloc((size_t)BLOCK * COMMAND_BYTES + 1), *at = block;
  if (!block) die(PROGRAM, "out of memory");
  unsigned seed = 1;
  for (int i = 0; i < BLOCK; i++) {
    char name[NAME_BYTES + 1];
    seed = seed * 1664525u + 1013904223u;
    channel_name(name, (long)((seed >> 8) % (unsigned long)channels));
    at +=
        sprintf(at, "*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$64\r\n%s\r\n", NAME_BYTES, name, PAYLOAD);
  }
  return block;
}

static void publish_in_windows(const char *block, long messages, int is_bounded) {
  long in_flight = 0;
  for (long sent = 0, windows = 0; sent < messages; windows++) {
    long count = messages - sent < WINDOW ? messages - sent : WINDOW;
    if (is_bounded && windows % CHECK_EVERY == 0) {
      await_publishes(in_flight);
      in_flight = 0;
      while (backlog() > MAX_BACKLOG) usleep(1000);
    }
    write_all(block + sent % BLOCK * COMMAND_BYTES, (size_t)count * COMMAND_BYTES);
    await_publishes(in_flight);
    in_flight = count;
    sent += count;
  }
  await_publishes(in_flight);
}

static void sleep_until(long long time) {
  struct timespec t = {.tv_sec = time / 1000000000, .tv_nsec = time % 1000000000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) continue;
}

static void publish_paced(const char *block, long messages, long rate) {
  if (rate == 0) die(PROGRAM, "the rate is 0");
  prctl(PR_SET_TIMERSLACK, 1); /* the default of 50 us is the whole pause at 20,000 a second */
  long long start = wall_ns();
  for (long sent = 0; sent < messages; sent++) {
    sleep_until(start + sent * (1000000000ll / rate));
    write_all(block + sent % BLOCK * COMMAND_BYTES, COMMAND_BYTES);
    await_publishes(1);
  }
}

static void publish_end(void) {
  static const char end[] = "*3\r\n$7\r\nPUBLISH\r\n$11\r\nroom:000000\r\n$3\r\nend\r\n";
  write_all(end, sizeof end - 1);
  await_publishes(1);
}

static void send_signal(long pid, int signal_number) {
  if (kill((pid_t)pid, signal_number) != 0) die(PROGRAM, "kill: %s", strerror(errno));
}

static void publish_backlog(const char *block, long messages, long pid) {
  if (pid == 0) die(PROGRAM, "no process to stop");
  send_signal(pid, SIGSTOP);
  publish_in_windows(block, messages, 0);
  publish_end();
  send_signal(pid, SIGCONT);
}

int main(int argc, char **argv) {
  if (argc != 5 && argc != 6)
    die(PROGRAM, "usage: %s ADDRESS CHANNELS MESSAGES live|backlog|paced [PID|RATE]", PROGRAM);
  const char *mode = argv[4];
  long messages = number(PROGRAM, argv[3]), extra = argc == 6 ? number(PROGRAM, argv[5]) : 0;
  connect_to(argv[1]);
  char *block = encode_block(number(PROGRAM, argv[2]));
  if (strcmp(mode, "backlog") == 0) {
    publish_backlog(block, messages, extra);
  } else {
    if (strcmp(mode, "paced") == 0)
      publish_paced(block, messages, extra);
    else
      publish_in_windows(block, messages, 1);
    publish_end();
  }
  free(block);
  redisFree(redis);
  return 0;
}
