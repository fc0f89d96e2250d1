--- Whom the rules about messages are for: all, but for those that are excepted.
local judged = {}

--- What these rules have in common.
judged.OPTIONS = {
  except = { "strings", default = {} },
  bots = { "boolean", default = true },
}

-- What is said: the rest (typing, a deletion) has no text to judge.
local SAID = { message = true, action = true }

--- The rules, and those that all have.
---@param rules table
---@return table
function judged.with(rules)
  for name, rule in pairs(judged.OPTIONS) do rules[name] = rule end
  return rules
end

---@param list string[]
---@return table<string, boolean>
function judged.set(list)
  local set = {}
  for _, item in ipairs(list) do set[item] = true end
  return set
end

--- Returns what tells whether a request is for the rule to judge. The host's own bots are left
--- alone with bots = false; that a program says of itself that it is a bot does not count.
---@param options { except: string[], bots: boolean }
---@return fun(request: table): boolean
function judged.new(options)
  local excepted, bots = judged.set(options.except), options.bots
  return function(request)
    if request.type and not SAID[request.type] then return false end
    if not bots and request.via == "bot" then return false end
    return not excepted[request.user or ""]
  end
end

return judged
