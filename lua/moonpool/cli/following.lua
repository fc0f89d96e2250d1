--- Following a room from a place in its history, with nothing of it handed to nobody.
local following = {}

--- Gives the room its handlers, then has it followed from `start`: handlers that are there before
--- miss nothing. What comes to them before that is none of it, and is dropped.
---@param room moonpool.room
---@param start { last: integer?, from: string?, since: number? }
---@param handlers table<string, fun(event: any)> by event, see room:on
---@return true? ok
---@return string? message
---@return string? code
function following.begin(room, start, handlers)
  local is_on = false
  for event, fn in pairs(handlers) do
    local ok, message, code = room:on(event, function(what) if is_on then fn(what) end end)
    if not ok then return nil, message, code end
  end
  is_on = true
  return room:follow(start)
end

return following
