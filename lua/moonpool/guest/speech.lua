--- What a bot does in rooms: says something, deletes, waits; and, where it is granted, Redis.

local SAY_OPTIONS = { key = "string", type = "string" }

---@param guest moonpool.guest
---@param fields table of the bot, to which it adds
return function(guest, fields)
  local ask, tools = guest.ask, guest.tools
  local check = tools.module "check"

  function fields:say(room, text, options)
    check.type("string", room, "bot:say", "room")
    if type(text) == "number" then text = tostring(text) end
    check.type("string", text, "bot:say", "text")
    return ask("say", room, text, check.options(options, SAY_OPTIONS, "bot:say"))
  end

  function fields:delete(room, id)
    check.type("string", room, "bot:delete", "room")
    check.type("string", id, "bot:delete", "id")
    return ask("delete", room, id)
  end

  function fields.sleep(seconds)
    check.number(seconds, "bot.sleep", "seconds")
    ask("sleep", math.max(seconds, 0))
  end

  if guest.grants.redis then
    fields.redis = setmetatable({}, {
      __index = function(_, name)
        if name == "call" then return function(_, ...) return ask("redis", ...) end end
        return function(_, ...) return ask("redis", name, ...) end
      end,
      __metatable = false,
    })
  end

  local methods = tools.message_methods

  function methods:reply(text, options)
    if type(text) == "number" then text = tostring(text) end
    check.type("string", text, "message:reply", "text")
    return ask("say", self.room, text, check.options(options, SAY_OPTIONS, "message:reply"))
  end

  function methods:store() return guest.stores.of(self.room) end
end
