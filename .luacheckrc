std = "lua54"
max_line_length = 100
exclude_files = { "build/**" }

files["examples/**/*.conf.lua"] = { std = "none", globals = { "bots", "policies" } }
-- Bot and policy scripts get one object from the host.
files["examples/services/*.lua"] = { globals = { "bot" } }
files["examples/embed/*.lua"] = { globals = { "tick" } } -- which the host calls
files["examples/bots/**/*.lua"] = { globals = { "bot" } }
files["examples/policies/**/*.lua"] = { globals = { "policy" } }
-- Methods of what scripts get: the guest has one object, which they close over.
files["lua/moonpool/guest/*.lua"] = { ignore = { "212/self" } }
-- The policies that come with moonpool are scripts, too.
files["lua/moonpool/policies/*.lua"] = { globals = { "policy" } }
-- Scripts that run in Redis, in its Lua 5.1.
files["core/redis/*.lua"] = { std = "lua51", read_globals = { "redis", "KEYS", "ARGV", "cjson" } }
files["spec/**/*.lua"] = { std = "+busted" }
files["rockspec/*.rockspec"] = { std = "+rockspec" }
-- Declarations for editors: nothing in it is called.
files["lua/moonpool/types.lua"] = { ignore = { "212", "241", "211" } }
files["lua/moonpool/script_types.lua"] = {
  globals = { "auth", "bot", "policy" }, ignore = { "212", "241", "211", "631" },
}
