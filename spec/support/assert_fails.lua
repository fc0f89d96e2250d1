-- What fails says so in the library's way: nil, message, code.
--
--   local assert_fails = require "spec.support.assert_fails"
--   assert_fails("EREDIS", "^WRONGTYPE", redis:lpush("text", 1))   a pattern of the message
local assert = require "luassert"

local function assert_fails(code, pattern, ...)
  local value, message, failure = ...
  assert.is_nil(value)
  assert.matches(pattern, message)
  assert.equal(code, failure)
end

return assert_fails
