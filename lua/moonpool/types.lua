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

--- moonpool's own loop, for a loop that polls: cqueues.poll takes it as it is.
---@class moonpool.pool
local pool = {}

--- The descriptor to poll, the same one as long as the pool is open; it stays the pool's.
---@return integer
function pool:pollfd() end

--- What to poll it for.
---@return "r"
function pool:events() end

--- After how many seconds a step is due even if the descriptor is not ready; nil: never.
---@return number?
function pool:timeout() end

--- Does what is due, and does not block. Raises inside of a step, and where a host was installed.
---@return boolean is_active false when nothing is left that could happen by itself, or after stop
function pool:step() end

--- As step returned it, without a step.
---@return boolean
function pool:is_active() end

--- Makes the next step return false, as moonpool.stop makes run return.
function pool:stop() end

--- Closes every client, which ends what waits for it with ECLOSED, and lets go of the descriptor
--- that wakes whoever polls. What is called later begins anew. Raises inside of a step.
---@return true
function pool:close() end

---@alias moonpool.event_name "subscribe"|"unsubscribe"|"reconnect"|"gap"|"error"

---@class moonpool.event
---@field event moonpool.event_name
---@field action? string as Redis names it, such as "psubscribe"
---@field channel? string
---@field count? integer names left on the link, as Redis reports it
---@field missing? integer messages that are missing right here; nil: nobody knows how many
---@field reason? "overflow"|"reconnect"
---@field message? string
---@field code? string

---@class moonpool.subscribe_options
---@field events? table<moonpool.event_name, fun(event: moonpool.event)> from the start on

---@alias moonpool.handler fun(payload: string, channel: string, pattern: string?)

---@class moonpool.subscription
---@field count integer
---@field closed boolean
local subscription = {}

---@param event moonpool.event_name
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
---@field missing? integer events before this one that were dropped

---@class moonpool.recorder every Redis command is a method that records it and returns nothing
---@field [string] fun(self: moonpool.recorder, ...: string|number)
local recorder = {}

---@param command string
---@param ... string|number
function recorder:call(command, ...) end

---@class moonpool.view a client with another deadline; every Redis command is a method
---@field [string] fun(self: moonpool.view, ...: string|number): any, string?, string?
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

---@class moonpool.stats times are seconds
---@field messages integer received since connect, as are the next five
---@field commands integer
---@field writes integer
---@field reconnects integer
---@field bytes_in integer
---@field bytes_out integer
---@field links integer that are open
---@field queued integer commands that wait to be sent
---@field in_flight integer commands that wait for their reply
---@field wanted integer names that are subscribed to
---@field confirmed integer of them, by Redis
---@field subscriptions integer handles that are open
---@field pool_links integer of the pool: open
---@field pool_busy integer lent
---@field pool_waiting integer who waits for one
---@field pool_uses integer how often one was lent
---@field pool_waited number in all
---@field pool_waited_most number
---@field gaps integer gap events of full mailboxes and lost links
---@field unknown_gaps integer of lost links: how many messages are missing is unknown
---@field canary_losses integer links given up because a canary did not come back
---@field failures integer of handlers
---@field retries integer of commands that Redis refused for a passing reason
---@field last_error string? why a link was lost, or could not be made, last
---@field canary_error string? why no canary can be sent

---@class moonpool.client: moonpool.view
local client = {}

---The server's, as errors name it; nil when the client is closed.
---@return string|nil
function client:address() end

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
---@param options? { max_events?: integer } default 1000; 0: any number
---@return moonpool.client|nil, string?, string?
function client:on(event, fn, options) end

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
---@param options? moonpool.subscribe_options
---@return moonpool.subscription|nil, string?, string?
function client:subscribe(names, handler, options) end

---@param patterns string|string[]
---@param handler? moonpool.handler
---@param options? moonpool.subscribe_options
---@return moonpool.subscription|nil, string?, string?
function client:psubscribe(patterns, handler, options) end

---@param names string|string[]
---@param handler? moonpool.handler
---@param options? moonpool.subscribe_options
---@return moonpool.subscription|nil, string?, string?
function client:ssubscribe(names, handler, options) end

---@return "connecting"|"ready"|"waiting"|"closed"
function client:state() end

