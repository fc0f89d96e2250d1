--- client:optimistic(keys, fn, options): reads watched keys, then changes them in a transaction
-- that Redis executes only if none of them was changed meanwhile; if one was, the whole again.
--
--   client:optimistic("stock", function(view, tx)
--     local left = tonumber(view:get "stock") or 0
--     if left == 0 then return false end
--     tx:set("stock", left - 1)
--   end)

local core = require "moonpool.core"
local versions = require "moonpool.versions"

local session = core.session

local RETRIES = 10
local PAUSE_MIN, PAUSE_MAX = 0.001, 0.1 -- seconds; the nth conflict waits random(0, min * 2^n)

local function check_keys(keys)
  if type(keys) == "string" then return { keys } end
  if type(keys) ~= "table" or #keys == 0 then
    error("bad argument #1 to 'optimistic' (a key or a list of keys expected)", 3)
  end
  return keys
end

local function check_options(options)
  if options ~= nil and type(options) ~= "table" then
    error("bad argument #3 to 'optimistic' (table of options expected)", 3)
  end
  for name in pairs(options or {}) do
    if name ~= "retries" and name ~= "timeout" then
      error(("unknown option '%s'"):format(name), 3)
    end
  end
  local retries = options and options.retries or RETRIES
  if not versions.is_integer(retries) or retries < 0 then
    error("option 'retries' must be a whole number from 0 on", 3)
  end
  return retries, options and options.timeout
end

-- One try: what execute answers, or fn's false.
local function try(view, keys, fn, attempt)
  local ok, message, code = view:call("WATCH", versions.unpack(keys))
  if not ok then return nil, message, code end
  attempt.tx, message, code = session.record(view)
  if not attempt.tx then return nil, message, code end
  if fn(view, attempt.tx) == false then return false end
  return session.execute(view, attempt.tx)
end

local function try_again(view, keys, fn, attempt)
  for number = 0, attempt.retries do
    if number > 0 then
      core.sleep(math.random() * math.min(PAUSE_MIN * 2 ^ number, PAUSE_MAX))
    end
    local results, message, code = try(view, keys, fn, attempt)
    if code ~= "ECONFLICT" then return results, message, code end
  end
  local message = ("a watched key was changed each of %d times"):format(attempt.retries + 1)
  return nil, message, "ECONFLICT"
end

---@param client moonpool.client|moonpool.view
---@param keys string|string[]
---@param fn fun(view: moonpool.view, tx: moonpool.recorder): false|nil
---@param options? { retries?: integer, timeout?: number }
---@return any[]|false|nil results, string? message, string? code
local function optimistic(client, keys, fn, options)
  keys = check_keys(keys)
  if type(fn) ~= "function" then
    error(("bad argument #2 to 'optimistic' (function expected, got %s)"):format(type(fn)), 2)
  end
  local attempt = {}
  local timeout
  attempt.retries, timeout = check_options(options)
  local view, message, code = session.open(client, timeout)
  if not view then return nil, message, code end
  local outcome = versions.pack(pcall(try_again, view, keys, fn, attempt))
  session.close(view, attempt.tx)
  if not outcome[1] then error(outcome[2], 0) end
  return versions.unpack(outcome, 2, outcome.n)
end

return optimistic
