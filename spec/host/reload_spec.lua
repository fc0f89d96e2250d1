-- Reloads of a bot while its room is busy. MOONPOOL_RELOADS=1000 for the long run, which prints
-- what the worker used.
local control_client = require "moonpool.host.control_client"
local host_run = require "spec.support.host_run"
local moonpool = require "moonpool"
local scratch = require "spec.support.scratch"

local PAUSE = 0.001 -- seconds between two bursts of messages, and two reloads
local RELOADS = tonumber(os.getenv "MOONPOOL_RELOADS") or 50

-- Answers with the same words, and counts what each version has handled.
local COUNTING = [[
local VERSION = %d
bot.state.handled = {}
bot:on("publish", function(message)
  if message.user ~= "writer" then return end
  table.insert(bot.state.handled, VERSION)
  message:reply(message.text)
end)
bot:on("upgrade", function(state) bot.state = state end)
bot:command("versions", function(message)
  local is_rising = true
  local handled = bot.state.handled
  for index = 2, #handled do is_rising = is_rising and handled[index] >= handled[index - 1] end
  message:reply(("%%d handled, %%s, last by %%d"):format(#handled, tostring(is_rising), VERSION))
end)
]]

-- What a process uses: KiB of resident memory, descriptors.
local function use_of(pid)
  local status = assert(io.open(("/proc/%d/status"):format(pid))):read "a"
  local list = scratch.shell(("ls /proc/%d/fd"):format(pid))
  local _, descriptors = list:gsub("\n", "")
  return tonumber(status:match "VmRSS:%s*(%d+)"), descriptors
end

describe("a reload", function()
  local run
  after_each(function() run:close() end)

  local function write(text) scratch.write(run.folder .. "/bot.lua", text) end

  local function reload(client)
    local result = assert(client:call "reload")
    assert(#result.scripts == 1)
    return result.scripts[1].error
  end

  it("gives every message to exactly one version, once", function()
    run = host_run.open { scripts = { ["bot.lua"] = COUNTING:format(0) } }
    local worker = run:worker()
    local memory, descriptors = use_of(worker)
    local seconds
    moonpool.run(function()
      local client = assert(control_client.connect(run.control))
      local is_over, began = false, moonpool.now()
      local writer = moonpool.spawn(function()
        while not is_over do
          run:burst(5)
          moonpool.sleep(PAUSE)
        end
      end)
      for version = 1, RELOADS do
        write(COUNTING:format(version))
        assert.is_nil(reload(client))
        moonpool.sleep(PAUSE)
      end
      is_over = true
      writer:await()
      seconds = moonpool.now() - began
      run:await_answers { "bot" }
      run:command "!versions"
      run:await_text("bot", ("^%d handled, true, last by %d$"):format(run.said, RELOADS))
      client:close()
    end)
    local memory_after, descriptors_after = use_of(worker)
    assert.equal(descriptors, descriptors_after)
    if RELOADS < 1000 then return end
    print(("%d reloads, %d messages in %.1f s; resident memory %d KiB before, %d KiB after"):format(
      RELOADS, run.said, seconds, memory, memory_after))
  end)

  it("that fails leaves the version that runs as it is, and says so", function()
    run = host_run.open { scripts = { ["bot.lua"] = host_run.ECHO } }
    moonpool.run(function()
      local client = assert(control_client.connect(run.control))
      run:say(1)
      write "bot:on('publish', function("
      assert.matches("bot.lua:1: ", reload(client))
      run:say(1)
      write "error 'broken'"
      assert.matches("bot.lua:1: broken", reload(client))
      run:say(1)
      run:await_answers { "bot" }
      client:close()
    end)
    run.host:expect_error "error bot: not reloaded: "
  end)

  it("ends the timers and patterns of the version before", function()
    run = host_run.open { scripts = { ["bot.lua"] = [[
      bot:every(0.01, function() bot:say("told", "old") end)
      bot:on("pattern", "go", function() bot:say("told", "old pattern") end)
    ]] } }
    moonpool.run(function()
      local client = assert(control_client.connect(run.control))
      write [[
        bot:on("pattern", "go", function() bot:say("told", "new pattern") end)
        bot:command("count", function(message) message:reply "here" end)
      ]]
      local told = assert(run.redis:room "told")
      assert.is_nil(reload(client))
      local last = assert(told:history { last = 1 })[1]
      run.redis:publish("go", "now")
      run:command "!count"
      run:await_text("bot", "^here$")
      scratch.wait_until(function() return #told:history { after = last and last.id } > 0 end)
      for _, message in ipairs(told:history { after = last and last.id }) do
        assert.equal("new pattern", message.text)
      end
      client:close()
    end)
  end)
end)
