-- mute, ban, moderated, members_only: lists of users that moderators change.
local policy_box = require "spec.support.policy_box"

describe("policies about single users", function()
  local box

  local function load(name, options)
    options = options or {}
    options.moderators = options.moderators or { "mod" }
    box = policy_box.load(name, options)
  end

  local function allows(request, event) assert.same({ "allow" }, { box:judge(request, event) }) end
  local function rejects(reason, request, event)
    assert.same({ "reject", reason }, { box:judge(request, event) })
  end
  local function mod(text) return { user = "mod", text = text } end

  after_each(function()
    assert.same({}, box.failures)
    box:close()
  end)

  describe("mute", function()
    it("lets moderators mute users, for a time or until they are unmuted", function()
      load "mute"
      allows "hi"
      allows(mod "!mute ann 10m spam and more")
      rejects("you are muted for another 10m (spam and more)", "hi")
      allows({ text = nil }, "subscribe")
      allows { user = "bob", text = "hi" }
      allows { room = "other", text = "hi" }
      box:pass(595)
      rejects("you are muted for another 5s (spam and more)", "hi")
      box:pass(5)
      allows "hi"
      allows(mod '!mute ann')
      box:pass(100000)
      rejects("you are muted", "hi")
      allows(mod "!unmute ann")
      allows "hi"
      assert.same({ "info: mod: !mute ann 10m spam and more", "info: mod: !mute ann ",
        "info: mod: !unmute ann" }, box.log)
    end)

    it("keeps it in the room's store", function()
      load "mute"
      allows(mod "!mute ann because")
      box:reload { moderators = { "mod" } }
      rejects("you are muted (because)", "hi")
      allows(mod "!unmute ann")
      box:reload { moderators = { "mod" } }
      allows "hi"
    end)

    it("obeys nobody else", function()
      load "mute"
      rejects("!mute is for moderators", "!mute bob")
      rejects("!unmute is for moderators", "!unmute bob")
      allows "!muted is no command"
      allows "say !mute bob"
      rejects("mod is a moderator", mod "!mute mod")
    end)

    it("says how a command is used", function()
      load "mute"
      rejects("usage: !mute USER [10m] [reason]", mod "!mute")
      rejects("usage: !mute USER [10m] [reason]", mod "!mute  ")
      rejects("usage: !unmute USER", mod "!unmute")
      rejects("!unmute: bob is not on the list", mod "!unmute bob")
      rejects("usage: !mute USER [10m] [reason]", mod("!mute x" .. (" "):rep(60000) .. "y"))
    end)

    it("takes names with spaces, and reasons that begin like times", function()
      load "mute"
      allows(mod '!mute "ann lee" 1h30m')
      rejects("you are muted for another 1h30m", { user = "ann lee", text = "hi" })
      allows(mod "!mute ann 10 minutes too many")
      rejects("you are muted (10 minutes too many)", "hi")
    end)

    it("cuts reasons between characters", function()
      load "mute"
      allows(mod("!mute ann x" .. ("é"):rep(300) .. "  "))
      rejects(("you are muted (x%s)"):format(("é"):rep(99)), "hi")
    end)

    it("does nothing for what is only explained, or judged again", function()
      load "mute"
      local explained, again = mod "!mute ann", mod "!mute ann"
      explained.is_explained, again.is_again = true, true
      allows(explained)
      allows(again)
      allows "hi"
    end)

    it("forgets what has ended, and tells when the list is full", function()
      load "mute"
      for index = 1, 200 do allows(mod(("!mute %s%d 1m"):format(("u"):rep(300), index))) end
      local verdict, reason
      repeat
        verdict, reason = box:judge(mod(("!mute %s%d 1m"):format(("v"):rep(300), math.random(1e9))))
      until verdict == "reject"
      assert.equal("the list of !mute is full", reason)
      box:pass(60)
      allows(mod "!mute ann 1m")
      local users = {}
      for user in pairs(box.stores.chatty) do users[#users + 1] = user end
      assert.same({ "ann" }, users)
    end)

    it("mutes in all rooms if asked to, and who is always muted", function()
      load("mute", { everywhere = true, users = { "troll" } })
      allows(mod "!mute ann")
      rejects("you are muted", { room = "other", text = "hi" })
      assert.is_string(box.stores[false].ann)
      rejects("you are muted", { user = "troll", text = "hi" })
    end)
  end)

  describe("ban", function()
    it("refuses messages and joins", function()
      load "ban"
      allows({}, "subscribe")
      allows(mod "!ban ann 1d spam")
      rejects("you are banned for another 1d (spam)", "hi")
      rejects("you are banned for another 1d (spam)", {}, "subscribe")
      allows({ user = "bob" }, "subscribe")
      allows({ user = "mod" }, "subscribe")
      allows(mod "!unban ann")
      allows({}, "subscribe")
      rejects("!ban is for moderators", "!ban mod")
    end)
  end)

  describe("moderated", function()
    it("lets those speak who have a voice", function()
      load("moderated", { voiced = { "carl" } })
      rejects("the room is moderated: you have no voice", "hi")
      allows({}, "subscribe")
      allows(mod "hi")
      allows { user = "carl", text = "hi" }
      allows(mod "!voice ann 5m")
      allows "hi"
      box:pass(300)
      rejects("the room is moderated: you have no voice", "hi")
    end)
  end)

  describe("members_only", function()
    it("lets members join and speak", function()
      load("members_only", { members = { "carl" } })
      rejects("the room is for members only", {}, "subscribe")
      rejects("the room is for members only", "hi")
      allows({ user = "carl" }, "subscribe")
      allows(mod "!member ann")
      allows({}, "subscribe")
      allows "hi"
      allows(mod "!unmember ann")
      rejects("the room is for members only", "hi")
    end)

    it("lets all join if asked to", function()
      load("members_only", { joins = false })
      allows({}, "subscribe")
      rejects("the room is for members only", "hi")
    end)
  end)
end)
