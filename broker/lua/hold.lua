-- A job leaves the queue until its channel takes it again. This start of it does not count.
-- ARGV: owner, job, channel
local job = ARGV[2]
go_on_when_full()
if redis.call('GET', K.in_progress .. job) ~= ARGV[1] then return 0 end
if tonumber(redis.call('GET', K.retry .. job) or 0) > 0 then redis.call('DECR', K.retry .. job) end
redis.call('SADD', K.channels, ARGV[3])
redis.call('ZADD', K.held_jobs .. ARGV[3], now, job)
redis.call('ZREM', K.queue, job)
redis.call('DEL', K.in_progress .. job)
return 1
