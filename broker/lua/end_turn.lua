-- A notification of which only the latest counts is out, or was not sent.
-- ARGV: subject, idempotency key, the event's own time in ms (0: not sent), seconds to remember
go_on_when_full()
local subject = K.latest .. ARGV[1]
local known = redis.call('HMGET', subject, 'at', 'by')
if tonumber(ARGV[3]) > tonumber(known[1] or 0) then
  redis.call('HSET', subject, 'at', ARGV[3])
  redis.call('EXPIRE', subject, ARGV[4])
end
if known[2] == ARGV[2] then redis.call('HDEL', subject, 'by', 'until') end
return 1
