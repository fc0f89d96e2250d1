/* Starts a program that outlives us: in a session of its own, adopted by init, with nothing of ours
 * open in it. Between fork and exec only async-signal-safe calls are made, because the process has
 * threads (libuv's pool). */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  REPORT_FD = 3, /* where the new process keeps the way to tell us of a failed exec */
  LOCK_FD = 4,   /* where it gets the lock that it is to hold */
  FREE_FD = 5    /* from here on everything is closed in it */
};

/* The descriptors are at FREE_FD or above, or -1. */
typedef struct spawn_request {
  char **argv;   /* terminated by NULL; a userdata on the Lua stack */
  int output[2]; /* what becomes stdout and stderr */
  int lock;
} spawn_request;

/* What the new process tells: its id first, then, only if it could not start, why. */
typedef struct spawn_report {
  pid_t pid;
  int error;
} spawn_report;

/* ---- in the new process ---- */

static void close_from(int first) {
  struct rlimit limit;
#ifdef SYS_close_range
  if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0) return;
#endif
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > 65536) limit.rlim_cur = 65536;
  for (int fd = first; fd < (int)limit.rlim_cur; fd++) close(fd);
}

static void reset_signals(void) {
  sigset_t none;
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static int take_streams(const spawn_request *request, int report) {
  int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, STDIN_FILENO) < 0) return -1;
  if (dup2(request->output[0], STDOUT_FILENO) < 0) return -1;
  if (dup2(request->output[1], STDERR_FILENO) < 0) return -1;
  if (dup2(report, REPORT_FD) < 0) return -1;
  if (request->lock >= 0 && dup2(request->lock, LOCK_FD) < 0) return -1;
  close_from(request->lock >= 0 ? FREE_FD : LOCK_FD);
  return fcntl(REPORT_FD, F_SETFD, FD_CLOEXEC);
}

static void send_report(int fd, int error) {
  spawn_report report = {.pid = getpid(), .error = error};
  if (write(fd, &report, sizeof report) != sizeof report) _exit(127);
}

/* The new process, from fork to exec. */
static void become(const spawn_request *request, int report) {
  if (take_streams(request, report) < 0) {
    send_report(report, errno);
    _exit(127);
  }
  reset_signals();
  send_report(REPORT_FD, 0);
  execvp(request->argv[0], request->argv);
  send_report(REPORT_FD, errno);
  _exit(127);
}

/* The process between: it leaves our session, forks the new one and goes, so init adopts that. */
static void fork_again(const spawn_request *request, int report) {
  setsid();
  pid_t pid = fork();
  if (pid == 0) become(request, report);
  if (pid < 0) send_report(report, errno);
  _exit(0);
}

/* ---- in ours ---- */

/* The same file at a descriptor that none of the new process's fixed ones can overwrite; -1 and
 * errno when `fd` is -1 or there are too many. */
static int move_up(int fd) {
  if (fd < 0) return -1;
  int moved = fcntl(fd, F_DUPFD_CLOEXEC, FREE_FD);
  int error = errno;
  close(fd);
  errno = error;
  return moved;
}

static ssize_t read_report(int fd, spawn_report *report) {
  ssize_t size;
  do {
    size = read(fd, report, sizeof *report);
  } while (size < 0 && errno == EINTR);
  return size;
}

static void wait_through_signals(pid_t pid) {
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
}

static int open_report(int ends[2]) {
  if (pipe(ends) < 0) return errno;
  ends[0] = move_up(ends[0]);
  ends[1] = move_up(ends[1]);
  if (ends[0] >= 0 && ends[1] >= 0) return 0;
  if (ends[0] >= 0) close(ends[0]);
  if (ends[1] >= 0) close(ends[1]);
  return EMFILE;
}

/* Reads what the new process tells until it has become the program or failed. */
static int await_exec(int fd, pid_t *pid) {
  spawn_report report = {.error = ECHILD};
  while (read_report(fd, &report) == sizeof report && report.error == 0) *pid = report.pid;
  return report.error;
}

/* 0 and *pid, or the errno of what failed. */
static int spawn(const spawn_request *request, pid_t *pid) {
  int ends[2];
  int error = open_report(ends);
  if (error) return error;
  pid_t between = fork();
  if (between < 0) error = errno;
  if (between == 0) fork_again(request, ends[1]);
  close(ends[1]);
  if (between > 0) {
    error = await_exec(ends[0], pid);
    wait_through_signals(between);
  }
  close(ends[0]);
  return error;
}

/* ---- what Lua sees ---- */

static char **check_argv(lua_State *L) {
  size_t count = lua_rawlen(L, 1);
  luaL_argcheck(L, count > 0, 1, "no program to start");
  char **argv = lua_newuserdata(L, (count + 1) * sizeof *argv);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (int)i + 1);
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "an argument is no string");
    argv[i] = (char *)lua_tostring(L, -1); /* the table keeps it alive */
    lua_pop(L, 1);
  }
  argv[count] = NULL;
  return argv;
}

static void check_options(lua_State *L) {
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcmp(name, "lock") == 0) {
      mp_lock_descriptor(L, -1); /* raises */
      continue;
    }
    if (strcmp(name, "stdout") != 0 && strcmp(name, "stderr") != 0)
      luaL_error(L, "unknown option '%s'", name);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "option '%s' must be a path", name);
  }
}

/* Pushes the path, so that an error can name it. */
static int open_output(lua_State *L, const char *option) {
  lua_getfield(L, 2, option);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushliteral(L, "/dev/null");
  }
  return move_up(open(lua_tostring(L, -1), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
}

static void close_request(const spawn_request *request) {
  for (int i = 0; i < 2; i++)
    if (request->output[i] >= 0) close(request->output[i]);
  if (request->lock >= 0) close(request->lock);
}

/* Opens what the options name. 0, or the results of a failure that were pushed. */
static int open_request(lua_State *L, spawn_request *request) {
  static const char *const options[] = {"stdout", "stderr"};
  for (int i = 0; i < 2; i++) {
    request->output[i] = open_output(L, options[i]);
    if (request->output[i] < 0) return mp_system_fail(L, errno, "open", lua_tostring(L, -1));
  }
  lua_getfield(L, 2, "lock");
  if (lua_isnil(L, -1)) return 0;
  request->lock = fcntl(mp_lock_descriptor(L, -1), F_DUPFD_CLOEXEC, FREE_FD);
  return request->lock < 0 ? mp_system_fail(L, errno, "duplicate", "the lock") : 0;
}

/* spawn_detached(argv[, { stdout = path, stderr = path, lock = handle }]) → pid. argv[1] is looked
 * for in PATH. Both outputs are appended to (default /dev/null). A lock that the handle holds is
 * from then on held by the new process too, until it and its children end: close the handle here
 * (unlocking it would unlock it there). The 4th result on failure is "ENOENT" when there is no
 * such program. */
int mp_spawn_detached(lua_State *L) {
  spawn_request request = {.output = {-1, -1}, .lock = -1};
  pid_t pid = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  luaL_checktype(L, 2, LUA_TTABLE);
  check_options(L);
  request.argv = check_argv(L);
  int results = open_request(L, &request);
  if (results == 0) {
    int error = spawn(&request, &pid);
    if (error) results = mp_system_fail(L, error, "start", request.argv[0]);
  }
  close_request(&request);
  if (results) return results;
  lua_pushinteger(L, pid);
  return 1;
}
