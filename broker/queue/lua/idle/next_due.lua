-- Part: when the next entry of a sorted set of times is due.

-- Returns in how many ms: 0 if it is due already, -1 if the set is empty.
local function next_due_ms(key)
  local _, at_ms = unpack(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES'))
  return at_ms and math.max(0, tonumber(at_ms) - now) or -1
end
