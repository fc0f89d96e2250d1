-- What real nodes of a Redis Cluster refuse, and what becomes of it (docs/errors.md).
local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local trouble = require "spec.support.trouble"

local start, later = trouble.start, trouble.later
local await, connect_both = trouble.await, trouble.connect_both
local assert_repeated = trouble.assert_repeated

describe("what a node of a cluster refuses:", function()
  after_each(trouble.stop_servers)

  it("CLUSTERDOWN: a node without slots; names are asked for again, too", function()
    local server = start({ "cluster-enabled yes" }, { port = true })
    loop.run(function()
      local client, never = connect_both(server.url)
      local told, failures = {}, {}
      local subscription = later(function()
        return client:ssubscribe("room", function(text) told[#told + 1] = text end,
          { events = { error = function(event) failures[#failures + 1] = event end } })
      end)
      assert.equal("OK", assert_repeated(client, never, "CLUSTERDOWN",
        function(c) return c:call("SET", "a", "b") end,
        function() server:call("CLUSTER", "ADDSLOTSRANGE", "0", "16383") end))
      assert(await(subscription))
      server:call("SPUBLISH", "room", "hi")
      loop.wait_for(told, 1)
      assert.same({}, failures)
    end)
  end)

  it("another node's slot, or one that moves: MOVED, ASK and TRYAGAIN", function()
    local cluster = { "cluster-enabled yes" }
    local server, other = start(cluster, { port = true }), start(cluster, { port = true })
    server:call("CLUSTER", "ADDSLOTSRANGE", "0", "15000")
    other:call("CLUSTER", "ADDSLOTSRANGE", "15001", "16383")
    server:call("CLUSTER", "MEET", "127.0.0.1", other.port)
    loop.run(function()
      local client, never = connect_both(server.url)
      local _, message, code
      loop.wait_until(function()
        _, message, code = client:set("a", "x") -- slot 15495: the other's
        return code == "ENOSUPPORT"
      end, 20, "the nodes to know each other")
      assert.matches("^MOVED 15495 127.0.0.1:%d+ %(.*Redis Cluster%)$", message)
      local its_id = other:call("CLUSTER", "MYID")
      assert.equal("OK", client:set("{b}1", "x")) -- slot 3300
      assert.equal("OK", client:cluster("setslot", 3300, "migrating", its_id))
      assert_fails("ENOSUPPORT", "ASK 3300", client:get "{b}2")
      assert.same({ "x", moonpool.null }, assert_repeated(client, never, "TRYAGAIN",
        function(c) return c:mget("{b}1", "{b}2") end,
        function() client:cluster("setslot", 3300, "stable") end))
    end)
  end)
end)
