-- What came of the entries that one worker read: all of it, or nothing.
-- ARGV[1] = msgpack {entries, jobs, letters}, the other ARGV are blobs that these name by their place in ARGV:
--   entry  = {id, bodies, events, letters, parts}
--   event  = {mark, shares}; mark = broker/queue/dedupe.py's Mark: {key, member, window ms, period ms, has a time of its own}
--   share  = {place in jobs, first index, count}: the event's notifications in that job
--   letters = dead letters: see dead_letters.lua
--   part   = {number of the event in its entry, digest, blob, window ms, channels}
--   job    = {id, blob}
-- An entry that is no longer pending was committed before, by a worker that took it over: it is passed over.
-- An event that was seen before, and of which a notification lies dead, revives it instead of counting as a duplicate.
-- Returns {processed, duplicate, dead_at_intake, waiting, retried_on_redelivery}.
drain_when_full()
local plan = cmsgpack.unpack(ARGV[1])
local entries, jobs = plan[1], plan[2]
local processed, duplicate, dead_at_intake, created, gone = 0, 0, 0, 0, 0
local gathered, retried_on_redelivery, died, live, settled = 0, 0, 0, {}, {}
local has_dead = redis.call('EXISTS', K.dead_index) == 1

-- A set lives until the end of the period in which it was last seen, and a window more. Nothing shortens that: neither
-- an event of the future, nor one that came long ago, nor a clock that is set back. (These two commands fit any type.)
local function remember(key, mark)
  local ends = (math.floor(now / mark[4]) + 1) * mark[4] + mark[3]
  if driver.call('PTTL', key) < ends - now then driver.call('PEXPIREAT', key, string.format('%.0f', ends)) end
end

-- Whether the identity was seen before; it is remembered from now on. One without a time of its own may lie in any
-- period of its window, and in the next one where the clock of Redis was set back.
local function was_seen(mark)
  local key, member = KEYS[1] .. mark[1], mark[2]
  if not mark[5] then
    local period = math.floor(now / mark[4])
    for n = period + 1, period - math.ceil(mark[3] / mark[4]), -1 do
      local other = key:format(n)
      if n ~= period and redis.call('SISMEMBER', other, member) == 1 then
        remember(other, mark)
        return true
      end
    end
    key = key:format(period)
  end
  local is_new = redis.call('SADD', key, member) == 1
  remember(key, mark)
  return not is_new
end

local function marks_dead_for_retry(member)
  local dead = ids_with('seen:' .. member, '', 100)
  for i = 1, #dead do redis.call('SADD', K.dead_to_retry, dead[i]) end
  return #dead > 0
end

local function settle(share)
  local done = settled[share[1]]
  if not done then
    done = {}
    settled[share[1]] = done
  end
  for index = share[2], share[2] + share[3] - 1 do done[#done + 1] = index end
end

local function skip(event)
  for s = 1, #event[2] do settle(event[2][s]) end
end

local function process(event)
  if was_seen(event[1]) then
    if has_dead and marks_dead_for_retry(event[1][2]) then
      processed, retried_on_redelivery = processed + 1, retried_on_redelivery + 1
    else
      duplicate = duplicate + 1
    end
    skip(event)
    return false
  end
  processed = processed + 1
  for s = 1, #event[2] do
    local share = event[2][s]
    created = created + share[3]
    live[share[1]] = true
  end
  return true
end

-- The first event of a digest opens its window, and counts for as many notifications as it has channels; one that is
-- full ends at once.
local function gather(part)
  local length = redis.call('RPUSH', K.digest .. part[2], ARGV[part[3]])
  if redis.call('HSETNX', K.digests_counted, part[2], part[5]) == 1 then created = created + part[5] end
  redis.call('ZADD', K.digests, 'NX', now + part[4], part[2])
  if length >= K.digest_max then
    redis.call('ZADD', K.digests, 'XX', now, part[2])
  end
  gathered = gathered + 1
end

for e = 1, #entries do
  local entry = entries[e]
  local events, letters, parts, fresh = entry[3], entry[4], entry[5], {}
  if redis.call('XACK', K.stream, K.group, entry[1]) == 1 then
    redis.call('XDEL', K.stream, entry[1])
    gone = gone + entry[2]
    for i = 1, #events do fresh[i] = process(events[i]) end
    for i = 1, #parts do
      if fresh[parts[i][1]] then gather(parts[i]) end
    end
    for i = 1, #letters do
      died = died + add_dead_letter(letters[i])
      dead_at_intake = dead_at_intake + letters[i][2]
    end
  else
    for i = 1, #events do skip(events[i]) end
  end
end

for place = 1, #jobs do
  if live[place] then
    local job = jobs[place]
    enqueue(job[1], ARGV[job[2]], 0)
    if settled[place] then redis.call('SADD', K.done .. job[1], unpack(settled[place])) end
  end
end

count({
  processed = processed, duplicate = duplicate, dead_at_intake = dead_at_intake, queued = -gone,
  created = created, waiting = created, digested = gathered, retried_on_redelivery = retried_on_redelivery,
  died = died,
})
return { processed, duplicate, dead_at_intake, tonumber(redis.call('HGET', K.stats_total, 'waiting')), retried_on_redelivery }
