local json = require("moonpool").json
local scratch = require "spec.support.scratch"
local new_session = require "spec.support.session"
local supervised = require "spec.support.supervised"

-- The ops of a host, as far as programs see them: it tells what it is asked.
local OPS = [[
local json = moonpool.json
local counted = 0
local function tell_request(request)
  request.ref = nil
  if request.key and #request.key == 32 then request.key = "random" end
  tell(json.encode(request, { sort = true }))
end
serve {
  ps = function()
    return { name = "main", pid = 7, scripts = {
      { name = "dice", kind = "bot", state = "running", events = 12, errors = 0, cpu = 0.514,
        memory = 90 * 1024, restarts = 0, queue = 3 },
      { name = "slow", kind = "policy", state = "set aside", events = 100, errors = 5, cpu = 61,
        memory = 2 << 20, restarts = 2, queue = 0, reason = "stuck\nmore", retry_in = 19.7 },
    } }
  end,
  reload = function(request)
    tell_request(request)
    if request.script == "none" then return nil, 'no script is named "none"', "EARG" end
    if request.script then return { scripts = { { name = request.script } } } end
    return { scripts = { { name = "dice" }, { name = "slow", error = "slow.lua:3: bad" } } }
  end,
  explain = function(request)
    tell_request(request)
    return { { policy = "length", verdict = "allow", is_again = false },
      { policy = "caps", verdict = "rewrite", text = "quiet", is_again = false },
      { policy = "length", verdict = "allow", is_again = true },
      request.text and { policy = "links", verdict = "reject", reason = "no links" } }
  end,
  join = function(request)
    tell_request(request)
    if request.user == "eve" then return nil, "you are banned until noon", "EREJECTED" end
  end,
  say = function(request)
    tell_request(request)
    if request.text == "die" and not os.rename("dead", "gone") then
      assert(io.open("dead", "w")):close()
      os.exit(1)
    end
    if request.text == "SHOUT" then return nil, "no shouting", "EREJECTED" end
    counted = counted + 1
    if request.text == "half" then return nil, "not replicated", "EPARTIAL", "id-" .. counted end
    return "id-" .. counted
  end,
}
worker:ready()
]]

describe("a running host", function()
  local session = new_session(before_each, after_each)
  local folder, socket, host

  before_each(function()
    folder = scratch.folder()
    socket = folder .. "/host.sock"
    host = supervised.start(("{ control = %q }"):format(socket), OPS, { cwd = folder })
    supervised.next_worker(host)
    session.keep(host)
  end)

  local function with_host(options)
    options.env = { REDIS_URL = session.server.url, MOONPOOL_CONTROL = socket }
    return options
  end

  local function run(options) return session.run(with_host(options)) end

  -- The next request of which the host has told.
  local function request() return assert(json.decode((host:expect "^{"))) end

  it("is looked at by ps", function()
    local result = run { "ps" }
    assert.same({ 0, "" }, { result.status, result.stderr })
    assert.equal([[
SCRIPT  KIND    STATE      EVENTS  ERRORS      CPU   MEMORY  RESTARTS  QUEUE
dice    bot     running        12       0   0.51 s   90 KiB         0      3
slow    policy  set aside     100       5  61.00 s  2.0 MiB         2      0  stuck; again in 20 s
]], result.stdout)
    local lines = {}
    for line in run({ "ps", "--json" }).stdout:gmatch "[^\n]+" do
      lines[#lines + 1] = assert(json.decode(line))
    end
    assert.same({ 3, "main", "dice", 19.7 },
      { #lines, lines[1].name, lines[2].name, lines[3].retry_in })
  end)

  it("is told to reload", function()
    local result = run { "reload" }
    assert.same({ 1, "reloaded dice\n", "moonpool reload: slow: slow.lua:3: bad\n" },
      { result.status, result.stdout, result.stderr })
    assert.same({ op = "reload" }, request())
    assert.same({ 0, "reloaded dice\n" }, { run({ "reload", "dice" }).status, result.stdout })
    result = run { "reload", "none", "--control", socket }
    assert.same({ 1, 'moonpool reload: no script is named "none"\n' },
      { result.status, result.stderr })
  end)

  it("explains what its policies say", function()
    local result = run { "explain", "lobby", "--as", "ann", "QUIET" }
    assert.equal("length: allow\ncaps: rewrite: quiet\nlength (again): allow\n"
      .. "links: reject: no links\n", result.stdout)
    assert.equal(1, result.status)
    assert.same({ op = "explain", room = "lobby", user = "ann", text = "QUIET" }, request())
    assert.equal(0, run({ "explain", "lobby", "--as", "ann" }).status)
    assert.same({ op = "explain", room = "lobby", user = "ann" }, request())
  end)

  it("judges what say says", function()
    local result = run { "say", "a", "hi \xFF", "--as", "ann", "--key", "k", "--action", "--keep",
      "5" }
    assert.same({ 0, "id-1\n", "" }, { result.status, result.stdout, result.stderr })
    assert.same({ op = "say", room = "a", user = "ann", text = "hi \u{FFFD}", type = "action",
      key = "k", options = { keep = 5 } }, request())
    result = run { "say", "a", "--as", "ann", stdin = "one\nhalf\nthree\nSHOUT\n" }
    assert.same({ 1, "id-2\nid-3\nid-4\n" }, { result.status, result.stdout })
    assert.equal("moonpool say: line 2: not replicated\nmoonpool say: line 4: no shouting\n",
      result.stderr)
    for _, text in ipairs { "one", "half", "three" } do assert.equal(text, request().text) end
    assert.equal(0, session.server:call("EXISTS", "{room:a}:log"))
  end)

  it("is waited for when it is started anew", function()
    local result = run { "say", "a", "die", "--as", "ann" }
    assert.same({ 0, "id-1\n", "" }, { result.status, result.stdout, result.stderr })
    local first, second = request(), request()
    assert.same(first, second)
    assert.equal("random", first.key)
  end)

  it("judges who joins and what is said in chat", function()
    local eve = run { "chat", "lobby", "--as", "eve" }
    assert.same({ 1, "moonpool chat: cannot enter lobby: you are banned until noon\n" },
      { eve.status, eve.stderr })
    local ann = session.start(with_host { "chat", "lobby", "--as", "ann", stdin = "pipe" })
    ann:write "hi\nSHOUT\n"
    ann:expect_error "^moonpool chat: not sent: no shouting$"
    assert.same({ op = "join", room = "lobby", user = "eve" }, request())
    assert.same({ op = "join", room = "lobby", user = "ann" }, request())
    assert.equal("hi", request().text)
    host:stop()
    ann:write "by myself\n"
    scratch.wait_until(function()
      return session.server:call("XLEN", "{room:lobby}:log") == 1
    end)
    ann:write "/quit\n"
    assert.equal(1, ann:wait())
  end)

  it("is named as missing where there is none", function()
    host:stop()
    assert.is_nil(scratch.read(socket))
    for _, words in ipairs { { "ps" }, { "reload" }, { "explain", "a", "--as", "ann" } } do
      local result = run(words)
      assert.equal(1, result.status)
      assert.equal(("moonpool %s: no host runs for %s: nobody listens at %s "
        .. "(`moonpool run` starts one)\n"):format(words[1], session.server.url, socket),
        result.stderr)
    end
  end)
end)
