-- Somebody does something that no step of Redis does.
-- ARGV: audit entry
go_on_when_full()
append_audit(ARGV[1])
return 1
