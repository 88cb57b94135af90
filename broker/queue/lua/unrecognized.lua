-- Part: jobs and entries that a worker cannot read, perhaps because a newer version wrote them.

-- Returns how many ms to wait until the next worker tries: a quarter of the time since a worker first failed to read
-- it, but 1 to 15 s. Returns nil once that was for_ms ago.
local function defer(id, for_ms)
  local HOUR_MS = 3600000
  local since = tonumber(redis.call('GET', P.unrecognized .. id) or now)
  if since <= 0 or since > now then since = now end
  if now - since >= for_ms then return nil end
  redis.call('SET', P.unrecognized .. id, since, 'PX', for_ms + HOUR_MS)
  return math.max(1000, math.min(15000, math.floor((now - since) / 4)))
end
