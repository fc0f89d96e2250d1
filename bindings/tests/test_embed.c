/* moonpool_lua.h: moonpool in a program's own Lua state, on its own loop. */
#include "lua_fixture.h"

/* ---- what works ------------------------------------------------------------------------------ */

static void on_tick(uv_timer_t *timer) {
  ++*(int *)timer->data;
}

TEST(handlers_and_tasks_run_in_the_hosts_loop_beside_its_timers) {
  host h;
  int ticks = 0;
  uv_timer_t timer;
  host_begin(&h);
  uv_timer_init(&h.loop, &timer);
  uv_unref((uv_handle_t *)&timer);
  timer.data = &ticks;
  uv_timer_start(&timer, on_tick, 1, 1);
  host_do(h.L,
          "heard = ''\n"
          "moonpool.spawn(function()\n"
          "  local redis = assert(moonpool.connect(URL))\n"
          "  local own = assert(redis:subscribe('tides', function(payload)\n"
          "    heard = heard .. payload .. redis:incr('tides') .. ' '\n"
          "    if payload == 'last' then redis:close() end\n"
          "  end))\n"
          "  for i = 1, 20 do moonpool.sleep(0.002) assert(redis:publish('tides', i) == 1) end\n"
          "  redis:publish('tides', 'last')\n"
          "  done = true\n"
          "end)\n"
          "before = heard .. tostring(done)");
  CHECK_STR(host_get(h.L, "before"), "nil");
  CHECK(moonpool_lua_is_active(h.L));
  uv_run(&h.loop, UV_RUN_DEFAULT);
  CHECK_STR(host_get(h.L, "done"), "true");
  CHECK(strstr(host_get(h.L, "heard"), "1919 2020 "));
  CHECK(strstr(host_get(h.L, "heard"), "last21 "));
  CHECK(ticks >= 20);
  CHECK(!moonpool_lua_is_active(h.L));
  CHECK_INT(h.errors, 0);
  uv_close((uv_handle_t *)&timer, NULL);
  host_end(&h);
}

/* What a host's callback asks for while its loop sleeps is done at once, not with the next event.
 */
static void on_call(uv_timer_t *timer) {
  host_do(timer->data, "moonpool.spawn(function()\n"
                       "  local t = moonpool.now()\n"
                       "  moonpool.sleep(0.03)\n"
                       "  slept = moonpool.now() - t\n"
                       "  answer = client:ping()\n"
                       "  client:close()\n"
                       "end)");
}

TEST(a_call_from_a_callback_of_the_hosts_wakes_it) {
  host h;
  uv_timer_t timer;
  host_begin(&h);
  host_do(h.L, "moonpool.spawn(function() client = assert(moonpool.connect(URL)) end)");
  uv_run(&h.loop, UV_RUN_DEFAULT); /* a client alone keeps no loop */
  CHECK(strncmp(host_get(h.L, "client"), "moonpool.client", 15) == 0);
  CHECK_STR(host_get(h.L, "answer"), "nil");
  uv_timer_init(&h.loop, &timer);
  timer.data = h.L;
  uv_timer_start(&timer, on_call, 20, 0);
  uv_run(&h.loop, UV_RUN_DEFAULT);
  CHECK_STR(host_get(h.L, "answer"), "PONG");
  CHECK(host_do(h.L, "assert(slept >= 0.029 and slept < 20)"));
  uv_close((uv_handle_t *)&timer, NULL);
  host_end(&h);
}

TEST(names_are_resolved_and_refusals_told) {
  host h;
  host_begin(&h);
  host_do(h.L, "moonpool.spawn(function()\n"
               "  _, message, code = moonpool.connect { url = 'redis://localhost:1' }\n"
               "end)");
  uv_run(&h.loop, UV_RUN_DEFAULT);
  CHECK_STR(host_get(h.L, "code"), "ECONN");
  host_end(&h);
}

TEST(the_loop_returns_when_nothing_is_active_or_after_stop) {
  host h;
  host_begin(&h);
  CHECK(!moonpool_lua_is_active(h.L));
  CHECK_INT(uv_run(&h.loop, UV_RUN_DEFAULT), 0);
  host_do(h.L, "t = moonpool.timer(0.005, function()\n"
               "  n = (n or 0) + 1\n"
               "  if n == 3 then t:close() end\n"
               "end)");
  uv_run(&h.loop, UV_RUN_DEFAULT);
  CHECK_STR(host_get(h.L, "n"), "3");
  host_do(h.L, "u = moonpool.timer(0.005, function()\n"
               "  n = n + 1\n"
               "  if n == 5 then moonpool.stop() end\n"
               "end)");
  uv_run(&h.loop, UV_RUN_DEFAULT);
  CHECK_STR(host_get(h.L, "n"), "5");
  CHECK(!moonpool_lua_is_active(h.L));
  host_end(&h);
}

