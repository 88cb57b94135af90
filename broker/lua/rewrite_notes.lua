-- The notes on a dead letter are written anew, where they are still what was read.
-- ARGV: letter id, notes as they were read, notes or ""
go_on_when_full()
local key = K.dead_notes .. ARGV[1]
if redis.call('GET', key) ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('DEL', key) else redis.call('SET', key, ARGV[3]) end
return 1
