--- client:on("state", fn): hears of every link's states, in order, each in a task that may await.

local core = require "moonpool.core"

local listeners = setmetatable({}, { __mode = "k" }) -- by client

-- Calls the listener's function with its events, one after the other; an error goes to the error
-- hook, and the next event is told.
local function tell(listener)
  core.sleep(0) -- the state changed in the middle of something
  while #listener.events > 0 and listener.fn do
    local event = table.remove(listener.events, 1)
    local ok, traceback = xpcall(listener.fn, debug.traceback, event)
    if not ok then core.spawn(error, traceback, 0) end
  end
  listener.is_telling = false
end

---@param client moonpool.client
---@param event "state"
---@param fn fun(event: moonpool.state_event)|nil
---@return moonpool.client|nil, string?, string?
local function on(client, event, fn)
  if event ~= "state" then
    error(("bad argument #1 to 'on' (no event is named '%s')"):format(tostring(event)), 2)
  end
  if fn ~= nil and type(fn) ~= "function" then
    error(("bad argument #2 to 'on' (function expected, got %s)"):format(type(fn)), 2)
  end
  local listener = { fn = fn, events = {}, is_telling = false }
  local result, message, code = core.on_state(client, fn and function(change)
    listener.events[#listener.events + 1] = change
    if listener.is_telling then return end
    listener.is_telling = true
    core.spawn(tell, listener)
  end)
  if not result then return nil, message, code end
  if listeners[client] then listeners[client].fn = nil end
  listeners[client] = listener
  return client
end

return on
