/* What the binding's files share: the runtime of one lua_State, its tasks, and the way of waiting.
 *
 * A runtime owns a private uv_loop_t. A task is a coroutine that moonpool resumes: one spawned by a
 * program, or a dispatcher that calls handlers. C functions that wait follow one pattern:
 *
 *   mp_waiter *w = mp_wait_begin(L, rt);       // raises where waiting is impossible
 *   start the operation with `w` as its context
 *   return mp_wait(L, w);                       // yields, or runs the loop on the main state
 *
 * and the operation's callback ends with mp_wake_now or mp_wake_later. */
#ifndef MP_RUNTIME_H
#define MP_RUNTIME_H

#include "compat.h"

#include <moonpool.h>

typedef struct mp_runtime mp_runtime;
typedef struct mp_task mp_task;
typedef struct mp_waiter mp_waiter;
typedef struct mp_nap mp_nap;
typedef struct mp_visit mp_visit;
typedef struct mp_embedding mp_embedding;
struct mp_client;
struct mp_sub;

/* Pushes the results of a wait onto `L` and returns their number, or -1: not yet, wait on. It may
 * raise. */
typedef int (*mp_push)(lua_State *L, void *ctx);

struct mp_waiter {
  mp_waiter *next; /* in a list of whoever it waits for, or in the runtime's queue of the ready */
  lua_State *L;    /* where results go: the coroutine that waits, or the runtime's parcel */
  mp_task *task;   /* NULL on the main state, and in a host's thread */
  mp_visit *visit; /* in a host's thread */
  mp_runtime *runtime;
  mp_push push;
  void *ctx;
  void *owner;    /* for whoever it waits for */
  uint64_t since; /* of a command: when it was sent first, of the loop's clock, ms */
  size_t retries; /* how often it was sent again */
  int is_yielded, is_done, is_pushed_inside, results;
};

/* A userdata; user value 1 is its thread. Anchored while it runs. */
struct mp_task {
  mp_runtime *runtime;
  lua_State *co;
  mp_waiter waiter;
  mp_waiter *joiners; /* wait for its end */
  mp_task *next;      /* in the pool of idle dispatchers, or the list of the failed */
  struct mp_sub *sub; /* a dispatcher's: whose handler it runs */
  int ref;            /* what anchors it */
  int results;        /* ended: how many values lie on its stack */
  unsigned epoch;     /* the runtime's when it was started */
  unsigned char is_dispatcher, is_parked, is_ended, is_failed, is_awaited;
};

/* What a host's adapter gives: see moonpool.hosted. */
typedef enum mp_host_function {
  MP_HOST_TOKEN,
  MP_HOST_WAIT,
  MP_HOST_WAKE,
  MP_HOST_START,
  MP_HOST_PUMP,
  MP_HOST_FUNCTIONS
} mp_host_function;

struct mp_runtime {
  uv_loop_t loop;
  lua_State *L;     /* the state that runs the loop now */
  mp_task *current; /* the task that runs now, or NULL */
  int values;       /* registry reference of the table that holds callbacks and anchors */
  int clients;      /* of a table with weak values: clients by address */
  const void *client_metatable, *recorder_metatable, *message_metatable;
  int message_metatable_ref; /* in the registry */
  int hook;       /* the error hook, a reference into `values`; LUA_NOREF: standard error */
  int dispatch;   /* the dispatch loop, likewise */
  size_t active;  /* tasks, timers and handlers that keep run going */
  size_t tasks;   /* the tasks among them: those of this epoch */
  unsigned epoch; /* a new one begins when every task waits in vain */
  mp_waiter main_waiter;
  lua_State *parcel; /* a thread on which the main waiter's results lie until it takes them */
  mp_waiter *ready, **ready_tail;
  uv_idle_t ready_idle;
  mp_task *failed, **failed_tail; /* at once, and perhaps awaited yet; oldest first */
  mp_nap *naps;                   /* of tasks that sleep */
  mp_task *pool;                  /* dispatchers without work */
  size_t pool_size;
  mp_task *drainer;               /* the dispatcher that takes messages from `draining` */
  struct mp_client *draining;     /* whose read is being taken; NULL: exhausted */
  struct mp_sub *due, **due_tail; /* mailboxes to be dispatched */
  int is_running, is_stopped, is_closing;
  lua_State *home;   /* a thread, for calls into Lua while none of ours runs the loop */
  uv_async_t *waker; /* NULL: nobody polls */
  int is_touched;    /* used since the last step */
  int is_hosted, is_pumping;
  unsigned taken;      /* by dispatchers of a host's since the last step */
  int wrap, wrap_host; /* on LuaJIT: what mp_wrap calls, and the table where it finds the wait */
  int host[MP_HOST_FUNCTIONS]; /* references to the functions of a host */
  mp_visit *begun, *idle;      /* visits: prepared, and to be used again */
  size_t visits, idle_visits;  /* that wait; that are idle */
  struct mp_client *undrained; /* whose messages wait for a dispatcher of a host's */
  struct mp_client **undrained_tail;
  int is_recording;                    /* perhaps: mp_is_recording knows */
  mp_embedding *embedding;             /* on a C program's loop; NULL: on none */
  const moonpool_allocator *allocator; /* a C program's; NULL: the C library's */
};