---@return moonpool.stats|nil, string? message, string? code
function client:stats() end

---@return true
function client:close() end

---@class moonpool.message what somebody has said in a room; its other members are fields, too
---@field id string? nil: it is not stored
---@field at number? seconds since 1970, by Redis's clock
---@field room string the room's name
---@field user string?
---@field text string? of messages and actions always a string
---@field type string "message", "action", "join", "leave", "rename", "typing", "delete", "clear" …
---@field to string? of a rename
---@field target string? of a delete: an id
---@field bot boolean
---@field [string] any
local room_message = {}

---@return string json as it was published
function room_message:json() end

---@class moonpool.member
---@field user string
---@field since number seconds since 1970, by Redis's clock
---@field places integer

---@class moonpool.room_event
---@field event "gap"|"reconnect"|"live"|"error"
---@field room string?
---@field from string? of a gap: ids, exclusive
---@field to string? nil: nothing has come after it yet
---@field missing integer? nil: unknown
---@field reason "trimmed"|"forked"|"overflow"|"unavailable"|nil
---@field id string? of live
---@field message string? of an error
---@field code string?

---@alias moonpool.room_event_name
---| "message" | "join" | "leave" | "rename" | "typing" | "delete" | "clear" | "signal"
---| "gap" | "reconnect" | "live" | "error"

---@class moonpool.start { last = N }, { from = ID } or { since = seconds }
---@field last integer?
---@field from string?
---@field since number?

---@class moonpool.room_stats all but `following` are there while it is followed
---@field following boolean
---@field position string? the id of the last message that was delivered
---@field live boolean? all that was stored before has been delivered
---@field paused boolean? the mailbox is full: nothing is read
---@field messages integer?
---@field signals integer? messages that are not stored
---@field gaps integer?
---@field reads integer? of the history
---@field resyncs integer?
---@field buffered integer? messages that wait for what comes before them
---@field mailbox integer? messages that wait for a handler

---@class moonpool.room
---@field name string without "room:"
---@field channel string
---@field user string? who has joined by it last
---@field closed boolean
local room = {}

---@class moonpool.saying what is to be said; its other members travel as they are, as JSON
---@field text? string|number
---@field type? string "action", or another; nil: a message
---@field user? string|number who says it; nil: who has joined
---@field to? string|number
---@field target? string|number
---@field bot? boolean
---@field [string] any

---@param message string|number|moonpool.saying
---@param options? { key?: string, user?: string, timeout?: number }
---@return string? id, string? message, string? code, string? stored_id
function room:say(message, options) end

---@param message string|number|moonpool.saying
---@param options? { user?: string, timeout?: number }
---@return true?, string? message, string? code
function room:signal(message, options) end

---@param options? { user?: string, timeout?: number }
---@return true?, string? message, string? code
function room:typing(options) end

---@param event moonpool.room_event_name
---@param fn fun(event: moonpool.message|moonpool.room_event)|nil
---@return moonpool.room?, string? message, string? code
function room:on(event, fn) end

---@param start? moonpool.start nil: from now on
---@return true?, string? message, string? code
function room:follow(start) end

---@param start? moonpool.start
---@return fun(room: moonpool.room): moonpool.message?
---@return moonpool.room
function room:messages(start) end

---@param options { user: string, timeout?: number }
---@return true?, string? message, string? code
function room:join(options) end

---@param options? { timeout?: number }
---@return true?, string? message, string? code
function room:leave(options) end

---@return true
function room:close() end

---@param options? { limit?: integer, cursor?: integer, timeout?: number }
---@return moonpool.member[]?, (integer|string)? cursor, string? code
function room:who(options) end

---@param options? { timeout?: number }
---@return integer?, string? message, string? code
function room:count(options) end

---@class moonpool.history_options
---@field last integer?
---@field limit integer?
---@field since number? seconds since 1970, inclusive, as is till
---@field till number?
---@field before string? an id, exclusive, as is after
---@field after string?
---@field timeout number?

---@param options? moonpool.history_options
---@return moonpool.message[]?, string? message, string? code
function room:history(options) end

---@param id string
---@param options? { user?: string, timeout?: number }
---@return string? id, string? message, string? code
function room:delete(id, options) end

