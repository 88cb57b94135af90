-- The jobs are still being worked on.
-- ARGV: lease in ms, job ids ...
local lease_ms = tonumber(ARGV[1])
for i = 2, #ARGV do
  if redis.call('EXISTS', K.job .. ARGV[i]) == 1 then
    redis.call('SET', K.in_progress .. ARGV[i], '1', 'PX', lease_ms)
    redis.call('ZADD', K.queue, 'XX', now + lease_ms, ARGV[i])
  end
end
return 1
