-- One HTTP request over a connection of its own.
local socket = require "socket"
local unix = require "socket.unix"
local scratch = require "spec.support.scratch"

local web = {}

local SECONDS = 30

local function connect(place)
  local host, port = place:match "^([%d.]+):(%d+)$"
  if host then return socket.connect(host, tonumber(port)) end
  local connection = (unix.stream or unix)()
  local is_ok, message = connection:connect(place)
  if is_ok then return connection end
  connection:close()
  return nil, message
end

--- A port that was free a moment ago.
---@return string
function web.free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return ("%d"):format(port)
end

--- Sends a request once somebody listens there; the body of an answer with status 200. Raises when
--- it is another, and at the deadline.
---@param place string     ADDRESS:PORT, or a Unix socket's path
---@param request string   all of it
---@return string
function web.request(place, request)
  local connection = scratch.wait_until(function() return (connect(place)) end, nil, place)
  connection:settimeout(SECONDS)
  assert(connection:send(request))
  local status, length = assert(connection:receive "*l"), nil
  repeat
    local line = assert(connection:receive "*l")
    length = line:lower():match "^content%-length: *(%d+)" or length
  until line == ""
  local body, message, part = connection:receive(length and tonumber(length) or "*a")
  connection:close()
  body = body or message == "closed" and part
  assert(status:match " 200 ", status .. "\n" .. tostring(body))
  return body
end

return web