/* ---- runtime.c ---- */

/* Creates the runtime, a userdata, and pushes it. */
mp_runtime *mp_runtime_new(lua_State *L);

/* The runtime that is the running function's first upvalue; it is touched. */
mp_runtime *mp_runtime_of(lua_State *L);

/* Pushes a new function table into which `functions` are registered with the runtime (at `index`)
 * as their first upvalue. */
void mp_set_functions(lua_State *L, const luaL_Reg *functions, int index);

/* For a function that may wait, on top of L: on LuaJIT, where C functions are not entered again,
 * one in Lua takes its place that waits for it in a host's threads. Elsewhere nothing. */
void mp_wrap(lua_State *L, mp_runtime *rt);

/* References into the runtime's table of values. mp_ref pops the value. */
int mp_ref(lua_State *L, mp_runtime *rt);
void mp_unref(mp_runtime *rt, int ref);
void mp_push_ref(lua_State *L, mp_runtime *rt, int ref);

/* Runs the loop once, on L: 0 when nothing is left that could happen. */
int mp_turn(lua_State *L, mp_runtime *rt);

/* Raises: everybody waits for something that cannot come. */
int mp_deadlock(lua_State *L, mp_runtime *rt);

int mp_run(lua_State *L);  /* moonpool.run */
int mp_stop(lua_State *L); /* moonpool.stop */
int mp_now(lua_State *L);  /* moonpool.now */
int mp_time(lua_State *L); /* moonpool.time */

/* Checks a duration in seconds at `index`: milliseconds, rounded up. Raises for what is none. */
uint64_t mp_check_seconds(lua_State *L, int index);

/* ---- pool.c ---- */

/* A program uses the runtime: whoever polls for it must come and look. May raise, in a host. */
void mp_touched(lua_State *L, mp_runtime *rt);

static inline void mp_touch(lua_State *L, mp_runtime *rt) {
  if (rt->waker && !rt->is_touched && !rt->is_running) mp_touched(L, rt);
}

/* Runs what is due, without blocking, on L. */
void mp_step(lua_State *L, mp_runtime *rt);

/* Keeps, from now on, a handle in the loop by which whoever polls is woken. */
void mp_be_polled(lua_State *L, mp_runtime *rt);

/* Lets go of it. */
void mp_end_polling(mp_runtime *rt);

/* Is anything there that a later step may bring forward? */
int mp_is_active(const mp_runtime *rt);

void mp_open_pool(lua_State *L, int runtime_index); /* pool into the table on top */

/* ---- embed.c ---- */

/* The program uses the runtime: it may have become active. */
void mp_embedding_touched(mp_embedding *embedding);

/* The runtime ends; NULL is accepted. */
void mp_embedding_end(mp_embedding *embedding);

/* ---- visit.c ---- */

/* As those of task.c, for what runs in threads of a host. mp_hosted_begin raises where the host
 * cannot wait. */
int mp_hosted_can_wait(lua_State *L, mp_runtime *rt);
mp_waiter *mp_hosted_begin(lua_State *L, mp_runtime *rt);
int mp_hosted_wait(lua_State *L, mp_waiter *w);
void mp_hosted_wake(mp_visit *visit);

