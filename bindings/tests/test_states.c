/* Many Lua states in one process, one after the other and at once, in threads: what a state had is
 * given back when it is closed. */
#include "lua_fixture.h"

#include <malloc.h>
#include <pthread.h>

/* How many rounds; $MOONPOOL_TEST_ROUNDS, for runs under valgrind, where each takes a hundred times
 * as long. */
static int rounds(void) {
  const char *text = getenv("MOONPOOL_TEST_ROUNDS");
  return text ? atoi(text) : 1000;
}

/* A connection, a subscription, a room, a timer and a task that waits, all still there at the end.
 */
static const char life[] = "moonpool.spawn(function()\n"
                           "  local redis = assert(moonpool.connect(URL))\n"
                           "  assert(redis:subscribe('tides', function() end))\n"
                           "  room = assert(redis:room 'galley')\n"
                           "  moonpool.timer(60, print)\n"
                           "  assert(redis:publish('tides', 'high') > 0)\n"
                           "  done = true\n"
                           "  moonpool.sleep(60)\n"
                           "end)";

static void live(host *h) {
  lua_State *L = host_open_state(h);
  if (!L) return;
  uv_timer_start(&h->limit, on_limit, 60000, 0);
  host_do(L, life);
  while (strcmp(host_get(L, "done"), "true") && !h->errors && !h->is_late)
    uv_run(&h->loop, UV_RUN_ONCE);
  if (h->errors) puts(h->error);
  test_equal_strings(host_get(L, "done"), "true", __FILE__, __LINE__, "done");
  lua_close(L);
  uv_run(&h->loop, UV_RUN_NOWAIT); /* libuv lets go of what was closed */
}

TEST(rounds_of_opening_and_closing_leave_nothing) {
  host h;
  test_heap heap;
  test_heap_init(&heap, 0);
  host_prepare(&h);
  h.options.allocator = &heap.allocator;
  for (int i = 0; i < 100 && i < rounds(); i++) live(&h); /* what malloc and libraries keep */
  int descriptors = open_descriptors();
  size_t used = mallinfo2().uordblks;
  for (int i = 0; i < rounds() && !test_failures; i++) live(&h);
  CHECK_INT(open_descriptors(), descriptors);
  CHECK_INT(heap.blocks, 0);
  CHECK(mallinfo2().uordblks < used + 50000 || rounds() < 1000); /* not fifty bytes a round */
  CHECK_INT(h.errors, 0);
  host_end(&h);
}

/* ---- require, as a plain Lua program does it ------------------------------------------------- */

static const char required[] =
    "package.path = '" TEST_LUA_FOLDER "/?.lua;" TEST_LUA_FOLDER "/?/init.lua'\n"
    "package.cpath = '" TEST_MODULE_FOLDER "/?.so'\n"
    "local moonpool, url = require 'moonpool', ...\n"
    "return moonpool.run(function()\n"
    "  local redis = assert(moonpool.connect(url))\n"
    "  local pong = redis:ping()\n"
    "  if pong == 'PONG' then redis:subscribe 'tides' end\n"
    "  return pong\n"
    "end)";

static void *require_in_thread(void *answer) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (luaL_loadbuffer(L, required, sizeof required - 1, "=required") != LUA_OK ||
      (lua_pushstring(L, server.url), lua_pcall(L, 1, 1, 0)) != LUA_OK)
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
  snprintf(answer, 8, "%s", lua_tostring(L, -1));
  lua_close(L);
  return NULL;
}

enum { THREADS = 10 };

static int require_in_threads(void) {
  pthread_t threads[THREADS];
  char answers[THREADS][8] = {0};
  int right = 0;
  for (int i = 0; i < THREADS; i++)
    pthread_create(&threads[i], NULL, require_in_thread, answers[i]);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    right += strcmp(answers[i], "PONG") == 0;
  }
  return right;
}

TEST(require_in_fresh_states_and_threads_leaves_nothing) {
  CHECK_INT(require_in_threads(), THREADS);
  int descriptors = open_descriptors();
  for (int i = 0; i < 10 && !test_failures; i++) CHECK_INT(require_in_threads(), THREADS);
  CHECK_INT(open_descriptors(), descriptors);
}

/* Each thread with a loop and states of its own. */
static void *live_in_thread(void *failures) {
  host h;
  host_prepare(&h);
  for (int i = 0; i < 5; i++) live(&h);
  uv_close((uv_handle_t *)&h.limit, NULL);
  uv_run(&h.loop, UV_RUN_DEFAULT);
  *(int *)failures = h.errors + h.is_late + (uv_loop_close(&h.loop) != 0);
  return NULL;
}

TEST(threads_have_states_and_loops_of_their_own) {
  pthread_t threads[THREADS];
  int failures[THREADS];
  int descriptors = open_descriptors();
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, live_in_thread, &failures[i]);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    CHECK_INT(failures[i], 0);
  }
  CHECK_INT(open_descriptors(), descriptors);
}

static const test_case tests[] = {
    TEST_CASE(rounds_of_opening_and_closing_leave_nothing),
    TEST_CASE(require_in_fresh_states_and_threads_leaves_nothing),
    TEST_CASE(threads_have_states_and_loops_of_their_own),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&server, tests, argc, argv);
}
