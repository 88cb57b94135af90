-- Record the outcomes of notifications of one job.
-- Arguments: blobs (named below by their index), job (id), size (its notifications), owner (of the lease), outcomes,
-- letters (dead letters by index, as text), retries, feedback (what this process's sends showed about the job's
-- channel, or nil), history (a row for each outcome; 0 for none). Their fields are those of the structs in broker/steps/settle.py (OUTCOME, RETRY, FEEDBACK),
-- broker/queue/latest_only.py (LOCK) and broker/dead_letters/packing.py (LETTER).
-- Returns {notifications of the job that are still open, or -1 where the job is gone; the channel's state: "closed",
-- "open", "half-open" or "paused", or "" without feedback; ms until the next job is due or -1 for none}. When all
-- notifications are settled the job is removed.
-- Run twice: an index counts once. Where the owner's lease has expired, only what it sent counts: the next owner of the
-- job tries everything else.
local is_gone = redis.call('EXISTS', K.job) == 0
if not is_gone and (next(letters) or #retries > 0) then drain_when_full() else go_on_when_full() end
local owned = redis.call('GET', K.in_progress) == owner

-- The time of a sent event is recorded even where the lease has expired or the job is gone: it only ever grows. But
-- only the owner releases the lock, since another worker may be sending the same notification meanwhile.
local function release_lock(lock, is_sent)
  local subject, occurred_at_ms = P.latest .. lock[LOCK_SUBJECT], lock[LOCK_OCCURRED_AT_MS]
  local newest_ms, holder = unpack(redis.call('HMGET', subject, 'at', 'by'))
  if is_sent and tonumber(occurred_at_ms) > moment(newest_ms) then
    redis.call('HSET', subject, 'at', string.format('%.0f', occurred_at_ms))
    redis.call('EXPIRE', subject, LATEST_TTL_S)
  end
  if owned and holder == lock[LOCK_KEY] then redis.call('HDEL', subject, 'by', 'until') end
end

for i = 1, #outcomes do
  local lock = outcomes[i][OUTCOME_LOCK]
  if type(lock) == 'table' then release_lock(lock, outcomes[i][OUTCOME_KIND] == 'sent') end
end

if is_gone then return { -1, '', next_due_ms(K.queue) } end

-- Update the circuit breaker of the channel. Returns its state. Sends that started before the breaker opened and fail
-- afterwards do not count.
local function channel_state()
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

local changes = { sent = 0, skipped = 0, dead = 0, retry = 0 }
local is_new, fates, died = {}, {}, 0 -- is_new: the indices that this run settles; fates: for the history
for i = 1, #outcomes do
  local index, kind = outcomes[i][OUTCOME_INDEX], outcomes[i][OUTCOME_KIND]
  if (owned or kind == 'sent') and redis.call('SADD', K.done, index) == 1 then
    is_new[index], fates[i] = true, 'n'
    changes[kind] = changes[kind] + 1
    local letter = letters[tostring(index)]
    if letter then died = died + add_dead_letter(letter, blobs) end
  else
    fates[i] = '-'
  end
end
record('oc', blobs[history], fates)

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

count({
  sent = changes.sent, skipped = changes.skipped, dead = changes.dead,
  waiting = -(changes.sent + changes.skipped + changes.dead), retried = changes.retry,
  died = died,
})
local open = size - redis.call('SCARD', K.done)
if open <= 0 then finish(job) end
return { open, feedback and channel_state() or '', next_due_ms(K.queue) }
