-- Leave a job that this worker cannot read to another worker. This start does not count.
-- Arguments: owner (of the lease), job (id), for_ms (how long to leave it, since a worker first failed to read it).
-- Returns 1, or 0 where for_ms has passed: the owner keeps the job.
-- Run twice: the owner does not have the job the second time, so nothing changes.
go_on_when_full()
if redis.call('GET', K.in_progress) ~= owner then return 1 end
local delay_ms = defer(job, for_ms)
if not delay_ms then return 0 end
redis.call('DEL', K.in_progress, K.retry)
redis.call('ZADD', K.queue, 'XX', now + delay_ms, job)
wake_a_worker() -- so that it knows when the job is due
return 1
