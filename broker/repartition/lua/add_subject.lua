-- Merge what another partition knows about a `latest_only` subject: the newest time wins.
-- Arguments: layout (while data moves), subject, at_ms (the time of the newest event that was notified; 0 for none).
-- Returns 1, or -1 where data does not move any more.
-- Run twice: nothing changes.
go_on_when_full()
if not is_moving(layout) then return -1 end
local known_ms = redis.call('HGET', K.latest, 'at')
if at_ms > 0 and (not known_ms or tonumber(known_ms) < at_ms) then
  redis.call('HSET', K.latest, 'at', string.format('%.0f', at_ms))
end
redis.call('EXPIRE', K.latest, LATEST_TTL_S)
return 1
