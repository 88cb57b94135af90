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
  elseif redis.call('SET', K.in_progress .. job, '1', 'NX', 'PX', lease_ms) then
    redis.call('ZADD', K.queue, 'XX', now + lease_ms, job)
    claimed[#claimed + 1] = job
  else -- somebody's lease is still on: look again when it ends
    redis.call('ZADD', K.queue, 'XX', now + math.max(1, redis.call('PTTL', K.in_progress .. job)), job)
  end
end
return claimed
