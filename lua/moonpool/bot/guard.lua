--- Runs a script's function so that its failure stays its own.

-- Ends a traceback where the script's frames end: at the xpcall below.
local function trim(trace)
  local last
  local from = 1
  repeat
    local at = trace:find("\n[^\n]*in function 'xpcall'", from)
    if at then last, from = at, at + 1 end
  until not at
  return last and trace:sub(1, last - 1) or trace
end

local function describe(problem)
  if type(problem) ~= "string" then problem = ("error object: %s"):format(tostring(problem)) end
  return trim(debug.traceback(problem, 2))
end

--- Calls a bot's function; a failure is reported to the bot's host with its traceback.
---@param bot moonpool.bot
---@param fn function may await
---@param ... any its arguments
---@return boolean ok
local function guard(bot, fn, ...)
  local ok, trace = xpcall(fn, describe, ...)
  if not ok then bot.report(bot, trace) end
  return ok
end

return guard
