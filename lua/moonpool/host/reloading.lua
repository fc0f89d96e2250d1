--- Reloads: scripts as they are on disk now, in place of those that run.
local attachment = require "moonpool.host.attachment"
local moonpool = require "moonpool"
local source = require "moonpool.host.source"

local reloading = {}

local function reload(actor, script)
  local own, message = source.open(script)
  if not own then return nil, message end
  return actor:reload(own)
end

local function by_name(list)
  local map = {}
  for _, item in ipairs(list) do map[item.id or item.name] = item end
  return map
end

-- Brings one kind's actors into line with what is to run, and tells what came of it.
local function reload_kind(self, kind, scripts, results)
  local now, wanted = by_name(self[kind]), by_name(scripts)
  local list, gone = {}, {}
  local function note(actor, ok, message)
    results[#results + 1] = { name = actor.name, error = not ok and message or nil }
  end
  for _, actor in ipairs(self[kind]) do
    if not wanted[actor.id] then gone[#gone + 1] = actor end
  end
  self:end_actors(gone)
  for _, script in ipairs(scripts) do
    local actor = now[script.name]
    local ok, message
    if actor then
      ok, message = reload(actor, script)
    else
      actor, message = self:load_script(script)
      ok = actor ~= nil
    end
    if actor then list[#list + 1] = actor end
    note(actor or script, ok, message)
  end
  self[kind] = list
  for _, actor in ipairs(gone) do
    self.committer:remove(actor)
    note(actor, true)
  end
  return now
end

-- Begins with what is new.
local function begin_new(self, kind, before)
  for _, actor in ipairs(self[kind]) do
    if not before[actor.id] and actor.state == "running" then
      if kind == "policies" then self.committer:add(actor) end
      if kind == "bots" then attachment.renew(self, actor) end
      moonpool.spawn(actor.start, actor)
    end
  end
end

--- Loads scripts anew, each as a transaction: those that cannot be loaded stay as they are. Scripts
--- that are new begin, those that are gone end.
---@param settings moonpool.host.config as it is now; limits of the host itself stay
---@return { name: string, error: string? }[] results
function reloading.reload(self, settings)
  local results = {}
  for _, kind in ipairs { "policies", "auth", "bots" } do
    local before = reload_kind(self, kind, settings[kind], results)
    begin_new(self, kind, before)
  end
  self.chain:replace(self.policies)
  self.settings = settings
  return results
end

--- Loads one script anew, as reload does.
---@param name string
---@return { name: string, error: string? }[]? results
---@return string? message there is none of that name
---@return string? code
function reloading.reload_one(self, name)
  for _, actor in ipairs(self:actors()) do
    if actor.name == name or actor.id == name then
      local ok, message = reload(actor, actor.script)
      return { { name = actor.name, error = not ok and message or nil } }
    end
  end
  return nil, ("there is no script %q"):format(name), "EARG"
end

return reloading
