--- The `policy` object of a script: what it judges. docs/policies.md is the manual.

local EVENTS = { publish = true, subscribe = true, pattern = true }

---@param guest moonpool.guest
---@return table policy
---@return fun(policy: table): table describe
return function(guest)
  local ask, tools, handlers = guest.ask, guest.tools, guest.handlers
  local check = tools.module "check"
  local hooks = tools.module "hooks".new()
  local stores = tools.module "store"(guest)
  local patterns = {}

  local verdict_mt = { __name = "moonpool.verdict", __metatable = false }
  local methods = {}
  local policy = setmetatable({
    name = guest.name, priority = 0, options = guest.options, store = stores.of(false),
  }, { __index = methods, __metatable = false })

  -- ---- for the script ------------------------------------------------------------------------

  function methods:on(event, ...)
    check.event(EVENTS, event, "policy:on")
    if event == "pattern" then
      local pattern, fn = ...
      check.type("string", pattern, "policy:on", "pattern")
      check.type("function", fn, "policy:on", "function")
      patterns[#patterns + 1] = { pattern = pattern, fn = fn }
      return
    end
    local fn, priority = ...
    check.type("function", fn, "policy:on", "function")
    if priority ~= nil then check.type("number", priority, "policy:on", "priority") end
    return hooks:add(event, fn, priority)
  end

  local function new_verdict(kind, value) return setmetatable({ kind, value }, verdict_mt) end
  local is_verdict = setmetatable({}, { __mode = "k" })

  function methods.reject(reason)
    check.type("string", reason, "policy.reject", "reason")
    local verdict = new_verdict("reject", reason)
    is_verdict[verdict] = "reject"
    return verdict
  end

  function methods.rewrite(text)
    check.type("string", text, "policy.rewrite", "text")
    local verdict = new_verdict("rewrite", text)
    is_verdict[verdict] = "rewrite"
    return verdict
  end

  --- Takes tokens of a bucket that all processes share: true, or false and when there will be
  --- enough.
  function methods:take(key, capacity, seconds, cost)
    check.type("string", key, "policy:take", "key")
    check.positive(capacity, "policy:take", "capacity")
    check.positive(seconds, "policy:take", "seconds")
    if cost ~= nil then check.positive(cost, "policy:take", "cost") end
    local ok, wait, code = ask("take", key, capacity, seconds, cost or 1)
    if ok == nil then error(("policy:take: %s (%s)"):format(wait, code), 2) end
    return ok, wait
  end

  function methods:room_store(room)
    check.type("string", room, "policy:room_store", "room")
    return stores.of((room:gsub("^room:", "", 1)))
  end

  function methods.log(...)
    local words = table.pack(...)
    for index = 1, words.n do words[index] = tostring(words[index]) end
    ask("log", "info", table.concat(words, " "))
  end

  function methods:who(room, options) return ask("who", room, options or {}) end
  function methods:history(room, options) return ask("history", room, options or {}) end

  methods.now, methods.time = tools.now, tools.time
  methods.json, methods.null = tools.json, tools.null

  -- ---- the host's events ---------------------------------------------------------------------

  -- What a function returned: nil to go on, or a kind and a value.
  local function read_verdict(returned)
    if returned == nil or returned == true then return nil end
    local kind = type(returned) == "table" and is_verdict[returned]
    if not kind then
      error(("a policy returns nil, true, policy.reject(…) or policy.rewrite(…), not a %s"):format(
        type(returned)), 0)
    end
    return kind, rawget(returned, 2)
  end

  local function judge_one(event, fn, request)
    local ok, returned = guest.call(event, fn, request)
    if not ok then return "failed" end
    local fine, kind, value = pcall(read_verdict, returned)
    if fine then return kind, value end
    ask("fail", kind, event)
    return "failed"
  end

  local function functions_of(event, pattern_id)
    if event == "pattern" then return { patterns[pattern_id] } end
    return hooks:list(event)
  end

  --- What the policy says of a request: "allow"; "reject", reason; "rewrite", text; "failed".
  function handlers.judge(event, request, pattern_id)
    local text
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

  return policy, function()
    local name, priority = rawget(policy, "name"), rawget(policy, "priority")
    if type(name) ~= "string" or name == "" or name:find "%c" then
      error("policy.name: a name without control characters is needed", 0)
    end
    if type(priority) ~= "number" then error("policy.priority: a number is needed", 0) end
    local rooms = rawget(policy, "rooms")
    local list = {}
    for id, entry in ipairs(patterns) do list[id] = { id = id, pattern = entry.pattern } end
    return {
      name = name, priority = priority, patterns = list,
      rooms = rooms ~= nil and check.strings(rooms, "policy.rooms") or nil,
      events = { publish = #hooks:list "publish" > 0, subscribe = #hooks:list "subscribe" > 0 },
    }
  end
end
