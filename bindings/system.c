/* moonpool.system: POSIX primitives that Lua lacks and the program needs. Everything here returns
 * at once or is bounded by a time given; what waits for the loop is in stdio.c. Failures are
 * nil, message, "ESYS", the error's POSIX name. */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

int mp_system_fail(lua_State *L, int error, const char *doing, const char *subject) {
  lua_pushnil(L);
  if (subject)
    lua_pushfstring(L, "%s %s: %s", doing, subject, strerror(error));
  else
    lua_pushfstring(L, "%s: %s", doing, strerror(error));
  lua_pushliteral(L, "ESYS");
  lua_pushstring(L, uv_err_name(uv_translate_sys_error(error)));
  return 4;
}

static int succeed(lua_State *L) {
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- files ---- */

static const char *type_name(mode_t mode) {
  if (S_ISREG(mode)) return "file";
  if (S_ISDIR(mode)) return "directory";
  if (S_ISLNK(mode)) return "link";
  if (S_ISSOCK(mode)) return "socket";
  if (S_ISFIFO(mode)) return "pipe";
  return "device";
}

/* stat(path) → { type, uid, mode, size }; nil alone when nothing is there. A symbolic link is
 * not followed: its type is "link". `mode` has the permission bits only. */
static int system_stat(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct stat status;
  if (lstat(path, &status) < 0) {
    if (errno != ENOENT && errno != ENOTDIR) return mp_system_fail(L, errno, "stat", path);
    lua_pushnil(L);
    return 1;
  }
  lua_createtable(L, 0, 4);
  lua_pushstring(L, type_name(status.st_mode));
  lua_setfield(L, -2, "type");
  lua_pushinteger(L, (lua_Integer)status.st_uid);
  lua_setfield(L, -2, "uid");
  lua_pushinteger(L, (lua_Integer)(status.st_mode & 07777));
  lua_setfield(L, -2, "mode");
  lua_pushinteger(L, (lua_Integer)status.st_size);
  lua_setfield(L, -2, "size");
  return 1;
}

static int make_directory(const char *path, mode_t mode) {
  struct stat status;
  if (mkdir(path, mode) == 0) return 0;
  int error = errno;
  if (stat(path, &status) < 0) return error;
  return S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
}

/* mkdir(path[, mode]) → true, also when it was there. Missing parents are made likewise; `mode`
 * (default 0700) is for those that are made. */
static int system_mkdir(lua_State *L) {
  size_t length;
  const char *path = luaL_checklstring(L, 1, &length);
  mode_t mode = (mode_t)luaL_optinteger(L, 2, 0700);
  char *part = lua_newuserdata(L, length + 1);
  memcpy(part, path, length + 1);
  for (size_t i = 1; i <= length; i++) {
    if (part[i] != '/' && part[i] != '\0') continue;
    char end = part[i];
    part[i] = '\0';
    int error = make_directory(part, mode);
    if (error) return mp_system_fail(L, error, "make the directory", part);
    part[i] = end;
  }
  return succeed(L);
}

/* unlink(path) → true; false when nothing was there */
static int system_unlink(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int result = unlink(path);
  if (result < 0 && errno != ENOENT) return mp_system_fail(L, errno, "remove", path);
  lua_pushboolean(L, result == 0);
  return 1;
}

/* realpath(path) → the absolute path without links, "." and ".." */
static int system_realpath(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  char *resolved = realpath(path, NULL);
  if (!resolved) return mp_system_fail(L, errno, "find", path);
  lua_pushstring(L, resolved);
  free(resolved);
  return 1;
}

/* ---- processes ---- */

/* A process that has ended but that nobody has waited for answers kill(0) too. */
static int is_zombie(pid_t pid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  if (size <= 0) return 0;
  text[size] = '\0';
  const char *name_end = strrchr(text, ')'); /* the name may hold anything */
  return name_end && (strncmp(name_end, ") Z", 3) == 0 || strncmp(name_end, ") X", 3) == 0);
}

static pid_t check_pid(lua_State *L) {
  lua_Integer pid = luaL_checkinteger(L, 1);
  luaL_argcheck(L, pid > 0 && pid <= 0x7fffffff, 1, "a process id is above 0");
  return (pid_t)pid;
}

/* pid_alive(pid) → boolean */
static int system_pid_alive(lua_State *L) {
  pid_t pid = check_pid(L);
  int exists = kill(pid, 0) == 0 || errno == EPERM;
  lua_pushboolean(L, exists && !is_zombie(pid));
  return 1;
}

static const struct signal_name {
  const char *name;
  int number;
} signal_names[] = {
    {"SIGHUP", SIGHUP},     {"SIGINT", SIGINT},   {"SIGTERM", SIGTERM}, {"SIGKILL", SIGKILL},
    {"SIGUSR1", SIGUSR1},   {"SIGUSR2", SIGUSR2}, {"SIGSTOP", SIGSTOP}, {"SIGCONT", SIGCONT},
    {"SIGWINCH", SIGWINCH}, {"SIGABRT", SIGABRT}, {"SIGSEGV", SIGSEGV}, {"SIGBUS", SIGBUS},
    {"SIGILL", SIGILL},     {"SIGFPE", SIGFPE},   {"SIGPIPE", SIGPIPE}, {"SIGQUIT", SIGQUIT},
    {"SIGXCPU", SIGXCPU},   {"SIGSYS", SIGSYS},   {"SIGTRAP", SIGTRAP}, {"SIGALRM", SIGALRM}};

const char *mp_system_signal_name(int number) {
  for (size_t i = 0; i < sizeof signal_names / sizeof *signal_names; i++)
    if (signal_names[i].number == number) return signal_names[i].name;
  return NULL;
}

int mp_system_check_signal(lua_State *L, int arg) {
  const char *name = luaL_checkstring(L, arg);
  for (size_t i = 0; i < sizeof signal_names / sizeof *signal_names; i++)
    if (strcmp(signal_names[i].name, name) == 0) return signal_names[i].number;
  return luaL_argerror(L, arg, lua_pushfstring(L, "unknown signal '%s'", name));
}

/* kill(pid[, name]) → true; false when there is no such process. Default "SIGTERM". */
static int system_kill(lua_State *L) {
  pid_t pid = check_pid(L);
  int number = lua_isnoneornil(L, 2) ? SIGTERM : mp_system_check_signal(L, 2);
  int result = kill(pid, number);
  if (result < 0 && errno != ESRCH) return mp_system_fail(L, errno, "kill", lua_tostring(L, 1));
  lua_pushboolean(L, result == 0);
  return 1;
}

static int system_getpid(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getpid());
  return 1;
}

