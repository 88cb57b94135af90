-- Ask whether a notification of a rule that only wants the latest may be sent now. The lock is in fields of the hash
-- that also holds the time of the newest event, so it is not a lease key of its own.
-- Arguments: subject, idempotency_key, occurred_at_ms (the event's own time), lasts_ms (how long the lock lasts),
-- lease_ms (of the workers' leases), layout (for which the home of the subject was computed).
-- Returns "go", "wait" where another notification of the subject is being sent or data moves, "stale" where a newer event
-- was sent.
-- Run twice: the same notification gets the lock again.
go_on_when_full()
local stored = redis.call('GET', K.layout)
if stored and stored ~= layout then return 'wait' end -- its newest time is being moved, or is somewhere else
local newest_ms, holder, until_ms = unpack(redis.call('HMGET', K.latest, 'at', 'by', 'until'))
if newest_ms and tonumber(newest_ms) > occurred_at_ms then return 'stale' end

-- While Redis was away, the holder may have sent its event and could not record that. So a lock that expired meanwhile
-- counts again from the return of Redis on: the holder, or the next run of its job, gets time to record the event.
local function counts_again()
  local last_ms, moment_ends_ms = unpack(redis.call('HMGET', K.claims, 'last_ms', 'moment_ends_ms'))
  local is_back_just_now = now - tonumber(last_ms or 0) > lease_ms / 2
  local back_ms = is_back_just_now and now or tonumber(moment_ends_ms or 0) - RETURN_MOMENT_MS
  return tonumber(until_ms) - lasts_ms < back_ms and now < back_ms + lasts_ms
end

if holder and holder ~= idempotency_key and (tonumber(until_ms) > now or counts_again()) then return 'wait' end
redis.call('HSET', K.latest, 'by', idempotency_key, 'until', now + lasts_ms)
redis.call('EXPIRE', K.latest, LATEST_TTL_S)
return 'go'
