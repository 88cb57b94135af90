-- Part: when the next entry of a sorted set of times is due.

-- Returns in how many ms: 0 if it is due already, -1 if the set is empty.
local function next_due_ms(key)
  local _, at_ms = unpack(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES'))
  return at_ms and math.max(0, tonumber(at_ms) - now) or -1
end

-- Make entries due whose time is more than ten years ahead: Hookline never writes such a time, so another program did.
-- They would never be due, and a time that is not a number at all would look due for ever, and wake workers in vain.
local function make_due(key)
  local TEN_YEARS_MS, MOST = 3650 * 86400000, 100
  local far = redis.call('ZRANGEBYSCORE', key, string.format('%.0f', now + TEN_YEARS_MS), '+inf', 'LIMIT', 0, MOST)
  for i = 1, #far do redis.call('ZADD', key, 'XX', now, far[i]) end
end
