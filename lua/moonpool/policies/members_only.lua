-- Only members join and speak: "!member ann", "!unmember ann".
local options = require "support.options"
local roster = require "support.roster"

local own = options.check(policy.name, policy.options, roster.with {
  members = { "strings", default = {} },
  joins = { "boolean", default = true },
})
local members = roster.new(policy, own, {
  add = "member", remove = "unmember", fixed = own.members,
})

policy.priority = 100

local function judge(request)
  if members.is_moderator(request) or members.entry(request) then return end
  return policy.reject "the room is for members only"
end

policy:on("publish", function(request)
  local verdict = members.obey(request)
  if verdict ~= nil then return verdict end
  return judge(request)
end)
if own.joins then policy:on("subscribe", judge) end
