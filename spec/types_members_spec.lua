-- What editors are told of options, events and fields is what the code takes and gives: the code is
-- asked of each word that stands in its sources, and real clients, rooms and messages are.
local annotated = require "spec.support.annotated"
local core = require "moonpool.core"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"

local WRONG = io.stdout -- of no type that an option has

local function nothing() end

local function keys_of(tables)
  local keys = {}
  for _, each in ipairs(tables) do
    for key in pairs(each) do keys[key] = true end
  end
  return keys
end

local assert_same, upvalue = annotated.assert_same, annotated.upvalue

-- The options that a method of a class takes: ask(options) calls it.
local function assert_options(class, name, ask, more)
  local known = annotated.known(function(word) ask { [word] = WRONG } end)
  for each in pairs(more or {}) do known[each] = true end
  assert_same(("%s.%s"):format(class, name), annotated.options(class, name), known)
end

local function assert_events(class, name, ask)
  assert_same(("%s.%s"):format(class, name), annotated.events(class, name), annotated.known(ask))
end

local function assert_fields(class, known, is_strict)
  assert_same(class, annotated.class(class, "fields"), known,
    not is_strict and annotated.is_optional(class) or nil)
end

-- Until the list has such an event.
local function wait_for(list, event, reason)
  loop.wait_until(function()
    for _, each in ipairs(list) do
      if each.event == event and (not reason or each.reason == reason) then return true end
    end
  end)
end

