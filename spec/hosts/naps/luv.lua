-- How a coroutine sleeps in luv, and in Neovim.
local uv = rawget(_G, "vim") and rawget(_G, "vim").loop or require "luv"

return function(seconds)
  local co, timer = coroutine.running(), uv.new_timer()
  timer:start(math.ceil(seconds * 1000), 0, function()
    timer:close()
    assert(coroutine.resume(co))
  end)
  coroutine.yield()
end
