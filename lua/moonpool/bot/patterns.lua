--- A bot's functions on patterns of channels: remembered while it is loaded, subscribed while it
--- is connected.
local patterns = {}

local function index_of(list, entry)
  for index, other in ipairs(list) do
    if other == entry then return index end
  end
end

-- Takes the function out again, and its subscription with it.
local function remove(bot, entry)
  local index = index_of(bot.patterns, entry)
  if not index then return end
  table.remove(bot.patterns, index)
  if bot.host and entry.subscription then bot.host:unsubscribe(bot, entry.subscription) end
end

--- Adds a function; awaits the subscription when the bot is connected.
---@param bot moonpool.bot
---@param pattern string
---@param fn fun(payload: string, channel: string)
---@return fun()? remove nil when Redis refuses the pattern
---@return string? message
---@return string? code
function patterns.add(bot, pattern, fn)
  local entry = { pattern = pattern, fn = fn }
  bot.patterns[#bot.patterns + 1] = entry
  if bot.host then
    local subscription, message, code = bot.host:subscribe_pattern(bot, entry)
    if not subscription then
      table.remove(bot.patterns, index_of(bot.patterns, entry))
      return nil, message, code
    end
  end
  return function() remove(bot, entry) end
end

return patterns
