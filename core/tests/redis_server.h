/* A real Redis of the test's own, on a Unix socket in a folder of its own. It ends with the test,
 * however that ends. */
#ifndef MP_REDIS_SERVER_H
#define MP_REDIS_SERVER_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct redis_server {
  pid_t pid;
  int log; /* its standard output */
  char directory[40], path[60], url[80];
} redis_server;

static inline void redis_exec(const redis_server *server, int out, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  dup2(out, 1);
  dup2(out, 2);
  execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", server->path, "--dir",
         server->directory, "--save", "", "--appendonly", "no", "--enable-debug-command", "yes",
         (char *)NULL);
  perror("exec redis-server");
  _exit(127);
}

static inline long long redis_clock_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Reads what Redis prints until it says that it is ready. */
static inline int redis_is_ready(redis_server *server) {
  char text[16384] = "";
  size_t len = 0;
  long long deadline = redis_clock_ms() + 60000;
  while (!strstr(text, "Ready to accept connections") &&
         !strstr(text, "ready to accept connections")) {
    struct pollfd log = {.fd = server->log, .events = POLLIN};
    long long left = deadline - redis_clock_ms();
    if (left <= 0 || poll(&log, 1, (int)left) < 1) break;
    ssize_t got = read(server->log, text + len, sizeof text - 1 - len);
    if (got <= 0) break;
    text[len += (size_t)got] = '\0';
  }
  if (strstr(text, "ready to accept") || strstr(text, "Ready to accept")) return 1;
  printf("redis-server did not start:\n%s\n", text);
  return 0;
}

/* Stops the process `pid`, a child: when this returns, it does nothing any more until SIGCONT. The
 * signal alone takes effect a moment later, in which it may still answer. */
static inline void stop_process(pid_t pid) {
  int status;
  kill(pid, SIGSTOP);
  while (waitpid(pid, &status, WUNTRACED) < 0 && errno == EINTR) continue;
}

static inline void redis_kill(redis_server *server) {
  if (server->pid > 0) {
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    close(server->log);
  }
  server->pid = 0;
  unlink(server->path);
}

/* Starts it, again too, on the same socket. */
static inline int redis_start(redis_server *server) {
  int ends[2];
  pid_t parent = getpid();
  if (!server->directory[0]) {
    strcpy(server->directory, "/tmp/moonpool-test-XXXXXX");
    if (!mkdtemp(server->directory)) abort();
    snprintf(server->path, sizeof server->path, "%s/r", server->directory);
    snprintf(server->url, sizeof server->url, "unix://%s", server->path);
  }
  if (pipe(ends)) abort();
  fflush(stdout);
  server->pid = fork();
  if (server->pid == 0) redis_exec(server, ends[1], parent);
  close(ends[1]);
  server->log = ends[0];
  if (server->pid > 0 && redis_is_ready(server)) return 1;
  redis_kill(server);
  return 0;
}

static inline void redis_stop(redis_server *server) {
  redis_kill(server);
  if (rmdir(server->directory)) perror(server->directory);
}

/* The end of main: starts `server`, runs the table `tests` and stops it. */
#define RUN_TESTS_WITH_REDIS(server, tests, argc, argv)                                            \
  (redis_start(server) ? redis_stop_after((server), RUN_TESTS(tests, argc, argv)) : 1)

static inline int redis_stop_after(redis_server *server, int failed) {
  redis_stop(server);
  return failed;
}

#endif
