local places = require "moonpool.private_redis.places"
local scratch = require "spec.support.scratch"
local system = require("moonpool.core").system

describe("private_redis.places", function()
  local folder, variables

  before_each(function()
    folder = scratch.folder()
    scratch.shell(("mkdir -m 700 %s/run"):format(folder))
    variables = { XDG_RUNTIME_DIR = folder .. "/run", XDG_STATE_HOME = folder .. "/state" }
  end)

  local function find()
    return places.find(function(name) return variables[name] end)
  end

  local fallback = ("/tmp/moonpool-%d/redis.sock"):format(system.getuid())

  it("keeps the socket in the runtime folder and all else in the state folder", function()
    local found = assert(find())
    assert.equal(folder .. "/run/moonpool/redis.sock", found.socket)
    for name, path in pairs(found) do
      if name ~= "socket" then
        assert.equal(folder .. "/state/moonpool/redis", path:sub(1, #folder + 21))
      end
    end
  end)

  it("makes folders that only their owner can open", function()
    find()
    for _, path in ipairs { "/run/moonpool", "/state", "/state/moonpool/redis" } do
      assert.equal(448, system.stat(folder .. path).mode)
    end
  end)

  it("takes the home folder when XDG_STATE_HOME is not set, empty or relative", function()
    variables.HOME = folder .. "/home"
    for _, value in ipairs { false, "", "state" } do
      variables.XDG_STATE_HOME = value or nil
      assert.equal(folder .. "/home/.local/state/moonpool/redis", assert(find()).state)
    end
  end)

  it("says so when there is neither", function()
    variables.XDG_STATE_HOME = nil
    local found, message, code = find()
    assert.is_nil(found)
    assert.matches("neither XDG_STATE_HOME nor HOME is set", message)
    assert.equal("ESYS", code)
  end)

  it("takes /tmp when XDG_RUNTIME_DIR is not set or not usable", function()
    scratch.write(folder .. "/file", "")
    for _, value in ipairs { false, "", "run", folder .. "/none", folder .. "/file" } do
      variables.XDG_RUNTIME_DIR = value or nil
      assert.equal(fallback, assert(find()).socket)
    end
  end)

  it("does not follow a link in the place of its runtime folder", function()
    scratch.shell(("mkdir -m 700 %s/elsewhere; ln -s ../elsewhere %s/run/moonpool"):format(
      folder, folder))
    assert.equal(fallback, assert(find()).socket)
  end)

  it("follows a state folder that was moved elsewhere", function()
    scratch.shell(("mkdir -m 700 %s/elsewhere; mkdir -p %s/state/moonpool; "
      .. "ln -s ../../elsewhere %s/state/moonpool/redis"):format(folder, folder, folder))
    assert.equal(folder .. "/elsewhere", assert(find()).state)
  end)

  it("names the folder that it cannot make", function()
    scratch.write(folder .. "/state", "")
    local found, message = find()
    assert.is_nil(found)
    assert.equal(("make the directory %s/state: Not a directory"):format(folder), message)
  end)
end)
