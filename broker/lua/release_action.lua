-- Leave an action to whoever comes next: it goes on, and nobody works on it.
-- ARGV: id, owner
-- Returns 1 where it was this owner's.
go_on_when_full()
local key = K.action .. ARGV[1]
local known = redis.call('HMGET', key, 'state', 'owner')
if known[1] ~= 'running' or known[2] ~= ARGV[2] then return 0 end
redis.call('HSET', key, 'lease_until_ms', 0)
return 1
