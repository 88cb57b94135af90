-- Merge when webhooks of a source were accepted last with what a partition that will be removed knows.
-- Arguments: layout (while data moves), source (name), last_ms.
-- Returns 1, or -1 where data does not move any more.
-- Run twice: nothing changes.
go_on_when_full()
if not is_moving(layout) then return -1 end
local known_ms = tonumber(redis.call('HGET', K.source, 'last_accepted_ms'))
if last_ms > known_ms then redis.call('HSET', K.source, 'last_accepted_ms', string.format('%.0f', last_ms)) end
return 1
