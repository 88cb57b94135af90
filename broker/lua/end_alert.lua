-- An alert holds no longer.
-- ARGV: name
-- Returns 1 where people had been told of it, so that they are told of its end: once.
local known = redis.call('HGET', K.alerts, ARGV[1])
redis.call('HDEL', K.alerts, ARGV[1])
return known and known:sub(1, 1) == '1' and 1 or 0
