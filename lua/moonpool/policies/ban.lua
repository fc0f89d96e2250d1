-- Users whom moderators have banned say nothing and do not join: "!ban ann 1d spam", "!unban ann".
local options = require "support.options"
local roster = require "support.roster"

local own = options.check(policy.name, policy.options, roster.with {
  users = { "strings", default = {} },
})
local banned = roster.new(policy, own, {
  add = "ban", remove = "unban", fixed = own.users, spares_moderators = true,
})

policy.priority = 100

local function judge(request)
  if banned.is_moderator(request) then return end
  local entry = banned.entry(request)
  if entry then
    return policy.reject("you are banned" .. roster.describe(entry, policy.time()))
  end
end

policy:on("publish", function(request)
  local verdict = banned.obey(request)
  if verdict ~= nil then return verdict end
  return judge(request)
end)
policy:on("subscribe", judge)
