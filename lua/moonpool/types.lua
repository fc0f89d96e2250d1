---@meta
-- Types of what moonpool.core registers, for editors (LuaCATS). Nothing requires this file.
-- What a program can meet comes back as nil, message, code; times are seconds.

---@class moonpool.task
---@field is_ended boolean
local task = {}

--- Awaits the end of the task: its function's results, or nil, traceback, "ESCRIPT".
---@return any ...
function task:await() end

---@class moonpool.timer
local timer = {}

---@return true
function timer:close() end

---@class moonpool.event
---@field event "subscribe"|"unsubscribe"|"reconnect"|"gap"|"error"
---@field action? string as Redis names it, such as "psubscribe"
---@field channel? string
---@field count? integer names left on the link, as Redis reports it
---@field missing? integer messages that are missing right here; nil: nobody knows how many
---@field reason? "overflow"|"reconnect"
---@field message? string
---@field code? string

---@alias moonpool.handler fun(payload: string, channel: string, pattern: string?)

---@class moonpool.subscription
---@field count integer
---@field closed boolean
local subscription = {}

---@param event "subscribe"|"unsubscribe"|"reconnect"|"gap"|"error"
---@param handler fun(event: moonpool.event)|nil
---@return moonpool.subscription|nil, string?, string?
function subscription:on(event, handler) end

--- An iterator over payload, channel, pattern; ends when the subscription is closed.
---@return fun(subscription: moonpool.subscription): string?, string?, string?
---@return moonpool.subscription
function subscription:messages() end

---@return true
function subscription:close() end

---@class moonpool.script
---@field sha string its SHA1, 40 hexadecimal digits
---@overload fun(keys?: (string|number)[], args?: (string|number)[], options?: table): any, ...
local script = {}

---@param keys? (string|number)[]
---@param args? (string|number)[]
---@param options? { timeout: number } seconds
---@return any value, string? message, string? code
function script:call(keys, args, options) end

---@class moonpool.error stands for a reply inside another; moonpool.is_error knows it
---@field message string
---@field code string
---@field command? string of a pipeline's or transaction's command
---@field index? integer its place
local error_object = {} -- luacheck: ignore

---@class moonpool.state_event
---@field event "state"
---@field link "commands"|"subscriptions"|"pool"
---@field state "connecting"|"ready"|"waiting"|"closed"
---@field address string
---@field message? string
---@field code? string

---@class moonpool.recorder every Redis command is a method that records it and returns nothing
local recorder = {}

---@param command string
---@param ... string|number
function recorder:call(command, ...) end

---@class moonpool.view a client with another deadline; every Redis command is a method
local view = {}

---@param command string
---@param ... string|number
---@return any value, string? message, string? code
function view:call(command, ...) end

---@param options { timeout?: number } seconds; 0: none
---@return moonpool.view
function view:with(options) end

---@param fn fun(p: moonpool.recorder)
---@param options? { timeout?: number }
---@return any[]|nil replies, string? message, string? code
function view:pipeline(fn, options) end

---@param fn fun(tx: moonpool.recorder)
---@param options? { timeout?: number }
---@return any[]|nil replies, string? message, string? code
function view:transaction(fn, options) end

---@param keys string|string[]
---@param fn fun(view: moonpool.view, tx: moonpool.recorder): false|nil
---@param options? { retries?: integer, timeout?: number }
---@return any[]|false|nil replies, string? message, string? code
function view:optimistic(keys, fn, options) end

---@param what "channels"|"numsub"|"numpat"|"shardchannels"|"shardnumsub"|string
---@param ... string
---@return string[]|table<string, integer>|integer|nil, string? message, string? code
function view:pubsub(what, ...) end

---@class moonpool.client: moonpool.view
---@field address string|nil
local client = {}

---@class moonpool.name
---@field name string
---@field kind "channel"|"pattern"|"shard"
---@field listeners integer
---@field wanted boolean
---@field confirmed boolean

---@return moonpool.name[]
function client:subscriptions() end

---@param event "state"
---@param fn fun(event: moonpool.state_event)|nil
---@return moonpool.client|nil, string?, string?
function client:on(event, fn) end

---@param command string
---@param ... string|number
---@return any value, string? message, string? code
function client:call(command, ...) end

--- Loads a script, which is called by its SHA1 from then on.
---@param source string
---@param options? { timeout: number } seconds
---@return moonpool.script|nil script, string? message, string? code
function client:prepare(source, options) end

---@param channel string
---@param payload string|number
---@return integer|nil receivers, string? message, string? code
function client:publish(channel, payload) end

---@param names string|string[]
---@param handler? moonpool.handler
---@param options? { events: table<string, fun(event: moonpool.event)> }
---@return moonpool.subscription|nil, string?, string?
function client:subscribe(names, handler, options) end

---@param patterns string|string[]
---@param handler? moonpool.handler
---@param options? { events: table<string, fun(event: moonpool.event)> }
---@return moonpool.subscription|nil, string?, string?
function client:psubscribe(patterns, handler, options) end

---@param names string|string[]
---@param handler? moonpool.handler
---@param options? { events: table<string, fun(event: moonpool.event)> }
---@return moonpool.subscription|nil, string?, string?
function client:ssubscribe(names, handler, options) end

---@return "connecting"|"ready"|"waiting"|"closed"
function client:state() end

---@return table<string, integer|string>|nil, string?, string?
function client:stats() end

---@return true
function client:close() end

---@class moonpool.json
---@field array_mt table
local json = {}

---@param value any
---@param options? { pretty?: boolean, sort?: boolean }
---@return string|nil, string?, string?
function json.encode(value, options) end

---@param text string
---@return any value, string? message, string? code
function json.decode(text) end

---@param list table
---@return table list marked as an array
function json.array(list) end

---@param text string
---@return boolean
function json.is_utf8(text) end

local core = {}

---@param fn fun(...): any
---@return any ... fn's results
function core.run(fn, ...) end

function core.stop() end

---@param fn fun(...): any
---@return moonpool.task
function core.spawn(fn, ...) end

---@param seconds number
function core.sleep(seconds) end

---@param seconds number
---@param fn fun()
---@return moonpool.timer
function core.timer(seconds, fn) end

---@return number seconds of a monotonic clock
function core.now() end

---@return number seconds since 1970
function core.time() end

---@param hook fun(text: string)|nil
---@return fun(text: string)|nil before
function core.on_error(hook) end

---@param options? string|table a URL, or options (docs/lua.md)
---@return moonpool.client|nil, string?, string?
function core.connect(options) end

---@param value any
---@return boolean
function core.is_error(value) end
