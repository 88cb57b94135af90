-- Give a job back unfinished; nothing happens to one that is done with.
-- ARGV: job, delay ms, "forget" where this start of it shall not count
redis.call('DEL', K.in_progress .. ARGV[1])
if ARGV[3] == 'forget' then redis.call('DEL', K.retry .. ARGV[1]) end
redis.call('ZADD', K.queue, 'XX', now + tonumber(ARGV[2]), ARGV[1])
return 1
