local program = require "spec.support.program"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"

-- The first code block of a page.
local function example_of(page)
  return (scratch.read(page):match("```lua\n(.-)```"))
end

describe("docs", function()
  local server, folder, running

  local function start(options)
    options.env = { REDIS_URL = server.url }
    running[#running + 1] = program.moonpool(options)
    return running[#running]
  end

  before_each(function()
    server, folder, running = redis_server.start(), scratch.folder(), {}
  end)

  after_each(function()
    for _, each in ipairs(running) do each:stop() end
    server:stop()
  end)

  it("lua.md shows a program that works", function()
    local here = scratch.shell("pwd")
    local source = example_of("docs/lua.md"):gsub("redis://localhost", server.url)
    local result = program.run { "lua5.4", scratch.write(folder .. "/example.lua", source), env = {
      LUA_PATH = ("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(here, here),
      LUA_CPATH = package.cpath,
    } }
    assert.same({ status = 0, stdout = "room:chatty\tHello there!\n", stderr = "" }, result)
  end)

  it("bots.md shows a bot that works", function()
    local script = scratch.write(folder .. "/karma.lua", example_of("docs/bots.md"))
    start { "run", script }:expect_error("ready")
    local room = start { "sub", "--json", "room:galley" }
    room:expect('"subscribe"')
    server:cli("PUBLISH", "room:galley", '{"user":"bob","text":"thanks ann++"}')
    room:expect("ann has 1")
  end)
end)
