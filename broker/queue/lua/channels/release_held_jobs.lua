-- Read the state of all channels that have any, and put held jobs back into the queue where a channel accepts jobs: as
-- many as the caller has room for, or a single one that probes a half-open channel.
-- Arguments: probe_ms (how long a probe may take), most (jobs of a channel that `limits` does not name), limits (most
-- jobs by channel, for the channels that the caller knows).
-- Returns {now, rows of {channel, failures, times opened, open until or 0, paused since or 0, jobs still held}}; times
-- are ms since 1970 by the clock of Redis.
-- Run twice: the second run puts more jobs back.
go_on_when_full()

-- Put up to `most_jobs` back, the oldest first; ids without a job leave the list. Returns the first job.
local function put_back(channel, most_jobs)
  local MOST_TRIES = 100
  local first
  for _ = 1, MOST_TRIES do
    local popped = redis.call('ZPOPMIN', P.held_jobs .. channel, most_jobs)
    for job, score in each_pair(popped) do
      if redis.call('EXISTS', P.job .. job) == 1 then
        local since = tonumber(score)
        if since <= 0 then since = now end
        redis.call('ZADD', K.queue, math.min(since, now), job)
        redis.call('INCRBY', P.held_ms .. job, math.max(0, now - since))
        first = first or job
      end
    end
    if first or #popped == 0 then break end
  end
  return first
end

-- Another program may remove the list of channels. Their jobs would be held for ever, and a pause would be ignored.
for channel in pairs(limits) do
  if redis.call('EXISTS', P.channel .. channel, P.held_jobs .. channel) > 0 then
    redis.call('SADD', K.channels, channel)
  end
end

local rows = {}
for _, channel in ipairs(redis.call('SMEMBERS', K.channels)) do
  local key = P.channel .. channel
  local failures, opened, open_until_ms, paused_since_ms, probe_until_ms, probe_job = unpack(redis.call('HMGET', key,
    'failures', 'opened', 'open_until_ms', 'paused_since_ms', 'probe_until_ms', 'probe_job'))
  local until_ms, most_jobs = moment(open_until_ms), 0
  if until_ms == 0 then
    most_jobs = limits[channel] or most
  elseif until_ms <= now and not is_probing(probe_job, probe_until_ms) then
    most_jobs = 1
  end
  if most_jobs > 0 and not paused_since_ms then
    local job = put_back(channel, most_jobs)
    if job and until_ms > 0 then
      redis.call('HSET', key, 'probe_until_ms', now + probe_ms, 'probe_job', job)
    end
  end
  local held = redis.call('ZCARD', P.held_jobs .. channel)
  if held == 0 and redis.call('EXISTS', key) == 0 then redis.call('SREM', K.channels, channel) end
  rows[#rows + 1] = { channel, tonumber(failures or 0), tonumber(opened or 0), until_ms,
    tonumber(paused_since_ms or 0), held }
end
return { now, rows }
