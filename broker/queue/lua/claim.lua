-- Take due jobs. Each gets a lease in the owner's name, and its place in the queue moves to the end of that lease.
-- Arguments: owner, most (jobs), lease_ms, starts_kept_s (how long the number of a job's starts is kept).
-- Returns {job id, blob, starts with this one, ms it was held so far, settled indices} for each job.
-- Run twice: the second run takes other jobs; those of the first wait until their leases end. An id that Hookline does
-- not write leaves the queue, and so does a settled index that the job does not have. Workers claim ten times a second.
-- If no worker claimed for a second, Redis was away or stopped, and leases have expired whose owners could not record
-- what they sent. So jobs that were started are left to their owners for a moment.
local AWAY_MS, MOMENT_MS, NOTE_EVERY_MS = 1000, 1500, 250
go_on_when_full()
local last_ms, ends_ms = unpack(redis.call('HMGET', K.claims, 'last_ms', 'moment_ends_ms'))
local last, moment_ends = tonumber(last_ms or 0), math.min(tonumber(ends_ms or 0), now + MOMENT_MS)
if now - last > AWAY_MS then moment_ends = now + MOMENT_MS end
if now - last > NOTE_EVERY_MS then
  redis.call('HSET', K.claims, 'last_ms', string.format('%.0f', now),
    'moment_ends_ms', string.format('%.0f', moment_ends))
  redis.call('PEXPIRE', K.claims, 60000)
end
local due = redis.call('ZRANGEBYSCORE', K.queue, '-inf', now, 'LIMIT', 0, most)
local claimed = {}

-- No worker can read a job key of another type. So the key gets a text that no worker can read either, and the job
-- becomes one dead letter, as other unreadable jobs do.
local function blob_of(job)
  local blob = redis.call('GET', P.job .. job)
  if blob then return blob end
  redis.call('SET', P.job .. job, 'moved aside: it was not of the type string')
  return redis.call('GET', P.job .. job)
end

local function settled_of(job)
  local settled, size = redis.call('SMEMBERS', P.done .. job), tonumber(job:match('%.(%d+)$'))
  for n = #settled, 1, -1 do
    local index = settled[n]
    if not index:find('^%d+$') or size > 0 and tonumber(index) >= size then
      redis.call('SREM', P.done .. job, index)
      table.remove(settled, n)
    end
  end
  return settled
end

for i = 1, #due do
  local job = due[i]
  if not job:find('^[%w._:-]+$') then
    redis.call('ZREM', K.queue, job)
  elseif redis.call('EXISTS', P.job .. job) == 0 then
    finish(job) -- a queue entry without a job: nothing to run
  elseif now < moment_ends and tonumber(redis.call('GET', P.retry .. job) or 0) > 0 then
    redis.call('ZADD', K.queue, 'XX', moment_ends, job)
  elseif acquire_lease(P.in_progress .. job, owner, lease_ms) then
    redis.call('ZADD', K.queue, 'XX', now + lease_ms, job)
    local starts = redis.call('INCR', P.retry .. job)
    redis.call('EXPIRE', P.retry .. job, starts_kept_s)
    local held_ms = tonumber(redis.call('GET', P.held_ms .. job) or 0)
    claimed[#claimed + 1] = { job, blob_of(job), starts, held_ms, settled_of(job) }
  else -- another worker has it: look again when its lease ends
    redis.call('ZADD', K.queue, 'XX', now + math.max(1, redis.call('PTTL', P.in_progress .. job)), job)
  end
end
return claimed
