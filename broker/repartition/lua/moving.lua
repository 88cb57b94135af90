-- Part: steps that run only while data moves.

-- Returns whether the data still moves as the caller thinks. A process that lost its lease and was slow may be late.
local function is_moving(layout)
  return redis.call('GET', K.layout) == layout
end
