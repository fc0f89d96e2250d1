-- How a runner sleeps in Prosody.
local async = require "util.async"
async.set_schedule_function(require("net.server_epoll").add_task)
return async.sleep
