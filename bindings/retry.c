/* Commands that Redis refused for a passing reason, without having done anything: they wait a while
 * and are sent again, until max_retries or their deadline. Nothing is kept of a command that may
 * have to be sent again: its words still lie on the stack of who awaits it. */
#include "handles.h"

#include <stdlib.h>

#define RANGE_MAX 500u /* ms; upper end of the random wait */

struct mp_retry {
  uv_timer_t timer;
  mp_waiter *waiter;
  moonpool_reply_cb cb;
  uint64_t deadline;
  mp_retry *next, **at; /* in the client's list */
};

/* ---- the awaited command --------------------------------------------------------------------- */

/* A call of a command's method, as its frame has it. */
typedef struct call {
  moonpool_bytes *words; /* to be freed; what they point to lies on the stack */
  size_t count;
  mp_client *client;
  uint64_t timeout; /* as moonpool_command takes it */
} call;

#if LUA_VERSION_NUM >= 503

/* The stack with the arguments of the C function that waits and, on top, itself: its frame outlives
 * the yield. NULL when there is no memory. */
static lua_State *find_call(const mp_waiter *w) {
  lua_State *L = w->task ? w->task->co : w->runtime->L;
  lua_Debug frame;
  if (w->visit) return mp_hosted_call(w->visit);
  if (!lua_checkstack(L, LUA_MINSTACK) || !lua_getstack(L, 0, &frame)) return NULL;
  lua_getinfo(L, "f", &frame);
  return L;
}

#else

/* Likewise, on a stack of its own, found in the frame of mp_wrap's function around it, which has
 * the arguments as `...`. */
static lua_State *find_call(const mp_waiter *w) {
  lua_State *L = w->task ? w->task->co : w->runtime->L, *copy = w->runtime->home;
  lua_Debug frame;
  const char *name = NULL;
  if (w->visit) return mp_hosted_call(w->visit);
  if (!lua_checkstack(L, 4)) return NULL;
  lua_settop(copy, 0);
  for (int level = 0; !name && lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "f", &frame);
    name = lua_getupvalue(L, -1, 2);
    int is_ours = name && strcmp(name, "f") == 0 && lua_iscfunction(L, -1);
    if (is_ours) lua_xmove(L, copy, 1);
    lua_pop(L, name && !is_ours ? 2 : 1);
    if (!is_ours) name = NULL;
  }
  if (!name) return NULL;
  for (int n = 1; lua_checkstack(copy, 4) && lua_getlocal(L, &frame, -n); n++) {
    lua_xmove(L, copy, 1);
    if (lua_type(copy, -1) == LUA_TNUMBER) mp_convert_number(copy, n + 1, "", n);
  }
  lua_pushvalue(copy, 1);
  lua_remove(copy, 1);
  return copy;
}

#endif

/* Finds what is awaited: client:NAME(...), whose second upvalue is the name, or
 * client:call("NAME", ...). 0 when that cannot be. */
static int read_call(const mp_waiter *w, call *c) {
  lua_State *L = find_call(w);
  if (!L) return 0;
  int last = lua_gettop(L) - 1, first = 2;
  moonpool_bytes word = {NULL, 0};
  if (lua_getupvalue(L, -1, 2)) word.data = lua_tolstring(L, -1, &word.len);
  if (!word.data) word.data = lua_tolstring(L, first++, &word.len);
  c->client = mp_target_of(L, 1, &c->timeout);
  lua_settop(L, last);
  if (last >= first && lua_isuserdata(L, last)) last--; /* where many words lay */
  c->count = (size_t)(last - first + 2);
  c->words = malloc(c->count * sizeof *c->words);
  if (!c->words) return 0;
  c->words[0] = word;
  for (int i = first; i <= last; i++)
    c->words[i - first + 1].data = lua_tolstring(L, i, &c->words[i - first + 1].len);
  return 1;
}

static uint64_t deadline_of(const mp_waiter *w, const call *c) {
  uint64_t timeout = c->timeout ? c->timeout : c->client->command_timeout;
  return timeout == 0 || timeout == UINT64_MAX ? UINT64_MAX : w->since + timeout;
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* A random wait, whose range doubles: the nth one. */
static uint64_t wait_of(const mp_client *client, const mp_waiter *w) {
  uint64_t range = client->backoff_min << (w->retries < 16 ? w->retries : 16);
  uint64_t x = uv_hrtime() ^ (uint64_t)(uintptr_t)w; /* mixed as splitmix64 does */
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  if (range > RANGE_MAX) range = RANGE_MAX;
  return (x ^ x >> 31) % (range + 1);
}

static void free_retry(uv_handle_t *handle) {
  free(handle->data);
}

static void end(mp_retry *r) {
  *r->at = r->next;
  if (r->next) r->next->at = r->at;
  uv_close((uv_handle_t *)&r->timer, free_retry);
}

static void fail(mp_waiter *w, int status, const char *message) {
  moonpool_error error = {(moonpool_status)status, message};
  mp_wake_error(w, &error);
}

static void on_wait_over(uv_timer_t *timer) {
  mp_retry *r = timer->data;
  mp_waiter *w = r->waiter;
  uint64_t now = uv_now(timer->loop), timeout = UINT64_MAX;
  call c;
  if (r->deadline != UINT64_MAX) timeout = r->deadline > now ? r->deadline - now : 1;
  end(r);
  if (!read_call(w, &c)) {
    fail(w, MOONPOOL_ENOMEM, moonpool_status_text(MOONPOOL_ENOMEM));
    return;
  }
  w->retries++;
  c.client->retried++;
  int status = moonpool_command(c.client->core, c.count, c.words, timeout, r->cb, w);
  free(c.words);
  if (status != MOONPOOL_OK) fail(w, status, moonpool_status_text(status));
}

static int start(mp_waiter *w, const call *c, moonpool_reply_cb cb) {
  uv_loop_t *loop = &w->runtime->loop;
  uint64_t wait = wait_of(c->client, w), deadline = deadline_of(w, c);
  if (deadline != UINT64_MAX && uv_now(loop) + wait >= deadline) return 0;
  mp_retry *r = malloc(sizeof *r);
  if (!r) return 0;
  *r = (mp_retry){.waiter = w,
                  .cb = cb,
                  .deadline = deadline,
                  .next = c->client->retries,
                  .at = &c->client->retries};
  if (r->next) r->next->at = &r->next;
  c->client->retries = r;
  uv_timer_init(loop, &r->timer);
  r->timer.data = r;
  uv_timer_start(&r->timer, on_wait_over, wait, 0);
  return 1;
}

int mp_retry_later(mp_waiter *w, const moonpool_reply *reply, moonpool_reply_cb cb) {
  call c;
  if (!moonpool_may_repeat(0, NULL, reply) || w->runtime->is_closing) return 0;
  if (!read_call(w, &c)) return 0;
  int is_started = c.client->core && w->retries < c.client->max_retries &&
                   moonpool_may_repeat(c.count, c.words, reply) && start(w, &c, cb);
  free(c.words);
  return is_started;
}

void mp_end_retries(mp_client *client) {
  while (client->retries) {
    mp_retry *r = client->retries;
    mp_waiter *w = r->waiter;
    end(r);
    fail(w, MOONPOOL_ECLOSED, "the client was closed");
  }
}
