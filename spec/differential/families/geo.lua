local is = require "normal"

local point = is.list(is.double)
local with_coordinates = is.list(is.tuple(is.any, point))

return {
  { "GEOADD", "Sicily", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania" },
  { "GEOADD", "Sicily", "NX", 0, 0, "Palermo" },
  { "GEOADD", "Sicily", "XX", "CH", 13.361, 38.116, "Palermo" },
  { "GEOPOS", "Sicily", "Palermo", "nowhere", "Catania", reply = is.list(point) },
  { "GEOPOS", "nothing", "x" },
  { "GEODIST", "Sicily", "Palermo", "Catania" },
  { "GEODIST", "Sicily", "Palermo", "Catania", "km" },
  { "GEODIST", "Sicily", "Palermo", "nowhere" },
  { "GEOHASH", "Sicily", "Palermo", "nowhere", "Catania" },
  { "GEORADIUS", "Sicily", 15, 37, 200, "km", "ASC" },
  { "GEORADIUS", "Sicily", 15, 37, 200, "km", "WITHDIST", "ASC" },
  { "GEORADIUS", "Sicily", 15, 37, 200, "km", "WITHCOORD", "DESC", reply = with_coordinates },
  { "GEORADIUS", "Sicily", 15, 37, 200, "km", "WITHHASH", "ASC" },
  { "GEORADIUS", "Sicily", 15, 37, 200, "km", "STORE", "stored" },
  { "GEORADIUS_RO", "Sicily", 15, 37, 100, "km" },
  { "GEORADIUSBYMEMBER", "Sicily", "Catania", 1, "m" },
  { "GEORADIUSBYMEMBER_RO", "Sicily", "Palermo", 500, "km", "COUNT", 1, "ASC" },
  { "GEOSEARCH", "Sicily", "FROMLONLAT", 15, 37, "BYBOX", 400, 400, "km", "ASC" },
  { "GEOSEARCH", "Sicily", "FROMMEMBER", "Palermo", "BYRADIUS", 300, "mi", "ASC", "WITHDIST",
    "WITHHASH", "WITHCOORD", reply = is.list(is.tuple(is.any, is.any, is.any, point)) },
  { "GEOSEARCH", "Sicily", "FROMLONLAT", 0, 0, "BYRADIUS", 1, "m" },
  { "GEOSEARCHSTORE", "found", "Sicily", "FROMLONLAT", 15, 37, "BYRADIUS", 300, "km",
    "STOREDIST" },
  { "ZRANGE", "found", 0, -1, "WITHSCORES", reply = is.pairs(is.any, is.double) },
  { "GEOADD", "Sicily", 200, 100, "x" },
  { "GEOADD", "Sicily", 1, "x" },
}
