/* The load client of bench/fanout: many WebSockets of one process, which count what they are sent,
 * and a publisher. What its files share. One thread, one epoll; whatever goes wrong ends it. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#define PROGRAM "load"
#include "../peers/peer.h"
#include <stdint.h>
#include <sys/types.h>

#define MAX_PIDS 8
#define NUMBER_BYTES 8 /* digits of a message's number, which end its text, behind a '#' */

typedef enum state { STATE_NONE, STATE_UPGRADING, STATE_JOINING, STATE_READY, STATE_CLOSED } state;

typedef struct conn {
  int fd;
  uint8_t state, is_slow;
  uint16_t close_code; /* 1006: closed without a code */
  uint32_t next;       /* the number that it must be sent next */
  uint32_t got;
  uint32_t skipped; /* numbers that were jumped over */
  uint32_t told;    /* what gap events said that is missing */
  uint32_t gaps;
  char *kept; /* the begin of a frame whose end has not come yet */
  size_t kept_len, kept_cap;
} conn;

typedef struct text {
  const char *data;
  size_t len;
} text;

/* A kind of server: how a socket gets into its room, and how a message is published to it. */
typedef struct kind {
  const char *name;
  /* The path with its query (%s: the room), and further headers, each with its end. */
  const char *path, *headers;
  /* Sends what follows the upgrade. NULL: the socket is in its room. */
  void (*greet)(conn *c, int index, const char *room);
  /* 1: this frame says that the socket is in its room. */
  int (*is_joined)(text frame);
  /* What a frame that is no message is answered with, or NULL. */
  const char *(*answer)(text frame);
  /* Appends the n-th message's publication to a room; returns its end. */
  char *(*publish)(char *at, long n, const char *room);
  int is_published_by_http;
} kind;

typedef struct options {
  const kind *kind;
  const char *redis, *publisher, *script, *part, *label;
  long port, sockets, rooms, messages, warmup, burst, slow, text, seconds;
  pid_t pids[MAX_PIDS];
  int pid_count;
} options;

extern options opt;

/* kinds.c */
const kind *kind_find(const char *name);
void kinds_begin(void); /* after the options are known */
void room_name(char name[16], long room);

/* conns.c: the sockets. */
typedef struct totals {
  long ready, closed, doubled, skipped, others;
} totals;
extern conn *conns;
extern totals total;
void conns_open(void); /* all of them, until each is in its room */
void conns_poll(int timeout_ms);
void conns_settle(int quiet_ms); /* until nothing has come for so long */
void conns_stop_reading(void);   /* those that are slow */
void conns_read_again(void);
void conns_watch(int fd, void (*on_readable)(void)); /* one more descriptor */
void conn_send_text(conn *c, const char *data);

/* A message has come to a socket that is not slow. */
void on_delivery(uint32_t number);

/* publisher.c */
void publisher_open(void);
void publish(long first, long count); /* returns once all is written */

/* server.c: what the server process takes. */
long long server_cpu_ns(void);
typedef struct memory {
  long rss, pss, peak; /* KB; peak: the largest RSS since memory_reset */
} memory;
memory server_memory(void);
void memory_reset(void);

#endif
