-- Take due jobs: each gets a lease in its owner's name and leaves the head of the queue until the lease ends.
-- ARGV: owner, how many, lease in ms, how long the number of a job's starts is kept in s
-- Returns for each {job, as arq keeps it, how often it was started, this time included, for how long it was held in ms,
-- settled indices}.
-- What no Hookline put into the queue leaves it: an id of other characters. So does a settled index that is none of the job's.
-- Workers claim ten times a second. If nobody did for a second, Redis was away or stood still, and leases have lapsed
-- meanwhile whose owners sent what they could not record: for a moment the jobs that were begun are left to them.
local AWAY_MS, MOMENT_MS, NOTE_EVERY_MS = 1000, 1500, 250
go_on_when_full()
local claims = redis.call('HMGET', K.claims, 'last_ms', 'moment_ends_ms')
local last, moment_ends = tonumber(claims[1] or 0), math.min(tonumber(claims[2] or 0), now + MOMENT_MS)
if now - last > AWAY_MS then moment_ends = now + MOMENT_MS end
if now - last > NOTE_EVERY_MS then
  redis.call('HSET', K.claims, 'last_ms', string.format('%.0f', now),
    'moment_ends_ms', string.format('%.0f', moment_ends))
  redis.call('PEXPIRE', K.claims, 60000)
end
local lease_ms = tonumber(ARGV[3])
local due = redis.call('ZRANGEBYSCORE', K.queue, '-inf', now, 'LIMIT', 0, ARGV[2])
local claimed = {}

-- A job that is of another type is a job that nobody can read: it becomes one dead letter, as others of those do.
local function body_of(job)
  local blob = redis.call('GET', K.job .. job)
  if blob then return blob end
  redis.call('SET', K.job .. job, 'moved aside: it was not of the type string')
  return redis.call('GET', K.job .. job)
end

local function settled_of(job)
  local settled, size = redis.call('SMEMBERS', K.done .. job), tonumber(job:match('%.(%d+)$'))
  for n = #settled, 1, -1 do
    local index = settled[n]
    if not index:find('^%d+$') or size > 0 and tonumber(index) >= size then
      redis.call('SREM', K.done .. job, index)
      table.remove(settled, n)
    end
  end
  return settled
end

-- For how long a job is leased. A lease ends by itself: what never ends is none.
local function lease_left_ms(job)
  local left_ms = redis.call('PTTL', K.in_progress .. job)
  if left_ms == -1 then redis.call('DEL', K.in_progress .. job) end
  return math.max(1, left_ms)
end

for i = 1, #due do
  local job = due[i]
  if not job:find('^[%w._:-]+$') then
    redis.call('ZREM', K.queue, job)
  elseif redis.call('EXISTS', K.job .. job) == 0 then
    finish(job) -- a queue entry without a job: nothing to run
  elseif now < moment_ends and tonumber(redis.call('GET', K.retry .. job) or 0) > 0 then
    redis.call('ZADD', K.queue, 'XX', moment_ends, job)
  elseif redis.call('SET', K.in_progress .. job, ARGV[1], 'NX', 'PX', lease_ms) then
    redis.call('ZADD', K.queue, 'XX', now + lease_ms, job)
    local starts = redis.call('INCR', K.retry .. job)
    redis.call('EXPIRE', K.retry .. job, ARGV[4])
    claimed[#claimed + 1] = { job, body_of(job), starts,
      tonumber(redis.call('GET', K.held_ms .. job) or 0), settled_of(job) }
  else -- somebody's lease is still on: look again when it ends
    redis.call('ZADD', K.queue, 'XX', now + lease_left_ms(job), job)
  end
end
return claimed
