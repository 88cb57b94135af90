-- Part: whether Redis, or all workers, were away. Then leases have expired whose owners could not record what they
-- sent, so jobs that were started are left to their owners for a moment.

-- Note that a worker is here. Returns the time until which started jobs are left to their owners.
-- A worker calls this at least every third of a lease, and renews its leases every quarter. So an absence of less than
-- half a lease ends no lease, and does not count.
local function note_worker(lease_ms)
  local NOTE_EVERY_MS = 250
  local last_ms, ends_ms = unpack(redis.call('HMGET', K.claims, 'last_ms', 'moment_ends_ms'))
  local last, moment_ends = tonumber(last_ms or 0), math.min(tonumber(ends_ms or 0), now + RETURN_MOMENT_MS)
  if last > now then last = 0 end -- another program wrote it, or the clock was set back
  if now - last > lease_ms / 2 then moment_ends = now + RETURN_MOMENT_MS end
  if now - last > NOTE_EVERY_MS then
    redis.call('HSET', K.claims, 'last_ms', string.format('%.0f', now),
      'moment_ends_ms', string.format('%.0f', moment_ends))
    redis.call('PEXPIRE', K.claims, 60000)
  end
  return moment_ends
end
