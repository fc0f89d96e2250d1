-- The same text again and again, and bursts of messages: who does it is not heard for a while. What
-- users have said is kept in the memory of this process; rate_limit counts in Redis.
local duration = require "support.duration"
local judged = require "support.judged"
local options = require "support.options"

local own = options.check(policy.name, policy.options, judged.with {
  repeats = { "integer", default = 3, min = 1 },
  within = { "number", default = 60, above = 0 },
  burst = { "integer", default = 10, min = 1, max = 1000 },
  burst_seconds = { "number", default = 5, above = 0 },
  quiet = { "number", default = 30, above = 0 },
  users = { "integer", default = 1000, min = 1, max = 100000 },
})
local is_judged = judged.new(own)

local speakers, count = {}, 0

-- Whom nothing is held against any more is forgotten; if that is not enough, all are.
local function make_room(now)
  local longest = math.max(own.within, own.burst_seconds)
  for key, speaker in pairs(speakers) do
    if now >= speaker.quiet_till and now - speaker.last >= longest then
      speakers[key], count = nil, count - 1
    end
  end
  if count >= own.users then speakers, count = {}, 0 end
end

local function add_speaker(key, now)
  if count >= own.users then make_room(now) end
  local speaker = { quiet_till = now, last = now, times = {}, text = nil, first = now, said = 0 }
  speakers[key], count = speaker, count + 1
  return speaker
end

-- Notes what is said; returns what is wrong with it.
local function note(speaker, text, now)
  text = text:lower():gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")
  if text ~= speaker.text or now - speaker.first >= own.within then
    speaker.text, speaker.first, speaker.said = text, now, 0
  end
  speaker.said, speaker.last = speaker.said + 1, now
  local times, recent = speaker.times, {}
  for _, time in ipairs(times) do
    if now - time < own.burst_seconds then recent[#recent + 1] = time end
  end
  recent[#recent + 1] = now
  speaker.times = recent
  if #recent > own.burst then return "too many messages at once" end
  if speaker.said > own.repeats then return "the same again and again" end
end

policy:on("publish", function(request)
  if not request.text or not is_judged(request) or request.is_again then return end
  local now = policy.now()
  local key = ("%d:%s:%s"):format(#request.room, request.room, request.user or "")
  local speaker = speakers[key]
  if speaker and now < speaker.quiet_till then
    return policy.reject(("flood: wait %s"):format(duration.format(speaker.quiet_till - now)))
  end
  if request.is_explained then return end
  speaker = speaker or add_speaker(key, now)
  local problem = note(speaker, request.text, now)
  if not problem then return end
  speaker.quiet_till, speaker.times, speaker.said = now + own.quiet, {}, 0
  return policy.reject(("flood: %s; wait %s"):format(problem, duration.format(own.quiet)))
end)
