--- What a bot does in rooms: says something, deletes, waits; and, where it is granted, Redis.

local SAY_OPTIONS = { key = "string", type = "string" }

---@param guest moonpool.guest
---@param fields table of the bot, to which it adds
return function(guest, fields)
  local ask, tools = guest.ask, guest.tools
  local check = tools.module "check"

  -- A version that is being loaded may not come to run.
  local function check_loaded(method)
    if guest.is_loaded then return end
    error(string.format("%s: the script is being loaded; do it in bot:on(\"start\", …) or later",
      method), 3)
  end

  function fields:say(room, text, options)
    check.type("string", room, "bot:say", "room")
    if type(text) == "number" then text = tostring(text) end
    check.type("string", text, "bot:say", "text")
    options = check.options(options, SAY_OPTIONS, "bot:say")
    check_loaded "bot:say"
    return ask("say", room, text, options)
  end

  function fields:delete(room, id)
    check.type("string", room, "bot:delete", "room")
    check.type("string", id, "bot:delete", "id")
    check_loaded "bot:delete"
    return ask("delete", room, id)
  end

  function fields.sleep(seconds)
    check.number(seconds, "bot.sleep", "seconds")
    ask("sleep", math.max(seconds, 0))
  end

  tools.module "redis"(guest, "bot", fields)

  local methods = tools.message_methods

  function methods:reply(text, options)
    if type(text) == "number" then text = tostring(text) end
    check.type("string", text, "message:reply", "text")
    return ask("say", self.room, text, check.options(options, SAY_OPTIONS, "message:reply"))
  end

  function methods:store() return guest.stores.of(self.room) end
end
