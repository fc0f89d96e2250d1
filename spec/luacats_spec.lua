-- Annotations (LuaCATS) that an editor does not understand are as good as none: each one is read
-- here, and every type that one names is declared.
local json = require("moonpool").json
local luacats = require "spec.support.luacats"
local scratch = require "spec.support.scratch"

local FOLDERS = "bench bin examples lua spec tools"

local function all_texts()
  local texts = {}
  local list = scratch.shell("find " .. FOLDERS .. " -name node_modules -prune -o "
    .. "\\( -name '*.lua' -o -path 'bin/*' \\) -type f -print")
  for path in list:gmatch "[^\n]+" do texts[path] = scratch.read(path) end
  return texts
end

-- What is wrong with a file that has these lines, beside one that declares `known`.
local function problems_of(text)
  return luacats.read {
    ["a.lua"] = text, ["b.lua"] = "---@class known\n---@field name string\nlocal known = {}\n",
  }.problems
end

local HEAD = "---@class c\n"

describe("annotations", function()
  it("are all read, and name types that are declared", function()
    local read = luacats.read(all_texts())
    assert.same({}, read.problems)
    assert.is_truthy(read.classes["moonpool.client"].methods.publish)
    assert.is_truthy(read.classes["moonpool.testing.bot"].fields.said)
  end)

  it("are where .luarc.json says", function()
    local config = assert(json.decode(scratch.read ".luarc.json"))
    local paths = table.concat(config["runtime.path"], ";")
    for _, name in ipairs { "moonpool", "moonpool.types", "spec.luacats_spec" } do
      assert.is_truthy(package.searchpath(name, paths), name)
    end
    local globals = table.concat(config["diagnostics.globals"], " ")
    assert.equal("bot policy auth", globals)
    local read = luacats.read(all_texts())
    for kind in globals:gmatch "%S+" do assert.is_truthy(read.classes["moonpool." .. kind]) end
  end)

  it("may have each form that is used", function()
    for _, text in ipairs {
      HEAD .. "---@field a? known[]|table<string, known?>|fun(x: any, ...: any): known, string?",
      HEAD .. "---@field [string] { [integer]: known, b?: \"x\"|'y' } with a remark, with commas",
      "---@param x { a: string,\n--- b: known } more\nlocal function f(x) end",
      "---@return known? x, string? y\nlocal function f() end",
      "---@generic T\n---@param fn fun(): T?\n---@return T\nlocal function f(fn) end",
      "---@alias d\n---| \"x\" | \"y\"\n\n---@type d\nlocal x",
      "---@return string? id # of what tells it, string? message\nlocal function f() end",
    } do assert.same({}, problems_of(text), text) end
  end)

  it("are wrong", function()
    for text, problem in pairs {
      [HEAD .. "---@field a knwon"] = "a.lua:2: nothing declares the type knwon",
      ["---@param x fun(y: table<string, oops[]>)\nlocal function f(x) end"] =
        "a.lua:1: nothing declares the type oops",
      ["---@class c: gone"] = "a.lua:1: nothing declares the type gone",
      ["---@parm x string"] = "a.lua:1: there is no tag @parm",
      ["---@param y string\nlocal function f(x) end"] = "a.lua:1: f has no parameter y",
      [HEAD .. "---@field a { b: string"] = 'a.lua:2: @field: a } is missing at ""',
      [HEAD .. "---@field a fun(x: string"] = 'a.lua:2: @field: a ) is missing at ""',
      [HEAD .. "---@field a"] = 'a.lua:2: @field: a type is missing at ""',
      [HEAD .. "---@field a string\n---@field a string"] =
        "a.lua:3: @field: the field a is there twice",
      ["---@class known\n---@field name string"] = "b.lua:2: known.name is declared in a.lua, too",
      ["---@field a string\nlocal x"] = "a.lua:1: @field: a field without a class",
      ["---@return string? id of what tells it, string? message\nlocal function f() end"] =
        'a.lua:1: @return: "string? message" is a part of the remark before it',
    } do assert.same({ problem }, problems_of(text)) end
  end)

  it("are of the project, too, when they are wrong", function()
    local texts = all_texts()
    local path = "lua/moonpool/types.lua"
    texts[path] = texts[path]:gsub("moonpool%.name%[%]", "moonpool.nam[]")
    assert.equal(1, #luacats.read(texts).problems)
  end)
end)
