-- Record in the partition of a subject what became of a notification of a job in another partition, before that job is
-- settled there.
-- Arguments: subject, idempotency_key, occurred_at_ms (the event's own time), sent (1: it was sent), release (1: release
-- the lock; 0: another worker may be sending the same notification).
-- Returns 1.
-- Run twice: the time only grows, and a lock that another notification took meanwhile stays.
go_on_when_full()
local newest_ms, holder = unpack(redis.call('HMGET', K.latest, 'at', 'by'))
if sent == 1 then
  -- This writes also what is stored already: WAIT waits only for the writes of its own connection, so a repetition
  -- without a write would count as confirmed.
  redis.call('HSET', K.latest, 'at', string.format('%.0f', math.max(occurred_at_ms, moment(newest_ms))))
  redis.call('EXPIRE', K.latest, LATEST_TTL_S)
end
if release == 1 and holder == idempotency_key then redis.call('HDEL', K.latest, 'by', 'until') end
return 1
