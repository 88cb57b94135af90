-- Part: leases. A lease is a string key that names its owner and expires by itself, in case the owner dies.

-- Take a lease that is free. Returns whether it was free. A key without an expiry counts as free: Hookline never writes
-- a lease without one, so another program did, and it would block the work for ever.
local function acquire_lease(key, owner, lease_ms)
  if redis.call('SET', key, owner, 'NX', 'PX', lease_ms) then return true end
  if redis.call('PTTL', key) ~= -1 then return false end
  redis.call('SET', key, owner, 'PX', lease_ms)
  return true
end
