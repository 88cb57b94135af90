-- Give a job back unfinished.
-- Arguments: owner, job (id), delay_ms (until it is due), forget_start (1: this start does not count).
-- Returns 1, or 0 where the owner does not have the job: it was finished, or another worker has it.
-- Run twice: the owner does not have the job the second time. With forget_start, one more start is forgotten.
go_on_when_full()
if forget_start == 1 and tonumber(redis.call('GET', K.retry) or 0) > 0 then redis.call('DECR', K.retry) end
if redis.call('GET', K.in_progress) ~= owner then return 0 end
redis.call('DEL', K.in_progress)
redis.call('ZADD', K.queue, 'XX', now + delay_ms, job)
if delay_ms == 0 then wake_a_worker() end
return 1
