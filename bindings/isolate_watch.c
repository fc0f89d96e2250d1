/* The budget of isolates: a timer of the thread's own CPU time, whose signal looks at what runs.
 *
 * While a script keeps within its budget this costs it nothing: no hook counts its instructions.
 * Once the budget is over, the signal's handler sets a hook, as lua.c does for Ctrl-C (lua_sethook
 * may be called from a handler that runs on the thread of the state), which raises at the next
 * instruction, and again at each one after it: whatever the script keeps by pcall goes on to
 * nothing. A C function sees no hook; when one takes long, the handler tells the supervisor which
 * script.
 *
 * Long before that, a call that takes longer than a slice is paused: a hook yields its coroutines,
 * where Lua can do that, and the host goes on with it in its loop's next turn. The kernel looks at
 * timers of CPU time a few hundred times a second only; for the slices that follow a pause there is
 * a finer one, of real time. */
#include "isolate.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 4000000    /* of the timer */
#define STUCK_NS 100000000 /* over the budget by so much: no hook stops it */
#define WHERE_LEVELS 50    /* of the stack */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

typedef struct watch {
  mp_isolate *volatile current;
  timer_t timer, fine; /* of CPU time, always; of real time, for what was paused */
  int is_fine;
  size_t users;
  volatile int alarm; /* the descriptor; -1: none */
} watch;

static __thread watch thread_watch = {.alarm = -1};
static int watch_signal; /* 0: not chosen yet */
static pthread_mutex_t signal_lock = PTHREAD_MUTEX_INITIALIZER;

static char kill_token;

/* ---- stopping -------------------------------------------------------------------------------- */

static int never(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return luaL_error(L, "the isolate was killed");
}

/* Where it can, the coroutine just stops, for good: nothing of it is unwound, which could take long
 * (Lua looks through the whole stack at each pcall on the way). */
static void leave_for_good(lua_State *L, int is_hook) {
  if (!lua_isyieldable(L)) {
    lua_pushlightuserdata(L, &kill_token);
    lua_error(L);
  }
  if (is_hook)
    lua_yield(L, 0);
  else
    lua_yieldk(L, 0, 0, never);
}

/* The innermost line of a function in Lua. The guest has no lines. */
void mp_watch_note_where(lua_State *L, mp_isolate *isolate) {
  lua_Debug ar;
  for (int level = 0; !isolate->where[0] && level < WHERE_LEVELS; level++) {
    if (!lua_getstack(L, level, &ar)) return;
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline >= 0)
      snprintf(isolate->where, sizeof isolate->where, "%s:%d", ar.short_src, ar.currentline);
  }
}

void mp_isolate_check(lua_State *L) {
  mp_isolate *isolate = mp_isolate_of(L);
  if (!isolate->is_killed) return;
  mp_watch_note_where(L, isolate);
  leave_for_good(L, 0);
}

static void on_hook(lua_State *L, lua_Debug *ar) {
  (void)ar;
  mp_watch_note_where(L, mp_isolate_of(L));
  leave_for_good(L, 1);
}

/* ---- pausing --------------------------------------------------------------------------------- */

static int is_long(const mp_isolate *isolate) {
  return isolate->slice_ns && uv_hrtime() - isolate->entered_ns >= isolate->slice_ns;
}

/* Where a coroutine cannot yield, inside a function of Lua's library, it goes on until the next
 * tick. The hook may have been set for an earlier slice. */
static void on_pause(lua_State *L, lua_Debug *ar) {
  (void)ar;
  mp_isolate *isolate = mp_isolate_of(L);
  lua_sethook(L, NULL, 0, 0);
  if (isolate->is_killed || !is_long(isolate) || !lua_isyieldable(L)) return;
  isolate->is_pausing = 1;
  lua_yield(L, 0);
}

/* ---- in the signal handler: only what may be called there ------------------------------------ */

static uint64_t cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void tell(int fd, const char *what, const char *name) {
  char line[200];
  size_t head = strlen(what), len = strnlen(name, sizeof line - head - 1);
  memcpy(line, what, head);
  memcpy(line + head, name, len);
  line[head + len] = '\n';
  if (fd >= 0 && write(fd, line, head + len + 1) < 0) return; /* nobody reads any more */
}

static void set_hook(const mp_isolate *isolate) {
  int events = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;
  if (isolate->is_killed)
    lua_sethook(isolate->running, on_hook, events, 1);
  else
    lua_sethook(isolate->running, on_pause, LUA_MASKCOUNT, 1);
}

