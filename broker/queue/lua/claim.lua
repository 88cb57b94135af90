-- Take due jobs. Each gets a lease in the owner's name, and its place in the queue moves to the end of that lease.
-- Arguments: owner, most (jobs), room (for their notifications: none is taken when the others fill it),
-- counted_at_least (notifications as which a small job counts), lease_ms, starts_kept_s (how long the number of a job's
-- starts is kept).
-- Returns {jobs, ms until the next job is due or -1 for none, channels that have any state}. Each job is {job id, blob,
-- starts with this one, ms it was held so far, settled indices}.
-- Run twice: the second run takes other jobs; those of the first wait until their leases end. An id that Hookline does
-- not write leaves the queue, and so does a settled index that the job does not have. Where more jobs are due than the
-- worker takes, another worker is woken.
go_on_when_full()
local moment_ends = note_worker(lease_ms)
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
  if room <= 0 then break end
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
    room = room - math.max(tonumber(job:match('%.(%d+)$')), counted_at_least)
    claimed[#claimed + 1] = { job, blob_of(job), starts, held_ms, settled_of(job) }
  else -- another worker has it: look again when its lease ends
    redis.call('ZADD', K.queue, 'XX', now + math.max(1, redis.call('PTTL', P.in_progress .. job)), job)
  end
end
local next_ms = next_due_ms(K.queue)
if next_ms == 0 then wake_a_worker() end
return { claimed, next_ms, redis.call('SCARD', K.channels) }
