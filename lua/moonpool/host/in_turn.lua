--- Calls a function for one item after another: for what is handed over inside such a call when
-- that call is over. So a coroutine that wakes another, which wakes a third …, does not make the C
-- stack grow with each.

---@param call fun(item: any)  never raises
---@return fun(item: any)
return function(call)
  local queue, first, last, is_busy = {}, 1, 0, false
  return function(item)
    last = last + 1
    queue[last] = item
    if is_busy then return end
    is_busy = true
    while first <= last do
      local next_item = queue[first]
      queue[first] = nil
      first = first + 1
      call(next_item)
    end
    first, last, is_busy = 1, 0, false
  end
end
