-- A digest of which there is no event leaves the list of those that are due, with what it counted for.
-- ARGV: digest
-- Returns 1 where that changed something.
go_on_when_full()
if redis.call('LLEN', K.digest .. ARGV[1]) > 0 then return 0 end
local counted = tonumber(redis.call('HGET', K.digests_counted, ARGV[1]))
redis.call('HDEL', K.digests_counted, ARGV[1])
count({ created = -counted, waiting = -counted })
return redis.call('ZREM', K.digests, ARGV[1])
