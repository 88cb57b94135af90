-- An entry of the audit log is written anew, where it is still what was read. A stream has no place for it between its
-- neighbours, so it stands at the end.
-- ARGV: place, entry as it was read, entry
go_on_when_full()
local found = redis.call('XRANGE', K.audit, ARGV[1], ARGV[1])
if #found == 0 or found[1][2][2] ~= ARGV[2] then return 0 end
redis.call('XDEL', K.audit, ARGV[1])
append_audit(ARGV[3])
return 1
