-- Every type of reply, by DEBUG PROTOCOL. (Its "push" is left out: it comes beside a reply.)
local is = require "normal"

return {
  { "DEBUG", "PROTOCOL", "string" },
  { "DEBUG", "PROTOCOL", "integer" },
  { "DEBUG", "PROTOCOL", "double", reply = is.double },
  { "DEBUG", "PROTOCOL", "null" },
  { "DEBUG", "PROTOCOL", "array" },
  { "DEBUG", "PROTOCOL", "set", reply = is.set },
  { "DEBUG", "PROTOCOL", "map", reply = is.map() },
  { "DEBUG", "PROTOCOL", "bignum" },
  { "DEBUG", "PROTOCOL", "true" },
  { "DEBUG", "PROTOCOL", "false" },
  { "DEBUG", "PROTOCOL", "verbatim" },
  { "DEBUG", "PROTOCOL", "attrib" },
}
