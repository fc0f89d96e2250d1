-- In a moderated room only those speak who have a voice: "!voice ann 1h", "!unvoice ann".
local options = require "support.options"
local roster = require "support.roster"

local own = options.check(policy.name, policy.options, roster.with {
  voiced = { "strings", default = {} },
})
local voiced = roster.new(policy, own, { add = "voice", remove = "unvoice", fixed = own.voiced })

policy.priority = 100

policy:on("publish", function(request)
  local verdict = voiced.obey(request)
  if verdict ~= nil then return verdict end
  if voiced.is_moderator(request) or voiced.entry(request) then return end
  return policy.reject "the room is moderated: you have no voice"
end)
