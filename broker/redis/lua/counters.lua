-- Part: the counters of stats:total and of the current minute.

-- Add to counters. changes: {counter = number}.
local function count(changes)
  local minute = P.stats_minute .. math.floor(now / 60000)
  local counted = false
  for name, by in pairs(changes) do
    if by ~= 0 then
      redis.call('HINCRBY', K.stats_total, name, by)
      if name ~= 'queued' and name ~= 'waiting' then -- these two go up and down: they have no value per minute
        redis.call('HINCRBY', minute, name, by)
        counted = true
      end
    end
  end
  if counted then redis.call('EXPIRE', minute, STATS_TTL_S) end
end
