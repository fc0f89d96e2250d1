-- MOONPOOL_VERSION in core/include/moonpool.h is the one place where the version is written; what
-- else has to name it agrees with it.
local scratch = require "spec.support.scratch"

describe("the version", function()
  local version = scratch.read "core/include/moonpool.h":match '#define MOONPOOL_VERSION "([%d.]+)"'

  local function rockspec(name, of)
    local it = {}
    assert(loadfile(("rockspec/%s-%s-1.rockspec"):format(name, of), "t", it))()
    return it
  end

  for _, name in ipairs { "moonpool", "moonpool-gateway" } do
    it("is that of the rockspec of " .. name, function()
      local release = rockspec(name, version)
      assert.equal(name, release.package)
      assert.equal(version .. "-1", release.version)
      assert.equal("v" .. version, release.source.tag)
    end)

    it("is all in which the rockspec of " .. name .. " differs from scm's", function()
      local release, scm = rockspec(name, version), rockspec(name, "scm")
      assert.equal("scm-1", scm.version)
      assert.equal(scm.source.url, release.source.url)
      scm.version, release.version = nil, nil
      scm.source, release.source = nil, nil
      for index, dependency in ipairs(scm.dependencies) do
        scm.dependencies[index] = dependency:gsub("scm%-1$", version .. "-1")
      end
      assert.same(scm, release)
    end)
  end

  it("has its section in the changelog", function()
    local log = scratch.read "CHANGELOG.md"
    local unreleased = log:match "\n## %[Unreleased%]\n(.-)\n## %["
      or log:match "\n## %[Unreleased%]\n(.*)"
    local is_announced = unreleased and unreleased:find(("Becomes %s."):format(version), 1, true)
    assert.truthy(is_announced or log:find(("\n## [%s]"):format(version), 1, true))
  end)

  it("is that of the module and of the program", function()
    assert.equal(version, require "moonpool".version)
    assert.equal("moonpool " .. version, scratch.shell "bin/moonpool version":match "^[^\n,(]*%d")
  end)
end)
