-- What the Lua peers share: the stream's names, the marks. The names must be those of peers/peer.h
-- and peers/stream.mjs. Runs on every Lua from 5.1 on.
local stream = {}

--- Names of the first `count` channels.
--- @param count integer
--- @return string[]
function stream.names(count)
  local names = {}
  for i = 1, count do names[i] = ("room:%06d"):format((i - 1) % 1000000) end
  return names
end

--- The URL of an address: a Unix socket's path, or "host:port"; with TLS when the environment names
--- a CA to trust.
--- @param address string
--- @return string
function stream.url(address)
  local ca = os.getenv "BENCH_TLS_CA"
  if ca then return ("rediss://%s?tls_ca_file=%s"):format(address, ca) end
  return (address:sub(1, 1) == "/" and "unix://" or "redis://") .. address
end

--- This process's number.
--- @return integer
function stream.pid()
  local file = assert(io.open("/proc/self/stat"))
  local pid = file:read("*n")
  file:close()
  return pid
end

-- print goes elsewhere in Neovim and nginx.
local function say(line)
  io.stdout:write(line, "\n")
  io.stdout:flush()
end

--- Tells the harness that every channel is confirmed, and what this is.
--- @param label string
function stream.ready(label)
  say(("ready %d %s, %s"):format(stream.pid(), label, rawget(_G, "jit") and "LuaJIT" or _VERSION))
end

--- A function that makes handlers: functions to be called with every payload. They mark the CPU
--- time after `warmup` messages and again `messages` later; one more message, "end", makes one of
--- them print the result and call `finish`. os.clock is the user and system time of the process.
--- @param warmup integer
--- @param messages integer
--- @param wall fun(): number   clock in seconds
--- @param finish fun()
--- @return fun(): fun(payload: string)
function stream.counter(warmup, messages, wall, finish)
  local count, next_mark = 0, warmup
  local cpu_start, wall_start

  local function reached(payload)
    if count == warmup then
      cpu_start, wall_start = os.clock(), wall()
      next_mark = warmup + messages
    elseif count == warmup + messages then
      cpu_start, wall_start = os.clock() - cpu_start, wall() - wall_start
      next_mark = count + 1
    else
      assert(payload == "end", "more messages than were expected")
      say(("result %d %.0f %.0f"):format(messages, cpu_start * 1e9, wall_start * 1e9))
      finish()
    end
  end

  return function()
    return function(payload)
      count = count + 1
      if count == next_mark then reached(payload) end
    end
  end
end

return stream
