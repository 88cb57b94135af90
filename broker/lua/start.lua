-- A worker starts a job that it has claimed.
-- ARGV: job, how long the number of its starts is kept in s
-- Returns {the job as arq keeps it, how often it was started, this time included}; {false, 0} where it is gone.
go_on_when_full()
local blob = redis.call('GET', K.job .. ARGV[1])
if not blob then return { false, 0 } end
local starts = redis.call('INCR', K.retry .. ARGV[1])
redis.call('EXPIRE', K.retry .. ARGV[1], ARGV[2])
return { blob, starts }
