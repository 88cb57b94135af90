-- The window of a digest has ended: its first events become jobs, what came behind them opens a new window.
-- ARGV: digest, the first and the last of the events that are taken as they lie on the list, how many these are,
-- window ms, then job, blob ...
-- Returns 0 where they do not lie so: somebody closed this one before, or removed an event.
drain_when_full()
local list = K.digest .. ARGV[1]
if redis.call('LINDEX', list, 0) ~= ARGV[2] then return 0 end
if redis.call('LINDEX', list, ARGV[4] - 1) ~= ARGV[3] then return 0 end
for i = 6, #ARGV, 2 do enqueue(ARGV[i], ARGV[i + 1], 0) end
redis.call('LTRIM', list, ARGV[4], -1)
local left = redis.call('LLEN', list)
if left == 0 then
  redis.call('ZREM', K.digests, ARGV[1])
else
  local channels = (#ARGV - 5) / 2
  redis.call('ZADD', K.digests, left >= K.digest_max and now or now + ARGV[5], ARGV[1])
  count({ created = channels, waiting = channels })
end
return 1
