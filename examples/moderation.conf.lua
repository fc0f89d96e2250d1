-- The moderation set: bots and policies for a room of strangers.
--
--   moonpool run --config examples/moderation.conf.lua
--
-- Moderators mute and ban: !mute NAME 10m REASON, !unmute NAME, !ban NAME 1d REASON, !unban NAME.

local moderators = { "ann", "bob" }

bots = {
  { "services/moderator.lua", options = { moderators = moderators } },
  "bots/greeter.lua",
}

policies = {
  { "ban", moderators = moderators, priority = 100 },
  { "mute", moderators = moderators, priority = 90 },
  { "rate_limit", messages = 10, seconds = 10, bots = false, priority = 80 },
  { "flood", bots = false, priority = 70 },
  { "length", bots = false, priority = 60 },
  { "links", deny = { "example.com" }, bots = false, priority = 50 },
  { "words", words = { "badword" }, bots = false, priority = 40 },
  { "caps", bots = false, priority = 30 },
}
