---@meta
-- Types of what bots and policies are given, for editors (LuaCATS). Nothing requires this file.
-- docs/bots.md and docs/policies.md are the manuals. What can fail without being the script's
-- mistake comes back as nil, message, code; times are seconds.

---@class moonpool.bot.message: moonpool.message
local message = {}

--- Says something in the message's room.
---@param text string|number
---@param options? moonpool.bot.say_options
---@return string? id, string? message, string? code
function message:reply(text, options) end

--- The bot's store of the message's room. Awaits it when it is not in memory; raises when it cannot
--- be read.
---@return moonpool.script.store
function message:store() end

--- What a script keeps in Redis: string keys, values as JSON has them; 64 KiB at most.
---@class moonpool.script.store
---@field [string] any

---@class moonpool.bot.say_options
---@field type? string "action"; nil: a message
---@field key? string said once with the same key

---@class moonpool.script.timer
---@field close fun() ends it; harmless when called twice

---@class moonpool.bot.arguments the words after a command
---@field [integer] string
---@field text string all of it

---@class moonpool.bot.about
---@field usage? string "[NdM]"
---@field help? string
---@field aliases? string[]

---@alias moonpool.bot.message_event "publish"|"subscribe"|"unsubscribe"|"rename"
---@alias moonpool.bot.room_event_name "gap"|"reconnect"

---@class moonpool.script.message of a history: a plain table, with the message's other members
---@field id string
---@field at number seconds since 1970, by Redis's clock
---@field user string?
---@field text string?
---@field type string
---@field [string] any

---@class moonpool.script.base what bots and policies both have
---@field name string settable while the script is loaded, like rooms
---@field rooms string[]? names and patterns (Redis's globs)
---@field options table from the configuration
---@field store moonpool.script.store the script's own
---@field json moonpool.json
---@field null any JSON's null
local base = {}

---@return number seconds of a clock that never goes back
function base.now() end

---@return number seconds since 1970
function base.time() end

---@param ... any words of a line in the host's log
function base.log(...) end

--- Raises when it cannot be read.
---@param room string "chatty" or "room:chatty"
---@return moonpool.script.store
function base:room_store(room) end

---@param room string
---@param options? { last?: integer, limit?: integer, since?: number, till?: number, before?: string, after?: string }
---@return moonpool.script.message[]? messages
---@return string? message
---@return string? code
function base:history(room, options) end

---@param room string
---@param options? { limit?: integer, cursor?: integer }
---@return moonpool.member[]? members, integer|string|nil next_cursor, string? code
function base:who(room, options) end

---@param room string
---@return integer? members, string? message, string? code
function base:count(room) end

---@class moonpool.bot: moonpool.script.base
---@field state any what the script's next version gets; plain values
---@field redis table? every Redis command is a method; only where that is granted
local bot_object = {}

---@overload fun(self: moonpool.bot, event: moonpool.bot.message_event, fn: fun(message: moonpool.bot.message), priority?: number): fun()
---@overload fun(self: moonpool.bot, event: moonpool.bot.room_event_name, fn: fun(event: moonpool.room_event), priority?: number): fun()
---@overload fun(self: moonpool.bot, event: "start"|"stop", fn: fun(), priority?: number): fun()
---@overload fun(self: moonpool.bot, event: "upgrade", fn: fun(state: table), priority?: number): fun()
---@param event "pattern"
---@param pattern string of channels, a glob of Redis's
---@param fn fun(payload: string, channel: string)
---@return fun()? remove, string? message, string? code
function bot_object:on(event, pattern, fn) end

---@overload fun(self: moonpool.bot, name: string, fn: fun(message: moonpool.bot.message, args: moonpool.bot.arguments))
---@param name string without the exclamation mark
---@param about moonpool.bot.about?
---@param fn fun(message: moonpool.bot.message, args: moonpool.bot.arguments)
function bot_object:command(name, about, fn) end

---@param seconds number
---@param fn fun() skipped while the last call runs
---@return moonpool.script.timer
function bot_object:every(seconds, fn) end

---@param seconds number
---@param fn fun()
---@return moonpool.script.timer
function bot_object:after(seconds, fn) end

---@param time number seconds since 1970
---@param fn fun()
---@return moonpool.script.timer
function bot_object:at(time, fn) end

---@param room string "chatty" or "room:chatty"
---@param text string|number
---@param options? moonpool.bot.say_options
---@return string? id, string? message, string? code
function bot_object:say(room, text, options) end

---@param room string
---@param id string of a message
---@return any ok, string? message, string? code
function bot_object:delete(room, id) end

---@param seconds number
function bot_object.sleep(seconds) end

---@class moonpool.policy: moonpool.script.base
---@field priority number higher ones are asked first; settable while the script is loaded
local policy_object = {}

---@class moonpool.policy.verdict what reject and rewrite return

---@alias moonpool.policy.judge fun(request: moonpool.policy_request): moonpool.policy.verdict|true|nil

---@overload fun(self: moonpool.policy, event: "publish"|"subscribe", fn: moonpool.policy.judge, priority?: number): fun()
---@param event "pattern"
---@param pattern string of channels, a glob of Redis's
---@param fn moonpool.policy.judge
function policy_object:on(event, pattern, fn) end

---@param reason string for the user
---@return moonpool.policy.verdict
function policy_object.reject(reason) end

---@param text string
---@return moonpool.policy.verdict
function policy_object.rewrite(text) end

--- Takes tokens of a bucket that all processes share. Raises when Redis cannot be asked.
---@param key string
---@param capacity integer tokens that the bucket holds, and that come back in that time
---@param seconds number
---@param cost? integer 1
---@return boolean is_granted, number wait seconds until it would be
function policy_object:take(key, capacity, seconds, cost) end

---@class moonpool.auth_request
---@field token string?
---@field user string? the name that is asked for
---@field address string the client's, without a port; "" of a Unix socket
---@field origin string?

---@class moonpool.auth what a gateway's authentication script has (docs/config.md)
---@field name string settable while the script is loaded
---@field options table from the configuration
---@field json moonpool.json
---@field null any JSON's null
---@field redis table? every Redis command is a method; only where that is granted
local auth_object = {}

--- The function returns the user, the rooms that he may enter (nil: all) and until when (seconds
--- since 1970; nil: as long as he is connected); or nil and a reason; or nothing.
---@param event "authenticate"
---@param fn fun(request: moonpool.auth_request): string?, string[]|string|nil, number?
---@param priority? number
---@return fun() remove
function auth_object:on(event, fn, priority) end

---@return number seconds of a clock that never goes back
function auth_object.now() end

---@return number seconds since 1970
function auth_object.time() end

---@param ... any words of a line in the host's log
function auth_object.log(...) end

---@type moonpool.auth
auth = auth_object

---@type moonpool.bot
bot = bot_object

---@type moonpool.policy
policy = policy_object
