--- What bots and policies both can do: clocks, JSON, the log, their stores, reading rooms.

local ROOM_OPTIONS = {
  who = { limit = "number", cursor = "number" },
  history = {
    last = "number", limit = "number", since = "number", till = "number", before = "string",
    after = "string",
  },
  count = {},
}

---@param guest moonpool.guest
---@param kind "bot"|"policy"
---@param fields table of the object, to which it adds
return function(guest, kind, fields)
  local ask, tools, stores = guest.ask, guest.tools, guest.stores
  local check = tools.module "check"

  fields.now, fields.time, fields.null = tools.now, tools.time, tools.null
  fields.json = { encode = tools.json.encode, decode = tools.json.decode, array = tools.json.array }

  function fields.log(...) guest.log("info", " ", ...) end

  function fields:room_store(room)
    check.type("string", room, kind .. ":room_store", "room")
    return stores.of(room)
  end

  for name, known in pairs(ROOM_OPTIONS) do
    local method = kind .. ":" .. name
    fields[name] = function(_, room, options)
      check.type("string", room, method, "room")
      return ask(name, room, check.options(options, known, method))
    end
  end
end
