std = "lua54"
max_line_length = 100
exclude_files = { "build/**" }

-- Bot and policy scripts get one object from the host.
files["examples/bots/**/*.lua"] = { globals = { "bot" } }
files["examples/policies/**/*.lua"] = { globals = { "policy" } }
files["spec/**/*.lua"] = { std = "+busted" }
files["rockspec/*.rockspec"] = { std = "+rockspec" }
-- Declarations for editors: nothing in it is called.
files["lua/moonpool/types.lua"] = { ignore = { "212", "241", "211" } }
