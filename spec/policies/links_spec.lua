local policy_box = require "spec.support.policy_box"

describe("the policy links", function()
  local box

  local function load(options) box = policy_box.load("links", options) end
  local function allows(request) assert.same({ "allow" }, { box:judge(request) }) end
  local function rejects(host, request)
    assert.same({ "reject", ("links to %s are not allowed here"):format(host) },
      { box:judge(request) })
  end

  after_each(function()
    assert.same({}, box.failures)
    box:close()
  end)

  it("allows none by itself", function()
    load()
    allows "no link: at 12:30, 1/2, a//b, www, e.g. file.lua"
    rejects("example.com", "see http://example.com/x")
    rejects("example.com", "HTTPS://EXAMPLE.COM")
    rejects("www.example.com", "(www.example.com)")
    rejects("example.com", "ftp://example.com.")
    rejects("2001:db8::1", "http://[2001:db8::1]:80/")
  end)

  it("sees the host that a browser would go to", function()
    load { allow = { "good.com" } }
    allows "http://good.com/evil.com http://sub.good.com:8080/#x https://GOOD.com."
    rejects("evil.com", "http://good.com@evil.com/")
    rejects("evil.com", "http://good.com:80@evil.com:81")
    rejects("notgood.com", "http://notgood.com")
    rejects("good.com.evil.com", "http://good.com.evil.com")
    rejects("evil.com", [[http:\\evil.com\good.com]])
    rejects("evil.com", "http:/evil.com https:///good.com")
    rejects("evil.com", "http://%65vil.com")
    rejects("evil.com", "http://evil。com http://ｅvil.com")
    rejects("gооd.com", "http://gооd.com") -- with Cyrillic letters
  end)

  it("denies hosts, and those that look like them", function()
    load { deny = { "evil.com", "*.bad.org" }, allow = { "docs.evil.com" } }
    allows "http://example.com http://docs.evil.com"
    rejects("evil.com", "http://example.com http://evil.com")
    rejects("a.bad.org", "http://a.bad.org")
    rejects("еvil.com", "http://еvil.com") -- with a Cyrillic letter
  end)

  it("finds bare names if asked to", function()
    load { bare = true }
    rejects("example.com", "go to example.com, now")
    rejects("a.example.co.uk", "a.example.co.uk/x")
    allows "1.5 e.g. and so on... 3.x"
  end)

  it("makes newcomers wait", function()
    load { newcomers = 600 }
    local function waits(time, request)
      assert.same({ "reject", "no links yet: you are new here; wait " .. time },
        { box:judge(request) })
    end
    waits("10m", "http://a.com")
    box:pass(300)
    allows "hello"
    waits("5m", "http://a.com")
    waits("10m", { user = "bob", text = "http://a.com" })
    box:pass(300)
    allows "http://a.com"
    allows { text = "http://a.com", is_explained = true }
    waits("10m", { room = "other", text = "http://a.com" })
    box:reload { newcomers = 600 }
    allows "http://a.com"
  end)

  it("keeps nothing of what is only explained", function()
    load { newcomers = 600 }
    box:judge { text = "hi", is_explained = true }
    assert.same({}, box.stores)
    box:judge { text = "hi" }
    assert.is_string(box.stores.chatty.ann)
  end)

  it("forgets those newcomers first who have not spoken for longest", function()
    load { newcomers = 600, deny = {} }
    box:judge { user = "first", text = "hi" }
    box:pass(600)
    for index = 1, 1000 do box:judge { user = "u" .. index, text = "hi" } end
    local count = 0
    for _ in pairs(box.stores.chatty) do count = count + 1 end
    assert.is_true(count <= 1000 and count > 800, count)
    assert.is_nil(box.stores.chatty.first)
    assert.is_string(box.stores.chatty.u1000)
  end)
end)
