-- A field of an action is written anew, where it is still what was read.
-- ARGV: action, field, value as it was read, value
go_on_when_full()
local key = K.action .. ARGV[1]
if redis.call('HGET', key, ARGV[2]) ~= ARGV[3] then return 0 end
redis.call('HSET', key, ARGV[2], ARGV[4])
return 1
