-- Look at the channels of which something is known; those that take jobs get held ones back: as many as their caller has
-- room for, or a single one that probes.
-- ARGV: how long a probe may take in ms, most jobs at a time, then channel, most jobs of it ...
-- Returns {ms since 1970 by the clock of Redis, rows of {channel, failures, opened, open until ms or 0, paused since ms or 0, jobs still held}}.
go_on_when_full()
local most = {}
for i = 3, #ARGV, 2 do most[ARGV[i]] = tonumber(ARGV[i + 1]) end

local function back(name, count)
  local popped = redis.call('ZPOPMIN', K.held_jobs .. name, count)
  for i = 1, #popped, 2 do
    if redis.call('EXISTS', K.job .. popped[i]) == 1 then
      local since = tonumber(popped[i + 1])
      if since <= 0 then since = now end
      redis.call('ZADD', K.queue, math.min(since, now), popped[i])
      redis.call('INCRBY', K.held_ms .. popped[i], math.max(0, now - since))
    end
  end
  return popped[1]
end

local rows = {}
for _, name in ipairs(redis.call('SMEMBERS', K.channels)) do
  local key = K.channel .. name
  local known = redis.call('HMGET', key, 'failures', 'opened', 'open_until_ms', 'paused_since_ms', 'probe_until_ms')
  local failures, opened, until_ms = tonumber(known[1] or 0), tonumber(known[2] or 0), moment(known[3])
  local count = 0
  if until_ms == 0 then
    count = most[name] or tonumber(ARGV[2])
  elseif until_ms <= now and moment(known[5]) <= now then
    count = 1
  end
  if count > 0 and not known[4] then
    local job = back(name, count)
    if job and until_ms > 0 then
      redis.call('HSET', key, 'probe_until_ms', now + tonumber(ARGV[1]), 'probe_job', job)
    end
  end
  local held = redis.call('ZCARD', K.held_jobs .. name)
  if held == 0 and redis.call('EXISTS', key) == 0 then redis.call('SREM', K.channels, name) end
  rows[#rows + 1] = { name, failures, opened, until_ms, tonumber(known[4] or 0), held }
end
return { now, rows }