TEST(two_states_share_a_loop) {
  host h;
  host_begin(&h);
  lua_State *other = host_open_state(&h);
  host_do(other, "moonpool.spawn(function()\n"
                 "  local redis = assert(moonpool.connect(URL))\n"
                 "  for payload in assert(redis:subscribe 'two'):messages() do\n"
                 "    got = payload\n"
                 "    break\n"
                 "  end\n"
                 "  redis:close()\n"
                 "end)");
  host_do(h.L, "moonpool.spawn(function()\n"
               "  local redis = assert(moonpool.connect(URL))\n"
               "  while redis:publish('two', 'across') == 0 do moonpool.sleep(0.001) end\n"
               "  redis:close()\n"
               "end)");
  uv_run(&h.loop, UV_RUN_DEFAULT);
  CHECK_STR(host_get(other, "got"), "across");
  lua_close(other);
  host_end(&h);
}

TEST(without_a_loop_moonpool_runs_its_own) {
  host h;
  host_prepare(&h);
  h.options.loop = NULL;
  h.L = host_open_state(&h);
  host_do(h.L, "moonpool.run(function()\n"
               "  local redis = assert(moonpool.connect(URL))\n"
               "  pong = redis:ping()\n"
               "  redis:close()\n"
               "end)");
  CHECK_STR(host_get(h.L, "pong"), "PONG");
  host_end(&h);
}

/* ---- what does not --------------------------------------------------------------------------- */

TEST(waiting_in_a_call_of_the_hosts_is_refused) {
  host h;
  host_begin(&h);
  host_do(h.L,
          "function refused(...)\n"
          "  local ok, why = pcall(...)\n"
          "  assert(not ok and why:find('the host runs the loop; use moonpool.spawn', 1, true),\n"
          "    why)\n"
          "end\n"
          "refused(moonpool.connect, URL)\n"
          "refused(moonpool.sleep, 1)\n"
          "refused(moonpool.run, print)\n");
  CHECK_INT(uv_run(&h.loop, UV_RUN_DEFAULT), 0);
  host_end(&h);
}

TEST(in_a_task_run_calls_its_function) {
  host h;
  host_begin(&h);
  host_do(h.L,
          "moonpool.spawn(function()\n"
          "  local a, b = moonpool.run(function(...) moonpool.sleep(0.001) return ... end, 1, 2)\n"
          "  local ok, why = pcall(moonpool.run, function() moonpool.sleep(0.001) error {} end)\n"
          "  all = a == 1 and b == 2 and not ok and type(why) == 'table'\n"
          "end)");
  uv_run(&h.loop, UV_RUN_DEFAULT);
  CHECK_STR(host_get(h.L, "all"), "true");
  host_end(&h);
}

TEST(errors_reach_the_hosts_hook_until_a_script_has_its_own) {
  host h;
  host_begin(&h);
  host_do(h.L, "moonpool.timer(0.001, function() error 'one' end)");
  for (int i = 0; i < 1000 && !h.errors; i++) uv_run(&h.loop, UV_RUN_ONCE);
  CHECK(h.errors > 0);
  CHECK(strstr(h.error, "one"));
  CHECK(strstr(h.error, "stack traceback"));
  host_do(h.L, "moonpool.on_error(function(message) mine = message moonpool.stop() end)");
  int errors = h.errors;
  uv_run(&h.loop, UV_RUN_DEFAULT);
  CHECK(strstr(host_get(h.L, "mine"), "one"));
  CHECK_INT(h.errors, errors);
  host_end(&h);
}

TEST(what_cannot_be_opened_is_told) {
  host h;
  host_prepare(&h);
  lua_State *L = luaL_newstate();
  CHECK_INT(moonpool_lua_open(L, &h.options), LUA_ERRRUN);
  CHECK(strstr(lua_tostring(L, -1), "luaL_openlibs"));
  CHECK_INT(lua_gettop(L), 1);
  CHECK(!moonpool_lua_is_active(L));
  luaL_openlibs(L);
  luaL_dostring(L, "package.path = '/nonexistent/?.lua'");
  lua_settop(L, 0);
  h.options.path = "/nowhere";
  CHECK_INT(moonpool_lua_open(L, &h.options), LUA_ERRRUN);
  CHECK(strstr(lua_tostring(L, -1), "/nowhere/moonpool.lua"));
  lua_close(L);
  h.options.path = TEST_LUA_FOLDER;
  h.L = host_open_state(&h);
  CHECK_INT(moonpool_lua_open(h.L, NULL), LUA_ERRRUN);
  CHECK(strstr(lua_tostring(h.L, -1), "open in this state already"));
  lua_settop(h.L, 0);
  host_end(&h);
}

