-- Continue a bulk action: one that was stopped, or whose owner's lease has expired. The lease is a field of the
-- action's hash, since the same steps read and change the action's state.
-- Arguments: owner, lease_ms, is_resumed (1: by a person, which a stopped action needs), audit_entry (msgpack; "" for
-- none).
-- Returns 1 where the action now is the owner's, else 0.
-- Run twice: the lease starts again; there is no second audit entry.
go_on_when_full()
local state, known_owner, lease_until_ms = unpack(redis.call('HMGET', K.action, 'state', 'owner', 'lease_until_ms'))
if state == 'stopped' and is_resumed == 0 then return 0 end
if state ~= 'stopped' and state ~= 'running' then return 0 end
local has_owner = state == 'running' and moment(lease_until_ms) > now
if has_owner and known_owner ~= owner then return 0 end
redis.call('HSET', K.action, 'state', 'running', 'owner', owner, 'lease_until_ms', now + lease_ms)
if not has_owner then append_audit(audit_entry) end
return 1
