--- Who a gateway's user is: what the configuration's script says (`gateway.authenticate`).
local within = require "moonpool.host.within"

local authentication = {}

local FAILED = "internal error" -- what the user reads; the log tells more

local function fail(self, actor, why)
  self.log:write("error", "authentication failed", { script = actor.name, reason = why })
  return nil, FAILED, "ESCRIPT"
end

--- Asks the host's script. Awaits it.
---@param self moonpool.host
---@param request { token: string?, user: string?, address: string, origin: string? }
---@return string? user
---@return { rooms: string[]?, expires: number? }|string grant_or_reason
---@return string? code
function authentication.of(self, request)
  local actor = self.auth[1]
  if not actor then return nil, "not let in", "EAUTH" end
  local timeout = self.settings.limits.policy_timeout
  local ok, verdict, value = within.call(timeout, actor.judge, actor, "authenticate", {
    token = request.token, user = request.user, address = request.address,
    origin = request.origin,
  })
  if ok == nil then return fail(self, actor, ("no answer within %g s"):format(timeout)) end
  if not ok then return fail(self, actor, tostring(verdict)) end
  if verdict == "allow" then return value.user, value end
  if verdict == "reject" then return nil, value, "EAUTH" end
  return fail(self, actor, tostring(value or "it gave no answer"):match "^[^\n]*")
end

return authentication
