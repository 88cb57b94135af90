-- The record of an alert is written anew, where it is still what was read.
-- ARGV: name, record as it was read, record
go_on_when_full()
if redis.call('HGET', K.alerts, ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', K.alerts, ARGV[1], ARGV[3])
return 1
