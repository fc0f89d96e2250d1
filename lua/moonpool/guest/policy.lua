--- The `policy` object of a script: what it judges. docs/policies.md is the manual.

local EVENTS = { publish = true, subscribe = true, pattern = true }
local SETTABLE = { name = "loading", priority = "loading", rooms = "loading" }
local KIND, VALUE = {}, {} -- of a verdict; nobody else has these keys

---@param guest moonpool.guest
---@return table policy
---@return fun(): table describe
return function(guest)
  local ask, tools, handlers = guest.ask, guest.tools, guest.handlers
  local check = tools.module "check"
  local hooks = tools.module "hooks".new()
  local stores = tools.module "store"(guest, "policy")
  local patterns = {}

  local fields = {
    name = guest.name, priority = 0, options = guest.options, store = stores.open(),
  }
  local policy = tools.module "object"(guest, "policy", fields, SETTABLE)
  tools.module "common"(guest, "policy", fields)

  -- ---- for the script ------------------------------------------------------------------------

  local function add_pattern(pattern, fn)
    check.type("string", pattern, "policy:on", "pattern")
    check.type("function", fn, "policy:on", "function")
    if guest.is_loaded then
      error("policy:on: a pattern must be there when the script has been loaded", 2)
    end
    patterns[#patterns + 1] = { pattern = pattern, fn = fn }
  end

  function fields:on(event, fn, ...)
    check.event(EVENTS, event, "policy:on")
    if event == "pattern" then return add_pattern(fn, ...) end
    local priority = ...
    check.type("function", fn, "policy:on", "function")
    if priority ~= nil then check.number(priority, "policy:on", "priority") end
    return hooks:add(event, fn, priority)
  end

  function fields.reject(reason)
    check.type("string", reason, "policy.reject", "reason")
    return { [KIND] = "reject", [VALUE] = reason }
  end

  function fields.rewrite(text)
    check.type("string", text, "policy.rewrite", "text")
    return { [KIND] = "rewrite", [VALUE] = text }
  end

  function fields:take(key, capacity, seconds, cost)
    check.type("string", key, "policy:take", "key")
    check.positive(capacity, "policy:take", "capacity")
    check.positive(seconds, "policy:take", "seconds")
    if cost ~= nil then check.positive(cost, "policy:take", "cost") end
    local ok, wait, code = ask("take", key, capacity, seconds, cost or 1)
    if ok == nil then error(string.format("policy:take: %s (%s)", wait, code), 2) end
    return ok, wait
  end

  -- ---- judging -------------------------------------------------------------------------------

  -- What a function's results mean: nil to go on, or a kind and a value; "failed" with what is
  -- wrong with them.
  local function read_verdict(returned, second)
    if returned == nil and second ~= nil then
      return "failed", "a policy returned nil and a " .. type(second) ..
        "; to reject, return policy.reject(reason)"
    end
    if returned == nil or returned == true then return nil end
    local kind = type(returned) == "table" and rawget(returned, KIND)
    if kind then return kind, rawget(returned, VALUE) end
    local shown = returned == false and "false" or "a " .. type(returned)
    return "failed",
      "a policy returns nil, true, policy.reject(reason) or policy.rewrite(text), not " .. shown
  end

  local function judge_one(event, fn, request)
    local ok, returned, second = guest.call(event, fn, request)
    if not ok then return "failed" end
    local kind, value = read_verdict(returned, second)
    if kind == "failed" then
      ask("fail", value, event)
      return "failed"
    end
    return kind, value
  end

  local function functions_of(event, pattern_id)
    if event == "pattern" then return { patterns[pattern_id] } end
    return hooks:list(event)
  end

  --- What the policy says of a request: "allow"; "reject", reason; "rewrite", text; "failed", which
  --- the host has been told of.
  ---@return string verdict
  ---@return string? value
  ---@return boolean is_touched
  function handlers.judge(event, request, pattern_id)
    local text
    stores.refresh()
    for _, entry in ipairs(functions_of(event, pattern_id)) do
      local kind, value = judge_one(event, entry.fn, request)
      if kind == "failed" or kind == "reject" then return kind, value, stores.is_touched() end
      if kind == "rewrite" then
        text = value
        request.text = value
      end
    end
    return text and "rewrite" or "allow", text, stores.is_touched()
  end

  -- ---- what it is ----------------------------------------------------------------------------

  local function events_with_functions()
    local events = {}
    for event in pairs(EVENTS) do
      if #hooks:list(event) > 0 then events[event] = true end
    end
    return events
  end

  return policy, function()
    check.name(fields.name, "policy.name")
    if type(fields.priority) ~= "number" then error("policy.priority: a number is needed", 0) end
    local list = {}
    for id, entry in ipairs(patterns) do list[id] = { id = id, pattern = entry.pattern } end
    return {
      name = fields.name, priority = fields.priority, patterns = list,
      rooms = fields.rooms ~= nil and check.strings(fields.rooms, "policy.rooms") or nil,
      events = events_with_functions(),
    }
  end
end
