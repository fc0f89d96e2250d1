local program = require "spec.support.program"

describe("moonpool version", function()
  it("tells what the program is made of", function()
    local result = program.run_moonpool { "version" }
    assert.equal(0, result.status)
    assert.matches("^moonpool %d+%.%d+%.%d+\nhiredis %d+%.%d+%.%d+, RESP[23]\nlibuv %d+%.%d+%.%d+\n"
      .. "[^\n]+\nLua 5%.%d\n$", result.stdout)
  end)

  it("tells it to programs", function()
    local json = require("moonpool").json
    local result = program.run_moonpool { "version", "--json" }
    local found = assert(json.decode(result.stdout))
    assert.equal(require("moonpool").version, found.version)
    assert.equal("string", type(found.hiredis))
    assert.is_true(found.resp == 2 or found.resp == 3)
    assert.equal("string", type(found.libuv))
    assert.equal(require("moonpool").features.tls, found.tls)
    assert.equal("5.", found.lua:sub(1, 2))
  end)

  it("has a short form", function()
    assert.matches("^moonpool %d[%d.]+\n$", program.run_moonpool({ "--version" }).stdout)
  end)
end)
