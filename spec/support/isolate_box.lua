-- An isolate without moonpool's guest: each event is a text of Lua that it runs. The text has Lua's
-- library as isolates have it, and `ask`, `tools`, `load`, and `kept`, a table that outlives it.
--
--   local isolate_box = require "spec.support.isolate_box"
--   local box = isolate_box.open { memory =, budget =, seed = }   what isolate.new takes
--   box:start(text, ...)      isolate:start: outcome, ...
--   box:value(text, ...)      what the text returns; raises unless its outcome is "done"
--   box.isolate               for everything else
--   isolate_box.close_all()   for after_each
local isolate = require("moonpool.core").isolate

local isolate_box = {}

local BOOT = [[
  local ask, tools = ...
  local env = setmetatable({ ask = ask, tools = tools, kept = {} }, { __index = _G })
  env._G = env
  function env.load(text, name) return tools.load(text, name or "=load", env) end
  return function(text, ...)
    return assert(tools.load(text, "=script", env))(...)
  end
]]

isolate_box.BOOT = BOOT

local box_methods = {}
local box_mt = { __name = "isolate_box", __index = box_methods }
local open = {}

function isolate_box.open(options)
  local self = setmetatable({ isolate = assert(isolate.new(options or {})) }, box_mt)
  open[#open + 1] = self
  local outcome, problem = self.isolate:boot(BOOT, "=boot")
  if outcome ~= "done" then error(("boot: %s: %s"):format(outcome, problem), 2) end
  return self
end

function isolate_box.close_all()
  for index, box in ipairs(open) do
    box.isolate:close()
    open[index] = nil
  end
end

function box_methods:start(text, ...) return self.isolate:start(text, ...) end

local function done(outcome, ...)
  if outcome ~= "done" then error(("%s: %s"):format(outcome, tostring(...)), 3) end
  return ...
end

function box_methods:value(text, ...) return done(self.isolate:start(text, ...)) end

return isolate_box
