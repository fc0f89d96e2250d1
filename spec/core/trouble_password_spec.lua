-- Users and passwords that Redis refuses, and what becomes of it (docs/errors.md).
local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local peer = require "spec.support.peer"
local trouble = require "spec.support.trouble"

local start, info = trouble.start, trouble.info
local later, await = trouble.later, trouble.await

describe("authentication:", function()
  after_each(trouble.stop_servers)

  it("a password that is wrong is tried slowly, until it is right", function()
    local server = start { "user ann on >right ~* &* +@all" }
    loop.run(function()
      local url = server.url:gsub("unix://", "unix://ann:right@")
      local client = loop.connect { url = url, backoff_max = 1 }
      local before, began = info(server, "total_connections_received"), moonpool.now()
      server:call("ACL", "SETUSER", "ann", "resetpass", ">changed")
      loop.kill(server, "normal")
      loop.wait_until(function() return client:state() ~= "ready" end)
      local value = later(function() return client:echo "here" end)
      local late = later(function() return client:with { timeout = 0.2 }:echo "late" end)
      loop.wait_until(function()
        local why = client:stats().last_error
        return why and why:find("WRONGPASS", 1, true)
      end)
      moonpool.sleep(2) -- what is counted are attempts in that time
      local tried = client:stats().last_error
      assert.is_truthy(tried:find("WRONGPASS", 1, true), tried)
      assert_fails("ETIMEOUT", "no reply before the deadline; the last error was: ", await(late))
      assert.is_nil(value.results)
      local grown = info(server, "total_connections_received") - before
      local ours = 3 -- ACL, CLIENT KILL, INFO
      local allowed = ours + 2 + 2 * (moonpool.now() - began) -- then one in half a second
      assert.is_true(grown <= allowed, ("%d connections, not %g"):format(grown, allowed))
      server:call("ACL", "SETUSER", "ann", ">right")
      assert.equal("here", await(value))
      assert.equal("ready", client:state())
      local _, message, code = moonpool.connect((url:gsub("right", "wrong")))
      assert_fails("EAUTH", "WRONGPASS", nil, message, code)
    end)
  end)

  it("a user that is gone, and a password that is missing", function()
    local server = start { "user ann on >pw ~* &* +@all", "requirepass secret" }
    loop.run(function()
      assert_fails("EAUTH", "NOAUTH", moonpool.connect(server.url))
      local url = server.url:gsub("unix://", "unix://ann:pw@")
      local client = loop.connect { url = url, backoff_max = 0.1 }
      server:call("ACL", "DELUSER", "ann") -- ends its connections
      loop.wait_until(function()
        local why = client:stats().last_error
        return why and why:find("WRONGPASS", 1, true)
      end)
      server:call("ACL", "SETUSER", "ann", "on", ">pw", "~*", "&*", "+@all")
      assert.equal("back", client:echo "back")
    end)
  end)

  it("NOAUTH on a link that was let in: the next one says the password again", function()
    local fake = peer.start { scripts = {
      { { serve = "GET" }, "-NOAUTH Authentication required.\r\n", { silence = true } },
      { { serve = "GET" }, "+value\r\n", { serve = true } },
    } }
    trouble.keep(fake)
    loop.run(function()
      local client = loop.connect((fake.url:gsub("redis://", "redis://:pw@")))
      assert_fails("EAUTH", "NOAUTH", client:get "a")
      assert.equal("value", client:get "a")
      local passwords = 0
      for _, command in ipairs(fake:received()) do
        passwords = passwords + (command[1] == "AUTH" and 1 or 0)
      end
      assert.equal(2, passwords)
    end)
  end)
end)
