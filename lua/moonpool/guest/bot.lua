--- The `bot` object of a script: what it reacts to and what it can say. docs/bots.md is the manual.

local EVENTS = {
  publish = true, subscribe = true, unsubscribe = true, rename = true, gap = true,
  reconnect = true, start = true, stop = true, pattern = true, upgrade = true,
}

---@param guest moonpool.guest
---@return table bot
---@return fun(bot: table): table describe
return function(guest)
  local ask, tools, handlers = guest.ask, guest.tools, guest.handlers
  local check = tools.module "check"
  local hooks = tools.module "hooks".new()
  local commands = tools.module "commands"(guest)
  local timers = tools.module "timers"(guest)
  local stores = tools.module "store"(guest)
  local patterns, last_pattern, is_loaded = {}, 0, false
  local own_name

  local methods = {}
  local bot = setmetatable({
    name = guest.name, rooms = { "room:*" }, options = guest.options, state = {},
    store = stores.of(false),
  }, { __index = methods, __metatable = false })

  -- ---- reacting ------------------------------------------------------------------------------

  local function remove_pattern(id)
    if not patterns[id] then return end
    patterns[id] = nil
    if is_loaded then ask("unpattern", id) end
  end

  local function add_pattern(pattern, fn)
    last_pattern = last_pattern + 1
    local id = last_pattern
    patterns[id] = { pattern = pattern, fn = fn }
    if is_loaded then
      local ok, message, code = ask("pattern", id, pattern)
      if not ok then
        patterns[id] = nil
        return nil, message, code
      end
    end
    return function() remove_pattern(id) end
  end

  function methods:on(event, ...)
    check.event(EVENTS, event, "bot:on")
    if event == "pattern" then
      local pattern, fn = ...
      check.type("string", pattern, "bot:on", "pattern")
      check.type("function", fn, "bot:on", "function")
      return add_pattern(pattern, fn)
    end
    local fn, priority = ...
    check.type("function", fn, "bot:on", "function")
    if priority ~= nil then check.type("number", priority, "bot:on", "priority") end
    return hooks:add(event, fn, priority)
  end

  function methods:command(name, about, fn) commands.add(name, about, fn) end

  function methods:every(seconds, fn)
    check.positive(seconds, "bot:every", "seconds")
    check.type("function", fn, "bot:every", "function")
    return timers.add(seconds, fn, true)
  end

  function methods:after(seconds, fn)
    check.type("number", seconds, "bot:after", "seconds")
    check.type("function", fn, "bot:after", "function")
    return timers.add(math.max(seconds, 0), fn, false)
  end

  function methods:at(time, fn)
    check.type("number", time, "bot:at", "time")
    check.type("function", fn, "bot:at", "function")
    return timers.add(math.max(time - tools.time(), 0), fn, false)
  end

  -- ---- doing ---------------------------------------------------------------------------------

  function methods:say(room, text, options)
    if type(text) == "number" then text = tostring(text) end
    check.type("string", room, "bot:say", "room")
    check.type("string", text, "bot:say", "text")
    options = options or {}
    check.type("table", options, "bot:say", "options")
    return ask("say", room, text, {
      key = rawget(options, "key"), type = rawget(options, "type"),
    })
  end

  function methods.sleep(seconds)
    check.type("number", seconds, "bot.sleep", "seconds")
    ask("sleep", math.max(seconds, 0))
  end

  function methods.log(...)
    local words = table.pack(...)
    for index = 1, words.n do words[index] = tostring(words[index]) end
    ask("log", "info", table.concat(words, " "))
  end

  methods.now, methods.time = tools.now, tools.time
  methods.json, methods.null = tools.json, tools.null

  function methods:room_store(room)
    check.type("string", room, "bot:room_store", "room")
    return stores.of((room:gsub("^room:", "", 1)))
  end

  -- What is asked of a room: its name, then options.
  for name, op in pairs { who = "who", count = "count", history = "history" } do
    methods[name] = function(_, room, options)
      check.type("string", room, "bot:" .. name, "room")
      return ask(op, room, options or {})
    end
  end

  function methods:delete(room, id)
    check.type("string", room, "bot:delete", "room")
    check.type("string", id, "bot:delete", "id")
    return ask("delete", room, id)
  end

  if guest.grants.redis then
    bot.redis = setmetatable({}, {
      __index = function(_, name)
        return function(_, ...) return ask("redis", name, ...) end
      end,
      __metatable = false,
    })
  end

  local message_methods = tools.message_methods
  function message_methods:reply(text, options) return bot:say(self.room, text, options) end
  function message_methods:store() return stores.of(self.room) end

  -- ---- the host's events ---------------------------------------------------------------------

  local function fire(event, ...)
    for _, entry in ipairs(hooks:list(event)) do guest.call(event, entry.fn, ...) end
  end

  local function new_message_handler(event)
    return function(message)
      if message.bot and message.user == own_name then return end
      fire(event, message)
      if event == "publish" then commands.run(message) end
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

  function handlers.pattern(id, payload, channel)
    local entry = patterns[id]
    if not entry then return end
    guest.call("pattern", entry.fn, payload, channel)
    return stores.is_touched()
  end

  --- What the next version of the script is given.
  function handlers.state() return bot.state end

  function handlers.upgrade(state)
    bot.state = state
    fire("upgrade", state)
  end

  -- ---- what it is ----------------------------------------------------------------------------

  local function wanted_patterns()
    local list = {}
    for id, entry in pairs(patterns) do list[#list + 1] = { id = id, pattern = entry.pattern } end
    table.sort(list, function(a, b) return a.id < b.id end)
    return list
  end

  local function events_with_functions()
    local events = {}
    for event in pairs(EVENTS) do
      if #hooks:list(event) > 0 then events[event] = true end
    end
    return events
  end

  return bot, function()
    own_name = rawget(bot, "name")
    if type(own_name) ~= "string" or own_name == "" or own_name:find "%c" then
      error("bot.name: a name without control characters is needed", 0)
    end
    is_loaded = true
    return {
      name = own_name, rooms = check.strings(rawget(bot, "rooms"), "bot.rooms"),
      patterns = wanted_patterns(), events = events_with_functions(),
      commands = commands.describe(),
    }
  end
end
