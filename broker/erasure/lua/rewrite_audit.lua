-- Replace an entry of the audit log if it is still what the caller read. An entry of a stream cannot change in its
-- place, so the new one is appended at the end.
-- Arguments: place (id of the entry), before (the entry as it was read), after (the new entry); both msgpack.
-- Returns 1, or 0 where the entry has changed or is gone.
-- Run twice: 0 the second time.
go_on_when_full()
local _, fields = unpack(unpack(redis.call('XRANGE', K.audit, place, place)) or {})
local _, audit_entry = unpack(fields or {})
if audit_entry ~= before then return 0 end
redis.call('XDEL', K.audit, place)
append_audit(after)
return 1
