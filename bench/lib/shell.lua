-- Running programs from plain Lua: io.popen, os.execute, and quoting.
local shell = {}

--- One word for sh, whatever it holds.
--- @param text string
--- @return string
function shell.quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- A command line from its words.
--- @param words string[]
--- @return string
function shell.join(words)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = shell.quote(word) end
  return table.concat(quoted, " ")
end

--- Runs a command line; its standard output without the last newline, or nil when it failed.
--- @param command string
--- @return string?
function shell.capture(command)
  local pipe = assert(io.popen(command, "r"))
  local output = pipe:read("a")
  if not pipe:close() then return nil end
  return (output:gsub("\n$", ""))
end

--- Runs a command line; raises when it fails.
--- @param command string
function shell.run(command)
  local is_ok, kind, number = os.execute(command)
  if is_ok then return end
  error(("%s\nended with %s %d"):format(command, kind, number), 0)
end

--- Is there such a program on the PATH?
--- @param program string
--- @return boolean
function shell.has(program)
  return shell.capture("command -v " .. shell.quote(program)) ~= nil
end

--- @param path string
--- @return boolean
function shell.exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

return shell
