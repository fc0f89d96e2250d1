--- What users ask of a host, by whatever way they come: to say something, to join, to know what the
--- policies would say.
local moonpool = require "moonpool"
local room_name = require "moonpool.room_name"

local requests = {}

--- Publishes for a user, if the policies let him.
---@param request { room: string, user: string, text: string, type: string?, key: string?,
--- address: string?, options: table? } options: the room's
---@param via "say"|"gateway"
---@return string? id
---@return string? message
---@return string? code EREJECTED: a policy's reason
function requests.say(self, request, via)
  local options = type(request.options) == "table" and request.options or nil
  local is_fine, room, message, code = pcall(self.client.room, self.client, request.room, options)
  if not is_fine then return nil, room, "EARG" end
  if not room then return nil, message, code end
  local verdict = self.chain:judge("publish", {
    room = room.name, user = request.user, text = request.text, type = request.type, bot = false,
    via = via, address = request.address, time = moonpool.time(),
  })
  if verdict.verdict ~= "allow" then return nil, verdict.reason, "EREJECTED" end
  return room:say({ user = request.user, text = verdict.text, type = request.type },
    { key = request.key })
end

--- May a user join?
---@param request { room: string, user: string }
---@param via "say"|"gateway"
---@return boolean? ok
---@return string? message
---@return string? code
function requests.may_join(self, request, via)
  local name, message, code = room_name(request.room)
  if not name then return nil, message, code end
  local verdict = self.chain:judge("subscribe", {
    room = name, user = request.user, bot = false, via = via, time = moonpool.time(),
  })
  if verdict.verdict == "allow" then return true end
  return nil, verdict.reason, "EREJECTED"
end

--- What each policy says, publishing nothing; without a text, of the user's joining.
---@param request { room: string, user: string, text: string?, type: string? }
---@return moonpool.policy_opinion[]? opinions
---@return moonpool.policy_verdict|string? verdict
---@return string? code
function requests.explain(self, request)
  local name, message, code = room_name(request.room)
  if not name then return nil, message, code end
  return self.chain:explain(request.text and "publish" or "subscribe", {
    room = name, user = request.user, text = request.text, type = request.type, bot = false,
    via = "say", time = moonpool.time(),
  })
end

return requests