/* ---- memory and the end ---------------------------------------------------------------------- */

TEST(links_use_the_hosts_memory_and_give_all_of_it_back) {
  host h;
  test_heap heap;
  test_heap_init(&heap, 0);
  host_prepare(&h);
  h.options.allocator = &heap.allocator;
  h.L = host_open_state(&h);
  CHECK_INT(heap.blocks, 0);
  host_do(h.L, "moonpool.spawn(function()\n"
               "  client = assert(moonpool.connect(URL))\n"
               "  sub = assert(client:subscribe('a', 'b'))\n"
               "  room = assert(client:room 'galley')\n"
               "  assert(room:say { user = 'ann', text = 'ahoy' })\n"
               "end)");
  uv_run(&h.loop, UV_RUN_DEFAULT);
  CHECK(heap.blocks > 0);
  lua_close(h.L);
  h.L = NULL;
  CHECK_INT(heap.blocks, 0);
  test_heap_fail(&heap, heap.requests + 1, heap.requests + 2);
  h.L = host_open_state(&h);
  host_do(h.L, "moonpool.spawn(function() _, _, code = moonpool.connect(URL) end)");
  uv_run(&h.loop, UV_RUN_DEFAULT);
  CHECK_STR(host_get(h.L, "code"), "ENOMEM");
  host_end(&h);
  CHECK_INT(heap.blocks, 0);
}

static const char busy[] =
    "moonpool.timer(0.001, function() n = (n or 0) + 1 end)\n"
    "moonpool.spawn(function()\n"
    "  local redis = assert(moonpool.connect(URL))\n"
    "  local tides = assert(redis:subscribe('busy', function() end))\n"
    "  moonpool.spawn(function() redis:blpop('nothing', 0) end)\n"
    "  while true do redis:publish('busy', 'x') end\n"
    "end)\n"
    "moonpool.spawn(function() moonpool.connect 'redis://localhost:1' end)\n";

TEST(the_state_can_end_at_any_moment) {
  for (int turns = 0; turns < 40; turns++) {
    host h;
    host_begin(&h);
    host_do(h.L, busy);
    for (int i = 0; i < turns; i++) uv_run(&h.loop, UV_RUN_ONCE);
    host_end(&h);
    CHECK_INT(h.errors, 0);
  }
}

static void on_end(uv_timer_t *timer) {
  lua_close(timer->data);
  timer->data = NULL;
}

TEST(the_state_can_end_inside_a_callback_of_the_hosts_loop) {
  host h;
  uv_timer_t timer;
  host_begin(&h);
  host_do(h.L, busy);
  uv_timer_init(&h.loop, &timer);
  timer.data = h.L;
  uv_timer_start(&timer, on_end, 30, 0);
  uv_run(&h.loop, UV_RUN_DEFAULT); /* and then nothing keeps it */
  CHECK(!timer.data);
  h.L = NULL;
  uv_close((uv_handle_t *)&timer, NULL);
  host_end(&h);
}

static const test_case tests[] = {
    TEST_CASE(handlers_and_tasks_run_in_the_hosts_loop_beside_its_timers),
    TEST_CASE(a_call_from_a_callback_of_the_hosts_wakes_it),
    TEST_CASE(names_are_resolved_and_refusals_told),
    TEST_CASE(the_loop_returns_when_nothing_is_active_or_after_stop),
    TEST_CASE(two_states_share_a_loop),
    TEST_CASE(without_a_loop_moonpool_runs_its_own),
    TEST_CASE(waiting_in_a_call_of_the_hosts_is_refused),
    TEST_CASE(in_a_task_run_calls_its_function),
    TEST_CASE(errors_reach_the_hosts_hook_until_a_script_has_its_own),
    TEST_CASE(what_cannot_be_opened_is_told),
    TEST_CASE(links_use_the_hosts_memory_and_give_all_of_it_back),
    TEST_CASE(the_state_can_end_at_any_moment),
    TEST_CASE(the_state_can_end_inside_a_callback_of_the_hosts_loop),
};

int main(int argc, char **argv) {
  return RUN_TESTS_WITH_REDIS(&server, tests, argc, argv);
}
