--- A list of users that moderators change by saying "!mute ann 10m reason", for policies that are
--- about single users. It is kept in the policy's stores: by room, or for all rooms.
local duration = require "support.duration"
local judged = require "support.judged"

local roster = {}

local MOST_REASON, MOST_COMMAND = 200, 1000 -- bytes

---@class moonpool.roster
---@field entry fun(request: table): { till: number|nil, reason: string }|nil of who asks
---@field obey fun(request: table): any the verdict when the text is one of its commands, else nil
---@field is_moderator fun(request: table): boolean

--- The options of such a policy.
---@param rules? table<string, table> of its own
---@return table
function roster.with(rules)
  rules = rules or {}
  rules.moderators = { "strings", default = {} }
  rules.everywhere = { "boolean", default = false }
  return rules
end

-- An entry is text, so that reading it is not taken for a change: when it ends, and why it is.
local function encode(till, reason)
  return ("%s %s"):format(till and ("%.3f"):format(till) or "-", reason)
end

local function decode(text)
  local till, reason = tostring(text):match "^(%S+) (.*)$"
  return { till = tonumber(till), reason = reason or "" }
end

-- Without spaces at its end, and no part of a character.
local function shorten(reason)
  reason = reason:gsub("%s+$", "")
  local last = #reason
  if last > MOST_REASON then last = utf8.offset(reason, 0, MOST_REASON + 1) - 1 end
  return reason:sub(1, last)
end

-- The user of a command, who may be in double quotes; for how long; why.
local function parse(rest)
  if #rest > MOST_COMMAND then return end
  local user, more = rest:match '^"([^"]+)"%s*(.*)$'
  if not user then user, more = rest:match "^(%S+)%s*(.*)$" end
  if not user then return end
  local word, reason = more:match "^(%S+)%s*(.*)$"
  local seconds = word and duration.parse(word)
  return user, seconds, shorten(seconds and reason or more)
end

--- The roster of a policy.
---@param policy table
---@param own table options
---@param verbs { add: string, remove: string, fixed?: string[], spares_moderators?: boolean } its
--- commands; users that are always on it
---@return moonpool.roster
function roster.new(policy, own, verbs)
  local moderators, fixed = judged.set(own.moderators), judged.set(verbs.fixed or {})
  local usage = {
    [verbs.add] = ("usage: !%s USER [10m] [reason]"):format(verbs.add),
    [verbs.remove] = ("usage: !%s USER"):format(verbs.remove),
  }
  local self = {}

  local function store_of(request)
    return own.everywhere and policy.store or policy:room_store(request.room)
  end

  function self.is_moderator(request) return moderators[request.user or ""] or false end

  function self.entry(request)
    local user = request.user or ""
    if fixed[user] then return { reason = "" } end
    local text = store_of(request)[user]
    if text == nil then return nil end
    local entry = decode(text)
    if entry.till and policy.time() >= entry.till then return nil end
    return entry
  end

  local function forget_ended(store)
    local ended, now = {}, policy.time()
    for user, text in pairs(store) do
      local till = decode(text).till
      if till and now >= till then ended[#ended + 1] = user end
    end
    for _, user in ipairs(ended) do store[user] = nil end
  end

  local function add(request, user, seconds, reason)
    if verbs.spares_moderators and moderators[user] then
      return policy.reject(("%s is a moderator"):format(user))
    end
    local store = store_of(request)
    forget_ended(store)
    local till = seconds and policy.time() + seconds
    local ok = pcall(function() store[user] = encode(till, reason) end)
    if not ok then return policy.reject(("the list of !%s is full"):format(verbs.add)) end
    policy.log(("%s: !%s %s%s %s"):format(request.user or "?", verbs.add, user,
      seconds and " " .. duration.format(seconds) or "", reason))
    return true
  end

  local function remove(request, user)
    local store = store_of(request)
    if store[user] == nil then
      return policy.reject(("!%s: %s is not on the list"):format(verbs.remove, user))
    end
    store[user] = nil
    policy.log(("%s: !%s %s"):format(request.user or "?", verbs.remove, user))
    return true
  end

  function self.obey(request)
    local verb, at = (request.text or ""):match "^!(%a+)()"
    if not usage[verb] then return nil end
    if not self.is_moderator(request) then
      return policy.reject(("!%s is for moderators"):format(verb))
    end
    local rest = request.text:match("^%s+(.*)", at) or ""
    local user, seconds, reason = parse(rest)
    if not user then return policy.reject(usage[verb]) end
    if request.is_explained or request.is_again then return true end
    if verb == verbs.remove then return remove(request, user) end
    return add(request, user, seconds, reason)
  end

  return self
end

--- Why and for how long, as a user reads it: " for another 9m30s (spam)".
---@param entry { till: number|nil, reason: string }
---@param now number
---@return string
function roster.describe(entry, now)
  local rest = entry.till and " for another " .. duration.format(entry.till - now) or ""
  return entry.reason ~= "" and ("%s (%s)"):format(rest, entry.reason) or rest
end

return roster
