-- A real host with scripts of the spec's own, on a Redis of its own, and a writer in its room.
--
--   local host_run = require "spec.support.host_run"
--   local run = host_run.open { scripts = { ["a.lua"] = "…" }, "--budget", "0.1" }   until ready
--   run:say(n)                says the next n messages in room:pool, texts "1", "2", …: awaits them
--   run:burst(n)              the same, all of them at once
--   run:command("!go")        says that as "ann"; returns its id
--   run:await_answers({ "a", "b" })   awaits that each of these bots has answered every message
--                             with its own text, and asserts: once each, in order
--   run:await_text("a", "^x")  awaits that this bot has said something that matches
--   run:delays("a", first)    seconds from each message (from that number on) to that bot's answer,
--                             sorted; after await_answers
--   run.host, run.server, run.redis (a client), run.folder (of the scripts)
--   run:worker()              the worker's process id
--   run:close()
local moonpool = require "moonpool"
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"

local host_run = {}

local ROOM = "pool"
local SECONDS = 60

local methods = {}
local mt = { __name = "host_run", __index = methods }

--- A bot that answers what the writer says with the same words.
host_run.ECHO = [[
bot:on("publish", function(message)
  if message.user == "writer" then message:reply(message.text) end
end)
]]

---@param options table
function host_run.open(options)
  local server = redis_server.start()
  local folder = scratch.folder()
  for name, text in pairs(options.scripts) do scratch.write(folder .. "/" .. name, text) end
  local self = setmetatable({ server = server, folder = folder, said = 0 }, mt)
  self.control = folder .. "/control.sock"
  local command = { "run", "--redis", server.url, "--control", self.control, folder }
  table.move(options, 1, #options, #command + 1, command)
  self.host = program.moonpool(command)
  self.host:expect_error "^moonpool: ready"
  self.redis = assert(moonpool.connect(server.url))
  self.room = assert(self.redis:room(ROOM, { keep = 100000 }))
  return self
end

function methods:say(count)
  for _ = 1, count do
    self.said = self.said + 1
    assert(self.room:say(tostring(self.said), { user = "writer" }))
  end
end

function methods:burst(count)
  local tasks = {}
  for index = 1, count do
    self.said = self.said + 1
    tasks[index] = moonpool.spawn(self.room.say, self.room, tostring(self.said),
      { user = "writer" })
  end
  for _, task in ipairs(tasks) do assert(task:await()) end
end

function methods:command(text) return assert(self.room:say(text, { user = "ann" })) end

-- All that has been said, oldest first.
local function read_all(self)
  local all, after = {}, nil
  repeat
    local page = assert(self.room:history { after = after, limit = 1000, since = 0.001 })
    for _, message in ipairs(page) do all[#all + 1] = message end
    after = page[#page] and page[#page].id
  until #page == 0
  return all
end

local function answers_of(all, bot)
  local list = {}
  for _, message in ipairs(all) do
    if message.user == bot and message.text:find "^%d+$" then list[#list + 1] = message end
  end
  return list
end

local function counts(all, bots)
  local words = { #all .. " messages in all" }
  for _, bot in ipairs(bots) do words[#words + 1] = bot .. " " .. #answers_of(all, bot) end
  return table.concat(words, ", ") .. "\n"
end

function methods:await_answers(bots)
  local all
  local deadline = moonpool.now() + SECONDS
  repeat
    all = read_all(self)
    local is_done = true
    for _, bot in ipairs(bots) do is_done = is_done and #answers_of(all, bot) >= self.said end
    assert(is_done or moonpool.now() < deadline, "the bots have not answered everything; "
      .. counts(all, bots) .. self.host:errors())
    if not is_done then moonpool.sleep(0.02) end
  until is_done
  for _, bot in ipairs(bots) do
    local list = answers_of(all, bot)
    assert(#list == self.said, ("%s has answered %d of %d"):format(bot, #list, self.said))
    for number, message in ipairs(list) do
      assert(message.text == tostring(number),
        ("%s answered %s as number %d"):format(bot, message.text, number))
    end
  end
  self.all = all
end

function methods:await_text(bot, pattern)
  local deadline = moonpool.now() + SECONDS
  while true do
    for _, message in ipairs(assert(self.room:history { last = 100 })) do
      if message.user == bot and message.text:find(pattern) then return message end
    end
    assert(moonpool.now() < deadline, ("%s has not said %q; %s"):format(bot, pattern,
      self.host:errors()))
    moonpool.sleep(0.01)
  end
end

function methods:delays(bot, first)
  local said, list = {}, {}
  for _, message in ipairs(self.all) do
    if message.user == "writer" then said[message.text] = message.at end
  end
  for _, message in ipairs(answers_of(self.all, bot)) do
    if tonumber(message.text) >= (first or 1) then
      list[#list + 1] = message.at - said[message.text]
    end
  end
  table.sort(list)
  return list
end

--- What `moonpool ps --json` tells, by script's name; the host's own under "".
function methods:ps()
  local result = program.run_moonpool { "ps", "--json", "--redis", self.server.url, "--control",
    self.control }
  assert(result.status == 0, result.stderr)
  local map = {}
  for line in result.stdout:gmatch "[^\n]+" do
    local entry = assert(moonpool.json.decode(line))
    map[entry.kind and entry.name or ""] = entry
  end
  return map
end

function methods:worker() return self:ps()[""].pid end

function methods:close()
  if self.redis then self.redis:close() end
  self.host:stop()
  self.server:stop()
end

return host_run
