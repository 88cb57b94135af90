-- Give up the lease of a bulk action, so that another owner can continue it now.
-- Arguments: owner.
-- Returns 1, or 0 where the action is not running or has another owner.
-- Run twice: nothing more changes.
go_on_when_full()
local state, known_owner = unpack(redis.call('HMGET', K.action, 'state', 'owner'))
if state ~= 'running' or known_owner ~= owner then return 0 end
redis.call('HSET', K.action, 'lease_until_ms', 0)
return 1
