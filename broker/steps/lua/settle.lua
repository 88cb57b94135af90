-- Record the outcomes of notifications of some jobs.
-- Arguments: blobs (named below by their index), owner (of the leases), plans (one for each job, with its outcomes, its
-- dead letters by index as text, its retries, and what this process's sends showed about its channel, or nil), history (a
-- row for each outcome of each plan; 0 for none). Their fields are those of the structs in broker/steps/settle.py (PLAN,
-- OUTCOME, RETRY, FEEDBACK), broker/queue/latest_only.py (LOCK) and broker/dead_letters/packing.py (LETTER).
-- Returns {rows of {notifications of the job that are still open, or -1 where the job is gone; the channel's state:
-- "closed", "open", "half-open" or "paused", or "" without feedback}; ms until the next job is due or -1 for none}. When
-- all notifications of a job are settled it is removed.
-- Run twice: an index counts once. Where the owner's lease has expired, only what it sent counts: the next owner of the
-- job tries everything else.
local is_gone, adds = {}, false
for p = 1, #plans do
  local plan = plans[p]
  is_gone[p] = redis.call('EXISTS', P.job .. plan[PLAN_JOB]) == 0
  adds = adds or not is_gone[p] and (next(plan[PLAN_LETTERS]) or #plan[PLAN_RETRIES] > 0)
end
if adds then drain_when_full() else go_on_when_full() end

local changes = { sent = 0, skipped = 0, dead = 0, retry = 0 }
local fates, died = {}, 0 -- fates: for the history

-- The time of a sent event is recorded even where the lease has expired or the job is gone: it only ever grows. But
-- only the owner releases the lock, since another worker may be sending the same notification meanwhile.
local function release_lock(lock, is_sent, owned)
  local subject, occurred_at_ms = P.latest .. lock[LOCK_SUBJECT], lock[LOCK_OCCURRED_AT_MS]
  local newest_ms, holder = unpack(redis.call('HMGET', subject, 'at', 'by'))
  if is_sent and tonumber(occurred_at_ms) > moment(newest_ms) then
    redis.call('HSET', subject, 'at', string.format('%.0f', occurred_at_ms))
    redis.call('EXPIRE', subject, LATEST_TTL_S)
  end
  if owned and holder == lock[LOCK_KEY] then redis.call('HDEL', subject, 'by', 'until') end
end

-- Update the circuit breaker of the channel. Returns its state. Sends that started before the breaker opened and fail
-- afterwards do not count.
local function channel_state(feedback)
  local channel, open_after, wait_ms, max_wait_ms, succeeded, new_failures, cause = unpack(feedback)
  local key = P.channel .. channel
  local known_failures, times_opened, open_until_ms, paused_since_ms = unpack(redis.call('HMGET', key, 'failures',
    'opened', 'open_until_ms', 'paused_since_ms'))
  local failures, opened, until_ms = tonumber(known_failures or 0), tonumber(times_opened or 0), moment(open_until_ms)
  if succeeded and (failures > 0 or until_ms > 0) then
    redis.call('HDEL', key, 'failures', 'opened', 'open_until_ms', 'probe_until_ms', 'probe_job', 'failing_since_ms',
      'cause')
    failures, opened, until_ms = 0, 0, 0
  end
  if new_failures > 0 and until_ms <= now then
    failures = failures + new_failures
    redis.call('SADD', K.channels, channel)
    redis.call('HSETNX', key, 'failing_since_ms', now)
    redis.call('HSET', key, 'failures', failures, 'cause', cause)
    if until_ms > 0 or failures >= open_after then
      until_ms = now + math.min(max_wait_ms, wait_ms * 2 ^ math.min(opened, 30))
      redis.call('HSET', key, 'opened', opened + 1, 'open_until_ms', string.format('%.0f', until_ms))
      redis.call('HDEL', key, 'probe_until_ms', 'probe_job')
    end
  end
  if paused_since_ms then return 'paused' end
  return until_ms == 0 and 'closed' or until_ms > now and 'open' or 'half-open'
end

-- Put the retries of a job into the queue, without what another run has settled. is_new: the indices that this run settles.
local function add_retries(retries, is_new)
  for i = 1, #retries do
    local retry, settled = retries[i], {}
    local new_job, indices = retry[RETRY_JOB], retry[RETRY_INDICES]
    for place = 1, #indices do
      if not is_new[indices[place]] then settled[#settled + 1] = place - 1 end
    end
    if #settled < #indices then
      enqueue(new_job, blobs[retry[RETRY_BLOB]], retry[RETRY_DELAY_MS])
      if #settled > 0 then redis.call('SADD', P.done .. new_job, unpack(settled)) end
    end
  end
end

-- Returns how many notifications of the job are still open.
local function settle(plan)
  local job, outcomes, letters, is_new = plan[PLAN_JOB], plan[PLAN_OUTCOMES], plan[PLAN_LETTERS], {}
  local done, owned = P.done .. job, redis.call('GET', P.in_progress .. job) == owner
  for i = 1, #outcomes do
    local index, kind, lock = unpack(outcomes[i])
    if type(lock) == 'table' then release_lock(lock, kind == 'sent', owned) end
    if (owned or kind == 'sent') and redis.call('SADD', done, index) == 1 then
      is_new[index], fates[#fates + 1] = true, 'n'
      changes[kind] = changes[kind] + 1
      local letter = letters[tostring(index)]
      if letter then died = died + add_dead_letter(letter, blobs) end
    else
      fates[#fates + 1] = '-'
    end
  end
  add_retries(plan[PLAN_RETRIES], is_new)
  local open = plan[PLAN_SIZE] - redis.call('SCARD', done)
  if open <= 0 then finish(job) end
  return open
end

local rows = {}
for p = 1, #plans do
  local plan = plans[p]
  if is_gone[p] then
    local outcomes = plan[PLAN_OUTCOMES]
    for i = 1, #outcomes do
      local _, kind, lock = unpack(outcomes[i])
      if type(lock) == 'table' then release_lock(lock, kind == 'sent', false) end
      fates[#fates + 1] = '-'
    end
    rows[p] = { -1, '' }
  else
    rows[p] = { settle(plan), plan[PLAN_FEEDBACK] and channel_state(plan[PLAN_FEEDBACK]) or '' }
  end
end
record('oc', blobs[history], fates)
count({
  sent = changes.sent, skipped = changes.skipped, dead = changes.dead,
  waiting = -(changes.sent + changes.skipped + changes.dead), retried = changes.retry,
  died = died,
})
return { rows, next_due_ms(K.queue) }
