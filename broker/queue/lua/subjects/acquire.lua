-- Ask whether notifications of rules that only want the latest may be sent now. The lock of a subject is in fields of the
-- hash that also holds the time of its newest event, so it is not a lease key of its own.
-- Arguments: locks (LOCK in broker/queue/latest_only.py), lasts_ms (how long a lock lasts), lease_ms (of the workers'
-- leases), layout (for which the homes of the subjects were computed).
-- Returns for each lock "go", "wait" where another notification of the subject is being sent or data moves, "stale" where
-- a newer event was sent.
-- Run twice: the same notifications get the locks again.
go_on_when_full()
local stored = redis.call('GET', K.layout)
local is_moved = stored and stored ~= layout -- the newest times are being moved, or are somewhere else

-- While Redis was away, the holder may have sent its event and could not record that. So a lock that expired meanwhile
-- counts again from the return of Redis on: the holder, or the next run of its job, gets time to record the event.
local function counts_again(until_ms)
  local last_ms, moment_ends_ms = unpack(redis.call('HMGET', K.claims, 'last_ms', 'moment_ends_ms'))
  local is_back_just_now = now - tonumber(last_ms or 0) > lease_ms / 2
  local back_ms = is_back_just_now and now or tonumber(moment_ends_ms or 0) - RETURN_MOMENT_MS
  return moment(until_ms) - lasts_ms < back_ms and now < back_ms + lasts_ms
end

local function acquire(lock)
  local latest, key = P.latest .. lock[LOCK_SUBJECT], lock[LOCK_KEY]
  local newest_ms, holder, until_ms = unpack(redis.call('HMGET', latest, 'at', 'by', 'until'))
  if moment(newest_ms) > lock[LOCK_OCCURRED_AT_MS] then return 'stale' end
  if holder and holder ~= key and (moment(until_ms) > now or counts_again(until_ms)) then return 'wait' end
  redis.call('HSET', latest, 'by', key, 'until', now + lasts_ms)
  redis.call('EXPIRE', latest, LATEST_TTL_S)
  return 'go'
end

local answers = {}
for i = 1, #locks do answers[i] = is_moved and 'wait' or acquire(locks[i]) end
return answers
