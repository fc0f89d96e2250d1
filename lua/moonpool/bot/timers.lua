--- A bot's timers: remembered while it is loaded, running while it is connected.
local moonpool = require "moonpool"
local guard = require "moonpool.bot.guard"

local timers = {}

---@class moonpool.bot.timer
---@field close fun() ends it; harmless when called twice

local function start(bot, entry)
  entry.timer = moonpool.timer(entry.seconds, function() guard(bot, entry.fn) end)
end

local function close(bot, entry)
  for index, other in ipairs(bot.timers) do
    if other == entry then table.remove(bot.timers, index) end
  end
  if entry.timer then entry.timer:close() end
  entry.timer = nil
end

--- Adds a timer; it runs from now on, or from when the bot is connected.
---@param bot moonpool.bot
---@param seconds number
---@param fn fun()
---@return moonpool.bot.timer
function timers.add(bot, seconds, fn)
  local entry = { seconds = seconds, fn = fn }
  function entry.close() close(bot, entry) end
  bot.timers[#bot.timers + 1] = entry
  if bot.host then start(bot, entry) end
  return entry
end

--- Starts the timers that the script has set.
---@param bot moonpool.bot
function timers.start(bot)
  for _, entry in ipairs(bot.timers) do
    if not entry.timer then start(bot, entry) end
  end
end

--- Ends all timers.
---@param bot moonpool.bot
function timers.stop(bot)
  for index = #bot.timers, 1, -1 do close(bot, bot.timers[index]) end
end

return timers
