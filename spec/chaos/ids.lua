-- Ids of rooms' messages: "<ms>-<seq>-<tag>".
--
--   ids.parse(text)     { ms =, seq =, tag = }, or nil: it is none
--   ids.is_before(a, b)  by ms, then by seq; of texts
local ids = {}

ids.ORIGIN = "0-0-0000000000000000" -- the place before the first message

function ids.parse(text)
  if type(text) ~= "string" then return nil end
  local ms, seq, tag = text:match "^(%d+)%-(%d+)%-(%x+)$"
  if not ms or #tag ~= 16 or tag ~= tag:lower() then return nil end
  return { ms = math.tointeger(tonumber(ms)), seq = math.tointeger(tonumber(seq)), tag = tag }
end

function ids.is_before(a, b)
  a, b = ids.parse(a), ids.parse(b)
  if a.ms ~= b.ms then return a.ms < b.ms end
  return a.seq < b.seq
end

return ids
