local guest_box = require "spec.support.guest_box"

describe("guest commands", function()
  after_each(guest_box.close_all)

  local ECHO = [[
    bot:command("echo", function(message, args)
      message:reply(("%d<%s>%s"):format(#args, table.concat(args, "|"), args.text))
    end)
  ]]

  it("get the words after them", function()
    local box = guest_box.bot(ECHO)
    for text, wanted in pairs {
      ["!echo"] = "0<>",
      ["!ECHO  two   words  "] = "2<two|words>two   words",
      ['!echo "two words" three'] = '2<two words|three>"two words" three',
      ['!echo a"b c"d ""'] = '3<a"b|c"d|>a"b c"d ""',
      ['!echo "a \\"b\\" \\\\c" \\d'] = '2<a "b" \\c|\\d>"a \\"b\\" \\\\c" \\d',
      ['!echo "a\\x b"c'] = '2<a\\x b|c>"a\\x b"c',
      ['!echo "not closed'] = '2<"not|closed>"not closed',
      ['!echo "a" "b \\" c'] = '4<a|"b|\\"|c>"a" "b \\" c',
      ["!echo\tone\ntwo"] = "2<one|two>one\ntwo",
    } do
      box:say("ann", text)
      assert.same({ wanted }, box:texts())
    end
  end)

  it("are for messages of users, that begin with them", function()
    local box = guest_box.bot(ECHO)
    box:event("publish", box:message { user = "other", text = "!echo", bot = true })
    box:event("publish", box:message { user = "ann", text = "!echo", type = "action" })
    for _, text in ipairs { " !echo", "!echoes", "! echo", "!", "!!echo", "echo", "" } do
      box:say("ann", text)
    end
    assert.same({}, box:texts())
  end)

  it("come after the functions for the same message", function()
    local box = guest_box.bot [[
      bot:command("go", function(m) m:reply "command" end)
      bot:on("publish", function(m) m:reply "publish" end)
    ]]
    box:say("ann", "!go")
    assert.same({ "publish", "command" }, box:texts())
  end)

  it("may have aliases, and be added at any time", function()
    local box = guest_box.bot [[
      bot:command("add", function()
        bot:command("Later", { aliases = { "L", "l", "LL" } }, function(m) m:reply "later" end)
      end)
    ]]
    for _, text in ipairs { "!later", "!add", "!LATER", "!l", "!ll x" } do box:say("ann", text) end
    assert.same({ "later", "later", "later" }, box:texts())
  end)

  it("that fail are told", function()
    local box = guest_box.bot [[ bot:command("bad", function() error "no" end) ]]
    box:say("ann", "!bad")
    assert.matches("^command: script.lua:1: no\nstack traceback:", box.failures[1])
  end)

  it("take no time for texts that are made to be slow", function()
    local box = guest_box.bot(ECHO, { budget = 0.1 })
    for _, text in ipairs {
      "!echo" .. (" "):rep(60000) .. "x", "!echo " .. ('"a '):rep(20000),
      "!echo " .. ('\\"'):rep(30000), "!echo " .. ("a "):rep(30000), "!" .. ("a"):rep(60000),
      "!echo " .. ('"\\" '):rep(15000), "!echo" .. (" "):rep(60000), "!" .. ("! "):rep(30000),
    } do
      box:say("ann", text)
    end
    assert.same({}, box.failures)
    box:texts()
    box:say("ann", "!echo " .. ("x"):rep(70000)) -- too long for a command
    assert.same({}, box:texts())
  end)

  describe("help", function()
    local DICE = [[
      bot:command("roll", { usage = "[NdM]", help = "rolls dice", aliases = { "r" } }, print)
      bot:command("coin", { help = "tosses one" }, print)
      bot:command("plain", print)
    ]]

    local function help(script, text)
      local box = guest_box.bot(script)
      box:say("ann", text)
      return box:texts()
    end

    it("lists the commands, or explains one", function()
      assert.same({ "!coin: tosses one; !plain; !roll [NdM]: rolls dice" }, help(DICE, "!help"))
      assert.same({ "!roll [NdM]: rolls dice (also !r)" }, help(DICE, "!help roll"))
      assert.same({ "!roll [NdM]: rolls dice (also !r)" }, help(DICE, "!HELP !R"))
      assert.same({ "!plain" }, help(DICE, "!help plain x"))
    end)

    it("is silent about what is not the bot's", function()
      assert.same({}, help(DICE, "!help other"))
      assert.same({}, help(DICE, "!help help"))
      assert.same({}, help("", "!help"))
    end)

    it("is the script's when it has its own", function()
      local own = 'bot:command("help", function(m) m:reply "mine" end)\n'
      assert.same({ "mine" }, help(own .. DICE, "!help"))
      assert.same({ "mine" }, help(DICE .. own, "!help"))
    end)
  end)
end)
