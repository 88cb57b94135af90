-- What every script begins with. K holds the key names of broker/redis/keys.py.

-- A key may hold what Hookline never writes there: another type, or no number where one is added to. A script that ended
-- at such a key would leave its other writes half done. So `redis.call` moves what stands there out of the way, to
-- `set-aside:{us}:{name}`, and runs the command again as if nothing had been there. Nothing is lost, and `set-aside` lists
-- what was moved.
local driver, type = redis, type
local try = driver.pcall
local NOT_A_NUMBER = { 'value is not an integer', 'value is not a float', 'would overflow' }

local function note_set_aside(name)
  local time = driver.call('TIME')
  local answer = try('ZADD', K.set_aside, time[1] * 1000 + math.floor(time[2] / 1000), name)
  return type(answer) == 'number'
end

local function set_aside_name(key)
  local time = driver.call('TIME')
  return K.set_aside_of .. time[1] .. string.format('%06d', time[2]) .. ':' .. key:sub(#KEYS[1] + 1)
end

local function set_key_aside(key)
  local name = set_aside_name(key)
  driver.call('RENAME', key, name)
  driver.call('PERSIST', name)
  if not note_set_aside(name) then -- the list is of another type itself
    driver.call('RENAME', K.set_aside, set_aside_name(K.set_aside))
    note_set_aside(name)
  end
end

local function set_field_aside(key, field)
  local name = set_aside_name(key)
  driver.call('HSET', name, field, driver.call('HGET', key, field))
  driver.call('HDEL', key, field)
  note_set_aside(name)
end

-- Whether what a command was refused for is out of the way now.
local function made_way(refusal, command, key, field)
  if command == 'XGROUP' or command == 'XINFO' then key = field end
  if not key or key:sub(1, #KEYS[1]) ~= KEYS[1] or driver.call('EXISTS', key) == 0 then return false end
  if refusal:find('WRONGTYPE', 1, true) then
    set_key_aside(key)
    return true
  end
  for i = 1, #NOT_A_NUMBER do
    if refusal:find(NOT_A_NUMBER[i], 1, true) then
      if command == 'HINCRBY' then set_field_aside(key, field) else set_key_aside(key) end
      return true
    end
  end
  return false
end

local function call(...)
  local answer = try(...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  made_way(answer.err, ...)
  return driver.call(...) -- which raises what Redis refuses for any other reason
end

local redis = { call = call, pcall = try, sha1hex = driver.sha1hex }

-- The number that a value stands for; 0 for anything else, and for one too large to be exact.
local to_number = tonumber
local function tonumber(value, base)
  local number = base and to_number(value, base) or not base and to_number(value)
  if number and number > -2 ^ 53 and number < 2 ^ 53 then return number end
  return 0
end

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

-- A moment that something waits for; 0 for none, and for one that nothing of ours would wait for.
local MONTH_MS = 30 * 86400000
local function moment(value)
  local ms = tonumber(value)
  return ms <= now + MONTH_MS and ms or 0
end

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
  redis.call('DEL', K.job .. job, K.done .. job, K.in_progress .. job, K.retry .. job, K.unrecognized .. job, K.held_ms .. job)
  redis.call('ZREM', K.queue, job)
end

-- How long to wait before the next worker looks at what one did not understand: a quarter of the time since one met
-- it first, but 1 to 15 s. Nothing where that was `for_ms` ago.
local function defer(id, for_ms)
  local since = tonumber(redis.call('GET', K.unrecognized .. id) or now)
  if since <= 0 or since > now then since = now end
  if now - since >= for_ms then return nil end
  redis.call('SET', K.unrecognized .. id, since, 'PX', for_ms + 3600000)
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
