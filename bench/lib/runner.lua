-- Runs peers, one process each and one at a time, in interleaved rounds (A B C A B C …), so that
-- whatever else the machine does meets all of them alike.
--
-- A peer is a program that prints
--   ready PID WHAT IT IS       when it is connected (and subscribed), then
--   result COUNT CPU_NS WALL_NS [name=number …]
-- and exits 0. It measures its own user and system time, between marks of its own.
local shell = require "shell"

local runner = {}

--- @class bench.peer
--- @field name string         as the table shows it
--- @field words string[]      its command line, without the benchmark's arguments
--- @field env table<string, string>?

local function command_line(peer, arguments, deadline)
  local words = { "exec", "env" }
  for name, value in pairs(peer.env or {}) do
    words[#words + 1] = shell.quote(name .. "=" .. value)
  end
  words[#words + 1] = ("timeout --foreground -k 5 %d"):format(deadline)
  words[#words + 1] = shell.join(peer.words)
  words[#words + 1] = shell.join(arguments)
  return table.concat(words, " ")
end

local function parse_result(line)
  local count, cpu, wall, rest = line:match("^result (%d+) (%d+) (%d+)(.*)$")
  if not count then return nil end
  local sample = { count = tonumber(count) }
  sample.cpu = tonumber(cpu) / sample.count
  sample.wall = tonumber(wall) / sample.count
  for name, value in rest:gmatch("([%w_]+)=(-?[%d.]+)") do sample[name] = tonumber(value) end
  return sample
end

-- A peer whose stream has failed would wait for it until its deadline.
local function drive_or_kill(drive, pid)
  local is_ok, message = pcall(drive, tonumber(pid))
  if is_ok then return end
  os.execute("kill " .. pid .. "; kill -CONT " .. pid)
  error(message, 0)
end

local function read_sample(pipe, peer, drive)
  local sample, is_ready
  for line in pipe:lines() do
    local pid, label = line:match("^ready (%d+) ?(.*)$")
    if pid then
      is_ready, peer.label = true, label
      if drive then drive_or_kill(drive, pid) end
    else
      sample = parse_result(line) or sample
    end
  end
  return is_ready and sample
end

--- Runs one peer once. `drive` is called with its process number when it is ready.
--- @param peer bench.peer
--- @param arguments string[]
--- @param expected integer            the count that the result must tell
--- @param deadline integer            seconds
--- @param drive fun(pid: integer)?
--- @return table sample               count, and nanoseconds a message: cpu, wall
function runner.run_peer(peer, arguments, expected, deadline, drive)
  local pipe = assert(io.popen(command_line(peer, arguments, deadline), "r"))
  local is_driven, sample = pcall(read_sample, pipe, peer, drive)
  local is_ok, kind, number = pipe:close()
  if not is_driven then error(peer.name .. ": " .. tostring(sample), 0) end
  if not is_ok then error(("%s: ended with %s %d"):format(peer.name, kind, number), 0) end
  if not sample then error(peer.name .. ": gave no result", 0) end
  if sample.count ~= expected then
    error(("%s: counted %d, not %d"):format(peer.name, sample.count, expected), 0)
  end
  return sample
end

--- Calls `run(peer)` for each peer, `rounds` times round, and keeps the samples in `peer.samples`.
--- @param peers bench.peer[]
--- @param rounds integer
--- @param field string               which of a sample's fields to tell on stderr, in nanoseconds
--- @param run fun(peer: bench.peer): table
function runner.interleave(peers, rounds, field, run)
  for round = 1, rounds do
    for _, peer in ipairs(peers) do
      local sample = run(peer)
      peer.samples = peer.samples or {}
      peer.samples[round] = sample
      local line = "round %d of %d: %s: %.0f ns\n"
      io.stderr:write(line:format(round, rounds, peer.name, sample[field]))
    end
  end
end

return runner
