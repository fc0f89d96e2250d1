local program = require "spec.support.program"
local scratch = require "spec.support.scratch"
local new_session = require "spec.support.session"

-- The first code block of a page.
local function example_of(page)
  return (scratch.read(page):match("```lua\n(.-)```"))
end

describe("docs", function()
  local session = new_session(before_each, after_each)
  local start = session.start
  local folder

  before_each(function() folder = scratch.folder() end)

  it("lua.md shows a program that works", function()
    local here = scratch.shell("pwd")
    local source = example_of("docs/lua.md"):gsub("redis://localhost", session.server.url)
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
    session.server:cli("PUBLISH", "room:galley", '{"user":"bob","text":"thanks ann++"}')
    room:expect("ann has 1")
  end)
end)
