-- Record that a resolved failure group has new letters, so that it is open again.
-- Arguments: fingerprint, resolved_ms (when it was resolved, as it was read), audit_entry (msgpack).
-- Returns 1 where that changed something, 0 where the group was opened or resolved again meanwhile.
-- Run twice: nothing changes, and there is no second audit entry.
go_on_when_full()
if redis.call('HGET', K.dead_group, 'resolved_ms') ~= resolved_ms then return 0 end
redis.call('HDEL', K.dead_group, 'resolved_ms')
redis.call('HSET', K.dead_group, 'returned_ms', string.format('%.0f', now))
append_audit(audit_entry)
return 1
