-- A stream of random numbers of its own, that a seed reproduces (xorshift64*): math.random has one
-- state for the whole program.
--
--   local random = require("spec.chaos.random").new(seed)
--   random:integer(1, 6)     inclusive, both
--   random:float(0.5, 2)     from the first up to the second
--   random:chance(0.1)       true once in ten
--   random:pick(list)        one of its elements
--   random:fork(name)        another stream, which this one's later use does not change
local random = {}

local random_methods = {}
local random_mt = { __name = "random", __index = random_methods }

local function next_bits(self)
  local x = self.state
  x = x ~ (x >> 12)
  x = x ~ (x << 25)
  x = x ~ (x >> 27)
  self.state = x
  return x * 0x2545F4914F6CDD1D
end

---@param seed integer
function random.new(seed)
  local self = setmetatable({ seed = seed, state = seed ~ 0x1E3779B97F4A7C15 }, random_mt)
  if self.state == 0 then self.state = 1 end
  for _ = 1, 4 do next_bits(self) end
  return self
end

function random_methods:float(low, high)
  return low + (high - low) * ((next_bits(self) >> 11) * 2.0 ^ -53)
end

function random_methods:integer(low, high)
  return low + math.floor(self:float(0, 1) * (high - low + 1))
end

function random_methods:chance(probability)
  return self:float(0, 1) < probability
end

function random_methods:pick(list)
  return list[self:integer(1, #list)]
end

function random_methods:fork(name)
  local seed = self.seed
  for index = 1, #name do
    seed = (seed ~ name:byte(index)) * 0x100000001B3
  end
  return random.new(seed)
end

return random
