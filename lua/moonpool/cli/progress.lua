--- A progress bar in the last line of a terminal, drawn ten times a second.
local moonpool = require "moonpool"
local system = require("moonpool.core").system
local terminal = require "moonpool.cli.terminal"

local progress = {}

local STDERR = 2
local SECONDS = 0.1
local BAR_CELLS = 24

--- A bar of 24 cells.
---@param share number 0 to 1
---@return string
function progress.bar(share)
  local full = math.floor(math.max(0, math.min(1, share)) * BAR_CELLS + 0.5)
  return ("█"):rep(full) .. ("░"):rep(BAR_CELLS - full)
end

--- An integer with commas between the thousands.
---@param number integer
---@return string
function progress.thousands(number)
  local text = tostring(number):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (text:gsub("^,", ""))
end

-- What of the line fits into the terminal's width; text.to_utf8 has been over it.
local function fit(line, columns)
  local past = utf8.offset(line, columns)
  return past and line:sub(1, past - 1) or line
end

local function draw(describe)
  local line = fit(terminal.neutralise(describe()), system.columns(STDERR) or 80)
  io.stderr:write("\r", line, "\27[K")
  io.stderr:flush()
end

--- Shows a line on standard error, again and again, when that is a terminal.
---@param describe fun(): string
---@return fun() close takes the line away
function progress.show(describe)
  if not system.isatty(STDERR) then return function() end end
  draw(describe)
  local timer = moonpool.timer(SECONDS, function() draw(describe) end)
  return function()
    timer:close()
    io.stderr:write "\r\27[K"
    io.stderr:flush()
  end
end

return progress
