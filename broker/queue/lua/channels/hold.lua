-- Move a job out of the queue until its channel accepts jobs again. This start does not count.
-- Arguments: owner (of the lease), job (id), channel.
-- Returns 1, or 0 where another worker has the job.
-- Run twice: the owner does not have the job the second time, so nothing changes.
go_on_when_full()
if redis.call('GET', K.in_progress) ~= owner then return 0 end
if tonumber(redis.call('GET', K.retry) or 0) > 0 then redis.call('DECR', K.retry) end
redis.call('SADD', K.channels, channel)
redis.call('ZADD', K.held_jobs, now, job)
redis.call('ZREM', K.queue, job)
redis.call('DEL', K.in_progress)
return 1
