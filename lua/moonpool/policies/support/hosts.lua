--- The hosts that a text links to.
local fold = require "support.fold"

local hosts = {}

local MOST_HOST = 260 -- bytes, with its port; names have 253 at most
local SCHEME = 20     -- bytes

-- What a browser makes of "user@example.com:80": the host, in lower case.
local function host_of(authority)
  authority = (authority:match "^.*@(.*)$" or authority):sub(1, MOST_HOST)
  authority = authority:gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end)
  local address = authority:match "^%[([%x:.]+)%]"
  if address then return address end
  local host = authority:gsub("[^%w\x80-\xFF]+$", ""):gsub(":%d*$", ""):gsub("%.+$", "")
  return host ~= "" and host or nil
end

local function add(list, authority)
  local host = host_of(authority)
  if host then list[#list + 1] = host end
end

local AUTHORITY = "([^%s/\\?#\"'<>`|]+)"

-- Whether a link begins with what ends before `at`, and has these slashes. Browsers take one slash
-- for two, and backslashes, with the schemes of the web.
local function is_scheme(text, at, slashes)
  local scheme = text:sub(math.max(at - SCHEME, 1), at - 1):match "%a[%w+.-]*$"
  if not scheme then return false end
  return slashes == "//" or scheme:find "https?$" ~= nil
end

--- Hosts of "scheme://host", of "www.host", and, if asked for, of "host.tld".
---@param text string
---@param is_bare boolean
---@return string[]
function hosts.of(text, is_bare)
  local list = {}
  text = fold.narrow(text)
  for at, slashes, authority in text:gmatch("():([/\\]+)" .. AUTHORITY) do
    if is_scheme(text, at, slashes) then add(list, authority) end
  end
  for authority in text:gmatch "%f[%w](www%.[^%s/\\?#\"'<>`|]+)" do add(list, authority) end
  if not is_bare then return list end
  for name in text:gmatch "[%w\x80-\xFF][%w\x80-\xFF.-]*" do
    name = #name <= MOST_HOST and name:gsub("[.-]+$", "") or ""
    if name:find "%.%a%a+$" then add(list, name) end
  end
  return list
end

--- Whether a host is one of these, or below one.
---@param host string
---@param set table<string, boolean>
---@return boolean
function hosts.is_of(host, set)
  local at = 1
  repeat
    if set[host:sub(at)] then return true end
    at = (host:find(".", at, true) or #host) + 1
  until at > #host
  return false
end

--- A list of hosts as a set; "*.example.com" is "example.com" with all that is below, as each is.
---@param list string[]
---@return table<string, boolean>
function hosts.set(list)
  local set = {}
  for _, host in ipairs(list) do
    set[fold.narrow(host):gsub("^%*%.", ""):gsub("^%.", ""):gsub("%.$", "")] = true
  end
  return set
end

return hosts
