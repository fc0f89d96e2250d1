-- Real servers that refuse commands, and clients that wait for them to be mended.
--
--   local trouble = require "spec.support.trouble"
--   local server = trouble.start(config, options)   as redis_server.start; ends with the spec, by
--                                                   after_each(trouble.stop_servers)
--   trouble.start_replica(config, options)  likewise, of a master that refuses connections
--   trouble.keep(server)                    ends with the spec, too
--   trouble.open_console(server)            a connection that stays, for when the server takes no
--                                           other: ask(line) → the reply's first line; send(line),
--                                           receive(), close(); no spaces in words
--   trouble.info(server, field)             a figure of INFO's; server or client
--   local outcome = trouble.later(fn)       runs fn as a task; outcome.results once it is done
--   trouble.await(outcome[, seconds])       what fn has returned
--   trouble.patient, trouble.MANY           options of a client that retries for long; how often
--   trouble.with_url(url, options)          the options with that URL
--   trouble.connect_both(url)               a client that retries for long, and one that never does
--   trouble.wait_for_retries(client, count) until it has sent so many commands again
--   trouble.assert_repeated(client, never, words, call, mend)   call(client) is refused with those
--                                           words and sent again until mend() has mended the
--                                           server: its reply. `never` is told of the refusal.
local assert = require "luassert"
local assert_fails = require "spec.support.assert_fails"
local loop = require "spec.core.loop"
local moonpool = require "moonpool"
local redis_server = require "spec.support.redis"
local unix = require "socket.unix"

local MANY = 1000000

local trouble = {
  MANY = MANY,
  patient = { max_retries = MANY, command_timeout = 30 },
}

local servers = {}

function trouble.keep(server)
  servers[#servers + 1] = server
  return server
end

function trouble.stop_servers()
  while #servers > 0 do table.remove(servers):stop() end
end

function trouble.start(config, options)
  options = options or {}
  options.config = config
  return trouble.keep(redis_server.start(options))
end

function trouble.start_replica(config, options)
  config = config or {}
  config[#config + 1] = ("replicaof 127.0.0.1 %d"):format(redis_server.free_port())
  return trouble.start(config, options)
end

function trouble.open_console(server)
  local connection = assert(unix())
  connection:settimeout(10)
  assert(connection:connect(server.socket))
  local console = {}
  function console.send(line) assert(connection:send(line .. "\r\n")) end
  function console.receive() return assert(connection:receive("*l")) end
  function console.ask(line)
    console.send(line)
    return console.receive()
  end
  function console.close() connection:close() end
  return console
end

function trouble.info(server, field)
  return tonumber(server:call("INFO", "everything"):match("\r\n" .. field .. ":(%d+)"))
end

function trouble.later(fn)
  local outcome = {}
  moonpool.spawn(function() outcome.results = table.pack(fn()) end)
  return outcome
end

function trouble.await(outcome, seconds)
  loop.wait_until(function() return outcome.results end, seconds, "a command")
  return table.unpack(outcome.results, 1, outcome.results.n)
end

function trouble.wait_for_retries(client, count)
  loop.wait_until(function() return client:stats().retries >= count end, nil, "retries")
end

function trouble.with_url(url, options)
  local all = { url = url }
  for name, value in pairs(options) do all[name] = value end
  return all
end

function trouble.connect_both(url)
  return loop.connect(trouble.with_url(url, trouble.patient)),
    loop.connect { url = url, max_retries = 0 }
end

function trouble.assert_repeated(client, never, words, call, mend)
  local before = client:stats().retries
  local outcome = trouble.later(function() return call(client) end)
  trouble.wait_for_retries(client, before + 2)
  assert.is_nil(outcome.results)
  assert_fails("EREDIS", words, call(never))
  mend()
  return trouble.await(outcome)
end

return trouble
