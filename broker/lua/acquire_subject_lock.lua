-- A notification of which only the latest counts wants to go out.
-- ARGV: subject, idempotency key, the event's own time in ms, how long a turn lasts in ms, seconds to remember
go_on_when_full()
local subject = K.latest .. ARGV[1]
local known = redis.call('HMGET', subject, 'at', 'by', 'until')
if known[1] and tonumber(known[1]) > tonumber(ARGV[3]) then return 'stale' end
if known[2] and known[2] ~= ARGV[2] and tonumber(known[3]) > now then return 'wait' end
redis.call('HSET', subject, 'by', ARGV[2], 'until', now + ARGV[4])
redis.call('EXPIRE', subject, ARGV[5])
return 'go'
