-- Give a job back unfinished; nothing happens to one that is done with, and what another worker owns stays its own.
-- ARGV: owner, job, delay ms, "forget" where this start of it shall not count
go_on_when_full()
local job = ARGV[2]
if ARGV[4] == 'forget' and tonumber(redis.call('GET', K.retry .. job) or 0) > 0 then
  redis.call('DECR', K.retry .. job)
end
if redis.call('GET', K.in_progress .. job) ~= ARGV[1] then return 0 end
redis.call('DEL', K.in_progress .. job)
redis.call('ZADD', K.queue, 'XX', now + tonumber(ARGV[3]), job)
return 1
