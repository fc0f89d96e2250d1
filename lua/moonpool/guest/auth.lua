--- The `auth` object of a script: it says who a gateway's user is, and where he may go.
--- docs/config.md is the manual.

local EVENTS = { authenticate = true }
local SETTABLE = { name = "loading" }

---@param guest moonpool.guest
---@return table auth
---@return fun(): table describe
return function(guest)
  local tools, handlers = guest.tools, guest.handlers
  local check = tools.module "check"
  local hooks = tools.module "hooks".new()

  local fields = {
    name = guest.name, options = guest.options, null = tools.null,
    now = tools.now, time = tools.time,
    json = { encode = tools.json.encode, decode = tools.json.decode, array = tools.json.array },
  }
  local auth = tools.module "object"(guest, "auth", fields, SETTABLE)
  tools.module "redis"(guest, "auth", fields)

  function fields.log(...) guest.log("info", " ", ...) end

  function fields:on(event, fn, priority)
    check.event(EVENTS, event, "auth:on")
    check.type("function", fn, "auth:on", "function")
    if priority ~= nil then check.number(priority, "auth:on", "priority") end
    return hooks:add(event, fn, priority)
  end

  -- ---- answers -------------------------------------------------------------------------------

  local function check_expires(expires)
    if expires == nil then return end
    if type(expires) == "number" and expires > 0 and expires < math.huge then return end
    error(string.format("expires: seconds since 1970 are needed, not %s", tostring(expires)), 0)
  end

  -- What a function has returned, checked.
  local function grant_of(returned)
    local user, rooms, expires = table.unpack(returned, 2, 4)
    if type(user) ~= "string" then
      error("a user's name, or nil and a reason, is needed, not a " .. type(user), 0)
    end
    check.name(user, "the user")
    check_expires(expires)
    return {
      user = user, expires = expires,
      rooms = rooms ~= nil and check.strings(rooms, "the rooms") or nil,
    }
  end

  local function refusal(reason)
    if reason == nil then return "not let in" end
    if type(reason) == "string" then return reason end
    error("a reason is a text, not a " .. type(reason), 0)
  end

  -- nil: the next function is asked.
  local function ask_one(fn, request)
    local returned = table.pack(guest.call("authenticate", fn, request))
    if not returned[1] then return "failed" end
    local user, reason = returned[2], returned[3]
    if user == nil and reason == nil then return nil end
    local is_let_in = user ~= nil and user ~= false
    local ok, value = pcall(is_let_in and grant_of or refusal, is_let_in and returned or reason)
    if ok then return is_let_in and "allow" or "reject", value end
    guest.ask("fail", "auth: " .. value, "authenticate")
    return "failed"
  end

  --- Who it is: "allow", { user =, rooms =, expires = }; "reject", reason; "failed", which the host
  --- has been told of.
  ---@return string verdict
  ---@return table|string|nil value
  function handlers.judge(_, request)
    for _, entry in ipairs(hooks:list "authenticate") do
      local verdict, value = ask_one(entry.fn, request)
      if verdict then return verdict, value end
    end
    return "reject", "not let in"
  end

  return auth, function()
    check.name(fields.name, "auth.name")
    if #hooks:list "authenticate" == 0 then
      error('auth:on("authenticate", …) is missing: nobody could be let in', 0)
    end
    return { name = fields.name, patterns = {}, events = { authenticate = true } }
  end
end
