-- Stop a bulk action for a person: its owner does no further step. Completed work is not undone.
-- Arguments: audit_entry (msgpack; "" for none).
-- Returns 1, or 0 where the action was not running.
-- Run twice: 0 the second time, and there is no second audit entry.
go_on_when_full()
if redis.call('HGET', K.action, 'state') ~= 'running' then return 0 end
redis.call('HSET', K.action, 'state', 'stopped')
append_audit(audit_entry)
return 1
