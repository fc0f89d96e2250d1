-- What the gateway serves of core/gateway/page: the files as they are, what keeps browsers from
-- fetching them again, and from doing with them what they should not.
local gateway_run = require "spec.support.gateway_run"
local scratch = require "spec.support.scratch"
local socket = require "socket"

local FOLDER = "core/gateway/page"
local TYPES = {
  html = "text/html", js = "text/javascript", css = "text/css", svg = "image/svg+xml",
}

-- Answers the status, the header (by names in lower case) and the body.
local function request(address, method, path, more)
  local host, port = address:match "^(.*):(%d+)$"
  local tcp = assert(socket.connect(host, tonumber(port)))
  tcp:settimeout(10)
  assert(tcp:send(("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n"):format(method, path,
    address, more or "")))
  local text = assert(tcp:receive "*a")
  tcp:close()
  local head, body = text:match "^(.-\r\n)\r\n(.*)$"
  local header = {}
  for name, value in head:gmatch "([%w-]+): ([^\r]*)\r\n" do header[name:lower()] = value end
  return tonumber(head:match "^HTTP/1.1 (%d+)"), header, body
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local function file_names()
  local names = {}
  for name in scratch.shell("ls " .. FOLDER):gmatch "[^\n]+" do names[#names + 1] = name end
  return names
end

describe("the gateway's page", function()
  local run

  setup(function() run = gateway_run.open {} end)
  teardown(function() if run then run:close() end end)

  it("is what is in the source tree, with its type, and a policy for what it may do", function()
    local names = file_names()
    assert.is_true(#names >= 10)
    for _, name in ipairs(names) do
      local status, header, body = request(run.address, "GET", "/" .. name)
      assert.equal(200, status, name)
      assert.is_true(body == read(FOLDER .. "/" .. name), name)
      assert.equal(TYPES[name:match "%.(%l+)$"], header["content-type"]:match "^[^;]*", name)
      assert.equal("nosniff", header["x-content-type-options"])
      local policy = header["content-security-policy"]
      for _, rule in ipairs { "default-src 'none'", "script-src 'self'", "style-src 'self'",
        "connect-src 'self'", "base-uri 'none'", "frame-ancestors 'none'" } do
        assert.is_truthy(policy:find(rule, 1, true), name .. ": " .. rule)
      end
      assert.is_nil(policy:find "unsafe")
      assert.equal(name == "moonpool.js" and "*" or nil, header["access-control-allow-origin"])
    end
    local _, _, index = request(run.address, "GET", "/")
    assert.is_true(index == read(FOLDER .. "/index.html"))
  end)

  it("is not sent again to who has it", function()
    for _, name in ipairs(file_names()) do
      local _, header, body = request(run.address, "HEAD", "/" .. name)
      assert.equal("", body)
      assert.equal(#read(FOLDER .. "/" .. name), tonumber(header["content-length"]))
      assert.equal("no-cache", header["cache-control"])
      local known = ("If-None-Match: %s\r\n"):format(header.etag)
      local status, again, nothing = request(run.address, "GET", "/" .. name, known)
      assert.same({ 304, header.etag, "" }, { status, again.etag, nothing })
      assert.equal(200, (request(run.address, "GET", "/" .. name, 'If-None-Match: "other"\r\n')))
    end
  end)

  it("asks for nothing that the policy forbids, and names no address but its own files", function()
    local is_there = {}
    for _, name in ipairs(file_names()) do is_there[name] = true end
    local html = read(FOLDER .. "/index.html")
    assert.is_nil(html:find "%sstyle%s*=")
    assert.is_nil(html:find "%son%l+%s*=")
    assert.is_nil(html:find "<script>")
    for name in html:gmatch '[sh][rc][ce]f?="([^"#]+)"' do assert.is_true(is_there[name], name) end
    for name in pairs(is_there) do
      if name:find "%.js$" then
        local source = read(FOLDER .. "/" .. name)
        for _, word in ipairs { "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
          "eval(", "new Function" } do
          assert.is_nil(source:find(word, 1, true), name .. ": " .. word)
        end
        for other in source:gmatch 'from "%./([^"]+)"' do assert.is_true(is_there[other], other) end
      end
    end
  end)
end)
