-- What came of notifications of one job.
-- ARGV[1] = msgpack {job, size, outcomes, letters, retries, owner, heard}, the other ARGV are blobs named by their place:
--   outcome = {index, "sent" | "skipped" | "dead" | "retry", turn or nil}
--   turn    = {subject, idempotency key, the event's own time in ms}: see broker/queue/latest_only.py
--   letters = {[index as string] = dead letter}: see dead_letters.lua
--   retry   = {job, delay ms, blob, indices of this job in the order they have in the new one}
--   heard   = {channel, failures that open it, first wait ms, longest wait ms, whether any send succeeded, failures
--              since}: what the sends of this process told of the job's channel, in the order in which they ended
-- An index counts once. Of a worker whose lease has lapsed only what it sent counts: all else is tried by the next.
-- When all are settled the job is gone.
-- Returns {the notifications of the job that are still open, or -1 where the job is gone already, the channel's
-- state: "closed" | "open" | "half-open" | "paused", "" where nothing was heard}.
local plan = cmsgpack.unpack(ARGV[1])
local job, size, outcomes, letters, retries = plan[1], plan[2], plan[3], plan[4], plan[5]
local is_gone = redis.call('EXISTS', K.job .. job) == 0
if not is_gone and (next(letters) or #retries > 0) then drain_when_full() else go_on_when_full() end
local owned = redis.call('GET', K.in_progress .. job) == plan[6]

-- What was sent is remembered whoever has the job by now, and also where it has gone: that only ever moves forward.
-- The turn ends for its owner alone: where the lease has lapsed, another may be sending the same.
local function end_turn(lock, sent)
  local subject = K.latest .. lock[1]
  local known = redis.call('HMGET', subject, 'at', 'by')
  if sent and tonumber(lock[3]) > tonumber(known[1] or 0) then
    redis.call('HSET', subject, 'at', string.format('%.0f', lock[3]))
    redis.call('EXPIRE', subject, K.latest_ttl_s)
  end
  if owned and known[2] == lock[2] then redis.call('HDEL', subject, 'by', 'until') end
end

for i = 1, #outcomes do
  local lock = outcomes[i][3]
  if type(lock) == 'table' then end_turn(lock, outcomes[i][2] == 'sent') end
end

if is_gone then return { -1, '' } end

-- The channel's breaker. What was under way when it opened, and fails afterwards, says nothing new.
local function state_after(feedback)
  local key = K.channel .. feedback[1]
  local known = redis.call('HMGET', key, 'failures', 'opened', 'open_until_ms', 'paused_since_ms')
  local failures, opened, until_ms = tonumber(known[1] or 0), tonumber(known[2] or 0), moment(known[3])
  if feedback[5] and (failures > 0 or until_ms > 0) then
    redis.call('HDEL', key, 'failures', 'opened', 'open_until_ms', 'probe_until_ms', 'probe_job')
    failures, opened, until_ms = 0, 0, 0
  end
  if feedback[6] > 0 and until_ms <= now then
    failures = failures + feedback[6]
    redis.call('SADD', K.channels, feedback[1])
    redis.call('HSET', key, 'failures', failures)
    if until_ms > 0 or failures >= feedback[2] then
      until_ms = now + math.min(feedback[4], feedback[3] * 2 ^ math.min(opened, 30))
      redis.call('HSET', key, 'opened', opened + 1, 'open_until_ms', string.format('%.0f', until_ms))
      redis.call('HDEL', key, 'probe_until_ms', 'probe_job')
    end
  end
  if known[4] then return 'paused' end
  return until_ms == 0 and 'closed' or until_ms > now and 'open' or 'half-open'
end

local changes = { sent = 0, skipped = 0, dead = 0, retry = 0 }
local fresh, died = {}, 0
for i = 1, #outcomes do
  local index, kind = outcomes[i][1], outcomes[i][2]
  if (owned or kind == 'sent') and redis.call('SADD', K.done .. job, index) == 1 then
    fresh[index] = true
    changes[kind] = changes[kind] + 1
    local letter = letters[tostring(index)]
    if letter then died = died + add_dead_letter(letter) end
  end
end

for i = 1, #retries do
  local retry, elsewhere = retries[i], {}
  for place = 1, #retry[4] do
    if not fresh[retry[4][place]] then elsewhere[#elsewhere + 1] = place - 1 end
  end
  if #elsewhere < #retry[4] then
    enqueue(retry[1], ARGV[retry[3]], retry[2])
    if #elsewhere > 0 then redis.call('SADD', K.done .. retry[1], unpack(elsewhere)) end
  end
end

count({
  sent = changes.sent, skipped = changes.skipped, dead = changes.dead,
  waiting = -(changes.sent + changes.skipped + changes.dead), retried = changes.retry,
  died = died,
})
local open = size - redis.call('SCARD', K.done .. job)
if open <= 0 then finish(job) end
return { open, plan[7] and state_after(plan[7]) or '' }
