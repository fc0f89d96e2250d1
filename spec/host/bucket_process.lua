-- bucket_process.lua URL KEY CAPACITY PER_SECONDS: prints "ready"; takes from a bucket without a
-- pause from when the list "go" has something until the key "stop" is there; then prints how often
-- it was granted and how often it was not.
local moonpool = require "moonpool"
local bucket = require "moonpool.host.bucket"

local url, key, capacity, per = arg[1], arg[2], math.tointeger(arg[3]), tonumber(arg[4])

moonpool.run(function()
  local client = assert(moonpool.connect(url))
  local granted, refused = 0, 0
  print "ready"
  io.stdout:flush()
  client:brpop("go", 60)
  repeat
    local ok, wait = bucket.take(client, key, capacity, per)
    if ok == nil then error(wait) end
    if ok then granted = granted + 1 else refused = refused + 1 end
  until client:exists("stop") == 1
  print(granted, refused)
  client:close()
end)
