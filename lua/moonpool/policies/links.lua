-- Links: to no host, to some, or to all but some; and for users who have been here for a while.
local duration = require "support.duration"
local fold = require "support.fold"
local hosts = require "support.hosts"
local judged = require "support.judged"
local newcomers = require "support.newcomers"
local options = require "support.options"

local own = options.check(policy.name, policy.options, judged.with {
  allow = { "strings" },
  deny = { "strings" },
  newcomers = { "number", default = 0, min = 0 },
  bare = { "boolean", default = false },
})
local is_judged = judged.new(own)

local allowed, denied = hosts.set(own.allow or {}), hosts.set(own.deny or {})
local is_open = own.deny ~= nil or own.allow == nil and own.newcomers > 0

-- A host of the deny list is meant in look-alike letters, too; one of the allow list is not.
local function is_allowed(host)
  if hosts.is_of(host, allowed) then return true end
  return is_open and not hosts.is_of(host, denied) and not hosts.is_of(fold.plain(host), denied)
end

-- How long the user has to wait, or nil.
local function waits(request)
  if own.newcomers == 0 then return nil end
  local now, is_kept = policy.time(), not (request.is_explained or request.is_again)
  local since = newcomers.since(policy:room_store(request.room), request.user or "", now, is_kept)
  local left = since + own.newcomers - now
  return left > 0 and left or nil
end

policy:on("publish", function(request)
  if not request.text or not is_judged(request) then return end
  local wait = waits(request)
  local linked = hosts.of(request.text, own.bare)
  if #linked == 0 then return end
  for _, host in ipairs(linked) do
    if not is_allowed(host) then
      return policy.reject(("links to %s are not allowed here"):format(host))
    end
  end
  if wait then
    return policy.reject(("no links yet: you are new here; wait %s"):format(duration.format(wait)))
  end
end)
