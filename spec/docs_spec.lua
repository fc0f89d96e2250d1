local page_blocks = require("spec.support.page").blocks
local policy_box = require "spec.support.policy_box"
local guest_box = require "spec.support.guest_box"
local program = require "spec.support.program"
local scratch = require "spec.support.scratch"
local new_session = require "spec.support.session"

local PAGES = { "docs/lua.md", "docs/commands.md", "docs/rooms.md", "docs/errors.md",
  "docs/bots.md", "docs/policies.md", "docs/gateway.md", "docs/architecture.md",
  "docs/getting-started.md", "docs/migration.md", "docs/performance.md" }

-- Programs and scripts, which are run as they are, by page and place among its code blocks.
local WHOLE = { ["docs/lua.md"] = { [1] = true }, ["docs/bots.md"] = { [1] = true },
  ["docs/rooms.md"] = { [1] = true },
  ["docs/policies.md"] = { [1] = true, [2] = true }, -- the second in spec/pages/commands_spec.lua
  ["docs/gateway.md"] = { [1] = true, [2] = true }, -- the second in spec/gateway/token_spec.lua
  ["docs/migration.md"] = { [1] = true, [2] = true, [3] = true } } -- others by spec/migration/run

-- Parts of a program with a client named redis: what is printed behind them, and what that gives.
local PARTS = {
  ["docs/lua.md"] = {
    [2] = { show = "length, code", gives = "1\tnil\n" },
    [3] = {
      show = "type(id), said, reason, refused",
      gives = "string\thello there everybody\ttoo long: 27 characters, 25 are allowed\tEREJECTED\n",
    },
  },
  ["docs/commands.md"] = {
    [1] = { show = "#replies, replies[1], replies[2], replies[3]", gives = "3\tOK\t1\t1\n" },
    [2] = {
      before = 'redis:set("stock", 3)',
      show = "replies[1], replies[2], redis:get('stock')",
      gives = "OK\t1\t2\n",
    },
  },
  ["docs/rooms.md"] = {
    [2] = {
      show = "same == again, id == same, message:match('^room:say: who says it'), code",
      gives = "true\tfalse\troom:say: who says it\tEARG\n",
    },
    [3] = { show = "table.concat(heard, ' ')", gives = "Ahoy\n" },
    [4] = {
      show = "newest[1].text, newest[2].text, before[2].text, #lately",
      gives = "Cup 4\tCup 5\tCup 3\t5\n",
    },
    [5] = { show = "#here, here[1].user, count", gives = "1\tann\t1\n" },
    [6] = {
      before = 'redis:room("galley"):say("Ahoy", { user = "bob" })',
      show = "table.concat(names, ' ')",
      gives = "galley\ngalley\n",
    },
  },
}

-- Bot scripts: what a user says, and what the bot answers.
local SCRIPTS = {
  ["docs/getting-started.md"] = {
    [1] = {
      says = { "!drink", "!drink dark rum", "!help drink" },
      gives = { "coffee no. 1 for this room", "dark rum no. 1 for this room",
        "!drink [WHAT]: counts what was drunk" },
    },
  },
  ["docs/bots.md"] = {
    [2] = {
      says = { '!paint red "two words"', "!P blue", "!help paint" },
      gives = { "red is #f00: two words", "I know red and green.",
        "!paint COLOUR [TEXT]: shows a colour (also !p)" },
    },
    [3] = {
      says = { "!quote", "!quote Ahoy there", "!quote" }, gives = { "Ahoy there (kept by ann)" },
    },
    [4] = { upgrade = { games = { pool = {} } }, says = { "!play" }, gives = { "Who begins?" } },
  },
}

