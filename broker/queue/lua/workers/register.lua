-- Register a live worker, or sign it off.
-- Arguments: worker (its name), lasts_ms (how long the registration lasts; 0 signs off).
-- Returns the names of the live workers.
-- Run twice: the registration lasts from the second time.
local MOST_MS = 600000 -- no registration lasts longer, so a later end was written before the clock was set back
go_on_when_full()
redis.call('ZREMRANGEBYSCORE', K.workers, '-inf', now)
redis.call('ZREMRANGEBYSCORE', K.workers, now + MOST_MS, '+inf')
if lasts_ms > 0 then
  redis.call('ZADD', K.workers, now + lasts_ms, worker)
  redis.call('PEXPIRE', K.workers, MOST_MS)
else
  redis.call('ZREM', K.workers, worker)
end
return redis.call('ZRANGE', K.workers, 0, -1)
