--- What one policy says to a request. A policy that fails, answers with nonsense or takes too long
--- rejects: its user reads that it failed, the log why.
local glob = require "moonpool.glob"
local within = require "moonpool.host.within"

local policy_opinion = {}

local MOST_REASON = 500 -- bytes

-- ---- whether it is asked ------------------------------------------------------------------------

local function matches_any(globs, name)
  for _, pattern in ipairs(globs) do
    if pattern == "*" or pattern == "room:*" or glob.match(pattern:gsub("^room:", "", 1), name) then
      return true
    end
  end
  return false
end

-- The id of the policy's first pattern that the channel matches.
local function pattern_of(policy, channel)
  for _, entry in ipairs(policy.patterns or {}) do
    if glob.match(entry.pattern, channel) then return entry.id end
  end
end

--- Whether a policy judges this, and by which of its patterns.
---@param policy moonpool.policy_actor
---@param event string
---@param request moonpool.policy_request
---@return boolean is_concerned
---@return any pattern_id
function policy_opinion.concerns(policy, event, request)
  if event == "pattern" then
    local id = pattern_of(policy, request.channel)
    return id ~= nil, id
  end
  if policy.events and not policy.events[event] then return false end
  return not policy.rooms or matches_any(policy.rooms, request.room)
end

-- ---- what it answers ----------------------------------------------------------------------------

-- At most so many bytes, and no part of a character.
local function shorten(text)
  if #text <= MOST_REASON then return text end
  local at = MOST_REASON + 1
  while at > 1 and text:byte(at) & 0xC0 == 0x80 do at = at - 1 end
  return text:sub(1, at - 1) .. "…"
end

-- verdict, its reason or text; or nil, what is wrong with the answer.
local function check(event, verdict, value)
  if verdict == "allow" then return "allow" end
  if verdict == "reject" then
    if value == nil or value == "" then return "reject", "rejected" end
    if type(value) ~= "string" then return nil, "its reason is a " .. type(value) end
    return "reject", shorten(value)
  end
  if verdict == "rewrite" then
    if event == "subscribe" then return nil, "it rewrites a join, which has no text" end
    if type(value) ~= "string" then return nil, "its new text is a " .. type(value) end
    return "rewrite", value
  end
  if verdict == nil then return nil, tostring(value or "it gave no answer") end
  return nil, ("its answer is %q"):format(tostring(verdict))
end

local function ask(policy, event, request, id, timeout)
  local ok, verdict, value = within(timeout, policy.judge, policy, event, request, id)
  if ok == nil then return nil, ("no answer within %g s"):format(timeout) end
  if not ok then return nil, tostring(verdict) end
  verdict, value = check(event, verdict, value)
  if verdict == "rewrite" and value == request.text then return "allow" end
  return verdict, value
end

--- Has a policy judge a request. Awaits its answer.
---@param policy moonpool.policy_actor
---@param event string
---@param request moonpool.policy_request
---@param id any of the pattern
---@param timeout number seconds
---@return "allow"|"reject"|"rewrite" verdict
---@return string? value the reason, or another text than the request's
---@return string? failure why it gave no verdict of its own
function policy_opinion.of(policy, event, request, id, timeout)
  local verdict, value = ask(policy, event, request, id, timeout)
  if verdict then return verdict, value end
  return "reject", ("policy %s failed"):format(policy.name), value
end

return policy_opinion
