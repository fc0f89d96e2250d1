--- moonpool explain: what the running host's policies say of a message, publishing nothing.
local arguments = require "moonpool.cli.arguments"
local host_control = require "moonpool.cli.host_control"
local json = require("moonpool").json
local room_name = require "moonpool.room_name"
local terminal = require "moonpool.cli.terminal"

local explain = { name = "explain" }

local DESCRIPTION = [[
What each policy of the running host would say if NAME said TEXT in the room. Nothing is published,
and nothing is counted: a rate limit does not see it.]]

local EPILOG = [[
A line for each policy that was asked, in their order: its name, then "allow", "reject" with the
reason that the user would see, or "rewrite" with the new text. After a rewrite the policies before
it are asked again. Without TEXT: what they say of NAME's joining.

Exit status 1 when it would be rejected.

Examples:
  moonpool explain lobby --as ann 'BUY NOW http://example.com'
  moonpool explain lobby --as ann]]

---@param command table the argparse command
function explain.configure(command)
  command:summary "Tell what the policies of the running host would say."
  command:description(DESCRIPTION):epilog(EPILOG)
  command:argument("room"):argname("ROOM"):convert(room_name):description "The room's name."
  command:argument("text"):argname("TEXT"):args("?")
    :description "What would be said (default: nothing, but NAME would join)."
  command:option("--as", "Who would say it."):target("user"):argname("NAME"):count(1)
    :convert(arguments.user)
  command:flag("--action", "As an action: \"* ann waves\".")
  command:flag("--json", "One JSON object a line.")
  host_control.add_option(command)
end

local function detail(opinion)
  if type(opinion.failure) == "string" then return opinion.failure:match "^[^\n]*" end
  if opinion.verdict == "rewrite" then return opinion.text end
  return type(opinion.reason) == "string" and opinion.reason or nil
end

local function to_text(opinion)
  local more = detail(opinion)
  local again = opinion.is_again == true and " (again)" or ""
  return terminal.neutralise(("%s%s: %s%s"):format(opinion.policy, again, opinion.verdict,
    more and ": " .. more or ""))
end

---@param args table
---@param context moonpool.cli.context
---@return integer status
function explain.execute(args, context)
  local opinions = host_control.call(args, context, "explain", {
    room = args.room, user = args.user, text = args.text, type = args.action and "action" or nil,
  })
  if type(opinions) ~= "table" then context:fail "the host's answer is no list of opinions" end
  local status = 0
  for _, opinion in ipairs(opinions) do
    if opinion.verdict == "reject" then status = 1 end
    context.out(args.json and assert(json.encode(opinion, { sort = true })) or to_text(opinion))
  end
  if #opinions == 0 and not args.json then context.out "no policy is asked" end
  return status
end

return explain
