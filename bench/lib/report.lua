-- From samples to medians, ratios, a table, JSON, and the verdict on limits.
local report = {}

--- Median, smallest and largest of a list of numbers.
--- @param values number[]
--- @return { median: number, min: number, max: number }
function report.spread(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local middle = (#sorted + 1) // 2
  local median = #sorted % 2 == 1 and sorted[middle] or (sorted[middle] + sorted[middle + 1]) / 2
  return { median = median, min = sorted[1], max = sorted[#sorted] }
end

--- The spread of one field of a peer's samples.
--- @param peer bench.peer
--- @param field string
function report.field(peer, field)
  local values = {}
  for i, sample in ipairs(peer.samples) do values[i] = sample[field] end
  return report.spread(values)
end

--- The spread of peer : reference, round by round, so that a slow minute cancels out.
--- @param peer bench.peer
--- @param reference bench.peer
--- @param field string
function report.ratio(peer, reference, field)
  local values = {}
  for i, sample in ipairs(peer.samples) do
    values[i] = sample[field] / reference.samples[i][field]
  end
  return report.spread(values)
end

--- Prints rows of texts as columns: the first flush left, the others flush right.
--- @param rows string[][]
function report.print_table(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, text in ipairs(row) do widths[i] = math.max(widths[i] or 0, utf8.len(text)) end
  end
  for _, row in ipairs(rows) do
    local cells = {}
    for i, text in ipairs(row) do
      local padding = (" "):rep(widths[i] - utf8.len(text))
      cells[i] = i == 1 and text .. padding or padding .. text
    end
    print((table.concat(cells, "  "):gsub("%s+$", "")))
  end
end

--- One peer a row: median, range, ratio to each reference.
--- @param peers bench.peer[]
--- @param references bench.peer[]
--- @param unit string                 what is counted, such as "message"
--- @return string[][]
function report.cpu_rows(peers, references, unit)
  local header = { "CPU time a " .. unit, "median", "min–max" }
  for _, reference in ipairs(references) do header[#header + 1] = "÷ " .. reference.name end
  local rows = { header }
  for _, peer in ipairs(peers) do
    local cpu = report.field(peer, "cpu")
    local row = { peer.label and peer.label ~= "" and peer.label or peer.name,
      ("%.0f ns"):format(cpu.median), ("%.0f–%.0f"):format(cpu.min, cpu.max) }
    for _, reference in ipairs(references) do
      row[#row + 1] = ("%.3f"):format(report.ratio(peer, reference, "cpu").median)
    end
    rows[#rows + 1] = row
  end
  return rows
end

--- @class bench.limit
--- @field text string
--- @field value number?   nil: not measured
--- @field limit number
--- @field is_at_least boolean?   else at most

--- Prints each limit with what was measured.
--- @param limits bench.limit[]
function report.print_limits(limits)
  for _, limit in ipairs(limits) do
    local verdict = report.is_met(limit) and "met   " or limit.value and "MISSED" or "open  "
    print(("%s  %s: %s (limit: %s %g)"):format(verdict, limit.text,
      limit.value and ("%.3g"):format(limit.value) or "not measured",
      limit.is_at_least and "at least" or "at most", limit.limit))
  end
end

--- @param limit bench.limit
--- @return boolean
function report.is_met(limit)
  if not limit.value then return false end
  if limit.is_at_least then return limit.value >= limit.limit end
  return limit.value <= limit.limit
end

local encode

local function encode_table(value)
  local parts = {}
  if #value > 0 or next(value) == nil then
    for i, item in ipairs(value) do parts[i] = encode(item) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys)
  for i, key in ipairs(keys) do parts[i] = ("%s:%s"):format(encode(key), encode(value[key])) end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- JSON of tables, strings, finite numbers and booleans. (Not moonpool.json: the benchmarks of the
--- peers run without a built moonpool.)
--- @param value any
--- @return string
function encode(value)
  if type(value) == "table" then return encode_table(value) end
  if type(value) == "string" then
    return '"' .. value:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
  end
  if math.type(value) == "float" then return ("%.6g"):format(value) end
  return tostring(value)
end

report.encode = encode

--- What --json prints of the peers: every sample, and each field's spread.
--- @param peers bench.peer[]
function report.peers_to_json(peers)
  local list = {}
  for i, peer in ipairs(peers) do
    local item = { name = peer.name, label = peer.label, workload = peer.workload,
      samples = peer.samples }
    for field in pairs(peer.samples[1]) do item[field] = report.field(peer, field) end
    list[i] = item
  end
  return list
end

return report
