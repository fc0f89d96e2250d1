local irc = require "moonpool.irc"

-- Lines as the logs of #ubuntu have them, and what they say.
local LINES = {
  { "[04:04] <jdub> usual: yes, because that's safe",
    { type = "message", user = "jdub", text = "usual: yes, because that's safe", minute = 244 } },
  { "[09:15] <|QuaD-> will: totem has caused me no troubles",
    { type = "message", user = "|QuaD-", text = "will: totem has caused me no troubles",
      minute = 555 } },
  { "[04:52] <]Alex[> \127\127 CIAOOO a tuTTi da  ]Alex[ \127",
    { type = "message", user = "]Alex[", text = "\127\127 CIAOOO a tuTTi da  ]Alex[ \127",
      minute = 292 } },
  { "[02:54] <dimeo> why doesn't \"rw,auto,user\t0\t0\" in my fstab",
    { type = "message", user = "dimeo", text = "why doesn't \"rw,auto,user\t0\t0\" in my fstab",
      minute = 174 } },
  { "[17:16] <sprung> \8<\8ubuntu_\8>\8 what is the xubuntu default login password?",
    { type = "message", user = "sprung", minute = 1036,
      text = "\8<\8ubuntu_\8>\8 what is the xubuntu default login password?" } },
  { "[02:44] <k_sze> between my LAN and my Xubunt\28u box.",
    { type = "message", user = "k_sze", text = "between my LAN and my Xubunt\28u box.",
      minute = 164 } },
  { "[04:49] <ubotu> Rodri: Si busca ayuda en español", -- UTF-8
    { type = "message", user = "ubotu", text = "Rodri: Si busca ayuda en español", minute = 289 } },
  { "[09:48] <neoxed>         BIST result: 00", -- spaces of the text's own
    { type = "message", user = "neoxed", text = "        BIST result: 00", minute = 588 } },
  { "[00:58] <yunhual> >\tcan i use fdisk", -- a text that starts with ">"
    { type = "message", user = "yunhual", text = ">\tcan i use fdisk", minute = 58 } },
  { "[07:22] <zcat[1] > yep", -- this logger wrote a space after each "]"
    { type = "message", user = "zcat[1] ", text = "yep", minute = 442 } },
  { "[07:22] <Guard] [an> hello",
    { type = "message", user = "Guard] [an", text = "hello", minute = 442 } },
  { "[09:43] <drcode>", { type = "message", user = "drcode", text = "", minute = 583 } },
  { "[11:25] <pirate> ", { type = "message", user = "pirate", text = "", minute = 685 } },
  { "[23:59] <a> [10:10] <b> quoted",
    { type = "message", user = "a", text = "[10:10] <b> quoted", minute = 1439 } },
  { "[00:00] <a> === b is now known as c",
    { type = "message", user = "a", text = "=== b is now known as c", minute = 0 } },
  { "[13:56]  * genii sips a coffee",
    { type = "action", user = "genii", text = "sips a coffee", minute = 836 } },
  { "[13:54]  * MinIRC  is hugging alexxxa2  and telling her",
    { type = "action", user = "MinIRC", text = " is hugging alexxxa2  and telling her",
      minute = 834 } },
  { "[20:51]  * yereth <- innocent",
    { type = "action", user = "yereth", text = "<- innocent", minute = 1251 } },
  { "[01:41]  * woods123", { type = "action", user = "woods123", text = "", minute = 101 } },
  { " * genii sips a coffee", { type = "action", user = "genii", text = "sips a coffee" } },
  { "=== L0sT [~waa3@raptor.ukc.ac.uk]  has joined #ubuntu", { type = "join", user = "L0sT" } },
  { "=== `anthony [~anthony@213.151.107.243]  has joined #ubuntu",
    { type = "join", user = "`anthony" } },
  { "=== Simira [rpGirl@m146i.studby.ntnu.no]  has joined #Ubuntu",
    { type = "join", user = "Simira" } },
  { "=== savvas [i=forger@pdpc/supporter/base/savvas]  has joined #ubuntu",
    { type = "join", user = "savvas" } },
  { "=== [optik]  [~optik@200.106.11.64]  has joined #ubuntu",
    { type = "join", user = "[optik] " } },
  { "=== N}{N[] O [n=Conectin@85-57-0-55.mal1.adsl.uni2.es]  has joined #ubuntu",
    { type = "join", user = "N}{N[] O" } },
  { "=== [cc] smart [n=[cc] smar@gw.ptr-62-65-142-223.customer.ch.netstream.com]  has left #ubuntu "
      .. '["Leaving"]', { type = "leave", user = "[cc] smart" } },
  { "=== devFran [~Fran@84-120-105-69.onocable.ono.com]  has left #Ubuntu []",
    { type = "leave", user = "devFran" } },
  { '=== womble [~mpalmer@eth1859.nsw.adsl.internode.on.net]  has left #ubuntu ["Oooh!]',
    { type = "leave", user = "womble" } },
  { "=== natea is now known as natea|nyc", { type = "rename", user = "natea", to = "natea|nyc" } },
  { "=== Virtuall[BZA]  is now known as Virtuall",
    { type = "rename", user = "Virtuall[BZA] ", to = "Virtuall" } },
  { "=== CreativeEmbassy is now known as Cre[a] tiveEmb[a]",
    { type = "rename", user = "CreativeEmbassy", to = "Cre[a] tiveEmb[a]" } },
}

local WITHOUT_EVENT = {
  { "=== sid77 hi", "event" },
  { "=== mode/#ubuntu [+o Amaranth]  by ChanServ", "event" },
  { "=== netjoined: irc.freenode.net -> kornbluth.freenode.net", "event" },
  { "=== LjL changed the topic of #ubuntu to: Official Ubuntu Support Channel", "event" },
  { "=== farruinn has as few applets running as possible!", "event" },
  { "=== ", "event" },
  { "[01:09] (soundray/#ubuntu) thomas: have you seen", "unparsable" },
  { "[05:12] -gfxtxoyrwa:#ubuntu- a notice to all", "unparsable" },
  { "[24:00] <a> an hour that no day has", "unparsable" },
  { "[12:60] <a> a minute that no hour has", "unparsable" },
  { "[12:30 <a> no bracket", "unparsable" },
  { "[12:30] <> nobody", "unparsable" },
  { "[12:30]", "unparsable" },
  { "<a> no time", "unparsable" },
  { "===", "unparsable" },
  { "", "unparsable" },
  { "\0\255", "unparsable" },
}

describe("irc.parse", function()
  for _, case in ipairs(LINES) do
    it("reads " .. case[1]:gsub("%c", "?"), function()
      assert.same(case[2], (irc.parse(case[1])))
    end)
  end

  for _, case in ipairs(WITHOUT_EVENT) do
    it(("finds no event in %q"):format(case[1]), function()
      local event, reason = irc.parse(case[1])
      assert.is_nil(event)
      assert.equal(case[2], reason)
    end)
  end

  it("drops one trailing carriage return", function()
    for _, case in ipairs(LINES) do assert.same(case[2], (irc.parse(case[1] .. "\r"))) end
    assert.equal("x\r", irc.parse("[10:00] <a> x\r\r").text)
    assert.equal("x\ry", irc.parse("[10:00] <a> x\ry").text)
  end)

  it("keeps any byte of a text", function()
    local bytes = {}
    for byte = 0, 255 do bytes[#bytes + 1] = string.char(byte) end
    local text = table.concat(bytes)
    assert.equal(text, irc.parse("[10:00] <a> " .. text).text)
    assert.equal(text, irc.parse("[10:00]  * a " .. text).text)
  end)
end)
