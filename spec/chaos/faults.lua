-- Does what a schedule says to a real Redis and to the processes of a chaos run; awaits, in
-- moonpool's loop. The server answers again when perform returns.
--
--   faults.perform(step, { server =, people =, channel = })
local cast = require "spec.chaos.cast"
local moonpool = require "moonpool"

local faults = {}

local actions = {}

function actions.kill(step, place)
  place.server:call("CLIENT", "KILL", "TYPE", step.kind, "SKIPME", "yes")
end

function actions.kill_one(step, place)
  local ids = {}
  for id in place.server:call("CLIENT", "LIST", "TYPE", step.kind):gmatch "id=(%d+)" do
    ids[#ids + 1] = id
  end
  if #ids == 0 then return end
  -- It may be gone, or be the one that asks.
  place.server:call("CLIENT", "KILL", "ID", ids[1 + math.floor(step.choice * #ids)], "SKIPME",
    "yes")
end

function actions.forget(_, place) assert(place.server:call("SCRIPT", "FLUSH")) end

function actions.overflow(step, place)
  assert(place.server:call("PUBLISH", place.channel, ("~"):rep(step.bytes)))
end

function actions.stall(step, place)
  place.server:pause()
  moonpool.sleep(step.seconds)
  place.server:resume()
end

function actions.restart(step, place)
  place.server:kill()
  moonpool.sleep(step.seconds)
  place.server:start()
end

function actions.end_worker(step, place)
  local apart = place.people:apart()
  if #apart > 0 then cast.replace(apart[1 + math.floor(step.choice * #apart)]) end
end

function faults.perform(step, place)
  actions[step.action](step, place)
end

return faults
