--- The chain of policies: each judges what is about to be published, and who is about to join, by
--- priority (higher first), then by name.
--
-- A rejection ends it. A rewrite goes on down the chain with the new text; at its end the policies
-- before the last rewrite, which have seen another text, judge the new one again
-- (request.is_again). Should one of them want to rewrite it once more, the policies do not agree on
-- a text, and it is rejected: so nothing is published that one of them has not seen. A policy that
-- fails, is killed or takes too long rejects.
local now = require("moonpool.core").now
local policy_opinion = require "moonpool.host.policy_opinion"
local within = require "moonpool.host.within"

local policies = {}

--- What the chain needs of a policy: the host's actors have it. Read at each judgement.
---@class moonpool.policy_actor
---@field name string
---@field priority? number 0
---@field rooms? string[] globs of rooms' names ("room:" may lead); nil: all
---@field events? table<string, any> what it judges, by name; nil: all events
---@field patterns? { id: any, pattern: string }[] globs of channels: it judges what is published to
--- them, as the event "pattern"; a room's channel is "room:NAME"
---@field judge fun(self, event: string, request: table, pattern_id: any): string?, string? awaits
--- "allow" | "reject", reason | "rewrite", text | nil, what it failed of

---@class moonpool.policy_request
---@field room? string
---@field channel? string where it is published; policies are told that of rooms, too
---@field user? string
---@field text? string
---@field type? string
---@field bot boolean
---@field via "bot"|"say"|"library"|"gateway"
---@field address? string
---@field time? number seconds since 1970
---@field is_again? boolean judged again, as a later policy has rewritten it: it has been counted
---@field is_explained? boolean nothing comes of it: nothing is to be counted or kept

---@class moonpool.policy_verdict
---@field verdict "allow"|"reject"
---@field text? string what is to be published
---@field is_rewritten boolean
---@field reason? string for the user
---@field policy? string whose rejection it is

---@class moonpool.policy_opinion
---@field policy string
---@field verdict "allow"|"reject"|"rewrite"
---@field reason? string
---@field text? string
---@field is_again boolean
---@field failure? string why it gave no verdict of its own

---@class moonpool.policies
---@field package list moonpool.policy_actor[]
---@field package timeout number
---@field package log table?
local methods = {}
local mt = { __name = "moonpool.policies", __index = methods }

local TIMEOUT = 1 -- seconds

-- ---- one judgement ------------------------------------------------------------------------------

local function copy(request)
  local own = {}
  for key, value in pairs(request) do own[key] = value end
  return own
end

-- A judgement under way: whom to ask, the request as it is by now, who is being asked (name) since
-- when (began), who has rewritten it last, and who was the first to reject it. `note` hears every
-- opinion. goes_on: after a rejection and a policy that hangs, too; is_left: nobody waits for it.
local function begin(self, event, request, note, goes_on)
  local own = copy(request)
  if not own.channel and own.room then own.channel = "room:" .. own.room end
  if event == "publish" then own.type = own.type or "message" end
  local questions = {}
  for _, policy in ipairs(self.list) do
    policy_opinion.add_questions(questions, policy, event, own)
  end
  return {
    request = own, questions = questions, timeout = self.timeout, note = note, goes_on = goes_on,
  }
end

-- A policy's opinion. The text that comes out of the second round must be the one that went in.
local function ask(run, index)
  local question = run.questions[index]
  local name = question.policy.name
  run.name, run.began = name, now()
  local verdict, value, failure =
    policy_opinion.of(question, run.request, run.goes_on and run.timeout)
  if run.is_left then return end
  if verdict == "rewrite" and run.request.is_again then
    verdict = "reject"
    value = ("the policies %s and %s do not agree on a text"):format(name, run.rewriter)
  end
  run.note(name, run.request, verdict, value, failure)
  return name, verdict, value
end

