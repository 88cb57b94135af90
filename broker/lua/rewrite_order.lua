-- The order of an action is written anew, where it is still what was read.
-- ARGV: action, order as it was read, order
go_on_when_full()
local key = K.action .. ARGV[1]
if redis.call('HGET', key, 'a') ~= ARGV[2] then return 0 end
redis.call('HSET', key, 'a', ARGV[3])
return 1
