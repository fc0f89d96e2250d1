--- Rows as text in columns.
local table_text = {}

local function width(text) return utf8.len(text) or #text end

--- Pads columns to one width, but for the last.
---@param rows string[][] the first has the headings
---@param is_right? table<integer, boolean> columns of numbers
---@return string[] lines
function table_text.lines(rows, is_right)
  local widths = {}
  for _, row in ipairs(rows) do
    for column, text in ipairs(row) do
      widths[column] = math.max(widths[column] or 0, width(text))
    end
  end
  local lines = {}
  for index, row in ipairs(rows) do
    local cells = {}
    for column, text in ipairs(row) do
      local pad = (" "):rep(widths[column] - width(text))
      cells[column] = is_right and is_right[column] and pad .. text or text .. pad
    end
    lines[index] = table.concat(cells, "  "):gsub(" +$", "")
  end
  return lines
end

return table_text
