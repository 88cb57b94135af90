-- Remove what this partition knows about a `latest_only` subject, after another partition has it.
-- Arguments: layout (while data moves), subject, at_ms (as it was read before).
-- Returns 1, or 0 where it has changed meanwhile, or -1 where data does not move any more.
-- Run twice: nothing changes the second time.
go_on_when_full()
if not is_moving(layout) then return -1 end
local known_ms, until_ms = unpack(redis.call('HMGET', K.latest, 'at', 'until'))
if tonumber(known_ms or 0) ~= at_ms or moment(until_ms) > now then return 0 end
redis.call('DEL', K.latest)
return 1
