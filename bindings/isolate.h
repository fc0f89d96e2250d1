/* What the files of isolates share. An isolate is a lua_State of its own in which a script runs:
 * with a limit of memory, a budget of CPU for each uninterrupted slice, and a library without a way
 * out. isolate.c has the handle, isolate_run.c calls and slices, isolate_watch.c the budget,
 * isolate_copy.c values between states, isolate_library.c and isolate_coroutine.c what is safe of
 * Lua's own library, isolate_tools.c what the guest code gets. */
#ifndef MP_ISOLATE_H
#define MP_ISOLATE_H

#include "runtime.h"

#include <signal.h>

/* A function of the guest's that was called and has not returned; or a coroutine for the next. */
typedef struct mp_call {
  struct mp_call *next; /* in the list of the idle */
  lua_State *co;
  int number;       /* to the host */
  int ref;          /* in the isolate's registry */
  int is_open;      /* waits for an answer */
  uint64_t used_ns; /* CPU since its last wait */
} mp_call;

typedef struct mp_isolate {
  lua_State *L; /* NULL: closed */
  char *name;
  size_t memory, memory_peak, memory_max; /* bytes; max 0: no limit */
  int is_boundless;   /* what the host itself does in it may go over the limit */
  int is_broken;      /* out of memory where Lua cannot bear it; killed, too */
  uint64_t budget_ns; /* of a call between two waits; 0: no limit */
  uint64_t slice_ns;  /* after which a call is paused, so that others have their turn; 0: never */
  int is_watched;     /* counted by the watch of the thread */

  /* The slice that runs. The watch's signal handler reads and writes these. */
  lua_State *volatile running;     /* its innermost coroutine */
  lua_State *top;                  /* its outermost one, which the host has called */
  volatile sig_atomic_t is_killed; /* its budget is over: nothing of it runs any more */
  volatile sig_atomic_t is_stuck;  /* no hook has stopped it for long; told */
  volatile unsigned slice, seen;   /* number of the slice; of the one seen at the last tick */
  volatile uint64_t since_ns;      /* CPU clock when it was seen first */
  volatile uint64_t killed_ns;     /* CPU clock when the budget was over */
  uint64_t used_ns;                /* CPU of the call's earlier slices since its last wait */
  volatile uint64_t entered_ns;    /* uv_hrtime when it began */
  int is_pausing;                  /* its coroutines yield, to go on later where they are */
  char where[120];                 /* where it was stopped: "file:line" */
  uintptr_t stack;                 /* the C stack where the slice began */

  const struct mp_parcel *parcel; /* what the host hands over; while it is being taken */
  int is_asking;                  /* a coroutine has just yielded to the host */
  int dispatch;                   /* a reference: the guest's function; LUA_NOREF: not booted */
  int message_metatable;          /* likewise */
  mp_call *paused;                /* nothing else runs until it has gone on */
  mp_call *idle;                  /* coroutines for the next calls */
  size_t idle_count;
  mp_call **calls; /* all, by number */
  size_t calls_size, calls_count;
  uint64_t busy_ns; /* time of all slices */
  int has_clock;    /* a fixed one */
  lua_Number clock_now, clock_time;
} mp_isolate;

/* Values on the stack of a host's state. */
typedef struct mp_parcel {
  lua_State *L;
  int first, last;
} mp_parcel;

/* The isolate whose state, or coroutine, L is. */
static inline mp_isolate *mp_isolate_of(lua_State *L) {
  return *(mp_isolate **)lua_getextraspace(L);
}

/* ---- isolate_watch.c ---- */

/* Has the budgets of this thread's isolates watched, as long as there are any: 0, or an errno. */
int mp_watch_acquire(void);
void mp_watch_release(void);

/* A slice of the isolate begins on the coroutine, perhaps of a call that was paused; and ends. */
void mp_watch_enter(mp_isolate *isolate, lua_State *co, int was_paused);
void mp_watch_leave(mp_isolate *isolate);

/* CPU that the slice which has just ended has used; when it was too short to be seen, the time that
 * it took. So a loop that asks for something each time comes to its end, too. */
uint64_t mp_watch_used(const mp_isolate *isolate, uint64_t took_ns);

/* Keeps the innermost line of the coroutine's that is known, if none is yet. */
void mp_watch_note_where(lua_State *L, mp_isolate *isolate);

/* Does not return when the isolate is killed: the coroutine stops for good. To be called by
 * functions of Lua's only, outside of protected calls of their own. */
void mp_isolate_check(lua_State *L);

/* isolate.set_alarm(fd | nil) */
int mp_watch_set_alarm(lua_State *L);

/* ---- isolate_copy.c ---- */

/* Why the host's value at `index` cannot cross, a static text; NULL: it can. Nothing of the value's
 * own is called. */
const char *mp_copy_check(lua_State *L, int index);

/* Likewise all values from `first` to `last` of an isolate's coroutine. A few tables, each many
 * times in the others, take long to go through: it ends when the isolate is killed. */
const char *mp_copy_check_out(lua_State *L, int first, int last);

/* Likewise for what an isolate encodes as JSON: its library takes memory that is not counted. */
const char *mp_copy_check_json(lua_State *L, int index);

/* Pushes a copy of `from`'s value onto `to`, which is another state. It was checked. What is raised
 * is raised in `to`. */
void mp_copy(lua_State *from, int index, lua_State *to);

/* ---- isolate_library.c, isolate_table.c, isolate_coroutine.c, isolate_tools.c ---- */

/* Opens the libraries in a new isolate; protected. */
void mp_isolate_open_library(lua_State *L);
void mp_isolate_open_table(lua_State *L);
void mp_isolate_open_coroutine(lua_State *L);

/* Pushes the guest's `ask` and `tools`. */
void mp_isolate_push_tools(lua_State *L);

/* pcall as scripts have it. */
int mp_isolate_pcall(lua_State *L);

/* ---- isolate_run.c ---- */

/* In an isolate: pushes what the parcel holds. Raises, also when `L` was not given one. */
int mp_isolate_take(lua_State *L, int index);

int mp_isolate_boot(lua_State *L);
int mp_isolate_start(lua_State *L);
int mp_isolate_answer(lua_State *L);
int mp_isolate_resume(lua_State *L);
int mp_isolate_rested(lua_State *L);
void mp_isolate_free_calls(mp_isolate *isolate);

/* ---- isolate.c ---- */

/* The open isolate at index 1; raises if it is none. */
mp_isolate *mp_check_isolate(lua_State *L);

/* ---- message.c ---- */

/* In an isolate: makes the messages' metatable. Their handles have the functions of the table on
 * top of L as methods, too; it stays there. */
void mp_message_open_guest(lua_State *L);

/* Is the value at `index` a message? `L` is a host's state, in a function that has the runtime as
 * its first upvalue. */
int mp_message_is(lua_State *L, int index);

/* Pushes a copy of `from`'s message onto the isolate `to`. */
void mp_message_copy(lua_State *from, int index, lua_State *to);

#endif
