-- Ask whether a notification of a rule that only wants the latest may be sent now. The lock is in fields of the hash
-- that also holds the time of the newest event, so it is not a lease key of its own.
-- Arguments: subject, idempotency_key, occurred_at_ms (the event's own time), lasts_ms (how long the lock lasts).
-- Returns "go", "wait" where another notification of the subject is being sent, "stale" where a newer event was sent.
-- Run twice: the same notification gets the lock again.
go_on_when_full()
local newest_ms, holder, until_ms = unpack(redis.call('HMGET', K.latest, 'at', 'by', 'until'))
if newest_ms and tonumber(newest_ms) > occurred_at_ms then return 'stale' end
if holder and holder ~= idempotency_key and tonumber(until_ms) > now then return 'wait' end
redis.call('HSET', K.latest, 'by', idempotency_key, 'until', now + lasts_ms)
redis.call('EXPIRE', K.latest, LATEST_TTL_S)
return 'go'
