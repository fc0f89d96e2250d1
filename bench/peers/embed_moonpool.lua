local moonpool = require "moonpool"
-- Only the line above differs between hosts. Environment: HOSTS_URL, HOSTS_CHANNELS, HOSTS_WARMUP,
-- HOSTS_MESSAGES, HOSTS_LABEL.
local stream = require "stream"

-- On one line of its own whatever the host prints.
local function number(name) return tonumber(os.getenv(name)) end

moonpool.run(function()
  local redis = assert(moonpool.connect(os.getenv "HOSTS_URL"))
  local subscriptions = {}
  local function finish()
    for _, subscription in ipairs(subscriptions) do subscription:close() end
    redis:close()
  end
  local make_handler = stream.counter(number "HOSTS_WARMUP", number "HOSTS_MESSAGES",
    moonpool.now, function() moonpool.spawn(finish) end)
  for i, name in ipairs(stream.names(number "HOSTS_CHANNELS")) do
    subscriptions[i] = assert(redis:subscribe(name, make_handler()))
  end
  stream.ready(os.getenv "HOSTS_LABEL")
end)