static int system_getuid(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getuid());
  return 1;
}

/* ignore_sigpipe() → true. From then on a write to a closed pipe fails with EPIPE. It holds for the
 * whole process, so only a program asks for it, never the library. */
static int system_ignore_sigpipe(lua_State *L) {
  if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) return mp_system_fail(L, errno, "signal", "SIGPIPE");
  return succeed(L);
}

/* ---- descriptors ---- */

static int system_isatty(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* columns(fd) → the terminal's width; nil alone when it is no terminal or does not say */
static int system_columns(lua_State *L) {
  struct winsize size;
  int fd = (int)luaL_checkinteger(L, 1);
  if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, size.ws_col);
  return 1;
}

/* What a write to `fd` may take without blocking once poll has said that it is writable: a pipe
 * promises PIPE_BUF. A plain file never blocks. */
static size_t step_size(int fd, size_t left) {
  struct stat status;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) return left;
  return left < 4096 ? left : 4096;
}

/* Writes until all is out, the time is over, or a signal came. 0 or an errno; *from moves on. */
static int write_for(int fd, const char *data, size_t size, size_t *from, int timeout) {
  uint64_t end = uv_hrtime() / 1000000 + (uint64_t)timeout;
  size_t step = step_size(fd, size - *from);
  while (*from < size) {
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    uint64_t now = uv_hrtime() / 1000000;
    int count = poll(&ready, 1, now < end ? (int)(end - now) : 0);
    if (count == 0 || (count < 0 && errno == EINTR)) return 0;
    if (count < 0) return errno;
    size_t left = size - *from;
    ssize_t written = write(fd, data + *from, left < step ? left : step);
    if (written > 0)
      *from += (size_t)written;
    else if (written < 0 && errno != EAGAIN && errno != EINTR)
      return errno;
  }
  return 0;
}