describe("the types of the library's members", function()
  local server

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)

  it("are those of clients' options and events", function()
    loop.with_client(server, function(redis)
      local of_policies = upvalue(require("moonpool.policed").connect, "OWN")
      assert_options("moonpool", "connect", core.connect, of_policies)
      assert_options("moonpool.client", "room", function(options) redis:room("a", options) end)
      assert_options("moonpool.client", "rooms", function(options) redis:rooms("a", options) end)
      assert_options("moonpool.client", "prepare", function(options)
        redis:prepare("return 1", options)
      end)
      for _, name in ipairs { "subscribe", "psubscribe", "ssubscribe" } do
        assert_options("moonpool.client", name, function(options)
          redis[name](redis, "a", nil, options)
        end)
      end
      assert_options("moonpool.client", "on", function(options)
        redis:on("state", nothing, options)
      end)
      assert_options("moonpool.view", "with", function(options) redis:with(options) end)
      for _, name in ipairs { "pipeline", "transaction" } do
        assert_options("moonpool.view", name, function(options)
          redis[name](redis, nothing, options)
        end)
      end
      assert_options("moonpool.view", "optimistic", function(options)
        redis:optimistic("k", nothing, options)
      end)
      local script = assert(redis:prepare "return 1")
      assert_options("moonpool.script", "call", function(options) script:call({}, {}, options) end)
      assert_fields("moonpool.script", annotated.had(script), true)
      assert_events("moonpool.client", "on", function(word) redis:on(word, nothing) end)
      local subscription = assert(redis:subscribe("a", nothing))
      assert_events("moonpool.subscription", "on", function(word)
        subscription:on(word, nothing)
      end)
      assert_fields("moonpool.subscription", annotated.had(subscription), true)
    end)
  end)

  it("are those of rooms' options and events", function()
    loop.with_client(server, function(redis)
      local room = assert(redis:room "options")
      assert(room:join { user = "ann" })
      for _, name in ipairs { "typing", "join", "leave", "who", "count", "history", "clear",
        "destroy", "configure" } do
        assert_options("moonpool.room", name, function(options) room[name](room, options) end)
      end
      for _, name in ipairs { "say", "signal", "delete" } do
        assert_options("moonpool.room", name, function(options)
          room[name](room, { text = "a" }, options)
        end)
      end
      local told = annotated.class("moonpool.start", "fields")
      assert_same("moonpool.start", told, annotated.known(function(word)
        room:follow { [word] = WRONG }
      end))
      assert_events("moonpool.room", "on", function(word) room:on(word, nothing) end)
      local rooms = assert(redis:rooms "options*")
      assert_events("moonpool.rooms", "on", function(word) rooms:on(word, nothing) end)
      assert_fields("moonpool.rooms", annotated.had(rooms), true)
    end)
  end)

  it("are those of rooms, members and messages", function()
    loop.with_client(server, function(redis)
      local room = assert(redis:room "fields")
      local said
      assert(room:join { user = "ann" })
      assert(room:on("rename", function(message) said = message end))
      assert(room:say { type = "rename", text = "a", to = "b", target = "c" })
      loop.wait_until(function() return said end)
      assert_fields("moonpool.message", annotated.had(said), true)
      assert_fields("moonpool.room", annotated.had(room), true)
      assert_fields("moonpool.room_stats", keys_of { room:stats() }, true)
      assert_fields("moonpool.member", keys_of(room:who()), true)
      assert_fields("moonpool.name", keys_of(redis:subscriptions()), true)
    end)
  end)

  it("are those of what links go through", function()
    local states, events, of_room, gaps = {}, {}, {}, {}
    loop.with_client(server, function(redis)
      redis:on("state", function(event) states[#states + 1] = event end)
      local handlers, names = {}, annotated.events("moonpool.subscription", "on")
      for name in pairs(names) do
        handlers[name] = function(event) events[#events + 1] = event end
      end
      assert(redis:subscribe("a", nothing, { events = handlers }))
      local room = assert(redis:room("events", { resync_pause = 0.01 }))
      local function note_of_room(event) of_room[#of_room + 1] = event end
      for _, name in ipairs { "live", "reconnect", "gap", "error" } do
        assert(room:on(name, note_of_room))
      end
      local other = assert(redis:room "events")
      assert(other:on("gap", function(event) gaps[1] = event end))
      assert(other:follow { from = "1-1-0000000000000001" })
      loop.wait_until(function() return server:subscribers "room:events" > 0 end)
      loop.kill(server, "pubsub")
      loop.wait_until(function() return #events >= 2 and #of_room >= 2 and #states >= 2 end)
      assert_fields("moonpool.stats", keys_of { redis:stats() })
    end, { backoff_min = 0.001, backoff_max = 0.01 })
    assert_fields("moonpool.state_event", keys_of(states))
    assert_fields("moonpool.event", keys_of(events))
    for _, event in ipairs(gaps) do of_room[#of_room + 1] = event end
    assert_fields("moonpool.room_event", keys_of(of_room))
  end)

  it("are those of what goes wrong", function()
    local events, of_room = {}, {}
    finally(function() server:call("ACL", "SETUSER", "default", "allchannels") end)
    loop.with_client(server, function(redis)
      local handlers, names = {}, annotated.events("moonpool.subscription", "on")
      for name in pairs(names) do
        handlers[name] = function(event) events[#events + 1] = event end
      end
      local is_held = true
      assert(redis:subscribe("slow", function()
        loop.wait_until(function() return not is_held end)
      end, { events = handlers }))
      for _ = 1, 9 do redis:publish("slow", "a") end
      is_held = false
      wait_for(events, "gap", "overflow")
      local room, first = assert(redis:room "wrong"), nil
      for index = 1, 5 do
        local id = assert(room:say("a", { user = "ann" }))
        if index == 1 then first = id end
      end
      server:call("XTRIM", "{room:wrong}:log", "MAXLEN", "1")
      assert(room:follow { from = first })
      assert(room:on("message", nothing))
      for _, name in ipairs { "gap", "error" } do
        assert(room:on(name, function(event) of_room[#of_room + 1] = event end))
      end
      wait_for(of_room, "gap", "trimmed")
      server:call("ACL", "SETUSER", "default", "resetchannels")
      loop.kill(server, "pubsub")
      wait_for(events, "error")
      wait_for(of_room, "error")
    end, { backoff_min = 0.001, backoff_max = 0.01, max_mailbox = 2 })
    local seen, seen_of_room = keys_of(events), keys_of(of_room)
    for _, name in ipairs { "missing", "message", "code", "channel", "reason" } do
      assert.is_true(seen[name], name)
    end
    for _, name in ipairs { "from", "to", "reason", "message", "code" } do
      assert.is_true(seen_of_room[name], name)
    end
    assert_fields("moonpool.event", seen)
    assert_fields("moonpool.room_event", seen_of_room)
  end)

  it("are those of what policies are asked", function()
    -- Its reason is the names of the fields.
    local policy = scratch.write(scratch.folder() .. "/fields.lua", [[
local function tell(request)
  local names = {}
  for name in pairs(request) do names[#names + 1] = name end
  return policy.reject(table.concat(names, " "))
end
policy:on("publish", tell)
policy:on("subscribe", tell)
policy:on("pattern", "a", tell)]])
    local known = {}
    loop.with_client(server, function(redis)
      local room = assert(redis:room "asked")
      local function note(_, reason, code)
        assert.equal("EREJECTED", code)
        for name in reason:gmatch "%S+" do known[name] = true end
      end
      note(room:say("hi", { user = "ann" }))
      note(room:join { user = "ann" })
      note(redis:publish("a", "hi"))
    end, { policies = { policy } })
    assert_fields("moonpool.policy_request", known)
  end)

  it("are those of the module", function()
    local fields = {}
    for name, value in pairs(moonpool) do
      if type(value) ~= "function" then fields[name] = true end
    end
    assert_fields("moonpool", fields, true)
    local told = {}
    for name in pairs(annotated.read.classes.moonpool.fields.features.type.fields) do
      told[name] = true
    end
    assert_same("features", told, keys_of { moonpool.features })
  end)

  it("are missed where the code knows more, or less", function()
    loop.with_client(server, function(redis)
      local function ask(word) redis:room("a", { [word] = WRONG }) end
      local known, told = annotated.known(ask), annotated.options("moonpool.client", "room")
      assert.is_true(known.keep and known.resync_pause)
      known.keep, known.burn = nil, true
      assert.same({ "room: burn is not annotated", "room: keep is annotated, and not there" },
        annotated.differences("room", told, known))
      local had = annotated.had(assert(redis:room "mutant"))
      assert.same({ "r: user is annotated, and not there" },
        annotated.differences("r", annotated.class("moonpool.room", "fields"), had))
    end)
  end)
end)
