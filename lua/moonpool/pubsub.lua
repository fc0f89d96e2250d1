--- client:pubsub(what, ...): what the server knows of subscriptions, of all its clients.
--
--   "channels" [, glob] and "shardchannels"    list of names that have subscribers
--   "numsub", name, … and "shardnumsub"        table: subscribers by name
--   "numpat"                                   number of patterns

local PAIRED = { numsub = true, shardnumsub = true }

---@param client moonpool.client|moonpool.view
---@param what string
---@param ... string
---@return string[]|table<string, integer>|integer|nil, string?, string?
local function pubsub(client, what, ...)
  local reply, message, code = client:call("PUBSUB", what, ...)
  if type(reply) ~= "table" or not PAIRED[what:lower()] then return reply, message, code end
  local subscribers = {}
  for index = 1, #reply, 2 do subscribers[reply[index]] = reply[index + 1] end
  return subscribers
end

return pubsub
