/* The stream of bench/rooms: what a room's publish script sends, without its history. Each room's
 * messages are linked from the first on, so that a feed has nothing to fetch. Pipelined in windows
 * as bench/receive's live stream; rooms in a fixed pseudo-random order; texts of 64 bytes.
 * usage: frames ADDRESS ROOMS MESSAGES */
#define PROGRAM "frames"
#include "publisher.h"
#include <inttypes.h>

#define WINDOW 512     /* PUBLISHes in one write; two windows are in flight */
#define CHECK_EVERY 32 /* windows */
#define COMMAND_BYTES 512
#define FIRST_MS 1795365705683ull

typedef struct room {
  char name[NAME_BYTES + 1], last[64]; /* the id before */
  uint64_t count;
} room;

static room *make_rooms(long count) {
  room *rooms = calloc((size_t)count, sizeof *rooms);
  if (!rooms) die(PROGRAM, "out of memory");
  for (long i = 0; i < count; i++) {
    channel_name(rooms[i].name, i);
    strcpy(rooms[i].last, "0-0-0000000000000000");
  }
  return rooms;
}

/* Appends the room's next PUBLISH; returns its end. */
static char *encode_next(char *at, room *r, long number) {
  char payload[COMMAND_BYTES], id[64];
  uint64_t tag = ((uint64_t)number + 1) * 0x9e3779b97f4a7c15u;
  snprintf(id, sizeof id, "%" PRIu64 "-%" PRIu64 "-%016" PRIx64,
           (uint64_t)(FIRST_MS + (uint64_t)number / 100), ++r->count, tag);
  int len =
      snprintf(payload, sizeof payload,
               "{\"id\":\"%s\",\"prev\":\"%s\",\"m\":{\"user\":\"user%03ld\",\"text\":\"%s\"}}", id,
               r->last, number % 1000, PAYLOAD);
  strcpy(r->last, id);
  return at + sprintf(at, "*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", NAME_BYTES, r->name,
                      len, payload);
}

static void publish(room *rooms, long count, long messages) {
  static char window[WINDOW * COMMAND_BYTES];
  unsigned seed = 1;
  long in_flight = 0;
  for (long sent = 0, windows = 0; sent < messages; windows++) {
    long size = messages - sent < WINDOW ? messages - sent : WINDOW;
    char *end = window;
    for (long i = 0; i < size; i++) {
      seed = seed * 1664525u + 1013904223u;
      end = encode_next(end, &rooms[(seed >> 8) % (unsigned long)count], sent + i);
    }
    if (windows % CHECK_EVERY == 0) {
      await_publishes(in_flight);
      in_flight = 0;
      while (backlog() > MAX_BACKLOG) usleep(1000);
    }
    write_all(window, (size_t)(end - window));
    await_publishes(in_flight);
    in_flight = size;
    sent += size;
  }
  await_publishes(in_flight);
}

int main(int argc, char **argv) {
  if (argc != 4) die(PROGRAM, "usage: %s ADDRESS ROOMS MESSAGES", PROGRAM);
  long count = number(PROGRAM, argv[2]);
  if (count == 0) die(PROGRAM, "no rooms");
  connect_to(argv[1]);
  room *rooms = make_rooms(count);
  publish(rooms, count, number(PROGRAM, argv[3]));
  free(rooms);
  redisFree(redis);
  return 0;
}
