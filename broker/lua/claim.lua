-- Take due jobs: each gets a lease and leaves the head of the queue until the lease ends.
-- ARGV: how many, lease in ms
-- Returns job ids.
local lease_ms = tonumber(ARGV[2])
local due = redis.call('ZRANGEBYSCORE', K.queue, '-inf', now, 'LIMIT', 0, ARGV[1])
local claimed = {}
for i = 1, #due do
  local job = due[i]
  if redis.call('EXISTS', K.job .. job) == 0 then
    finish(job) -- a queue entry without a job: nothing to run
  else
    redis.call('ZADD', K.queue, 'XX', now + lease_ms, job)
    if redis.call('SET', K.in_progress .. job, '1', 'NX', 'PX', lease_ms) then claimed[#claimed + 1] = job end
  end
end
return claimed
