-- Links two rooms: what is said in one is said in the other, too, as "<ann@lobby> hi". Which rooms
-- is an option: { "link.lua", options = { rooms = { "lobby", "games" } } }.
-- Bots are not linked, so two links cannot play ping-pong.

local rooms = bot.options.rooms or { "lobby", "games" }
if type(rooms) ~= "table" or #rooms ~= 2 or rooms[1] == rooms[2] then
  error "link: options.rooms: two different rooms are needed"
end

bot.rooms = rooms
local other = { [rooms[1]] = rooms[2], [rooms[2]] = rooms[1] }

bot:on("publish", function(message)
  if message.bot then return end
  local to, user = other[message.room], message.user or "someone"
  if message.type == "action" then
    bot:say(to, ("* %s@%s %s"):format(user, message.room, message.text))
  else
    bot:say(to, ("<%s@%s> %s"):format(user, message.room, message.text))
  end
end)