---@param options? { user?: string, timeout?: number }
---@return string? id, string? message, string? code
function room:clear(options) end

---@param options? { timeout?: number }
---@return true?, string? message, string? code
function room:destroy(options) end

---@param options { keep?: integer, keep_for?: number, timeout?: number } messages, seconds; 0: all
---@return true?, string? message, string? code
function room:configure(options) end

---@return moonpool.room_stats
function room:stats() end

---@class moonpool.rooms
---@field pattern string of their channels
---@field closed boolean
local rooms = {}

---@return string[]? names, string? message, string? code
function rooms:list() end

---@param event moonpool.room_event_name|"room" "room": fn(name), once for each
---@param fn fun(event: moonpool.message|moonpool.room_event|string)|nil
---@return moonpool.rooms?, string? message, string? code
function rooms:on(event, fn) end

---@return fun(rooms: moonpool.rooms): moonpool.message?
---@return moonpool.rooms
function rooms:messages() end

---@return moonpool.room_stats
function rooms:stats() end

---@return true
function rooms:close() end

---@class moonpool.room_options bytes, and seconds; the defaults are in docs/rooms.md
---@field history? "stream"|"list"|"sorted"
---@field keep? integer messages; 0: no limit
---@field keep_for? number
---@field backlog? string a key
---@field max_message? integer
---@field key_ttl? number
---@field durability? string "memory", or "replicas:N"
---@field replicas_timeout? number
---@field max_pending? integer
---@field max_pending_bytes? integer
---@field lease? number
---@field max_mailbox? integer
---@field max_mailbox_bytes? integer
---@field page? integer
---@field max_buffer? integer
---@field max_buffer_bytes? integer
---@field check? number
---@field check_grace? number
---@field resync_pause? number

---@class moonpool.rooms_options those of a room that all of them have
---@field keep? integer messages of each that are looked for after a loss
---@field max_message? integer
---@field max_mailbox? integer
---@field max_mailbox_bytes? integer
---@field page? integer
---@field max_buffer? integer
---@field max_buffer_bytes? integer
---@field check? number
---@field check_grace? number
---@field resync_pause? number

---@param name string "chatty" or "room:chatty"
---@param options? moonpool.room_options
---@return moonpool.room?, string? message, string? code
function client:room(name, options) end

---@param pattern? string of names; all rooms
---@param options? moonpool.rooms_options
---@return moonpool.rooms?, string? message, string? code
function client:rooms(pattern, options) end

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

---@class moonpool.connect_options bytes, and seconds; the defaults are in docs/lua.md
---@field url? string
---@field name? string CLIENT SETNAME
---@field sentinel_username? string
---@field sentinel_password? string
---@field connect_timeout? number
---@field command_timeout? number 0: none
---@field heartbeat? number 0: never
---@field canary? number 0: none
---@field backoff_min? number
---@field backoff_max? number
---@field max_retries? integer 0: never
---@field max_queue? integer
---@field max_queue_bytes? integer
---@field max_mailbox? integer
---@field max_mailbox_bytes? integer
---@field max_reply_bytes? integer
---@field max_reply_elements? integer
---@field max_reply_depth? integer
---@field max_name? integer
---@field subscribe_batch? integer
---@field subscribe_window? integer
---@field pool_size? integer
---@field pool_queue? integer
---@field pool_idle? number
---@field tls_ca_file? string
---@field tls_ca_dir? string
---@field tls_cert_file? string
---@field tls_key_file? string
---@field tls_server_name? string
---@field tls_verify? boolean
---@field policies? (string|table)[] who judges what it publishes: names, paths, or tables with one
---@field policy_timeout? number
---@field policy_log? fun(level: string, message: string, fields: table)

---@class moonpool
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

---@param options? string|moonpool.connect_options a URL, or options
---@return moonpool.client|nil, string?, string?
function core.connect(options) end

--- The rooms that match, on a client of their own.
---@param pattern? string of names; all rooms
---@param options? string|moonpool.connect_options as of connect, without policies
---@return moonpool.rooms?, string? message, string? code
function core.rooms(pattern, options) end

---@param value any
---@return boolean
function core.is_error(value) end
