-- What every script begins with. K holds the key names of broker/keys.py.

-- A Redis at maxmemory refuses the first write of a script, unless it is one that can only free memory (DEL, XACK),
-- and takes every write after that. So each script that may meet a full Redis begins with one of these three, and
-- changes all or nothing.

-- What only adds, and can wait.
local function refuse_if_full()
  redis.call('HINCRBY', K.stats_total, 'accepted', 0)
end

-- What frees memory in the end, or takes a few bytes for a while.
local function go_on_when_full()
  redis.call('DEL', K.job) -- no job has an empty name
end

-- What empties a queue and yet may need more than it frees, for a while (retries) or for good (dead letters): goes
-- on to a quarter beyond maxmemory and is refused there.
local function drain_when_full()
  local answer = redis.pcall('HINCRBY', K.stats_total, 'accepted', 0)
  if type(answer) == 'table' and answer.err then
    local memory = redis.call('INFO', 'memory')
    local used, most = memory:match('used_memory:(%d+)'), memory:match('maxmemory:(%d+)')
    if tonumber(used) > 1.25 * tonumber(most) then refuse_if_full() end
    go_on_when_full()
  end
end

-- One clock for scores and leases: that of Redis.
local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local now = now_ms()

local GAUGES = { queued = true, waiting = true }

local function count(changes)
  local minute = K.stats_minute .. math.floor(now / 60000)
  local counted = false
  for name, by in pairs(changes) do
    if by ~= 0 then
      redis.call('HINCRBY', K.stats_total, name, by)
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
  redis.call('DEL', K.job .. job, K.done .. job, K.in_progress .. job, K.retry .. job, K.stranger .. job, K.held_ms .. job)
  redis.call('ZREM', K.queue, job)
end

-- How long to wait before the next worker looks at what one did not understand: a quarter of the time since one met
-- it first, but 1 to 15 s. Nothing where that was `for_ms` ago.
local function pass_on(id, for_ms)
  local since = tonumber(redis.call('GET', K.stranger .. id) or now)
  if now - since >= for_ms then return nil end
  redis.call('SET', K.stranger .. id, since, 'PX', for_ms + 3600000)
  return math.max(1000, math.min(15000, math.floor((now - since) / 4)))
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
