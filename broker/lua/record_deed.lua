-- Somebody does something that no step of Redis does.
-- ARGV: deed
go_on_when_full()
told(ARGV[1])
return 1
