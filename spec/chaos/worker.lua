-- What writers and followers of a chaos run do, in the process of the run or in one of their own;
-- and what they record.
--
--   worker.run(options, record, is_stopped)   awaits; returns when is_stopped() and all is done
--
-- options of both: role = "writer" | "follower" | "member", url, room, name, connect (options of
-- moonpool.connect), room_options (of client:room). record(fact) is called at once with each fact,
-- a flat table that JSON can hold.
--
-- A writer (seed, pace = seconds between two says, in_flight = how many at once, timeout, first =
-- the number to begin with): says text_of(options, number) under the key NAME:NUMBER. One that has
-- one in flight says it again under the same key until it is stored.
--   { say = number, attempt = 1 }                          before the call
--   { said = number, id = or code =, message =, late = seconds past its deadline }   both: EPARTIAL
--
-- A follower (from = id, or nil: from the end; slow = seconds that a handler may wait;
-- is_unverified = true: a plain subscription in its place):
--   { event = "begun" }                                    what is said from now on must come
--   { event = "message", id =, user =, text = }, { event = "gap", … }, "reconnect", "live", "error"
--
-- A member (users): joins as each of them.
--   { event = "begun" }                                    all have joined
local moonpool = require "moonpool"
local random = require "spec.chaos.random"

local worker = {}

local POLL_SECONDS = 0.02

local FILLERS = {
  "", "tea", "\u{1F319} pool", "\\\"quoted\"\\", "{\"id\":\"1-1-00\"}", "a\r\nb\tc",
}

-- The same each time: a process that comes after another one must say the same.
function worker.text_of(options, number)
  local stream = random.new(options.seed):fork(options.name .. number)
  local filler = stream:pick(FILLERS)
  if stream:chance(0.05) then filler = filler .. ("x"):rep(stream:integer(100, 3000)) end
  return ("%s:%d:%s"):format(options.name, number, filler)
end

-- ---- writers -----------------------------------------------------------------------------------

local function say(room, options, record, number, attempt)
  record { say = number, attempt = attempt }
  local deadline = moonpool.now() + options.timeout
  local id, message, code, stored = room:say({ text = worker.text_of(options, number) }, {
    key = ("%s:%d"):format(options.name, number), user = options.name, timeout = options.timeout })
  id = id or stored -- stored, but not on as many replicas as it should be
  local late = moonpool.now() - deadline
  record { said = number, id = id, code = code, message = message, late = late }
  return id
end

local function say_until_stored(room, options, record, number)
  local attempt = 1
  while not say(room, options, record, number, attempt) do
    attempt = attempt + 1
    moonpool.sleep(POLL_SECONDS)
  end
end

local function write(room, options, record, is_stopped)
  local number, in_flight = options.first or 1, 0
  local stream = random.new(options.seed):fork(options.name)
  while not is_stopped() do
    if options.in_flight == 1 then
      say_until_stored(room, options, record, number)
      number = number + 1
    elseif in_flight < options.in_flight then
      local mine = number
      number, in_flight = number + 1, in_flight + 1
      moonpool.spawn(function()
        say(room, options, record, mine, 1)
        in_flight = in_flight - 1
      end)
    end
    moonpool.sleep(options.pace * stream:float(0, 2))
  end
  while in_flight > 0 do moonpool.sleep(POLL_SECONDS) end
end

-- ---- followers ---------------------------------------------------------------------------------

-- The handler of messages is set last: until then, all that comes waits.
local function follow(room, options, record, is_stopped)
  local stream = random.new(options.seed):fork(options.name)
  assert(room:follow(options.from and { from = options.from }))
  record { event = "begun" }
  room:on("gap", function(gap)
    record { event = "gap", from = gap.from, to = gap.to, missing = gap.missing,
      reason = gap.reason }
  end)
  room:on("error", function(event)
    record { event = "error", message = event.message, code = event.code }
  end)
  room:on("reconnect", function() record { event = "reconnect" } end)
  room:on("live", function() record { event = "live" } end)
  room:on("message", function(message)
    record { event = "message", id = message.id, user = message.user, text = message.text }
    if options.slow and stream:chance(0.005) then moonpool.sleep(stream:float(0, options.slow)) end
  end)
  while not is_stopped() do moonpool.sleep(POLL_SECONDS) end
end

-- ---- members -----------------------------------------------------------------------------------

local function be_there(client, options, record, is_stopped)
  for _, user in ipairs(options.users) do
    local room = assert(client:room(options.room, options.room_options))
    assert(room:join { user = user })
  end
  record { event = "begun" }
  while not is_stopped() do moonpool.sleep(POLL_SECONDS) end
end

-- ---- without verification ----------------------------------------------------------------------

-- A plain subscription that takes every frame as it comes: what a follower is without verification.
local function listen(client, options, record, is_stopped)
  local subscription = assert(client:subscribe("room:" .. options.room, function(payload)
    local frame = moonpool.json.decode(payload)
    if type(frame) == "table" and frame.id then
      record { event = "message", id = frame.id, user = frame.m.user, text = frame.m.text }
    end
  end))
  record { event = "begun" }
  while not is_stopped() do moonpool.sleep(POLL_SECONDS) end
  subscription:close()
end

-- ---- both --------------------------------------------------------------------------------------

-- The first connection may meet any fault, too.
local function connect(options, is_stopped)
  local settings = { url = options.url }
  for name, value in pairs(options.connect or {}) do settings[name] = value end
  while true do
    local client, message = moonpool.connect(settings)
    if client then return client end
    if is_stopped() then error(message, 0) end
    moonpool.sleep(POLL_SECONDS)
  end
end

function worker.run(options, record, is_stopped)
  local client = connect(options, is_stopped)
  if options.is_unverified then
    listen(client, options, record, is_stopped)
  elseif options.role == "member" then
    be_there(client, options, record, is_stopped)
  else
    local room = assert(client:room(options.room, options.room_options))
    local play = options.role == "writer" and write or follow
    play(room, options, record, is_stopped)
  end
  client:close()
end

return worker
