-- The jobs are still being worked on by the owner of their leases.
-- ARGV: owner, lease in ms, job ids ...
-- Returns those that it does not own any more: nothing of them is changed.
go_on_when_full()
local lease_ms = tonumber(ARGV[2])
local lost = {}
for i = 3, #ARGV do
  local job = ARGV[i]
  if redis.call('GET', K.in_progress .. job) == ARGV[1] then
    redis.call('PEXPIRE', K.in_progress .. job, lease_ms)
    redis.call('ZADD', K.queue, 'XX', now + lease_ms, job)
  else
    lost[#lost + 1] = job
  end
end
return lost
