-- A person stops an action: whoever works on it does no further step.
-- ARGV: id, audit entry
-- Returns 1 where it was going on.
go_on_when_full()
local key = K.action .. ARGV[1]
if redis.call('HGET', key, 'state') ~= 'running' then return 0 end
redis.call('HSET', key, 'state', 'stopped')
append_audit(ARGV[2])
return 1