/* A host may resume what it was told to wake after the step that did so, when its pump polls again:
 * what ended meanwhile may have been the last thing that was active. */
void mp_hosted_tell_pump(lua_State *L, mp_runtime *rt);

/* The arguments of moonpool's function that waits there and, on top, the function itself, on a
 * stack that is not the thread's; NULL where they cannot be had. */
lua_State *mp_hosted_call(const mp_visit *visit);

/* LuaJIT's mp_wrap needs it, before any function is registered; and the host's way of waiting, once
 * that is known. */
void mp_hosted_make_wrap(lua_State *L, mp_runtime *rt);
void mp_hosted_set_wait(lua_State *L, mp_runtime *rt);

/* ---- hosted.c ---- */

void mp_hosted_push(lua_State *L, mp_runtime *rt, mp_host_function which);
void mp_hosted_start(mp_task *task);

/* Has the host start polling, if it does not. */
void mp_hosted_pump(lua_State *L, mp_runtime *rt);

/* The client's messages are there, and left. */
void mp_hosted_drain(struct mp_client *client);

/* The loop will run: no dispatcher may be in the middle of a read. */
void mp_hosted_end_drain(mp_runtime *rt);

/* Do messages wait for a dispatcher? */
int mp_hosted_has_work(const mp_runtime *rt);

void mp_open_hosted(lua_State *L, int runtime_index); /* hosted into the table on top */

/* ---- lcall.c ---- */

/* The one entry into Lua from the loop: calls `function` protected on rt->L, with `ctx` as its
 * light userdata argument. `function` may leave `results` values on rt->L. 1, or 0 after an error,
 * which went to the hook. */
int mp_protected(mp_runtime *rt, lua_CFunction function, void *ctx, int results);

/* Gives the error on top of `co` to the hook, with co's traceback; pops nothing from it. */
void mp_report(mp_runtime *rt, lua_State *co);

/* Pushes the error that lies on top of a dead coroutine, as text with its traceback. It may raise.
 */
void mp_push_failure(lua_State *L, lua_State *co);

/* Pushes nil, message, "ECODE" and returns 3. `message` NULL: the status's own text. */
int mp_fail(lua_State *L, int status, const char *message);
int mp_fail_error(lua_State *L, const moonpool_error *error);

int mp_on_error(lua_State *L); /* moonpool.on_error */

/* ---- task.c ---- */

mp_waiter *mp_wait_begin(lua_State *L, mp_runtime *rt);

/* Can the running function wait here? For what would rather not wait than raise. */
int mp_can_wait(lua_State *L, mp_runtime *rt);

int mp_wait(lua_State *L, mp_waiter *w);

/* The wait is over: `results` values were pushed onto w->L by the caller, who must not be inside a
 * call of w->L. The task runs before this returns. */
void mp_wake_now(mp_waiter *w, int results);

/* The wait is over: the loop's next turn (or the end of the read that is being dispatched) calls
 * `push` and resumes the task with what it pushed. */
void mp_wake_later(mp_waiter *w, mp_push push, void *ctx);

/* The wait is over with a failure: nil, message, code. As mp_wake_now otherwise. */
void mp_wake_error(mp_waiter *w, const moonpool_error *error);

/* Calls `push` protected and wakes with what it pushed, now. */
void mp_wake_push(mp_waiter *w, mp_push push, void *ctx);

/* Likewise, but a task that has yielded pushes by itself, which saves the protected call; what
 * `push` raises is raised where the task waited. `push` must not answer "not yet". */
void mp_wake_inside(mp_waiter *w, mp_push push, void *ctx);

/* Reports the tasks that failed at once, but for those that somebody has awaited since. */
void mp_report_failed(mp_runtime *rt);

/* Runs everything that mp_wake_later has queued; or has the loop's next turn do it. */
void mp_run_ready(mp_runtime *rt);
void mp_run_ready_soon(mp_runtime *rt);

/* Makes a task of the function and its `nargs` arguments on top of L, pops them, pushes the task.
 * mp_task_start runs it up to its first wait. */
