local annotated = require "spec.support.annotated"
local certificates = require "spec.support.certificates"
local gateway = require "moonpool.gateway"
local loop = require "spec.core.loop"
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"
local scratch = require "spec.support.scratch"
local websocket = require "spec.support.websocket"

-- A program with a gateway: OPTIONS is the text of a table, besides `redis` and `listen`. It prints
-- the address and what reaches the error hook; a line of input, a Lua text, is run with `own`, and
-- its results are printed.
local SERVER = [[
local moonpool = require "moonpool"
local gateway = require "moonpool.gateway"
local system = require("moonpool.core").system
io.stdout:setvbuf "line"
moonpool.on_error(function(trace) print("failed", (trace:gsub("\n.*", ""))) end)
moonpool.run(function()
  local options = OPTIONS
  options.redis, options.listen = URL, "127.0.0.1:0"
  local own = assert(gateway.open(options))
  print("at", own:addresses()[1])
  local input = system.open_stream(0)
  for line in function() return input:read_line() end do
    print("=", assert(load(line, "=line", "t", setmetatable({ own = own }, { __index = _G })))())
  end
end)
]]

describe("moonpool.gateway", function()
  local server, running, sockets

  setup(function() server = redis_server.start() end)
  teardown(function() server:stop() end)
  before_each(function() running, sockets = nil, {} end)
  after_each(function()
    for _, ws in ipairs(sockets) do ws.tcp:close() end
    if running then running:stop() end
  end)

  -- The address of a program that serves with these options.
  local function serve(options)
    local text = SERVER:gsub("OPTIONS", function() return options end):gsub("URL", function()
      return ("%q"):format(server.url)
    end)
    local script = scratch.write(scratch.folder() .. "/server.lua", text)
    running = program.start { "lua5.4", script, stdin = "pipe", env = {
      LUA_PATH = package.path, LUA_CPATH = package.cpath,
    } }
    local _, address = running:expect "^at\t(.+)$"
    return address
  end

  local function open(address, options)
    local ws = websocket.open(address, options)
    sockets[#sockets + 1] = ws
    return ws
  end

  it("says what is wrong with its options", function()
    local function problem(options)
      local ok, message = pcall(gateway.open, options)
      assert.is_false(ok)
      return message
    end
    loop.run(function()
      assert.matches("a table of options is needed, not nil", problem(nil))
      assert.matches("unknown option 'liste'", problem { liste = "x" })
      assert.matches("'max_rooms' must be a whole number from 0 on", problem { max_rooms = -1 })
      assert.matches("'idle' must be a time in seconds", problem { idle = "1" })
      assert.matches("'origins' must be a list of strings", problem { origins = "x" })
      assert.matches("'secret' must be a string", problem { secret = 7 })
      assert.matches('must name "gap", "conflate" or "disconnect"', problem { overflow = "drop" })
      local function refused(options)
        options.redis = server.url
        local own, message, code = gateway.open(options)
        assert.is_nil(own)
        return message .. " " .. code
      end
      assert.matches("32 bytes.* EARG$", refused { secret = "short" })
      assert.matches("^nowhere: .* EARG$", refused { listen = "nowhere" })
      assert.matches("loopback.* EARG$", refused { listen = "0.0.0.0:0" })
      assert.matches("EARG$", refused { listen = "127.0.0.1:0", tls_cert = "/nonexistent.pem",
        tls_key = "/nonexistent.pem" })
      local own, _, code = gateway.open { redis = "unix:///nonexistent/redis.sock" }
      assert.same({ nil, "ECONN" }, { own, code })
    end)
  end)

  it("closes, drains and is collected, however often", function()
    loop.run(function()
      local own = assert(gateway.open { redis = server.url, listen = "127.0.0.1:0" })
      assert.matches("^127.0.0.1:%d+$", own:addresses()[1])
      assert.equal(0, own:stats().sockets)
      assert.is_true(own:drain(0))
      assert.is_true(own:close())
      assert.is_true(own:close())
      assert.same({ nil, "ECLOSED" }, { own:stats(), (select(3, own:stats())) })
      assert.equal("ECLOSED", (select(3, own:revoke "ann")))
      assert.equal("ECLOSED", (select(3, own:drain(1))))
      assert.same({}, own:addresses())
      do local _ <close> = assert(gateway.open { redis = server.url, listen = "127.0.0.1:0" }) end
      collectgarbage()
    end)
  end)

  it("tells its hooks what the annotations say", function()
    local address = serve [[(function()
      local told = {}
      function NAMES()
        local names = {}
        for name in pairs(told) do names[#names + 1] = name end
        return table.concat(names, " ")
      end
      local function note(request)
        for name in pairs(request) do told[name] = true end
        return true
      end
      return {
        authenticate = function(request)
          note(request)
          return request.user
        end,
        join = note, say = note,
      }
    end)()]]
    local ann = open(address, { hello = { token = "t", user = "ann" } })
    assert.equal("ok", ann:ask({ op = "join", room = "chatty" }).op)
    assert.equal("ok", ann:ask({ op = "say", room = "chatty", text = "hi", type = "action" }).op)
    running:write "return NAMES()\n"
    local _, names = running:expect "^=\t(.*)$"
    local known = {}
    for name in names:gmatch "%S+" do known[name] = true end
    known.origin = true -- of browsers
    local told = annotated.class("moonpool.gateway.request", "fields")
    assert.same({}, annotated.differences("request", told, known))
  end)

  it("asks its hooks, which may await, and tells their failures", function()
    local address = serve [[{
      authenticate = function(request)
        moonpool.sleep(0)
        if request.token == "oops" then error "the hook failed" end
        if request.token == "seven" then return 7 end
        if request.token ~= "t" then return nil, "who are you?" end
        return request.user, { rooms = { "chatty", "mine-*" } }
      end,
      join = function(request)
        if request.room == "mine-1" then return nil, "not today", "EPERM" end
        return true
      end,
      say = function(request)
        moonpool.sleep(0)
        if request.text == "no" then return nil, "I said no" end
        if request.text == "loud" then return request.user .. ": LOUD" end
        if request.text == "oops" then error "the judge failed" end
        return true
      end,
      log = function(level, event, fields)
        if event == "close" then print("log", level, moonpool.json.decode(fields).user) end
      end,
      metrics = function() return "my_own 7\n" end,
    }]]
    local ann = open(address, { hello = { token = "t", user = "ann" } })
    local function answer(request)
      local found = ann:ask(request)
      return { found.op, found.code, found.reason }
    end
    local function say(text) return answer { op = "say", room = "chatty", text = text } end
    assert.same({ "ok" }, answer { op = "join", room = "chatty" })
    assert.same({ "error", "EPERM", "not today" }, answer { op = "join", room = "mine-1" })
    assert.same({ "error", "EREJECTED", "I said no" }, say "no")
    assert.same({ "error", "ESCRIPT", "internal error" }, say "oops")
    running:expect "^failed\t.*the judge failed$"
    assert.same({ "ok" }, say "loud")
    ann:expect("message", { text = "ann: LOUD" })
    local function refusal(token)
      local found = open(address):ask { op = "hello", token = token }
      return { found.code, found.reason }
    end
    assert.same({ "EAUTH", "who are you?" }, refusal "x")
    assert.same({ "ESCRIPT", "internal error" }, refusal "oops")
    running:expect "^failed\t.*the hook failed$"
    assert.same({ "ESCRIPT", "internal error" }, refusal "seven")
    running:expect "^failed\t.*'user' must be a string$"
    assert.matches("\nmy_own 7\n$", (websocket.get(address, "/metrics")))
    running:write "return own:stats().sockets, own:revoke('ann', 'enough')\n"
    running:expect "^=\t%d+\t1$"
    assert.same({ 4403, "enough" }, { ann:closed() })
    running:expect "^log\tinfo\tann$"
  end)

  it("puts messages in fragments together, and keeps what they say in order", function()
    local address = serve [[{ say = function(request)
      moonpool.sleep(request.text == "1" and 0.02 or 0)
      return true
    end }]]
    local ann = open(address, { user = "ann" })
    ann:ask { op = "join", room = "order" }
    for number = 1, 5 do
      ann:send({ op = "say", room = "order", text = tostring(number) }, number)
    end
    for number = 1, 5 do
      assert.equal(tostring(number), ann:expect("message").message.text)
    end
    assert.equal(1000, ann:close(1000))
  end)

  it("ends with what waits for a hook", function()
    local address = serve [[{ say = function()
      print "asked"
      moonpool.sleep(600)
    end }]]
    local ann = open(address, { user = "ann" })
    ann:send { op = "say", room = "chatty", text = "hi" }
    running:expect "^asked$"
    running:write "own:close() moonpool = require 'moonpool' moonpool.stop() return 'ended'\n"
    ann:closed()
    running:expect "^=\tended$"
    assert.equal(0, running:wait())
  end)

  it("speaks TLS itself", function()
    local pem = certificates.make()
    local address = serve(("{ tls_cert = %q, tls_key = %q }"):format(pem.server, pem.key))
    local result = program.run { "openssl", "s_client", "-quiet", "-connect", address,
      stdin = "GET /healthz HTTP/1.0\r\n\r\n" }
    assert.matches("^HTTP/1.1 200 OK\r\n", result.stdout)
  end)
end)
