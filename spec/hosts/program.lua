local moonpool, nap = require "moonpool", require("moonpool").sleep
-- A program that does all that moonpool does in a host. Only the line above differs between hosts:
-- which module it requires, and the host's own way of sleeping. spec/hosts/run runs it.
--
-- Environment: HOSTS_URL, of Redis; HOSTS_REPORT, a file that gets a line a check, "ok WHAT" or
-- "FAIL WHAT", and at the end "end"; HOSTS_MESSAGES. It reads as Lua 5.1 to 5.5.

local URL, MESSAGES = os.getenv "HOSTS_URL", tonumber(os.getenv "HOSTS_MESSAGES")
local BATCH, AHEAD = 1000, 4000 -- messages of one script call; how far publishing runs ahead
local DEADLINE = 60

local report = assert(io.open(os.getenv "HOSTS_REPORT", "a"))
report:setvbuf "line"

local function check(is_so, what, told)
  report:write(is_so and "ok " or "FAIL ", what, is_so and "" or ": " .. tostring(told), "\n")
end

-- Open descriptors of this process. Looking itself opens none that it sees.
local function descriptors()
  local list = {}
  for fd = 0, 255 do
    local file = io.open("/proc/self/fdinfo/" .. fd)
    if file then
      file:close()
      list[#list + 1] = fd
    end
  end
  return table.concat(list, " ")
end

-- Sleeps until `is_so` answers true; false when it does not in time.
local function wait_until(is_so)
  local deadline = moonpool.now() + DEADLINE
  while not is_so() do
    if moonpool.now() > deadline then return false end
    moonpool.sleep(0.002)
  end
  return true
end

local PUBLISH = [[
for i = ARGV[1], ARGV[2] do redis.call("PUBLISH", KEYS[1], "message " .. i) end
return ARGV[2] - ARGV[1] + 1
]]

-- Every message in its order, while its handler waits in both ways now and then.
local function receive(redis)
  local received, wrong, naps, gets = 0, nil, 0, 0
  local numbers = assert(redis:subscribe("numbers", function(payload)
    received = received + 1
    if payload ~= "message " .. received then wrong = wrong or payload end
    if received % 10000 == 0 then
      nap(0.002)
      naps = naps + 1
    elseif received % 250 == 125 then
      if redis:get "greeting" == "hello" then gets = gets + 1 end
    end
  end))
  check(numbers.count == 1, "subscribes", numbers.count)
  local publish, published = assert(redis:prepare(PUBLISH)), 0
  for start = 1, MESSAGES, BATCH do
    if not wait_until(function() return start - received <= AHEAD end) then break end
    published = published + assert(publish({ "numbers" }, { start, start + BATCH - 1 }))
  end
  wait_until(function()
    return received >= MESSAGES and naps >= MESSAGES / 10000 and gets >= MESSAGES / 250
  end)
  check(received == MESSAGES and published == MESSAGES and not wrong,
    ("receives %d messages in their order"):format(MESSAGES), wrong or received)
  check(naps == MESSAGES / 10000, "a handler waits in the host's own way", naps)
  check(gets == MESSAGES / 250, "a handler awaits a command", gets)
  numbers:close()
end

local function survive(redis)
  local heard, reconnects, gaps = {}, 0, 0
  local news = assert(redis:subscribe("news", function(payload) heard[#heard + 1] = payload end))
  news:on("reconnect", function() reconnects = reconnects + 1 end)
  news:on("gap", function(gap) if gap.reason == "reconnect" then gaps = gaps + 1 end end)
  check(redis:publish("news", "before") == 1, "publishes")
  wait_until(function() return heard[1] end)
  check(redis:client("KILL", "TYPE", "pubsub") == 1, "has one link that subscribes")
  wait_until(function() return reconnects == 1 end)
  check(reconnects == 1 and gaps == 1, "survives CLIENT KILL, and tells of the gap", reconnects)
  check(redis:publish("news", "after") == 1, "subscribes again")
  wait_until(function() return heard[2] end)
  check(heard[1] == "before" and heard[2] == "after", "goes on receiving", heard[2])
  news:close()
end

local function tasks(redis)
  local list, sum = {}, 0
  for i = 1, 300 do
    list[i] = moonpool.spawn(function(n)
      if n % 3 == 0 then moonpool.sleep(0.001) end
      if n % 100 == 0 then nap(0.001) end
      redis:set("task:" .. n, n)
      return tonumber(redis:get("task:" .. n))
    end, i)
  end
  for i = 1, #list do sum = sum + assert(list[i]:await()) end
  check(sum == 45150, "runs 300 tasks that wait", sum)
  local result, message, code = moonpool.spawn(function()
    nap(0.001)
    error "as it should"
  end):await()
  check(result == nil and code == "ESCRIPT" and message:find("as it should", 1, true)
    and message:find("program", 1, true), "an error has its traceback", message)
  -- Each waits for the one before: their ends come one inside another.
  local last = moonpool.spawn(moonpool.sleep, 0.01)
  for _ = 1, 1000 do
    local before = last
    last = moonpool.spawn(function() return before:await() end)
  end
  local is_ok, failure = pcall(last.await, last)
  check(is_ok and last.is_ended, "a thousand tasks that await one another", failure)
end

-- Clients that only a call which waits has are not collected before it has its answer.
local function collecting()
  local is_over, count = false, 0
  moonpool.spawn(function()
    while not is_over do
      collectgarbage()
      moonpool.sleep(0)
    end
  end)
  for i = 1, 10 do
    local answer = assert(moonpool.connect(URL)):set("collect", i)
    count = count + (answer == "OK" and 1 or 0)
  end
  is_over = true
  collectgarbage()
  check(count == 10, "keeps what waits from the collector", count)
end

-- Each time that Redis refuses, the command is found where it lies.
local function refused(redis)
  assert(redis:del "added")
  assert(redis:config("SET", "min-replicas-to-write", "1"))
  local set = moonpool.spawn(function() return redis:set("refused", 42, "EX", 100) end)
  local called = moonpool.spawn(function() return redis:call("INCRBY", "added", 7) end)
  wait_until(function() return redis:stats().retries >= 4 end)
  assert(redis:config("SET", "min-replicas-to-write", "0"))
  local answer, message = set:await()
  check(answer == "OK" and redis:get "refused" == "42" and called:await() == 7,
    "sends again what was refused for a passing reason", message)
end

local function times()
  local start, ticks = moonpool.now(), 0
  moonpool.sleep(0.05)
  local slept = moonpool.now() - start
  check(slept >= 0.045 and slept < 1, "sleeps as long as it is told", slept)
  local timer = moonpool.timer(0.002, function() ticks = ticks + 1 end)
  nap(0.05)
  wait_until(function() return ticks >= 3 end)
  timer:close()
  check(ticks >= 3, "has timers", ticks)
end

local function misuse(redis)
  local value
  local is_ok, message = pcall(string.gsub, "x", "x", function() value = redis:get "greeting" end)
  check(is_ok and value == "hello" or not is_ok and message:find("cannot wait here", 1, true),
    "waits inside a C function, or says that it cannot", message)
  local hosted = package.loaded["moonpool.hosted"]
  if not hosted then return end
  is_ok, message = pcall(hosted.install, { name = "another" })
  check(not is_ok and message:find("another", 1, true), "has one host only", message)
end

local function everything(...)
  local redis = assert(moonpool.connect(URL))
  check(redis:set("greeting", "hello") == "OK" and redis:get "greeting" == "hello",
    "awaits commands")
  times()
  receive(redis)
  survive(redis)
  tasks(redis)
  refused(redis)
  collecting()
  misuse(redis)
  local blocked = moonpool.spawn(function() return redis:blpop("nothing", 30) end)
  moonpool.sleep(0.01)
  redis:close()
  local _, _, code = blocked:await()
  check(code == "ECLOSED", "closing completes what is pending", code)
  return select("#", ...), ...
end

-- What the host makes once, and keeps, is there after this.
moonpool.run(function() moonpool.sleep(0.001) end)
local before = descriptors()
local count, first, second = moonpool.run(everything, "one", nil)
check(count == 2 and first == "one" and second == nil, "run passes arguments and results", count)
local results = table.pack or function(...) return { n = select("#", ...), ... } end
results = results(moonpool.run(function()
  moonpool.sleep(0.001)
  return nil, nil, "third", nil
end))
check(results.n == 4 and results[3] == "third", "run passes results that are nil", results.n)
check(moonpool.run(function() return "at once" end) == "at once",
  "run ends when its function has awaited nothing")
local is_ok, message = pcall(moonpool.sleep, 0.001)
check(is_ok or message:find("cannot wait here", 1, true),
  "waits in the main chunk, or says that it cannot", message)
is_ok, message = pcall(moonpool.run, function() error { "its own" } end)
check(not is_ok, "run raises what its function raises", message)
local timer
pcall(moonpool.run, function()
  timer = moonpool.timer(60, function() end)
  error { "its own" }
end)
check(moonpool.run(function()
  local redis = assert(moonpool.connect(URL))
  local answer = redis:ping()
  redis:close()
  timer:close()
  return answer
end) == "PONG", "what was left open when run has raised goes on in the next one")
collectgarbage()
collectgarbage()
local after = descriptors()
check(before == after, "leaves no descriptor open", before .. " became " .. after)
report:write "end\n"
report:close()
