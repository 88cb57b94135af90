-- Take a lease, extend it, or give it back.
-- Arguments: lease (the key), owner, lease_ms (0 gives the lease back).
-- Returns 1, or 0 where another owner has the lease.
-- Run twice: the owner keeps the lease, and its time starts again.
go_on_when_full()
local is_mine = redis.call('GET', K.lease) == owner
if not is_mine and lease_ms > 0 then return acquire_lease(K.lease, owner, lease_ms) and 1 or 0 end
if is_mine and lease_ms > 0 then redis.call('SET', K.lease, owner, 'PX', lease_ms) end
if is_mine and lease_ms == 0 then redis.call('DEL', K.lease) end
return (is_mine or redis.call('PTTL', K.lease) < 0) and 1 or 0
