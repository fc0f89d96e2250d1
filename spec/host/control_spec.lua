local control = require "moonpool.host.control"
local control_client = require "moonpool.host.control_client"
local control_place = require "moonpool.host.control_place"
local moonpool = require "moonpool"
local scratch = require "spec.support.scratch"
local system = require("moonpool.core").system

assert(system.ignore_sigpipe())

describe("control", function()
  local path, logged

  -- Runs fn(server) in a loop, beside a server with these ops.
  local function with_server(options, fn)
    path, logged = scratch.folder() .. "/host.sock", {}
    options.log = function(line) logged[#logged + 1] = line end
    moonpool.run(function()
      local server = assert(control.serve(assert(control_place.claim(path)), options))
      fn(server)
      server:close()
      moonpool.stop() -- whatever an op still waits for
    end)
  end

  -- A stream that speaks as it likes.
  local function connect() return assert(system.open_stream(assert(
    system.connect_descriptor(path)))) end

  it("answers calls, failures and misfits", function()
    with_server({ ops = {
      add = function(request) return { sum = request.a + request.b } end,
      nothing = function() end,
      no = function() return nil, "no shouting", "EREJECTED" end,
      half = function() return nil, "not replicated", "EPARTIAL", "1-2-3" end,
      broken = function() error "oops" end,
      strange = function() return { print } end,
    } }, function()
      local client = assert(control_client.connect(path))
      assert.same({ sum = 5 }, client:call("add", { a = 2, b = 3 }))
      assert.is_true(client:call "nothing")
      assert.same({ nil, "no shouting", "EREJECTED" }, { client:call "no" })
      assert.same({ nil, "not replicated", "EPARTIAL", "1-2-3" }, { client:call "half" })
      assert.same({ nil, "the host failed; its log tells more", "ESCRIPT" },
        { client:call "broken" })
      assert.matches("^control: broken: .*oops.*\nstack traceback", logged[1])
      assert.same({ nil, "the host's answer is no JSON", "ESCRIPT" }, { client:call "strange" })
      assert.same({ nil, 'unknown op "dance"; there are add, broken, half, no, nothing, ping, '
        .. "strange", "ENOSUPPORT" }, { client:call "dance" })
      assert.equal(system.getpid(), client:call("ping").pid)
      assert.equal("EARG", (select(3, client:call("add", { a = print }))))
      client:close()
      assert.equal("ECONN", (select(3, client:call "ping")))
    end)
  end)

  it("answers as calls finish, and says things in their order", function()
    local order = {}
    with_server({ ops = {
      sleep = function(request) moonpool.sleep(request.seconds) end,
      say = function(request)
        moonpool.sleep(request.seconds)
        order[#order + 1] = request.text
      end,
    } }, function()
      local client = assert(control_client.connect(path))
      local slow = moonpool.spawn(client.call, client, "sleep", { seconds = 600 })
      local first = moonpool.spawn(client.call, client, "say", { seconds = 0.02, text = "first" })
      local second = moonpool.spawn(client.call, client, "say", { seconds = 0, text = "second" })
      assert.is_true(second:await())
      assert.is_true(first:await())
      assert.same({ "first", "second" }, order)
      assert.is_false(slow.is_ended)
      client:close()
      assert.same({ nil, "closed", "ECLOSED" }, { slow:await() })
    end)
  end)

  it("answers in lines of JSON, bad ones too", function()
    with_server({ max_line = 100, ops = {} }, function()
      local stream = connect()
      local function expect(request, answer)
        stream:write(request .. "\n")
        assert.same(moonpool.json.decode(answer), moonpool.json.decode(stream:read_line()))
      end
      expect("[", '{"ref":null,"error":{"code":"EPROTO",'
        .. '"message":"a request is one JSON object on a line"}}')
      expect('{"op":"ping"}', '{"ref":null,"error":{"code":"EPROTO",'
        .. '"message":"ref: a number or a string is needed"}}')
      expect('{"ref":"x"}', '{"ref":"x","error":{"code":"EPROTO",'
        .. '"message":"op: a string is needed"}}')
      expect('{"ref":"x","op":"ping"}', ('{"ref":"x","ok":{"pid":%d}}'):format(system.getpid()))
      expect(("x"):rep(200), '{"ref":null,"error":{"code":"ETOOBIG",'
        .. '"message":"a line is longer than 100 bytes"}}')
      assert.is_nil((stream:read_line()))
    end)
  end)

  it("bounds connections and requests", function()
    local most, now, gate = 0, 0, system.latch()
    with_server({ max_connections = 1, max_pending = 3, ops = {
      wait = function()
        now = now + 1
        most = math.max(most, now)
        gate:wait()
        now = now - 1
      end,
    } }, function()
      local client = assert(control_client.connect(path))
      assert.is_table(client:call "ping")
      local other = assert(control_client.connect(path))
      assert.same({ nil, "more than 1 connections", "EQUEUE" }, { other:call "ping" })
      local tasks = {}
      for number = 1, 10 do tasks[number] = moonpool.spawn(client.call, client, "wait") end
      while now < 3 do moonpool.sleep(0.001) end
      gate:open()
      for _, task in ipairs(tasks) do assert.is_true(task:await()) end
      assert.equal(3, most)
      client:close()
    end)
  end)

  it("tells callers that the host is gone, or does not answer", function()
    with_server({ ops = { wait = function() system.latch():wait() end } }, function(server)
      local client = assert(control_client.connect(path))
      assert.same({ nil, "the host does not answer", "ETIMEOUT" },
        { client:call("wait", nil, 0.01) })
      local call = moonpool.spawn(client.call, client, "wait")
      assert.is_table(client:call "ping")
      server:close()
      assert.same({ nil, "the host has closed the connection", "ECONN" }, { call:await() })
      assert.equal("ECONN", (select(3, control_client.connect(path))))
    end)
  end)
end)