mp_task *mp_task_new(lua_State *L, mp_runtime *rt, int nargs);
void mp_task_start(mp_task *task, int nargs);

/* The task at `index`; raises for what is none. */
mp_task *mp_check_task(lua_State *L, int index);

/* It has ended, with `results` values on top of its coroutine, or with an error there. */
void mp_task_end(mp_task *task, int status, int results);
void mp_resume(mp_task *task, int nargs);

/* Spawns the function and arguments on top of L as a task of its own and starts it; pops them. */
void mp_spawn(lua_State *L, mp_runtime *rt, int nargs);

void mp_open_task(lua_State *L, int runtime_index); /* metatable, spawn into the table on top */

/* ---- sleep.c ---- */

/* The state ends: nobody sleeps any more, and nobody is woken. */
void mp_end_naps(mp_runtime *rt);

void mp_open_sleep(lua_State *L, int runtime_index); /* sleep into the table on top */

/* ---- batch.c ---- */

/* Does L run the function of a pipeline or transaction? */
int mp_is_recording(lua_State *L);

/* ---- dispatch.c ---- */

/* A new dispatcher's loop and `next`; called once for a runtime. */
void mp_open_dispatch(lua_State *L, mp_runtime *rt, int runtime_index);

/* moonpool_set_drain's callback; `ctx` is the mp_client. */
void mp_on_drain(moonpool *client, void *ctx);

/* Takes messages of the client that is `draining` until one is there for a handler that is free:
 * pushes it and its arguments, returns their number; 0 when all are taken. */
int mp_next_of_read(lua_State *L, mp_runtime *rt, mp_task *dispatcher);

/* The dispatcher's handler, if it has one, has returned: the next of its subscription's letters is
 * pushed, as above. */
int mp_next_letter(lua_State *L, mp_task *dispatcher);

/* The dispatcher's coroutine died with its handler. */
void mp_dispatcher_failed(mp_task *dispatcher);

/* Dispatches the mailboxes that are due. */
void mp_dispatch_due(mp_runtime *rt);

/* ---- bridge.c ---- */

/* Puts the bridge to moonpool's other modules into the registry. */
void mp_open_bridge(lua_State *L, mp_runtime *rt);

/* ---- the other handles ---- */

void mp_open_timer(lua_State *L, int runtime_index);
void mp_open_client(lua_State *L, int runtime_index);
void mp_open_view(lua_State *L, int runtime_index);
void mp_open_seeing(lua_State *L, int runtime_index); /* on_state into the table on top */
void mp_open_recorder(lua_State *L, int runtime_index);
void mp_open_session(lua_State *L, int runtime_index);
void mp_open_script(lua_State *L, int runtime_index);
void mp_open_subscription(lua_State *L, int runtime_index);
void mp_open_room(lua_State *L, int runtime_index); /* room into the table on top */
void mp_open_message(lua_State *L, int runtime_index);
void mp_open_isolate(lua_State *L, int runtime_index); /* isolate into the table on top */
void mp_open_json(lua_State *L);
int mp_open_system(lua_State *L);

/* ---- json.c ---- */

/* How many values a text has, about: its lists, objects and commas. The library takes a hundred
 * bytes and more for each. */
size_t mp_json_count(const char *text, size_t len);

/* Pushes the table of a JSON object, as json.decode returns it: 1, or 0 with nothing pushed when
 * the text is none, or has more than 200,000 values: a gigabyte could be needed for it. */
int mp_json_push_object(lua_State *L, const char *text, size_t len);

/* ---- reply.c ---- */

/* Pushes what a reply is in Lua: one value. */
void mp_push_reply(lua_State *L, const moonpool_reply *reply);

/* Pushes it as a key of a table: null for nil, "nan" for NaN, which can be none. */
void mp_push_reply_key(lua_State *L, const moonpool_reply *key);

/* How many places to make for so many elements. What is announced need not come: a large table
 * grows by itself. */
int mp_reply_table_size(size_t count);

/* Pushes an error that stands for a reply: { message =, code = }, with a metatable. */
void mp_push_error(lua_State *L, int status, const char *message, size_t len);

/* The errors' metatable, and is_error into the table on top. */
void mp_open_reply(lua_State *L);

#endif
