-- A Redis, and programs that use it by $REDIS_URL: fresh for each test, gone after it.
--
--   local session = require("spec.support.session")(before_each, after_each)   -- inside describe
--   session.server                        the Redis (spec.support.redis)
--   session.start { "sub", "room:a" }     a running `moonpool sub room:a` (spec.support.program)
--   session.run { "pub", "a", "hi" }      the result of one that ends
--
-- Options are program.moonpool's; `env` replaces the environment.
local program = require "spec.support.program"
local redis_server = require "spec.support.redis"

return function(before_each, after_each)
  local session, running = {}, {}

  before_each(function() session.server = redis_server.start() end)
  after_each(function()
    for _, each in ipairs(running) do each:stop() end
    running = {}
    session.server:stop()
  end)

  local function with_redis(options)
    options.env = options.env or { REDIS_URL = session.server.url }
    return options
  end

  -- Has a program that was started by other means stopped after the test, too.
  function session.keep(started)
    running[#running + 1] = started
    return started
  end

  function session.start(options) return session.keep(program.moonpool(with_redis(options))) end

  function session.run(options) return program.run_moonpool(with_redis(options)) end

  return session
end
