local program = require "spec.support.program"
local scratch = require "spec.support.scratch"
local new_session = require "spec.support.session"

local README = scratch.read("README.md")

-- The code blocks of a section, in order.
local function blocks_of(section)
  local text = README:match("\n## " .. section .. "\n(.-)\n## ")
  local blocks = {}
  for block in text:gmatch("```%l*\n(.-)```") do
    blocks[#blocks + 1] = block
  end
  return blocks
end

describe("README.md", function()
  local session = new_session(before_each, after_each)
  local start = session.start
  local folder

  before_each(function() folder = scratch.folder() end)

  it("shows what its bot answers", function()
    local script, transcript = table.unpack(blocks_of("A bot"))
    local bot = start { "run", scratch.write(folder .. "/galley.lua", script) }
    bot:expect_error("ready")
    local chat = start { "chat", "galley", "--as", "ann", tty = true, stdin = "pipe" }
    for line in transcript:gmatch("[^\n]+") do
      if line:find("^[<-]") then
        chat:expect("^" .. line:gsub("%p", "%%%0") .. "$")
      else
        chat:write(line .. "\n")
      end
    end
    assert.equal(0, chat:wait())
    assert.equal(transcript, (chat:output():gsub("\r", "")))
  end)

  it("shows what its library example prints", function()
    local script, commands, output = table.unpack(blocks_of("The library"))
    scratch.write(folder .. "/tides.lua", script)
    scratch.shell(('ln -s "$PWD/lua" "$PWD/build" %s'):format(folder))
    local result = program.run { "bash", "-c", "set -e\n" .. commands, cwd = folder,
      env = { REDIS_URL = session.server.url, LUA_PATH = false, LUA_CPATH = false } }
    assert.same({ status = 0, stdout = output, stderr = "" }, result)
  end)
end)
