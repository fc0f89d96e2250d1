-- policed_process.lua URL MESSAGES SECONDS: ann says something in the room "chatty" again and
-- again, with the policy rate_limit, from when the list "go" has something until the key "stop" is
-- there. Prints "ready" before, and then how much was said and how much was rejected.
local moonpool = require "moonpool"

local url, messages, seconds = arg[1], math.tointeger(arg[2]), tonumber(arg[3])

moonpool.run(function()
  local client = assert(moonpool.connect {
    url = url, policies = { { "rate_limit", messages = messages, seconds = seconds } },
  })
  local room = client:room("chatty", { keep = 0 })
  local said, rejected = 0, 0
  print "ready"
  io.stdout:flush()
  client:brpop("go", 60)
  repeat
    local id, message, code = room:say("hi", { user = "ann" })
    if id then
      said = said + 1
    else
      if code ~= "EREJECTED" then error(message) end
      rejected = rejected + 1
    end
  until client:exists("stop") == 1
  print(said, rejected)
  client:close()
end)
