-- What every script begins with. K holds the key names of broker/keys.py.

-- A full Redis still allows XACK and DEL: a script that begins with them calls this first, so that it changes
-- nothing where its later writes would be refused.
local function refuse_if_full()
  redis.call('HINCRBY', K.total, 'accepted', 0)
end

-- One clock for scores and leases: that of Redis.
local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local now = now_ms()

local GAUGES = { queued = true, waiting = true }

local function count(changes)
  local minute = K.minute .. math.floor(now / 60000)
  local counted = false
  for name, by in pairs(changes) do
    if by ~= 0 then
      redis.call('HINCRBY', K.total, name, by)
      if not GAUGES[name] then
        redis.call('HINCRBY', minute, name, by)
        counted = true
      end
    end
  end
  if counted then redis.call('EXPIRE', minute, K.stats_ttl_s) end
end

local function enqueue(job, blob, delay_ms)
  redis.call('SET', K.job .. job, blob)
  redis.call('ZADD', K.queue, now + delay_ms, job)
end

-- Remove a job and everything that belongs to it.
local function finish(job)
  redis.call('DEL', K.job .. job, K.done .. job, K.in_progress .. job, K.retry .. job)
  redis.call('ZREM', K.queue, job)
end

local function bury(id, fingerprint, letter, body)
  redis.call('HSET', K.dead .. id, 'letter', letter, 'body', body)
  redis.call('ZADD', K.dead_index, now, id)
  redis.call('ZADD', K.dead_group .. fingerprint, now, id)
  redis.call('ZADD', K.dead_groups, now, fingerprint)
end

-- 1 where the letter was there.
local function unbury(id, fingerprint)
  if redis.call('DEL', K.dead .. id) == 0 then return 0 end
  redis.call('ZREM', K.dead_index, id)
  redis.call('ZREM', K.dead_group .. fingerprint, id)
  if redis.call('EXISTS', K.dead_group .. fingerprint) == 0 then
    redis.call('ZREM', K.dead_groups, fingerprint)
  end
  return 1
end

local function queue_batch(bodies, blob, any_age)
  if any_age then
    redis.call('XADD', K.stream, '*', 'n', bodies, 'z', blob, 'a', '1')
  else
    redis.call('XADD', K.stream, '*', 'n', bodies, 'z', blob)
  end
end

-- Keep the source's last outage; one that several receivers tell of, each its part, is one.
local function end_outage(key, since, over, answers)
  local known = redis.call('HMGET', key, 'outage_since_ms', 'outage_until_ms', 'outage_answers')
  if known[1] and tonumber(known[2]) >= since then
    since, over = math.min(since, tonumber(known[1])), math.max(over, tonumber(known[2]))
    answers = answers + tonumber(known[3])
  end
  redis.call('HSET', key, 'outage_since_ms', since, 'outage_until_ms', over, 'outage_answers', answers)
end
