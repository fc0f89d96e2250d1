local control_place = require "moonpool.host.control_place"
local scratch = require "spec.support.scratch"
local system = require("moonpool.core").system

describe("control_place", function()
  local folder, path

  before_each(function()
    folder = scratch.folder()
    path = folder .. "/host.sock"
  end)

  it("is one for each Redis, whatever the password", function()
    system.mkdir(folder .. "/run")
    local function getenv(name) return name == "XDG_RUNTIME_DIR" and folder .. "/run" or nil end
    local plain = assert(control_place.path("redis://localhost", nil, getenv))
    assert.matches("^/run/moonpool/host%-%x+%.sock$", plain:sub(#folder + 1))
    for _, same in ipairs { "redis://:secret@localhost", "REDIS://LOCALHOST:6379/",
      "redis://localhost/0" } do
      assert.equal(plain, control_place.path(same, nil, getenv))
    end
    for _, other in ipairs { "redis://localhost/1", "redis://localhost:6380", "rediss://localhost",
      "unix:///localhost", "redis://ann@localhost" } do
      assert.not_equal(plain, control_place.path(other, nil, getenv))
    end
    assert.equal(plain, control_place.path("redis://localhost", "main", getenv))
    assert.not_equal(plain, control_place.path("redis://localhost", "second", getenv))
  end)

  it("has a URL that can be shown", function()
    for url, shown in pairs {
      ["redis://ann:p@ss@Host:6379/2"] = "redis://ann@host/2",
      ["redis+sentinel://:x@a:1,b:2/main"] = "redis+sentinel://a:1,b:2/main",
      ["unix:///tmp/Redis.sock"] = "unix:///tmp/Redis.sock",
    } do
      assert.equal(shown, control_place.public_url(url))
    end
  end)

  it("is held by one at a time, and says by whom", function()
    local fd = assert(control_place.claim(path))
    assert.equal(384, system.stat(path).mode) -- 0600
    local second, who = control_place.claim(path)
    assert.is_false(second)
    assert.equal("process " .. system.getpid(), who)
    control_place.release(path, fd)
    assert.is_nil(system.stat(path))
    control_place.release(path, assert(control_place.claim(path)))
  end)

  it("is taken over from a host that is dead", function()
    system.close_descriptor(assert(control_place.claim(path)))
    assert.equal("socket", system.stat(path).type)
    control_place.release(path, assert(control_place.claim(path)))
  end)

  it("is never something else that is there", function()
    scratch.write(path, "precious")
    local fd, message, code = control_place.claim(path)
    assert.same({ nil, path .. " is a file, no socket", "ESYS" }, { fd, message, code })
    assert.equal("precious", scratch.read(path))
    assert.is_nil((control_place.claim(folder .. "/missing/host.sock")))
  end)
end)
