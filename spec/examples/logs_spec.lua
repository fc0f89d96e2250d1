-- Conversations through the moderation set and all example bots: examples/conversation.log, and,
-- when $MOONPOOL_LOGS is a folder, all logs in it.
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"

local POLICIES = { "ban", "mute", "rate_limit", "flood", "length", "links", "caps" }

local function replay(files, seed)
  local command = {
    "replay", "--through", "examples/bots", "--through", "examples/services", "--verdicts",
    "--seed", tostring(seed), seconds = 1200,
  }
  for _, policy in ipairs(POLICIES) do
    table.move({ "--policy", policy }, 1, 2, #command + 1, command)
  end
  table.move(files, 1, #files, #command + 1, command)
  return program.run_moonpool(command)
end

local function check(files)
  local first = replay(files, 7)
  assert.equal(0, first.status, first.stderr)
  assert.is_nil(first.stderr:find("traceback", 1, true), first.stderr)
  for _, policy in ipairs(POLICIES) do assert.matches(policy, first.stderr, 1, true) end
  assert.is_true(#first.stdout > 0)
  assert.is_true(first.stdout == replay(files, 7).stdout, "two runs differ")
  return first
end

describe("all example bots and the moderation set", function()
  it("go through a conversation without a failure, the same way each time", function()
    check { "examples/conversation.log" }
    assert.is_false(replay({ "examples/conversation.log" }, 7).stdout
      == replay({ "examples/conversation.log" }, 8).stdout)
  end)

  local folder = os.getenv "MOONPOOL_LOGS"
  if not folder then return end

  it("go through all logs", function()
    local list = scratch.shell(("ls %s/*.log"):format(scratch.quote(folder)))
    local files = {}
    for file in list:gmatch "[^\n]+" do files[#files + 1] = file end
    print(check(files).stderr)
  end)
end)
