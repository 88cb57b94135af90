-- A worker does not understand a job: another may.
-- ARGV: owner of its lease, job, for how long it is passed on in ms since a worker first met it
-- Returns 0 where that time is over: the owner keeps it.
go_on_when_full()
local job = ARGV[2]
if redis.call('GET', K.in_progress .. job) ~= ARGV[1] then return 1 end
local delay_ms = defer(job, tonumber(ARGV[3]))
if not delay_ms then return 0 end
redis.call('DEL', K.in_progress .. job, K.retry .. job)
redis.call('ZADD', K.queue, 'XX', now + delay_ms, job)
return 1
