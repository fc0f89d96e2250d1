-- A script of host.c's: tides.lua [URL]. Each tick of the program publishes the tide; the fourth is
-- the last.
local moonpool = require "moonpool"

local url = ... or "redis://localhost"
local redis = assert(moonpool.connect(url))

assert(redis:subscribe("tides", function(tide)
  print(("%s water, %d heard so far"):format(tide, assert(redis:incr "tides:heard")))
  if tide == "last" then
    redis:del "tides:heard"
    redis:close()
  end
end))
print "listening"

-- Called by the program, where nothing may wait: what does is spawned.
function tick(count)
  moonpool.spawn(function()
    local tide = count == 4 and "last" or count % 2 == 0 and "low" or "high"
    local heard_by = redis:publish("tides", tide)
    if heard_by then print("tick", count, "heard by", heard_by) end
  end)
end