-- Asks the first `last` questions in order; returns the place of who has rewritten the text last,
-- nil for none.
local function go_down(run, last)
  local place
  for index = 1, last do
    local name, verdict, value = ask(run, index)
    if run.is_left then return end
    if verdict == "reject" then
      if not run.rejected_by then run.rejected_by, run.reason = name, value end
      if not run.goes_on then return end
    elseif verdict == "rewrite" then
      run.request.text, run.rewriter, place = value, name, index
    end
  end
  return place
end

local function go_through(run)
  local place = go_down(run, #run.questions)
  if place and place > 1 then
    run.request.is_again = true
    go_down(run, place - 1)
  end
end

-- In one task for all policies: it is left when one of them hangs.
local function go_through_in_time(run)
  local ok, problem = within.steps(run.timeout, run, go_through, run)
  if ok then return end
  if ok == false then error(problem, 0) end
  run.is_left = true
  run.rejected_by, run.reason = run.name, policy_opinion.failed(run.name)
  run.note(run.name, run.request, "reject", run.reason, policy_opinion.lateness(run.timeout))
end

local function conclude(run)
  local is_rewritten = run.rewriter ~= nil
  if run.rejected_by then
    return { verdict = "reject", policy = run.rejected_by, reason = run.reason,
      is_rewritten = is_rewritten }
  end
  return { verdict = "allow", text = run.request.text, is_rewritten = is_rewritten }
end

-- ---- the chain ----------------------------------------------------------------------------------

local VERBS = { reject = "rejected", rewrite = "rewritten" }

-- Returns what writes opinions to the log: all but those that allow.
local function new_logger(log, event)
  return function(name, request, verdict, value, failure)
    if verdict == "allow" then return end
    log:write(failure and "error" or "info", failure and "policy failed" or VERBS[verdict], {
      script = name, event = event, room = request.room, user = request.user,
      channel = not request.room and request.channel or nil,
      reason = failure and failure:match "^[^\n]*" or verdict == "reject" and value or nil,
    })
  end
end

local function ignore() end

--- Has a request judged. Awaits the policies' answers.
---@param event "publish"|"subscribe"|"pattern" the last: into a channel that is no room's
---@param request moonpool.policy_request is not changed
---@return moonpool.policy_verdict
function methods:judge(event, request)
  local note = self.log and new_logger(self.log, event) or ignore
  local run = begin(self, event, request, note, false)
  if #run.questions > 0 then go_through_in_time(run) end
  return conclude(run)
end

--- What each policy says, also after a rejection, each to the text as it is by then. Nothing comes
--- of it: requests have is_explained, by which policies count and keep nothing. Awaits the answers.
---@param event "publish"|"subscribe"|"pattern"
---@param request moonpool.policy_request
---@return moonpool.policy_opinion[] opinions in order; those of the second round have is_again
---@return moonpool.policy_verdict verdict
function methods:explain(event, request)
  local opinions = {}
  local run = begin(self, event, request, function(name, asked, verdict, value, failure)
    opinions[#opinions + 1] = {
      policy = name, verdict = verdict, is_again = asked.is_again or false,
      reason = verdict == "reject" and value or nil, text = verdict == "rewrite" and value or nil,
      failure = failure,
    }
  end, true)
  run.request.is_explained = true
  go_through(run)
  return opinions, conclude(run)
end

local function is_before(one, other)
  local left, right = one.priority or 0, other.priority or 0
  if left ~= right then return left > right end
  return one.name < other.name
end

--- Takes other policies from now on; judgements under way end with those they began with.
---@param list moonpool.policy_actor[] names are unique
function methods:replace(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted, is_before)
  self.list = sorted
end

--- The policies in their order. Not to be changed.
---@return moonpool.policy_actor[]
function methods:order() return self.list end

---@param list moonpool.policy_actor[]
---@param options? { policy_timeout?: number, log?: table } seconds that a policy may take for one
--- answer (1); log:write(level, text, fields) hears of rejections, rewrites and failures
---@return moonpool.policies
function policies.new(list, options)
  options = options or {}
  local chain = setmetatable({
    timeout = options.policy_timeout or TIMEOUT, log = options.log,
  }, mt)
  chain:replace(list)
  return chain
end

return policies
