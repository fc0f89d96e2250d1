-- How a thread of Copas waits: for a socket. Debian's Copas has no sleep; later ones do.
local copas = require "copas"
local unix = require "socket.unix"

-- BLPOP answers when its time is over.
return copas.pause or function(seconds)
  local connection = (unix.stream or unix)()
  assert(connection:connect((os.getenv("HOSTS_URL"):gsub("^unix://", ""))))
  connection:settimeout(0)
  copas.send(connection, ("BLPOP nothing:here %f\r\n"):format(seconds))
  assert(copas.receive(connection, "*l") == "*-1")
  connection:close()
end
