--- The man page and the shells' completions of an argparse parser. argparse makes the completions;
--- it has no man page, so that is made here from what its help is made from.
local manual = {}

-- Text as roff: nothing of it is a request or an escape.
local function roff(text)
  text = text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n([.'])", "\n\\&%1")
  return (text:gsub("^([.'])", "\\&%1"):gsub("`", "\\(ga"):gsub("…", "\\&..."):gsub("·", "\\(bu"))
end

-- Lines that are set as they are: columns and examples.
local function set_as_is(text)
  return ".nf\n" .. roff(text):gsub("\n\n+", "\n.sp\n") .. "\n.fi\n"
end

-- Paragraphs; those with indented lines are set as they are.
local function prose(text)
  local parts = {}
  for paragraph in (text .. "\n\n"):gmatch "(.-)\n\n+" do
    local is_set = ("\n" .. paragraph):find "\n  "
    if paragraph ~= "" then
      parts[#parts + 1] = ".PP\n" .. (is_set and set_as_is(paragraph) or roff(paragraph) .. "\n")
    end
  end
  return table.concat(parts)
end

-- What an option or argument is called in its list.
local function label_of(element)
  local lines = element:_get_label_lines()
  if #lines == 1 and element._argname then
    local name = element._argname
    lines = element._public_aliases and lines or { type(name) == "table" and name[1] or name }
  end
  for place, line in ipairs(lines) do lines[place] = line:match "^%s*(.-),?$" end
  return table.concat(lines, ", ")
end

local function elements_of(parser)
  local parts = {}
  for _, list in ipairs { parser._arguments, parser._options } do
    for _, element in ipairs(list) do
      if not element._hidden then
        parts[#parts + 1] = (".TP\n.B %s\n%s\n"):format(roff(label_of(element)),
          roff(element:_get_description()))
      end
    end
  end
  return table.concat(parts)
end

-- Without the word in front of it; in one line.
local function usage_of(parser)
  return (parser:get_usage():gsub("^Usage: ", ""):gsub("\n%s+", " "))
end

--- The page in roff (man(7)).
---@param parser table of argparse
---@return string
function manual.page(parser)
  local parts = { '.\\" Made by tools/manual from the program\'s definitions.\n',
    ".TH MOONPOOL 1 \"\" \"moonpool\" \"User Commands\"\n",
    ".SH NAME\nmoonpool \\- Redis pub/sub rooms, scripted in Lua\n",
    ".SH SYNOPSIS\n.B moonpool\n.I COMMAND\n.RI [ ARGUMENT ]...\n",
    ".SH DESCRIPTION\n", (prose(parser._description):gsub("^%.PP\n", "")), prose(parser._epilog),
    ".SH OPTIONS\n", elements_of(parser), ".SH COMMANDS\n" }
  for _, command in ipairs(parser._commands) do
    if not command._hidden then
      parts[#parts + 1] = (".SS %s\n.nh\n.B %s\n.hy\n")
        :format(command._name, roff(usage_of(command)))
      parts[#parts + 1] = prose(command._description or command._summary or "")
      parts[#parts + 1] = elements_of(command)
      parts[#parts + 1] = command._epilog and prose(command._epilog) or ""
    end
  end
  parts[#parts + 1] = ".SH SEE ALSO\n.BR redis-server (1),\n.BR redis-cli (1)\n"
  return table.concat(parts)
end

--- All that is made, by its path below share/.
---@param parser table of argparse
---@return table<string, string>
function manual.files(parser)
  return {
    ["moonpool.1"] = manual.page(parser),
    ["moonpool.bash"] = parser:get_bash_complete(),
    ["_moonpool"] = parser:get_zsh_complete(),
    ["moonpool.fish"] = parser:get_fish_complete(),
  }
end

return manual
