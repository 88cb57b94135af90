-- Extend the leases of running jobs.
-- Arguments: jobs (ids), owner, lease_ms (from now on).
-- Returns the jobs that the owner no longer has; these do not change.
-- Run twice: the leases run from the second time.
go_on_when_full()
local lost = {}
for i = 1, #jobs do
  local job = jobs[i]
  if redis.call('GET', P.in_progress .. job) == owner then
    redis.call('PEXPIRE', P.in_progress .. job, lease_ms)
    redis.call('ZADD', K.queue, 'XX', now + lease_ms, job)
  else
    lost[#lost + 1] = job
  end
end
return lost
