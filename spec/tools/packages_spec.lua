local program = require "spec.support.program"

local function bash(script)
  return program.run { "bash", "-c", ". tools/steps.sh; . tools/packages.sh; " .. script }
end

describe("tools/packages.sh", function()
  it("names a package of every feature on every family of systems", function()
    local result = bash [[
      for family in 2 3 4 5 6 7; do
        for feature in "${BUILD_FEATURES[@]}" "${TEST_FEATURES[@]}" \
          "${DIFFERENTIAL_FEATURES[@]}"; do
          [ -n "$(package_of "$feature")" ] || echo "$feature has none on $family"
        done
      done]]
    assert.same({ status = 0, stdout = "", stderr = "" }, result)
  end)

  it("finds what this machine has", function()
    local result = bash [[
      for feature in "${BUILD_FEATURES[@]}" "${TEST_FEATURES[@]}"; do
        has_feature "$feature" || echo "no $feature"
      done
      has_feature no-such-program && echo "no-such-program?"]]
    assert.equal("", result.stdout)
  end)

  local INSTALL = {
    fedora = "dnf install hiredis-devel lua-argparse",
    arch = "pacman -S hiredis lua54-argparse",
    alpine = "apk add hiredis-dev lua5.4-argparse",
    ["opensuse-tumbleweed opensuse suse"] = "zypper install hiredis-devel lua54-argparse",
    darwin = "brew install hiredis",
  }

  -- The machine has everything: three features are made to be missing.
  local function provide_on(system)
    return bash(([[
      find_family() { use_family "%s"; }
      has_feature() { case $1 in hiredis | argparse | busted) return 1 ;; esac; }
      provide /dev/null "${BUILD_FEATURES[@]}" "${TEST_FEATURES[@]}"
      echo unreachable]]):format(system))
  end

  it("tells what to install where it cannot, by that system's names, and fails", function()
    for system, line in pairs(INSTALL) do
      local result = provide_on(system)
      assert.equal(1, result.status)
      assert.matches("missing: hiredis argparse busted\n", result.stdout, 1, true)
      assert.matches(line .. "\n", result.stdout, 1, true)
      assert.matches("luarocks --lua-version=5.4 install", result.stdout, 1, true)
    end
  end)

  it("names what is missing on a system that it does not know", function()
    local result = provide_on("plan9")
    assert.equal(1, result.status)
    assert.matches("missing: hiredis argparse busted\n", result.stdout, 1, true)
  end)
end)
