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

--- Appends what a policy is to be asked of a request: nothing, or the event, or that a channel
--- which one of its patterns matches is published to; a room's is "room:NAME".
---@param questions { policy: moonpool.policy_actor, event: string, pattern_id: any }[]
---@param policy moonpool.policy_actor
---@param event string
---@param request moonpool.policy_request
function policy_opinion.add_questions(questions, policy, event, request)
  local is_wanted = event ~= "pattern" and (not policy.events or policy.events[event])
  if is_wanted and (not policy.rooms or matches_any(policy.rooms, request.room)) then
    questions[#questions + 1] = { policy = policy, event = event }
  end
  if event == "subscribe" or not policy.patterns then return end
  for _, entry in ipairs(policy.patterns) do
    if glob.match(entry.pattern, request.channel) then
      questions[#questions + 1] = { policy = policy, event = "pattern", pattern_id = entry.id }
    end
  end
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

local function ask(question, request, timeout)
  local policy, event, id = question.policy, question.event, question.pattern_id
  local ok, verdict, value
  if timeout then
    ok, verdict, value = within.call(timeout, policy.judge, policy, event, request, id)
    if ok == nil then return nil, policy_opinion.lateness(timeout) end
  else
    ok, verdict, value = pcall(policy.judge, policy, event, request, id)
  end
  if not ok then return nil, tostring(verdict) end
  verdict, value = check(event, verdict, value)
  if verdict == "rewrite" and value == request.text then return "allow" end
  return verdict, value
end

--- What a policy has failed of that takes too long.
---@param timeout number seconds
---@return string
function policy_opinion.lateness(timeout) return ("no answer within %g s"):format(timeout) end

--- What its user reads when a policy has failed.
---@param name string
---@return string
function policy_opinion.failed(name) return ("policy %s failed"):format(name) end

--- Has a policy judge a request. Awaits its answer.
---@param question { policy: moonpool.policy_actor, event: string, pattern_id: any }
---@param request moonpool.policy_request
---@param timeout? number seconds; nil: the caller sees to it
---@return "allow"|"reject"|"rewrite" verdict
---@return string? value the reason, or another text than the request's
---@return string? failure why it gave no verdict of its own
function policy_opinion.of(question, request, timeout)
  local verdict, value = ask(question, request, timeout)
  if verdict then return verdict, value end
  return "reject", policy_opinion.failed(question.policy.name), value
end

return policy_opinion