static void look_at(mp_isolate *isolate, uint64_t now) {
  if (isolate->seen != isolate->slice) {
    isolate->seen = isolate->slice;
    isolate->since_ns = now;
  }
  uint64_t used = now - isolate->since_ns + isolate->used_ns;
  if (!isolate->is_killed && isolate->budget_ns && used >= isolate->budget_ns) {
    isolate->killed_ns = now;
    isolate->is_killed = 1;
  }
  /* At each tick: just before the last one it may have gone from a coroutine to another. */
  if (isolate->is_killed || is_long(isolate)) set_hook(isolate);
  if (isolate->is_killed && !isolate->is_stuck && now - isolate->killed_ns >= STUCK_NS) {
    isolate->is_stuck = 1;
    tell(thread_watch.alarm, "stuck ", isolate->name);
  }
}

static void on_tick(int number) {
  (void)number;
  int error = errno;
  if (thread_watch.current) look_at(thread_watch.current, cpu_ns());
  errno = error;
}

/* ---- the timer ------------------------------------------------------------------------------- */

/* A signal that nobody uses. */
static int choose_signal(void) {
  for (int number = SIGRTMAX; number >= SIGRTMIN; number--) {
    struct sigaction now;
    if (sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_DFL) return number;
  }
  return 0;
}

/* Of the process; under the lock. */
static int install_handler(void) {
  if (watch_signal) return 0;
  int number = choose_signal();
  if (!number) return EBUSY;
  struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  if (sigaction(number, &action, NULL) != 0) return errno;
  watch_signal = number;
  return 0;
}

/* So many nanoseconds between its signals, less than a second; 0: none. 0, or an errno. */
static int set_timer(timer_t timer, long interval) {
  struct itimerspec every = {{0, interval}, {0, interval}};
  return timer_settime(timer, 0, &every, NULL) == 0 ? 0 : errno;
}

static int start_timers(void) {
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = watch_signal};
  event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
  if (timer_create(CLOCK_MONOTONIC, &event, &thread_watch.fine) != 0) return errno;
  int error = 0;
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &thread_watch.timer) != 0) {
    error = errno;
    goto fail;
  }
  error = set_timer(thread_watch.timer, TICK_NS);
  if (!error) return 0;
  timer_delete(thread_watch.timer);
fail:
  timer_delete(thread_watch.fine);
  return error;
}

int mp_watch_acquire(void) {
  if (thread_watch.users == 0) {
    pthread_mutex_lock(&signal_lock);
    int error = install_handler();
    pthread_mutex_unlock(&signal_lock);
    if (!error) error = start_timers();
    if (error) return error;
  }
  thread_watch.users++;
  return 0;
}

void mp_watch_release(void) {
  if (--thread_watch.users > 0) return;
  timer_delete(thread_watch.timer);
  timer_delete(thread_watch.fine);
}

/* ---- slices ---------------------------------------------------------------------------------- */

void mp_watch_enter(mp_isolate *isolate, lua_State *co, int was_paused) {
  isolate->running = co;
  isolate->slice++;
  if (was_paused) { /* its slices are as short as the first tick that would see them */
    isolate->since_ns = cpu_ns();
    isolate->seen = isolate->slice;
    thread_watch.is_fine = set_timer(thread_watch.fine, (long)isolate->slice_ns) == 0;
  }
  thread_watch.current = isolate;
}

void mp_watch_leave(mp_isolate *isolate) {
  thread_watch.current = NULL;
  if (thread_watch.is_fine) set_timer(thread_watch.fine, 0);
  thread_watch.is_fine = 0;
  if (!isolate->is_stuck) return;
  isolate->is_stuck = 0;
  tell(thread_watch.alarm, "free ", isolate->name);
}

uint64_t mp_watch_used(const mp_isolate *isolate, uint64_t took_ns) {
  if (isolate->seen == isolate->slice) return cpu_ns() - isolate->since_ns;
  return took_ns < TICK_NS ? took_ns : TICK_NS;
}

/* isolate.set_alarm(fd | nil): where "stuck NAME" is written when a slice has gone over its budget
 * by a tenth of a second and no hook stops it, and "free NAME" when it has ended after all. */
int mp_watch_set_alarm(lua_State *L) {
  thread_watch.alarm = lua_isnoneornil(L, 1) ? -1 : (int)luaL_checkinteger(L, 1);
  return 0;
}
