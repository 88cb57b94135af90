-- A deviation gets another name; its count goes along.
-- ARGV: source, field, field that takes its place
-- Returns 0 where it has gone.
go_on_when_full()
local drift = K.drift .. ARGV[1]
local samples = redis.call('HGET', drift, ARGV[2])
if not samples then return 0 end
redis.call('HINCRBY', drift, ARGV[3], samples)
redis.call('HDEL', drift, ARGV[2])
return 1
