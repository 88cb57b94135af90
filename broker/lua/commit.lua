-- What came of the entries that one worker read: all of it, or nothing.
-- ARGV[1] = msgpack {entries, jobs, letters}, the other ARGV are blobs that these name by their place in ARGV:
--   entry  = {id, bodies, events, letters, parts}
--   event  = {mark, shares}; mark = {dedupe key, member, expire at ms, refresh, earlier keys}
--   share  = {place in jobs, first index, count}: the event's notifications in that job
--   letter = {id, fingerprint, bodies, letter blob, body blob}
--   part   = {number of the event in its entry, digest, blob, window ms, channels}
--   job    = {id, blob}
-- An entry that is no longer pending was committed before, by a worker that took it over: it is passed over.
-- Returns {processed, duplicate, buried, waiting}.
drain_when_full()
local plan = cmsgpack.unpack(ARGV[1])
local entries, jobs = plan[1], plan[2]
local processed, duplicate, buried, created, gone = 0, 0, 0, 0, 0
local gathered, live, settled = 0, {}, {}

local function seen_before(mark)
  local earlier = mark[5]
  for i = 1, #earlier do
    if redis.call('SISMEMBER', earlier[i], mark[2]) == 1 then return true end
  end
  return redis.call('SADD', mark[1], mark[2]) == 0
end

-- Every key gets its expiry with its first member. Where the event's own day is not the day it came, the key may
-- be older than the event's window allows for: then the expiry moves on.
local function set_expiry(mark)
  if mark[4] then
    local left = redis.call('PTTL', mark[1])
    if left < 0 or now + left < mark[3] then redis.call('PEXPIREAT', mark[1], mark[3]) end
  elseif redis.call('SCARD', mark[1]) == 1 then
    redis.call('PEXPIREAT', mark[1], mark[3])
  end
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
  if seen_before(event[1]) then
    duplicate = duplicate + 1
    skip(event)
    return false
  end
  processed = processed + 1
  set_expiry(event[1])
  for s = 1, #event[2] do
    local share = event[2][s]
    created = created + share[3]
    live[share[1]] = true
  end
  return true
end

-- The first event of a digest opens its window; one that is full ends at once.
local function gather(part)
  local length = redis.call('RPUSH', K.digest .. part[2], ARGV[part[3]])
  if length == 1 then
    redis.call('ZADD', K.digests, now + part[4], part[2])
    created = created + part[5]
  elseif length >= K.digest_max then
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
      local letter = letters[i]
      bury(letter[1], letter[2], ARGV[letter[4]], ARGV[letter[5]])
      buried = buried + letter[3]
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
  processed = processed, duplicate = duplicate, buried = buried, queued = -gone,
  created = created, waiting = created, digested = gathered,
})
return { processed, duplicate, buried, tonumber(redis.call('HGET', K.total, 'waiting') or 0) }