-- The code blocks of a page.
local function examples_of(page)
  local examples = {}
  for example in scratch.read(page):gmatch("```lua\n(.-)```") do
    examples[#examples + 1] = example
  end
  return examples
end

local PROGRAM = [[
local moonpool = require "moonpool"
moonpool.run(function()
  local redis = assert(moonpool.connect "redis://localhost")
  %s
  %s
  print(%s)
end)
]]

-- The kinds of code blocks of every page, each with what runs it: a file that names the page, or
-- a list of such files, one a block in their order. A block without a kind is output,
-- or is to be typed into a chat.
local HERE, HOSTS, OTHERS = "spec/docs_spec.lua", "spec/hosts/pages.lua", "spec/pages/run"
local INSTALL, ROCKS, ROOT = "tools/check-install", "tools/check-rocks", "tools/empty-root"
local CI, COMMANDS = ".ci/run", "spec/pages/commands_spec.lua"
local BLOCKS = {
  ["README.md"] = { lua = "spec/readme_spec.lua",
    sh = { CI, "spec/readme_spec.lua", ROCKS, INSTALL, ROOT } },
  ["docs/README.md"] = {},
  ["docs/architecture.md"] = {},
  ["docs/bots.md"] = { lua = HERE },
  ["docs/cli.md"] = {},
  ["docs/commands.md"] = { lua = HERE },
  ["docs/config.md"] = { lua = "spec/host/config_spec.lua" },
  ["docs/embedding.md"] = { lua = "spec/hosts/run" },
  ["docs/embedding/c.md"] = { c = HOSTS, lua = HOSTS, sh = INSTALL },
  ["docs/embedding/copas.md"] = { lua = HOSTS },
  ["docs/embedding/cqueues.md"] = { lua = HOSTS },
  ["docs/embedding/luv.md"] = { lua = HOSTS },
  ["docs/embedding/neovim.md"] = { lua = HOSTS },
  ["docs/embedding/openresty.md"] = { nginx = HOSTS },
  ["docs/embedding/poll.md"] = { lua = HOSTS },
  ["docs/embedding/prosody.md"] = { lua = HOSTS },
  ["docs/embedding/tarantool.md"] = { lua = HOSTS },
  ["docs/errors.md"] = {},
  ["docs/gateway.md"] = {
    lua = HERE, sh = { COMMANDS, OTHERS, "spec/gateway/token_spec.lua" },
    python = "spec/gateway/token_spec.lua", js = "spec/gateway/browser/docs.test.mjs" },
  ["docs/getting-started.md"] = { lua = HERE, sh = { CI, COMMANDS, COMMANDS } },
  ["docs/install.md"] = { cmake = INSTALL,
    sh = { ROCKS, ROCKS, ROCKS, ROCKS, INSTALL, INSTALL, COMMANDS } },
  ["docs/isolates.md"] = {},
  ["docs/lua.md"] = { lua = HERE },
  ["docs/migration.md"] = { nginx = OTHERS,
    lua = { HERE, "spec/migration/run", "spec/migration/run" } },
  ["docs/performance.md"] = {},
  ["docs/operating.md"] = { caddy = OTHERS, ini = OTHERS, nginx = OTHERS },
  ["docs/policies.md"] = { lua = { HERE, COMMANDS } },
  ["docs/reference.md"] = {},
  ["docs/rooms.md"] = { lua = HERE },
  ["docs/testing.md"] = { lua = "spec/testing_spec.lua", sh = COMMANDS },
}

-- Pages whose blocks without a kind have commands with what they print; spec/pages runs those.
local TRANSCRIPTS = { ["docs/operating.md"] = COMMANDS }

-- What is wrong with the kinds of a page's blocks.
local function unknown_kinds(page, text, kinds)
  local found = {}
  for kind in ("\n" .. text):gmatch "\n```(%w+)" do
    if not (kinds and kinds[kind]) then found[#found + 1] = page .. ": " .. kind end
  end
  return found
end

-- What is wrong with what runs a page's blocks of one kind.
local function unnamed_blocks(page, text, kind, by)
  local found, stem, count = {}, page:match "([^/]+)%.md$", 0
  for _ in ("\n" .. text):gmatch("\n```" .. kind .. "\n") do count = count + 1 end
  if type(by) == "table" and #by ~= count or count == 0 then
    found[1] = ("%s: %d blocks of %s"):format(page, count, kind)
  end
  for _, file in ipairs(type(by) == "table" and by or { by }) do
    local is_named = not file:find "/" or (scratch.read(file) or ""):find(stem, 1, true)
    if not is_named then found[#found + 1] = file .. " does not name " .. page end
  end
  return found
end

describe("docs", function()
  local session = new_session(before_each, after_each)
  local start = session.start
  local folder

  before_each(function() folder = scratch.folder() end)

  local function run_program(source)
    local here = scratch.shell("pwd")
    source = source:gsub("redis://localhost", session.server.url)
    return program.run { "lua5.4", scratch.write(folder .. "/example.lua", source), env = {
      LUA_PATH = ("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(here, here),
      LUA_CPATH = package.cpath,
    } }
  end

  it("have no example that is not run here", function()
    for _, page in ipairs(PAGES) do
      for place in ipairs(examples_of(page)) do
        local is_run = WHOLE[page] and WHOLE[page][place] or PARTS[page] and PARTS[page][place]
          or SCRIPTS[page] and SCRIPTS[page][place]
        assert.is_truthy(is_run, ("%s, code block %d"):format(page, place))
      end
    end
  end)

  it("have no page and no kind of code block that nothing looks at", function()
    local pages = {}
    for page in scratch.shell("ls README.md docs/*.md docs/*/*.md"):gmatch "%S+" do
      pages[page] = true
      assert.is_table(BLOCKS[page], page .. " is not listed here")
      assert.same({}, unknown_kinds(page, scratch.read(page), BLOCKS[page]))
    end
    for page, kinds in pairs(BLOCKS) do
      assert.is_true(pages[page], page .. " is not there")
      for kind, by in pairs(kinds) do
        assert.same({}, unnamed_blocks(page, scratch.read(page), kind, by))
      end
    end
    assert.same({ "page: perl" },
      unknown_kinds("page", "```lua\n```\n```perl\n```", { lua = HERE }))
    local two = "```sh\n```\n```sh\n```"
    assert.same({}, unnamed_blocks("lua.md", two, "sh", { HERE, HERE }))
    assert.same({ "lua.md: 2 blocks of sh", "spec/none does not name lua.md" },
      unnamed_blocks("lua.md", two, "sh", { HERE, HERE, "spec/none" }))
    assert.same({ "lua.md: 0 blocks of c" }, unnamed_blocks("lua.md", two, "c", HERE))
  end)

  it("have no command in a block without a kind that nothing runs", function()
    local function has_command(text)
      return ("\n" .. text):find "\n%$ " or ("\n" .. text):find "\n[%w./]*moonpool %l"
    end
    for page in pairs(BLOCKS) do
      for _, block in ipairs(page_blocks(page, "")) do
        assert.is_truthy(not has_command(block) or TRANSCRIPTS[page], page .. "\n" .. block)
      end
    end
    assert.is_truthy(has_command "$ ls" and has_command "x\nbin/moonpool run x")
  end)

  it("have no shell command that does not parse", function()
    for page, kinds in pairs(BLOCKS) do
      for block in scratch.read(page):gmatch(kinds.sh and "\n```sh\n(.-)```" or "\0\0") do
        local result = program.run { "bash", "-n", scratch.write(folder .. "/block.sh", block) }
        assert.same({ 0, "" }, { result.status, result.stderr }, page .. "\n" .. block)
      end
    end
  end)

  it("have no link to a page that is not there", function()
    for page in pairs(BLOCKS) do
      local place = page:match "^(.*/)" or ""
      local prose = scratch.read(page):gsub("\n```.-\n```", ""):gsub("`[^`\n]*`", "")
      for target in prose:gmatch "%]%(([^)#:%s]+)[#)]" do
        local file = io.open(place .. target)
        assert.is_truthy(file, ("%s links to %s"):format(page, target))
        file:close()
      end
    end
  end)

  -- The names of files in a text, as `code`, that no folder has.
  local function unknown_files(text)
    local there, unknown = {}, {}
    local folders = "core bindings lua spec tools cmake examples docs fuzz bench share"
    for name in scratch.shell("find " .. folders .. " -type f -printf '%f\\n'"):gmatch "[^\n]+" do
      there[name] = true
    end
    for name in text:gmatch "`[^`%s*]-([^`%s*/]+%.%l+)`" do
      local is_file = name:find "%.[ch]$" or name:find "%.lua$" or name:find "%.js$"
      if is_file and not name:find "^_" and not there[name] then unknown[#unknown + 1] = name end
    end
    return unknown
  end

  it("architecture.md names no file that is not there", function()
    assert.same({}, unknown_files(scratch.read "docs/architecture.md"))
    assert.same({ "links.c" }, unknown_files "`core/src/link.c`, `links.c`, `resync*.c`")
  end)

  it("errors.md tells the codes of moonpool.h, and no others", function()
    local told, there = {}, {}
    local codes = scratch.read("docs/errors.md"):match "\n## Codes\n(.-)\n## "
    for names in codes:gmatch "\n| (E[%u, ]+) |" do
      for name in names:gmatch "E%u+" do told[name] = true end
    end
    local header = scratch.read "core/include/moonpool.h"
    for name in header:match("MOONPOOL_STATUS_MAP(.-)typedef"):gmatch "X%((E%u+)," do
      there[name] = true
    end
    assert.is_true(there.EREJECTED)
    assert.same(there, told)
  end)

  it("lua.md shows a program that works", function()
    assert.same({ status = 0, stdout = "room:chatty\tHello there!\n", stderr = "" },
      run_program(examples_of("docs/lua.md")[1]))
  end)

  for page, parts in pairs(PARTS) do
    for place, part in pairs(parts) do
      it(("%s shows what works in its code block %d"):format(page, place), function()
        local example = assert(examples_of(page)[place])
        assert.same({ status = 0, stdout = part.gives, stderr = "" },
          run_program(PROGRAM:format(part.before or "", example, part.show)))
      end)
    end
  end

  it("migration.md shows a program that prints what the page says", function()
    assert.same({ status = 0, stdout = scratch.read("docs/migration.md"):match "\n```\n(.-)```",
      stderr = "" }, run_program(examples_of("docs/migration.md")[1]))
  end)

  it("rooms.md shows a program that works", function()
    assert.same({ status = 0, stdout = "ann\tHello there!\nann\tbye\n", stderr = "" },
      run_program(examples_of("docs/rooms.md")[1]))
  end)

  for page, scripts in pairs(SCRIPTS) do
    for place, script in pairs(scripts) do
      it(("%s shows a script that works in its code block %d"):format(page, place), function()
        local box = guest_box.bot(assert(examples_of(page)[place]))
        finally(guest_box.close_all)
        if script.upgrade then box:event("upgrade", script.upgrade) end
        for _, text in ipairs(script.says) do box:say("ann", text) end
        assert.same({}, box.failures)
        assert.same(script.gives, box:texts())
      end)
    end
  end

  it("bots.md shows a bot that works", function()
    local script = scratch.write(folder .. "/karma.lua", examples_of("docs/bots.md")[1])
    start { "run", script }:expect_error("ready")
    local room = start { "sub", "--json", "room:galley" }
    room:expect('"subscribe"')
    session.server:cli("PUBLISH", "room:galley", '{"user":"bob","text":"thanks ann++"}')
    room:expect("ann has 1")
  end)

  it("gateway.md shows a program that works", function()
    local result = run_program(examples_of("docs/gateway.md")[1])
    assert.same({ 0, "" }, { result.status, result.stderr })
    assert.matches("^127%.0%.0%.1:%d+\n$", result.stdout)
  end)

  it("policies.md shows a policy that works", function()
    local path = scratch.write(folder .. "/calm.lua", examples_of("docs/policies.md")[1])
    local box = policy_box.load_file(path)
    assert.same({ "allow" }, { box:judge "hi!" })
    assert.same({ "rewrite", "hi!" }, { box:judge "hi!!!!" })
    assert.same({ "reject", "too long" }, { box:judge(("x"):rep(2001)) })
    box:close()
  end)
end)
