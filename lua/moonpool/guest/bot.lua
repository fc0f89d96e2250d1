--- The `bot` object of a script: what it reacts to and what it can say. docs/bots.md is the manual.

local EVENTS = {
  publish = true, subscribe = true, unsubscribe = true, rename = true, gap = true,
  reconnect = true, start = true, stop = true, pattern = true, upgrade = true,
}
local SETTABLE = { name = "loading", rooms = "loading", state = "always" }

---@param guest moonpool.guest
---@return table bot
---@return fun(): table describe
return function(guest)
  local tools, handlers = guest.tools, guest.handlers
  local check = tools.module "check"
  local hooks = tools.module "hooks".new()
  local stores = tools.module "store"(guest, "bot")
  local timers, patterns, commands -- once they are used
  local own_name = guest.name

  local fields = {
    name = own_name, rooms = { "room:*" }, options = guest.options, state = {},
    store = stores.open(),
  }
  local bot = tools.module "object"(guest, "bot", fields, SETTABLE)
  tools.module "common"(guest, "bot", fields)
  tools.module "speech"(guest, fields)

  -- ---- reacting ------------------------------------------------------------------------------

  function fields:on(event, fn, ...)
    check.event(EVENTS, event, "bot:on")
    if event == "pattern" then
      local handler = ...
      check.type("string", fn, "bot:on", "pattern")
      check.type("function", handler, "bot:on", "function")
      patterns = patterns or tools.module "patterns"(guest)
      return patterns.add(fn, handler)
    end
    local priority = ...
    check.type("function", fn, "bot:on", "function")
    if priority ~= nil then check.number(priority, "bot:on", "priority") end
    return hooks:add(event, fn, priority)
  end

  function fields:command(name, about, fn)
    commands = commands or tools.module "commands"(guest)
    return commands.add(name, about, fn)
  end

  function fields:every(seconds, fn)
    check.positive(seconds, "bot:every", "seconds")
    check.type("function", fn, "bot:every", "function")
    timers = timers or tools.module "timers"(guest)
    return timers.after("bot:every", seconds, fn, true)
  end

  function fields:after(seconds, fn)
    check.number(seconds, "bot:after", "seconds")
    check.type("function", fn, "bot:after", "function")
    timers = timers or tools.module "timers"(guest)
    return timers.after("bot:after", math.max(seconds, 0), fn, false)
  end

  function fields:at(time, fn)
    check.number(time, "bot:at", "time")
    check.type("function", fn, "bot:at", "function")
    timers = timers or tools.module "timers"(guest)
    return timers.at(time, fn)
  end

  -- ---- the host's events ---------------------------------------------------------------------

  local function fire(event, ...)
    for _, entry in ipairs(hooks:list(event)) do guest.call(event, entry.fn, ...) end
  end

  local function new_message_handler(event)
    return function(message)
      if message.bot and message.user == own_name then return false end
      fire(event, message)
      if commands and event == "publish" then commands.run(message) end
      return stores.is_touched()
    end
  end
  for _, event in ipairs { "publish", "subscribe", "unsubscribe", "rename" } do
    handlers[event] = new_message_handler(event)
  end

  for _, event in ipairs { "gap", "reconnect", "start", "stop" } do
    handlers[event] = function(...)
      fire(event, ...)
      return stores.is_touched()
    end
  end

  function handlers.pattern(...)
    if patterns then patterns.fire(...) end
    return stores.is_touched()
  end

  -- What the next version gets.
  function handlers.state()
    if type(fields.state) ~= "table" then
      guest.ask("fail", "bot.state is not handed over: it must be a table", "state")
      return {}
    end
    local state, problems = tools.module "plain"(fields.state, tools.null)
    for _, problem in ipairs(problems) do guest.ask("fail", "bot.state." .. problem, "state") end
    return state
  end

  -- What the version before had in its state counts more than what this one has begun with. It has
  -- been given what to do then, or begins as it would otherwise.
  function handlers.upgrade(state)
    if type(fields.state) ~= "table" then fields.state = {} end
    for key, value in next, state or {} do rawset(fields.state, key, value) end
    local has_functions = #hooks:list "upgrade" > 0
    if has_functions then fire("upgrade", state or {}) else fire "start" end
    return stores.is_touched()
  end

  -- ---- what it is ----------------------------------------------------------------------------

  local function events_with_functions()
    local events = { upgrade = true }
    for event in pairs(EVENTS) do
      if #hooks:list(event) > 0 then events[event] = true end
    end
    if commands then events.publish = true end
    return events
  end

  return bot, function()
    own_name = fields.name
    check.name(own_name, "bot.name")
    return {
      name = own_name, rooms = check.strings(fields.rooms, "bot.rooms"),
      patterns = patterns and patterns.list() or {}, events = events_with_functions(),
      commands = commands and commands.describe() or {},
    }
  end
end
