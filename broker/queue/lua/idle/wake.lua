-- Part: wake-ups for idle workers. A wake-up is only a hint: a worker that is not woken looks into the queue a few
-- seconds later, see broker/queue/heartbeat.py.

-- Wake one idle worker. The list has at most one wake-up: a worker that finds more jobs than it has room for wakes
-- the next one.
local function wake_a_worker()
  local KEPT_MS = 60000
  if redis.call('LLEN', K.wake) > 0 then return end
  redis.call('RPUSH', K.wake, '1')
  redis.call('PEXPIRE', K.wake, KEPT_MS)
end
