-- gateway.token against openssl, and what it refuses.
local gateway = require "moonpool.gateway"
local moonpool = require "moonpool"
local scratch = require "spec.support.scratch"

local SECRET = "0123456789abcdef0123456789abcdef"

local function shell(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read "a"
  pipe:close()
  return output
end

-- What follows the last dot, as openssl computes it.
local function signature(text)
  local command = "printf %%s %s | openssl dgst -sha256 -hmac %s -binary | basenc --base64url"
  return (shell(command:format(scratch.quote(text), scratch.quote(SECRET))):gsub("[=\n]", ""))
end

local function decode(part)
  local text = part .. ("="):rep(-#part % 4)
  return moonpool.json.decode(shell(("printf %%s %s | basenc -d --base64url"):format(
    scratch.quote(text))))
end

-- The programs that docs/gateway.md gives, by what runs them.
local function examples()
  local file = assert(io.open "docs/gateway.md")
  local page = file:read "a"
  file:close()
  local lua = ("LUA_PATH=%s LUA_CPATH=%s lua5.4 -"):format(scratch.quote(package.path),
    scratch.quote(package.cpath))
  local runners = { lua = lua, python = "python3 -", sh = "sh" }
  local found = {}
  for language, code in page:gmatch "\n```(%l+)\n(.-)\n```" do
    local runner = code:find("SECRET", 1, true) and runners[language]
    if runner then
      found[language] = ("printf %%s %s | SECRET=%s %s"):format(scratch.quote(code), SECRET, runner)
    end
  end
  return found
end

describe("gateway.token", function()
  it("makes a JWT that others read", function()
    local token = assert(gateway.token(SECRET,
      { sub = "ann", rooms = { "team-*" }, exp = 2000000000 }))
    local header, claims, signed = token:match "^([%w_-]+)%.([%w_-]+)%.([%w_-]+)$"
    assert.are.same({ alg = "HS256", typ = "JWT" }, decode(header))
    assert.are.same({ sub = "ann", rooms = { "team-*" }, exp = 2000000000 }, decode(claims))
    assert.are.equal(signature(header .. "." .. claims), signed)
  end)

  it("lasts an hour when nothing else is said, and keeps an empty list of rooms a list", function()
    local before = os.time()
    local token = assert(gateway.token(SECRET, { sub = "bob", rooms = {} }))
    local claims = shell(("printf %%s== %s | basenc -d --base64url 2>/dev/null"):format(
      token:match "%.([%w_-]+)%."))
    local expires = math.tointeger(claims:match '"exp":(%d+)')
    assert.is_true(expires >= before + 3600 and expires <= os.time() + 3600)
    assert.is_truthy(claims:find('"rooms":[]', 1, true))
  end)

  it("refuses a short secret and an endless token, and raises without a user", function()
    assert.are.same({ nil, "a secret has at least 32 bytes", "EARG" },
      { gateway.token("secret", { sub = "ann" }) })
    assert.are.equal("ETOOBIG", select(3, gateway.token(SECRET, { sub = ("a"):rep(8000) })))
    assert.has_error(function() gateway.token(SECRET, { rooms = { "*" } }) end,
      "gateway.token: claims with a sub, the user's name, are needed")
  end)

  it("makes what docs/gateway.md makes in Lua, Python and the shell", function()
    local count = 0
    for language, command in pairs(examples()) do
      local text, signed = shell(command):match "^([%w_-]+%.[%w_-]+)%.([%w_-]+)\n$"
      assert.is_truthy(text, language)
      assert.are.equal(signature(text), signed, language)
      local claims = decode(text:match "%.(.*)")
      assert.are.equal("ann", claims.sub)
      assert.is_true(claims.exp > os.time())
      count = count + 1
    end
    assert.are.equal(3, count)
  end)
end)