/* write(fd, data, from, seconds) → how many bytes of `data` are out, counting the `from` that were
 * before. Fewer than all when the time was over or a signal came: the reader is slow. Never blocks
 * longer than that, and leaves the descriptor's flags, which others share, as they are. */
static int system_write(lua_State *L) {
  size_t size;
  int fd = (int)luaL_checkinteger(L, 1);
  const char *data = luaL_checklstring(L, 2, &size);
  lua_Integer from = luaL_checkinteger(L, 3);
  lua_Number seconds = luaL_checknumber(L, 4);
  luaL_argcheck(L, from >= 0 && (size_t)from <= size, 3, "outside of the data");
  luaL_argcheck(L, seconds >= 0 && seconds <= 86400, 4, "0 to 86400 seconds");
  size_t done = (size_t)from;
  int error = write_for(fd, data, size, &done, (int)(seconds * 1000));
  if (error) return mp_system_fail(L, error, "write", NULL);
  lua_pushinteger(L, (lua_Integer)done);
  return 1;
}

/* ---- */

/* random(n) → n bytes of the system's random source */
static int system_random(lua_State *L) {
  lua_Integer size = luaL_checkinteger(L, 1);
  luaL_argcheck(L, size >= 0 && size <= 65536, 1, "0 to 65536 bytes");
  char *bytes = lua_newuserdata(L, (size_t)size + 1);
  int error = size ? uv_random(NULL, NULL, bytes, (size_t)size, 0, NULL) : 0;
  if (error) return mp_system_fail(L, -error, "random", NULL);
  lua_pushlstring(L, bytes, (size_t)size);
  return 1;
}

/* files_in(folder, ending) → the names in it that end so, in the order of their bytes; hidden ones
 * are left out */
static int system_files_in(lua_State *L) {
  size_t len, name_len;
  const char *path = luaL_checkstring(L, 1), *ending = luaL_checklstring(L, 2, &len);
  uv_fs_t request;
  uv_dirent_t entry;
  int status = uv_fs_scandir(NULL, &request, path, 0, NULL); /* sorts by strcmp */
  lua_newtable(L);
  while (status >= 0 && uv_fs_scandir_next(&request, &entry) == 0) {
    name_len = strlen(entry.name);
    if (entry.name[0] == '.' || name_len < len) continue;
    if (memcmp(entry.name + name_len - len, ending, len) != 0) continue;
    lua_pushstring(L, entry.name);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
  uv_fs_req_cleanup(&request);
  return status < 0 ? mp_system_fail(L, -status, "read folder", path) : 1;
}

static const luaL_Reg functions[] = {{"open_lock", mp_lock_open},
                                     {"files_in", system_files_in},
                                     {"stat", system_stat},
                                     {"mkdir", system_mkdir},
                                     {"unlink", system_unlink},
                                     {"realpath", system_realpath},
                                     {"spawn_detached", mp_spawn_detached},
                                     {"pid_alive", system_pid_alive},
                                     {"kill", system_kill},
                                     {"getpid", system_getpid},
                                     {"getuid", system_getuid},
                                     {"ignore_sigpipe", system_ignore_sigpipe},
                                     {"isatty", system_isatty},
                                     {"columns", system_columns},
                                     {"write", system_write},
                                     {"random", system_random},
                                     {"lines", mp_lines_open},
                                     {"signal", mp_signal_open},
                                     {"watch", mp_fs_watch_open},
                                     {"latch", mp_latch_new},
                                     {"spawn", mp_process_spawn},
                                     {"open_stream", mp_stream_open},
                                     {"listen", mp_listener_open},
                                     {"bind", mp_unix_bind},
                                     {"connect_descriptor", mp_unix_connect},
                                     {"peer_pid", mp_unix_peer_pid},
                                     {"socketpair", mp_unix_pair},
                                     {"pipe", mp_pipe_pair},
                                     {"close_descriptor", mp_close_descriptor},
                                     {"notify", mp_unix_notify},
                                     {NULL, NULL}};

int mp_open_system(lua_State *L) {
  luaL_checkstack(L, 4, NULL);
  lua_createtable(L, 0, sizeof functions / sizeof *functions);
  lua_insert(L, -2);
  luaL_setfuncs(L, functions, 1);
  return 1;
}
