-- Make way for a command that Redis refused for what stands in its key.
-- ARGV: what Redis said, command, key, then its field where it has one
-- Returns 1 where that is out of the way now.
go_on_when_full()
return made_way(ARGV[1], ARGV[2], ARGV[3], ARGV[4]) and 1 or 0
