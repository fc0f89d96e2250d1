--- What a host adds to its gateway's /metrics: verdicts of policies, and figures of each script, in
--- Prometheus's text format (https://prometheus.io/docs/instrumenting/exposition_formats/).
local metrics = {}

-- Of a script's stats: field, metric, kind, help.
local OF_SCRIPTS = {
  { "events", "moonpool_script_events_total", "counter", "Calls of the script that have ended" },
  { "errors", "moonpool_script_errors_total", "counter", "Functions of the script that failed" },
  { "restarts", "moonpool_script_restarts_total", "counter", "Times that it was tried again" },
  { "cpu", "moonpool_script_cpu_seconds_total", "counter", "CPU since it was loaded" },
  { "memory", "moonpool_script_memory_bytes", "gauge", "Bytes that it uses" },
  { "queue", "moonpool_script_queue", "gauge", "Calls that have not ended" },
}

local ESCAPES = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

local function label(name, value)
  return ('%s="%s"'):format(name, (tostring(value):gsub('[\\"\n]', ESCAPES)))
end

local function add_head(lines, name, kind, help)
  lines[#lines + 1] = ("# HELP %s %s"):format(name, help)
  lines[#lines + 1] = ("# TYPE %s %s"):format(name, kind)
end

local function add(lines, name, labels, value)
  lines[#lines + 1] = ("%s{%s} %.17g"):format(name, table.concat(labels, ","), value)
end

local function add_scripts(lines, scripts)
  for _, about in ipairs(OF_SCRIPTS) do
    local field, name, kind, help = table.unpack(about)
    if #scripts > 0 then add_head(lines, name, kind, help) end
    for _, script in ipairs(scripts) do
      add(lines, name, { label("script", script.name), label("kind", script.kind) }, script[field])
    end
  end
end

local function add_verdicts(lines, verdicts)
  local keys = {}
  for key in pairs(verdicts) do keys[#keys + 1] = key end
  table.sort(keys)
  if #keys == 0 then return end
  local name = "moonpool_policy_verdicts_total"
  add_head(lines, name, "counter", "What policies said of what the gateway's users asked for")
  for _, key in ipairs(keys) do
    local one = verdicts[key]
    add(lines, name, { label("event", one.event), label("verdict", one.verdict),
      label("policy", one.policy) }, one.count)
  end
end

--- Counts a verdict.
---@param verdicts table<string, table> that metrics.text is given
---@param event "publish"|"subscribe"
---@param verdict moonpool.policy_verdict
function metrics.count(verdicts, event, verdict)
  local word = verdict.verdict ~= "allow" and "rejected" or verdict.is_rewritten and "rewritten"
    or "allowed"
  local policy = verdict.policy or ""
  local key = table.concat({ event, word, policy }, "\n")
  local one = verdicts[key] or { event = event, verdict = word, policy = policy, count = 0 }
  one.count, verdicts[key] = one.count + 1, one
end

--- The lines.
---@param verdicts table<string, table>
---@param scripts table[] as of moonpool.host.ps
---@param worker integer the number of the process among those that share the sockets
---@return string
function metrics.text(verdicts, scripts, worker)
  local lines = {}
  add_head(lines, "moonpool_worker", "gauge", "Which of the workers has answered")
  add(lines, "moonpool_worker", { label("worker", worker) }, 1)
  add_verdicts(lines, verdicts)
  add_scripts(lines, scripts)
  return table.concat(lines, "\n") .. "\n"
end

return metrics
