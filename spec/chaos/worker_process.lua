-- worker_process.lua OPTIONS: one worker of a chaos run as a process. OPTIONS is JSON: worker.lua's
-- and `folder`. Its facts are lines of JSON on standard output; it ends when the file "stop" is in
-- the folder.
local moonpool = require "moonpool"
local worker = require "spec.chaos.worker"

local options = assert(moonpool.json.decode(arg[1]))

local function record(fact)
  io.stdout:write(moonpool.json.encode(fact), "\n")
  io.stdout:flush()
end

local is_stopped = false
moonpool.on_error(function(text)
  io.stderr:write(text, "\n")
  os.exit(1)
end)
moonpool.run(function()
  local timer = moonpool.timer(0.05, function()
    local file = io.open(options.folder .. "/stop")
    if file then
      file:close()
      is_stopped = true
    end
  end)
  worker.run(options, record, function() return is_stopped end)
  timer:close()
end)
