-- Remove a window of an older version that has no events, with the notifications that it counted for.
-- Arguments: digest (id).
-- Returns 1, or 0 where nothing changed.
-- Run twice, or after an event came: nothing changes.
go_on_when_full()
if redis.call('LLEN', K.digest) > 0 then return 0 end
local counted = tonumber(redis.call('HGET', K.digests_counted, digest))
redis.call('HDEL', K.digests_counted, digest)
count({ created = -counted, waiting = -counted })
return redis.call('ZREM', K.digests, digest)
