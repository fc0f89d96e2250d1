-- Users whom moderators have muted say nothing: "!mute ann 10m spam", "!unmute ann".
local options = require "support.options"
local roster = require "support.roster"

local own = options.check(policy.name, policy.options, roster.with {
  users = { "strings", default = {} },
})
local muted = roster.new(policy, own, {
  add = "mute", remove = "unmute", fixed = own.users, spares_moderators = true,
})

policy.priority = 100

policy:on("publish", function(request)
  local verdict = muted.obey(request)
  if verdict ~= nil then return verdict end
  if muted.is_moderator(request) then return end
  local entry = muted.entry(request)
  if entry then
    return policy.reject("you are muted" .. roster.describe(entry, policy.time()))
  end
end)
