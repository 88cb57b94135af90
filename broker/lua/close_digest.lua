-- The window of a digest has ended: its first events become jobs, what came behind them opens a new window.
-- ARGV: digest, the first event as it lies on the list, how many events are taken, window ms, then job, blob ...
-- Returns 0 where the list begins with another event: somebody closed this one before.
drain_when_full()
local list = K.digest .. ARGV[1]
if redis.call('LINDEX', list, 0) ~= ARGV[2] then return 0 end
for i = 5, #ARGV, 2 do enqueue(ARGV[i], ARGV[i + 1], 0) end
redis.call('LTRIM', list, ARGV[3], -1)
local left = redis.call('LLEN', list)
if left == 0 then
  redis.call('ZREM', K.digests, ARGV[1])
else
  local channels = (#ARGV - 4) / 2
  redis.call('ZADD', K.digests, left >= K.digest_max and now or now + ARGV[4], ARGV[1])
  count({ created = channels, waiting = channels })
end
return 1
