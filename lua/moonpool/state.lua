--- client:on("state", fn, options): hears of every link's states, in order, each in a task that may
--- await.

local core = require "moonpool.core"
local versions = require "moonpool.versions"

local MAX_EVENTS = 1000

local listeners = setmetatable({}, { __mode = "k" }) -- by client

-- Raises in a task of its own: to the error hook, and not into what goes on.
local function report(text)
  core.sleep(0)
  error(text, 0)
end

-- Calls the listener's function with its events, one after the other; an error goes to the error
-- hook, and the next event is told.
local function tell(listener)
  core.sleep(0) -- the state changed in the middle of something
  while listener.first <= listener.last and listener.fn do
    local event = listener.events[listener.first]
    listener.events[listener.first] = nil
    listener.first = listener.first + 1
    if listener.missing > 0 then event.missing = listener.missing end
    listener.missing = 0
    local ok, traceback = xpcall(listener.fn, debug.traceback, event)
    if not ok then core.spawn(error, traceback, 0) end
  end
  listener.is_telling, listener.is_reported = false, false
end

-- What is told last is worth the most: the oldest event goes.
local function drop_oldest(listener)
  listener.events[listener.first] = nil
  listener.first = listener.first + 1
  listener.missing = listener.missing + 1
  if listener.is_reported then return end
  listener.is_reported = true
  core.spawn(report, ("on('state'): its function has not returned, and %d events wait for it: the "
    .. "oldest are dropped"):format(listener.max))
end

local function take_note(listener, change)
  local count = listener.last - listener.first + 1
  if listener.max > 0 and count >= listener.max then drop_oldest(listener) end
  listener.last = listener.last + 1
  listener.events[listener.last] = change
  if listener.is_telling then return end
  listener.is_telling = true
  core.spawn(tell, listener)
end

local function max_of(options)
  if options == nil then return MAX_EVENTS end
  if type(options) ~= "table" then
    error(("bad argument #3 to 'on' (table expected, got %s)"):format(type(options)), 3)
  end
  local max = MAX_EVENTS
  for name, value in pairs(options) do
    if name ~= "max_events" then error(("unknown option '%s'"):format(tostring(name)), 3) end
    max = versions.is_integer(value) and value >= 0 and value
      or error("option 'max_events' must be a whole number from 0 on", 3)
  end
  return max
end

---@param client moonpool.client
---@param event "state"
---@param fn fun(event: moonpool.state_event)|nil
---@param options? { max_events?: integer } how many may wait while fn does; default 1000, 0: any
---@return moonpool.client|nil, string?, string?
local function on(client, event, fn, options)
  if event ~= "state" then
    error(("bad argument #1 to 'on' (no event is named '%s')"):format(tostring(event)), 2)
  end
  if fn ~= nil and type(fn) ~= "function" then
    error(("bad argument #2 to 'on' (function expected, got %s)"):format(type(fn)), 2)
  end
  local listener = { fn = fn, events = {}, first = 1, last = 0, max = max_of(options), missing = 0,
    is_telling = false, is_reported = false }
  local result, message, code = core.on_state(client, fn and function(change)
    take_note(listener, change)
  end)
  if not result then return nil, message, code end
  if listeners[client] then listeners[client].fn = nil end
  listeners[client] = listener
  return client
end

return on
