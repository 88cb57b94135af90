-- A cron job is due. Every worker says so, and the id is the same for all of them.
-- ARGV: id, job, when it is due in ms since 1970, how long the job is kept in ms
go_on_when_full()
if redis.call('SET', K.job .. ARGV[1], ARGV[2], 'NX', 'PX', ARGV[4]) then
  redis.call('ZADD', K.queue, ARGV[3], ARGV[1])
end
return 1
